"""Of discs that pass behind a wall (`sam2-scene --clip wall`), how many are found again: figures of other clips do not show when training unlearns it.

    python walls.py WEIGHTS --program build/release/apps/cli/sam2 --scenes build/release/apps/media/sam2-scene [--seeds 16]
"""
import argparse
import json
import os
import subprocess
import tempfile

import cv2

from eval import iou
from program import VideoProgram


def disc(a, tracker, seed):
    """IoU of the frames on which all or nothing is to be seen: before, meanwhile (1 where nothing is marked), after."""
    with tempfile.TemporaryDirectory() as folder:
        frames, labels, notes = (os.path.join(folder, n) for n in ("frames", "labels", "notes.json"))
        subprocess.run([a.scenes, str(seed), "512", "512", frames, "--clip", "wall", "--json", notes, "--labels", labels], check=True)
        with open(notes) as f:
            shape = json.load(f)["shapes"][0]
        masks = tracker.follow(frames, points=[shape["point"]], labels=[1])
        truths = [cv2.imread(os.path.join(labels, n), cv2.IMREAD_UNCHANGED) == 1 for n in sorted(os.listdir(labels))]
    hidden = [i for i, t in enumerate(truths) if not t.any()]
    most = max(t.sum() for t in truths)
    whole = [i for i, t in enumerate(truths) if t.sum() > 0.95 * most]
    mean = lambda frames: sum(iou(masks[i], truths[i]) for i in frames) / len(frames) if frames else 1.0
    return mean([i for i in whole if i < hidden[0]]), mean(hidden), mean([i for i in whole if i > hidden[-1]])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("weights")
    ap.add_argument("--program", required=True)
    ap.add_argument("--scenes", required=True, help="the program sam2-scene")
    ap.add_argument("--seeds", type=int, default=16)
    a = ap.parse_args()
    tracker, found = VideoProgram(a.program, a.weights, 512, "f32"), 0
    for seed in range(1, a.seeds + 1):
        before, gone, after = disc(a, tracker, seed)
        found += after > 0.85
        print(f"{seed:3d}  before {before:.3f}  nothing marked while hidden {gone:.2f}  after {after:.3f}", flush=True)
    print(f"{found} of {a.seeds} found again")


if __name__ == "__main__":
    main()
