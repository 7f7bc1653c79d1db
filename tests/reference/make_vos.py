#!/usr/bin/env python3
"""Remakes ../data/vos: small true and predicted masks of made videos, and what the official evaluator of SA-V says of them.

    python make_vos.py --evaluator SAM2_REPOSITORY/sav_dataset/utils/sav_benchmark.py [--out DIR]

Needs numpy, pillow, opencv-python-headless, scikit-image and tqdm. expected.txt has a line for each object, `SET FRAMES VIDEO OBJECT J F`, in percent, where
FRAMES is `inner` (without the first and the last one) or `all`; and for each set one of the means over all objects, with `-` for video and object.
"""
import argparse
import importlib.util
import os
import shutil
import sys
import tempfile

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))


def disc(width, height, x, y, radius):
    v, u = np.mgrid[0:height, 0:width]
    return (u - x) ** 2 + (v - y) ** 2 <= radius**2


def box(width, height, x0, y0, x1, y1):
    v, u = np.mgrid[0:height, 0:width]
    return (u >= x0) & (u < x1) & (v >= y0) & (v < y1)


def grain(width, height, seed, share):
    """Pixels here and there, by a linear congruential generator's own bits."""
    v, u = np.mgrid[0:height, 0:width].astype(np.uint64)
    z = (u * np.uint64(2654435761) + v * np.uint64(40503) + np.uint64(seed) * np.uint64(97)) * np.uint64(6364136223846793005)
    return (z >> np.uint64(40)) % np.uint64(100) < np.uint64(share)


def labels(width, height, *shapes):
    out = np.zeros((height, width), np.uint8)
    for label, shape in shapes:
        out[shape] = label
    return out


def davis():
    """(video, frame): (true, predicted) labels."""
    out = {}
    w, h = 160, 120
    for t in range(5):  # two objects that move, the prediction a little behind
        true = labels(w, h, (1, disc(w, h, 40 + 8 * t, 50, 22)), (2, box(w, h, 90 - 3 * t, 60, 130, 110)))
        out["two", t] = true, labels(w, h, (1, disc(w, h, 38 + 8 * t, 51, 21)), (2, box(w, h, 93 - 3 * t, 63 - t, 128, 108)))
    w, h = 64, 48
    for t in range(7):  # 1 leaves, 2 comes and is predicted before, 3 is only predicted, 4 is never predicted, 5 and 6 are in a skipped frame alone
        true = labels(w, h, (1, disc(w, h, 10, 10, 6 if t < 3 else -1)), (2, disc(w, h, 40, 20, 8 if t > 2 else -1)), (4, box(w, h, 50, 30, 55 if t != 4 else 50, 40)))
        pred = labels(w, h, (1, disc(w, h, 11, 10, 6 if t < 4 else -1)), (2, disc(w, h, 40, 21, 7 if t > 1 else -1)), (3, box(w, h, 0, 40, 5, 48)))
        true[0:2, 60:64] = 5 if t == 0 else 0
        pred[4:6, 60:64] = 6 if t == 6 else 0
        out["coming", t] = true, (pred if t != 5 else np.zeros_like(pred))
    w, h = 33, 21
    shapes = [
        (box(w, h, 0, 0, w, h), box(w, h, 0, 0, w, h)),  # a full picture has no outline
        (box(w, h, 0, 0, w, h), box(w, h, 0, 0, w - 1, h)),
        (box(w, h, 0, 0, 9, h), box(w, h, 0, 0, 10, h - 1)),
        (box(w, h, w - 1, h - 1, w, h), box(w, h, w - 2, h - 2, w, h)),
        (box(w, h, 0, h - 1, w, h), box(w, h, 0, 0, w, 1)),
        (box(w, h, w - 1, 0, w, h), box(w, h, w - 2, 0, w, h)),
        (box(w, h, 0, 0, 1, 1), box(w, h, 3, 3, 4, 4)),
        (box(w, h, 4, 4, 6, 6) | box(w, h, 20, 4, 22, 6), box(w, h, 5, 4, 7, 6)),
        (np.zeros((h, w), bool), box(w, h, 5, 4, 7, 6)),
        (box(w, h, 0, 0, w, h), np.zeros((h, w), bool)),
    ]
    for t, (true, pred) in enumerate(shapes):
        out["borders", t] = labels(w, h, (200, true)), labels(w, h, (200, pred))
    w, h = 400, 300  # 0.008 of the diagonal are 4 pixels exactly
    for t in range(3):
        true, pred = disc(w, h, 200, 150, 90 + 10 * t), disc(w, h, 203, 148, 93 + 9 * t)
        out["large", t] = labels(w, h, (1, true), (2, ~true & grain(w, h, t, 1))), labels(w, h, (1, pred ^ grain(w, h, 10 + t, 3 * t)), (2, ~true & grain(w, h, 5 * t, 1)))
    for t in range(3):  # thin: one pixel high
        out["line", t] = labels(50, 1, (7, box(50, 1, 10, 0, 20 + t, 1))), labels(50, 1, (7, box(50, 1, 12, 0, 25, 1)))
    return out


def sav():
    """(video, object, frame): (true, predicted) masks."""
    out = {}
    w, h = 120, 80
    for t in range(6):
        out["sav_000001", "000", t] = disc(w, h, 30 + 5 * t, 40, 15), disc(w, h, 31 + 5 * t, 40, 14)
        out["sav_000001", "001", t] = box(w, h, 60, 20, 90 if t != 3 else 60, 70), box(w, h, 62, 20, 90 if t < 2 or t == 3 else 62, 69)
        out["sav_000002", "007", t] = disc(w, h, 0, 0, 20 + t), disc(w, h, 0, 0, 25 - t)
    return out


def save(path, mask, kind):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if kind == "1":
        image = Image.fromarray(mask.astype(bool))
    else:
        image = Image.fromarray(mask.astype(np.uint8))
        if kind == "P":
            image.putpalette([v >> k & 1 and 128 or 0 for v in range(256) for k in range(3)])
    image.save(path, optimize=True)


def write(out):
    for (video, t), (true, pred) in davis().items():
        kind = "L" if video == "coming" else "P"
        save(f"{out}/davis/truth/{video}/{t:05d}.png", true, kind)
        save(f"{out}/davis/prediction/{video}/{t:05d}.png", pred, kind)
    for (video, obj, t), (true, pred) in sav().items():
        scale = 255 if obj == "000" else 1
        save(f"{out}/sav/truth/{video}/{obj}/{t * 4:05d}.png", true * scale, "P" if scale == 1 else "L")
        save(f"{out}/sav/prediction/{video}/{obj}/{t * 4:05d}.png", pred * 255, "1" if obj == "007" else "L")
    # Predicted and never asked for: a frame, an object.
    save(f"{out}/sav/prediction/sav_000001/000/00002.png", np.ones((8, 8)), "L")
    save(f"{out}/sav/prediction/sav_000001/002/00000.png", np.ones((8, 8)), "L")


def load(path):
    spec = importlib.util.spec_from_file_location("sav_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its worker processes look for it there
    spec.loader.exec_module(module)
    return module


def evaluate(module, root, name, lines):
    truth, prediction = f"{root}/{name}/truth", f"{root}/{name}/prediction"
    for frames, skip in (("inner", True), ("all", False)):
        all_j, all_f = [], []
        for video in sorted(os.listdir(truth)):
            _, j, f = module.VideoEvaluator(truth, prediction, skip)(video)
            for obj in sorted(j):
                lines.append(f"{name} {frames} {video} {obj} {j[obj]:.17g} {f[obj]:.17g}")
            all_j += j.values()
            all_f += f.values()
        lines.append(f"{name} {frames} - - {np.mean(all_j):.17g} {np.mean(all_f):.17g}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--evaluator", required=True, help="sav_benchmark.py of the official repository")
    ap.add_argument("--out", default=os.path.join(HERE, "..", "data", "vos"))
    args = ap.parse_args()
    module = load(args.evaluator)
    for part in ("davis", "sav"):
        shutil.rmtree(os.path.join(args.out, part), ignore_errors=True)
    write(args.out)
    lines = ["# made by tests/reference/make_vos.py: set, frames, video, object, J, F"]
    for name in ("davis", "sav"):
        evaluate(module, args.out, name, lines)
        # The official summary of the whole set has the same means.
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(f"{args.out}/{name}", f"{folder}/{name}")
            _, j, f, _ = module.benchmark([f"{folder}/{name}/truth"], [f"{folder}/{name}/prediction"], True, 1, verbose=False)
        wanted = [line.split()[4:] for line in lines if line.startswith(f"{name} inner - -")][0]
        assert np.allclose([float(v) for v in wanted], [j[0], f[0]], rtol=0, atol=1e-12)
    with open(os.path.join(args.out, "expected.txt"), "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
