#!/usr/bin/env python3
"""Times automatic masks: the official generator in PyTorch between two runs of `sam2 bench --auto`.

    python bench/peers/auto.py [--program build/release/apps/cli/sam2] [--model sam2.1_t] [--precisions bf16] [--picture FILE]

32 x 32 points, nothing filtered by its scores: 3072 masks as run lengths, of which boxes suppress some at the end; a picture of 1800 x 1200 that is made up unless one is given. From the picture's bytes on
either side. One run of PyTorch: minutes. Prints a Markdown table.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def ours(args, weights, picture, precision):
    """Seconds, the median of three runs."""
    command = [args.program, "bench", "-m", weights, "-i", picture, "--auto", "--runs", "3", "--precision", precision, "--threads", str(args.threads), "--json", "-"]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("our own run failed: " + done.stderr)
    return json.loads(done.stdout)["results"][0]["auto_ms"] / 1e3


def theirs(args, weights, picture, precision):
    """Seconds of one run, and how many masks it gave."""
    import numpy as np
    import torch
    from PIL import Image
    from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator
    from sam2.build_sam import build_sam2

    release, size = args.model.split("_")
    torch.set_num_threads(args.threads)
    model = build_sam2(f"configs/{release}/{release}_hiera_{size}.yaml", weights, device="cpu").eval()
    generator = SAM2AutomaticMaskGenerator(model, pred_iou_thresh=0.0, stability_score_thresh=0.0, output_mode="coco_rle")
    pixels = np.array(Image.open(picture).convert("RGB"))
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        generator.predictor.set_image(pixels)  # once, not counted
        start = time.perf_counter()
        records = generator.generate(pixels)
        return time.perf_counter() - start, len(records)


def make_picture(path):
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[:1200, :1800]
    noise = np.random.default_rng(0).integers(0, 16, (1200, 1800, 3))
    picture = np.stack([60 + x // 12, 80 + y // 10, 100 + (x + y) // 24], 2) + noise
    picture[(x - 900) ** 2 + (y - 600) ** 2 < 300**2] //= 2
    Image.fromarray(picture.astype(np.uint8)).save(path)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", default=os.path.join(ROOT, "build/release/apps/cli/sam2"))
    ap.add_argument("--model", default="sam2.1_t")
    ap.add_argument("--precisions", default="bf16")
    ap.add_argument("--picture")
    ap.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = ap.parse_args()
    print("| model | precision | PyTorch, s | masks at the end | ours before, after | PyTorch / ours |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as tmp:
        weights, picture = os.path.join(tmp, "w.pt"), args.picture or os.path.join(tmp, "made.png")
        if not args.picture:
            make_picture(picture)
        subprocess.run([args.program, "synth", args.model, weights, "-q"], check=True)
        for precision in args.precisions.split(","):
            before = ours(args, weights, picture, precision)
            other, count = theirs(args, weights, picture, precision)
            after = ours(args, weights, picture, precision)
            print(f"| {args.model} | {precision} | {other:.1f} | {count} | {before:.1f}, {after:.1f} | {2 * other / (before + after):.1f} |", flush=True)


if __name__ == "__main__":
    main()
