#!/usr/bin/env python3
"""Compare two dumps (.npz or .safetensors) array by array: relative RMS error, largest error, and mask IoU for boolean arrays.

    python compare.py reference.npz other.npz [--limit NAME=REL …]     exits 1 when a limit is passed or an array is missing

NAME is an array or `*` for all others; the limit of masks is 1 - IoU.
"""
import argparse

import numpy as np

import tensors


def compare(name, a, b):
    if a.dtype == bool or name == "masks":
        a, b = a > 0, b > 0
        union = np.logical_or(a, b).sum()
        return {"iou": 1.0 if union == 0 else float(np.logical_and(a, b).sum() / union)}
    a, b = a.astype(np.float64), b.astype(np.float64)
    rms = np.sqrt(np.mean(a * a)) or 1.0
    return {"rel": float(np.sqrt(np.mean((a - b) ** 2)) / rms), "max": float(np.abs(a - b).max() / rms)}


def load(path):
    """Arrays by name."""
    if path.endswith(".safetensors"):
        return tensors.read(path)[0]
    with np.load(path) as f:
        return {name: f[name] for name in f.files}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("reference")
    ap.add_argument("other")
    ap.add_argument("--limit", action="append", default=[])
    args = ap.parse_args()
    a, b = load(args.reference), load(args.other)
    limits = {k: float(v) for k, v in (s.split("=") for s in args.limit)}
    bad = False
    for name in a:
        if name not in b:
            print(f"{name:16s} missing")
            bad = bad or name in limits or "*" in limits
            continue
        if a[name].shape != b[name].shape:
            print(f"{name:16s} shape {a[name].shape} against {b[name].shape}")
            bad = True
            continue
        r = compare(name, a[name], b[name])
        limit = limits.get(name, limits.get("*"))
        over = limit is not None and (r.get("rel", 1 - r.get("iou", 1)) > limit)
        bad = bad or over
        print(f"{name:16s}", "  ".join(f"{k} {v:.3e}" if k != "iou" else f"iou {v:.5f}" for k, v in r.items()), "  OVER" if over else "")
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
