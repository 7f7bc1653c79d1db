#!/usr/bin/env python3
"""Times a frame of a video at full memory: the official video predictor in PyTorch between two runs of `sam2 track`.

    python bench/peers/track.py [--program build/release/apps/cli/sam2] [--model sam2.1_t] [--objects 1,4]

Frames are made up (1280 x 720, moving discs). A frame counts from the tenth on, when all memories are there; ours from the
picture's file to the mask, PyTorch's from a tensor that is ready to full-size logits. Prints a Markdown table.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

FIRST = 9  # frames before it are not counted
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def place(number, frame):
    """The middle of a disc."""
    return 200 + 250 * number + 6 * frame, 200 + 90 * number + 3 * frame


def make_frames(folder, count, objects):
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[:720, :1280]
    for t in range(count):
        frame = np.stack([60 + x // 16, 80 + y // 10, 100 + (x + y) // 24], 2).astype(np.uint8)
        for k in range(objects):
            cx, cy = place(k, t)
            frame[(x - cx) ** 2 + (y - cy) ** 2 < 80**2] = (220 - 40 * k, 60 + 40 * k, 50)
        Image.fromarray(frame).save(os.path.join(folder, f"{t:05d}.jpg"), quality=95)


def ours(args, weights, folder, objects, precision):
    """Seconds of each frame that counts."""
    command = [args.program, "track", "-m", weights, "-i", folder, "--precision", precision, "--threads", str(args.threads)]
    for k in range(objects):
        command += ["--prompt", "%d:0:point:%d,%d" % (k + 1, *place(k, 0))]
    done = subprocess.run(command + ["--progress", "json", "-q"], check=False, stderr=subprocess.PIPE, text=True)
    at = [json.loads(line)["seconds"] for line in done.stderr.splitlines() if line.startswith("{")]
    if len(at) < args.frames:
        sys.exit("our own run failed: " + done.stderr)
    return [b - a for a, b in zip(at, at[1:])][FIRST - 1 :]


def theirs(args, weights, folder, objects, precision):
    import torch
    from sam2.build_sam import build_sam2_video_predictor

    name = {"t": "t", "s": "s", "b+": "b+", "l": "l"}[args.model.split("_")[1]]
    release = "sam2.1" if args.model.startswith("sam2.1") else "sam2"
    torch.set_num_threads(args.threads)
    model = build_sam2_video_predictor(f"configs/{release}/{release}_hiera_{name}.yaml", weights, device="cpu")
    times = []
    cast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")
    with torch.inference_mode(), cast:
        state = model.init_state(folder)
        for k in range(objects):
            model.add_new_points_or_box(state, 0, k + 1, points=[place(k, 0)], labels=[1])
        start = time.perf_counter()
        for _ in model.propagate_in_video(state):
            now = time.perf_counter()
            times.append(now - start)
            start = now
    return times[FIRST:]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", default=os.path.join(ROOT, "build/release/apps/cli/sam2"))
    ap.add_argument("--model", default="sam2.1_t")
    ap.add_argument("--objects", default="1,4")
    ap.add_argument("--precisions", default="bf16")
    ap.add_argument("--frames", type=int, default=14)
    ap.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = ap.parse_args()
    print("| model | objects | precision | PyTorch, ms a frame | ours before, after | PyTorch / ours |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as tmp:
        weights, folder = os.path.join(tmp, "w.pt"), os.path.join(tmp, "frames")
        os.mkdir(folder)
        counts = [int(n) for n in args.objects.split(",")]
        make_frames(folder, args.frames, max(counts))
        subprocess.run([args.program, "synth", args.model, weights, "-q"], check=True)
        for precision in args.precisions.split(","):
            for n in counts:
                before = statistics.median(ours(args, weights, folder, n, precision))
                other = statistics.median(theirs(args, weights, folder, n, precision))
                after = statistics.median(ours(args, weights, folder, n, precision))
                mine = (before + after) / 2
                print(f"| {args.model} | {n} | {precision} | {1e3 * other:.0f} | {1e3 * before:.0f}, {1e3 * after:.0f} | {other / mine:.2f} |", flush=True)


if __name__ == "__main__":
    main()
