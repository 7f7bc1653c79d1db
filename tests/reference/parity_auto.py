#!/usr/bin/env python3
"""`sam2 auto` against the official automatic mask generator: the same weights, picture and options; the same records in the same order.

    python parity_auto.py --program build/apps/cli/sam2 --pictures groceries.jpg,cars.jpg --cache DIR [--model sam2.1_t] [--seeds 0,3] [--cases plain,…]
                          [--weights micro.safetensors] [--official-only] [--own-noise 3] [--threads N]

Stand-in weights make masks that are noise, all of the picture's size: thresholds are such that a part of them is left, and boxes suppress nothing. Masks of
the trained small model (--weights) are real ones, and suppress each other.

Records are paired by their prompts. A record may be missing on one side where its scores lie within --near of a threshold, and two may change places
where their scores are as near. Exits 1 when a limit is passed or the program fails.
"""
import argparse
import contextlib
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np

import auto
import parity

NOISE = dict(stability_score_offset=0.1, box_nms_thresh=1.0, crop_nms_thresh=1.0)
CASES = {
    "plain": dict(points_per_side=16, pred_iou_thresh=0.55, stability_score_thresh=0.6, **NOISE),
    "all": dict(points_per_side=4, pred_iou_thresh=0.0, stability_score_thresh=0.0, **NOISE),
    "crops": dict(points_per_side=8, crop_n_layers=1, crop_n_points_downscale_factor=2, pred_iou_thresh=0.5, stability_score_thresh=0.5, **NOISE),
    "m2m": dict(points_per_side=6, use_m2m=True, pred_iou_thresh=0.4, stability_score_thresh=0.3, **NOISE),
    "single": dict(points_per_side=16, multimask_output=False, pred_iou_thresh=0.5, stability_score_thresh=0.5, **NOISE),
    "threshold": dict(points_per_side=8, mask_threshold=0.25, pred_iou_thresh=0.5, stability_score_thresh=0.4, **NOISE),
    "regions": dict(points_per_side=6, min_area=50, pred_iou_thresh=0.5, stability_score_thresh=0.4, **NOISE),
}
TRAINED = {
    "defaults": dict(points_per_side=16),
    "thirty_two": dict(points_per_side=32, pred_iou_thresh=0.6, stability_score_thresh=0.8),
    "all": dict(points_per_side=8, pred_iou_thresh=0.0, stability_score_thresh=0.0),
    "crops": dict(points_per_side=16, crop_n_layers=1, crop_n_points_downscale_factor=2, pred_iou_thresh=0.5, stability_score_thresh=0.7),
    "m2m": dict(points_per_side=12, use_m2m=True, pred_iou_thresh=0.5, stability_score_thresh=0.7),
    "single": dict(points_per_side=16, multimask_output=False, pred_iou_thresh=0.5, stability_score_thresh=0.7),
    "regions": dict(points_per_side=12, min_area=100, pred_iou_thresh=0.5, stability_score_thresh=0.7),
}


def official_records(args, picture, seed, name, case, pixels, change=""):
    """`change`: "own", added in another order; a number, with features off by the 6e-7 that the official ones are from float64, by that seed."""
    key = hashlib.sha1(json.dumps([case, hashlib.sha1(pixels.tobytes()).hexdigest()], sort_keys=True).encode()).hexdigest()[:10]
    label = os.path.splitext(os.path.basename(args.weights))[0] if args.weights else f"{args.model}-seed{seed}"
    path = os.path.join(args.cache, f"{label}-{os.path.basename(picture)}-{name}{change and '-'}{change}-{key}.json.gz")
    if os.path.exists(path):
        with gzip.open(path, "rt") as f:
            return json.load(f)
    if (args.model, seed) not in args.modules:
        args.modules[args.model, seed] = auto.load(args.model, seed, args.weights)
    module = args.modules[args.model, seed]
    with parity.another_order() if change == "own" else parity.moved_features(module.image_encoder, int(change), 6e-7) if change else contextlib.nullcontext():
        records = auto.generate(module, pixels, **case)
    part = f"{path}.{os.getpid()}.part"
    with gzip.open(part, "wt") as f:
        json.dump(records, f, default=float)
    os.replace(part, path)
    return records


def options(case):
    out = []
    for name, value in case.items():
        if name == "multimask_output":
            out += [] if value else ["--no-multimask-output"]
        elif name == "min_area":
            out += ["--min-mask-region-area", str(value)]
        elif name in auto.FLAGS:
            out += ["--" + name.replace("_", "-")] if value else []
        else:
            out += ["--" + name.replace("_", "-"), repr(value)]
    return out


def our_records(args, weights, picture, case):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.json")
        command = [args.program, "auto", "-q", "-m", weights, "-i", picture, "-o", out, "--precision", args.precision] + options(case)
        if args.threads:
            command += ["--threads", str(args.threads)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in (0, 5):
            raise SystemExit(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr}")
        with open(out) as f:
            return json.load(f)["annotations"]


def near_threshold(record, case, near):
    """Whether a filter may have decided by rounding."""
    at = case.get("pred_iou_thresh", 0.8), case.get("stability_score_thresh", 0.95)
    return abs(record["predicted_iou"] - at[0]) < near or abs(record["stability_score"] - at[1]) < 20 * near


def differences(pairs):
    """The least IoU, and how far apart the scores are at most."""
    return min((auto.mask_iou(a, b) for _, a, b in pairs), default=1.0), *(
        max((abs(a[k] - b[k]) for _, a, b in pairs), default=0.0) for k in ("predicted_iou", "stability_score")
    )


def compare(args, label, ours, theirs, case, own):
    pairs, extra, missing = auto.match(ours, theirs)
    least, score, stability = differences(pairs)
    boxes = max((max(np.abs(np.subtract(a["bbox"], b["bbox"]))) for _, a, b in pairs), default=0.0)
    unexplained = [r for r in extra + missing if not near_threshold(r, case, args.near)]
    swapped, places = auto.swaps(pairs, theirs) if not extra and not missing else (0.0, 0)
    good = len(unexplained) <= args.unexplained * len(theirs) and swapped <= args.near
    near, note = good and least >= args.iou and score <= args.score and stability <= args.stability, ""
    if args.own_noise and not near:
        apart, swapped_own = (1.0, 0.0, 0.0), 0.0
        for change in ("own", "1", "2"):
            pairs, extra_own, missing_own = auto.match(own(change), theirs)
            here = differences(pairs)
            apart = min(apart[0], here[0]), max(apart[1], here[1]), max(apart[2], here[2])
            swapped_own = max(swapped_own, auto.swaps(pairs, theirs)[0] if not extra_own and not missing_own else 0.0)
        near = len(unexplained) <= args.unexplained * len(theirs) and swapped <= max(args.near, args.own_noise * swapped_own)
        near = near and 1 - least <= max(1 - args.iou, args.own_noise * (1 - apart[0]))
        near = near and score <= max(args.score, args.own_noise * apart[1]) and stability <= max(args.stability, args.own_noise * apart[2])
        note = f"; official against itself: least IoU {apart[0]:.5f}, iou {apart[1]:.1e}, stability {apart[2]:.1e}, swapped {swapped_own:.1e}"
    print(
        f"{'FAIL' if not near else '~   ' if note else 'ok  '} {label:44s} {len(ours):5d} of {len(theirs):5d}, +{len(extra)} -{len(missing)} ({len(unexplained)} not near a threshold), "
        f"least IoU {least:.5f}, iou {score:.1e}, stability {stability:.1e}, box {boxes:g}, other places {places} ({swapped:.1e}){note}",
        flush=True,
    )
    return near


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program")
    ap.add_argument("--pictures", required=True)
    ap.add_argument("--cache", required=True)
    ap.add_argument("--model", default="sam2.1_t")
    ap.add_argument("--seeds", default="0,3")
    ap.add_argument("--cases")
    ap.add_argument("--weights", help="a .safetensors with its configuration, in place of stand-in weights")
    ap.add_argument("--precision", default="f32")
    ap.add_argument("--threads", type=int)
    ap.add_argument("--official-only", action="store_true")
    ap.add_argument("--iou", type=float, default=0.999, help="least IoU of two masks")
    ap.add_argument("--score", type=float, default=1e-4)
    ap.add_argument("--stability", type=float, default=1e-3)
    ap.add_argument(
        "--own-noise", type=float, metavar="N", help="accept (~) what is up to N times as far off as the official code is from itself, adding in another order or with features off by a rounding"
    )
    ap.add_argument("--near", type=float, default=1e-4, help="scores so near to a threshold or to each other may fall on either side")
    ap.add_argument("--unexplained", type=float, default=0.0, help="share of other differences, of masks suppressed by ones that are there on one side alone")
    args = ap.parse_args()
    args.modules = {}
    warnings.filterwarnings("ignore")
    from PIL import Image

    os.makedirs(args.cache, exist_ok=True)
    cases = TRAINED if args.weights else CASES
    if args.model.startswith("sam1"):
        cases = {name: case for name, case in cases.items() if not case.get("use_m2m")}  # SAM 1's generator has none
    good, compared = True, 0
    for picture in args.pictures.split(","):
        pixels = np.array(Image.open(picture).convert("RGB"))
        for seed in [0] if args.weights else map(int, args.seeds.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                weights = args.weights or os.path.join(folder, "weights.safetensors")
                if not args.weights and not args.official_only:
                    subprocess.run([args.program, "synth", args.model, weights, "--seed", str(seed)], check=True)
                for name in args.cases.split(",") if args.cases else cases:
                    theirs = official_records(args, picture, seed, name, cases[name], pixels)
                    if args.official_only:
                        print(os.path.basename(picture), seed, name, len(theirs), flush=True)
                        continue
                    label = f"{os.path.basename(picture)} {'trained' if args.weights else seed} {name}"
                    own = lambda change: official_records(args, picture, seed, name, cases[name], pixels, change)  # noqa: B023
                    good &= compare(args, label, our_records(args, weights, picture, cases[name]), theirs, cases[name], own)
                    compared += 1
    sys.exit(0 if good and (compared or args.official_only) else 1)


if __name__ == "__main__":
    main()
