"""Held-out figures of a model through the official predictors: new seeds, and pictures (pictures.HELD) that training does not use.

    python eval.py WEIGHTS --seed N [--images 60] [--clips 40] [--size 512] [--out figures.json] [--program build/release/apps/cli/sam2]

With --program the same is asked of our own program, in float32 unless --precision says otherwise. The seeds 90001 (to choose by) and those of the model card were never given to train.py. Time on one core: about a second a mask and ten seconds a clip.
"""
import argparse
import json
import os
import shutil
import tempfile
import time
import warnings

import cv2
import numpy as np
import torch

import model
import pictures
from datagen import Maker
from program import ImageProgram, VideoProgram

FRAMES = 16
LEAST_ON_IMAGE, LEAST_ON_CLIP = 0.0015, 0.004  # smallest objects, as a share of the picture


def iou(a, b):
    union = (a | b).sum()
    return 1.0 if union == 0 else float((a & b).sum() / union)


def centre(mask):
    """The pixel of a mask that is farthest from its border, (x, y)."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return [float(x), float(y)]


def box_of(mask):
    ys, xs = np.nonzero(mask)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], np.float32)


def corrected(predictor, truth, masks, scores, logits):
    """IoU after two more clicks, each into the middle of the larger kind of error."""
    points, labels = [centre(truth)], [1]
    best = int(scores.argmax())
    current, previous = masks[best], logits[best][None]
    for _ in range(2):
        missed, wrong = truth & ~current, current & ~truth
        error = missed if missed.sum() >= wrong.sum() else wrong
        if error.any():
            points.append(centre(error))
            labels.append(int(truth[int(points[-1][1]), int(points[-1][0])]))
        m, _, previous = predictor.predict(np.array(points), np.array(labels), mask_input=previous, multimask_output=False)
        current = m[0] > 0
    return iou(current, truth)


def on_images(predictor, size, count, seed):
    maker = Maker(pictures.load(held=True), seed)
    found = {k: [] for k in ("click_best_of_3", "click_chosen", "click_single", "three_clicks", "box")}
    for _ in range(count):
        picture, truths = maker.image(size, LEAST_ON_IMAGE)
        predictor.set_image(picture)
        for i in maker.r.permutation(len(truths))[:3]:
            truth = truths[i]
            click = dict(point_coords=np.array([centre(truth)]), point_labels=np.array([1]))
            m, scores, logits = predictor.predict(**click)
            m = m > 0
            each = [iou(one, truth) for one in m]
            found["click_best_of_3"].append(max(each))
            found["click_chosen"].append(each[int(scores.argmax())])
            one, _, _ = predictor.predict(**click, multimask_output=False)
            found["click_single"].append(iou(one[0] > 0, truth))
            found["three_clicks"].append(corrected(predictor, truth, m, scores, logits))
            one, _, _ = predictor.predict(box=box_of(truth), multimask_output=False)
            found["box"].append(iou(one[0] > 0, truth))
    error = {k: float(np.std(v) / max(len(v), 1) ** 0.5) for k, v in found.items()}
    return {k: round(float(np.mean(v)), 4) for k, v in found.items()} | {"masks": len(found["box"]), "standard_error": round(max(error.values()), 4)}


def track(predictor, frames, prompt):
    """One object's masks, [frames] of [height, width]."""
    folder = tempfile.mkdtemp()
    try:
        for i, f in enumerate(frames):
            cv2.imwrite(f"{folder}/{i:05d}.jpg", f[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        if isinstance(predictor, VideoProgram):
            return predictor.follow(folder, **prompt)
        with torch.inference_mode():
            state = predictor.init_state(folder)
            predictor.add_new_points_or_box(state, 0, 1, **prompt)
            return [(logits[0, 0] > 0).numpy() for _, _, logits in predictor.propagate_in_video(state)]
    finally:
        shutil.rmtree(folder)


def prompts_of(mask):
    return {"click": dict(points=np.array([centre(mask)], np.float32), labels=np.array([1], np.int32)), "box": dict(box=box_of(mask))}


def on_clips(predictor, size, count, seed):
    """J of the frames after the first on which the object is to be seen; once from a click and once from a box."""
    maker = Maker(pictures.load(held=True), seed)
    J, first, last, present, still = {"click": [], "box": []}, {"click": [], "box": []}, {"click": [], "box": []}, [], []
    for _ in range(count):
        frames, truth = maker.film(size, FRAMES, LEAST_ON_CLIP)
        seen = [i for i in range(1, FRAMES) if truth[i].any()]
        still.append(np.mean([iou(truth[0], truth[i]) for i in seen]))
        for kind, prompt in prompts_of(truth[0]).items():
            masks = track(predictor, frames, prompt)
            each = [iou(masks[i], truth[i]) for i in seen]
            J[kind].append(np.mean(each))
            first[kind].append(iou(masks[0], truth[0]))
            last[kind].append(each[-1])
            present += [float(masks[i].any() == truth[i].any()) for i in range(1, FRAMES)]
    mean = lambda values: round(float(np.mean(values)), 4)
    out = {k: {"J": mean(J[k]), "first": mean(first[k]), "last": mean(last[k]), "standard_error": round(float(np.std(J[k]) / count**0.5), 4)} for k in J}
    return out | {"present_or_absent_right": mean(present), "first_true_mask_kept_J": mean(still), "clips": count}


def quiet():
    """The official predictor draws a progress bar for every clip."""
    import functools

    import tqdm

    import sam2.sam2_video_predictor
    import sam2.utils.misc

    silent = functools.partial(tqdm.tqdm, disable=True)
    sam2.sam2_video_predictor.tqdm = sam2.utils.misc.tqdm = silent
    warnings.filterwarnings("ignore")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("weights", help=".safetensors, or a checkpoint of train.py")
    ap.add_argument("--seed", type=int, required=True)
    ap.add_argument("--images", type=int, default=60)
    ap.add_argument("--clips", type=int, default=40)
    ap.add_argument("--size", type=int, default=model.SIZE)
    ap.add_argument("--out")
    ap.add_argument("--program", help="our own program, in place of the official predictors")
    ap.add_argument("--precision", default="f32", help="of --program")
    a = ap.parse_args()
    torch.set_num_threads(1)
    quiet()
    figures = {"weights": os.path.basename(a.weights), "seed": a.seed, "size": a.size, "by": f"sam2, {a.precision}" if a.program else "official predictors"}
    ours = (a.program, a.weights, a.size, a.precision)
    start = time.time()
    if a.images:
        figures["images"] = on_images(ImageProgram(*ours) if a.program else model.image_predictor(a.weights, a.size), a.size, a.images, a.seed)
        print(json.dumps(figures["images"]), flush=True)
    if a.clips:
        figures["clips"] = on_clips(VideoProgram(*ours) if a.program else model.video_predictor(a.weights, a.size), a.size, a.clips, a.seed + 1)
        print(json.dumps(figures["clips"]), flush=True)
    figures["seconds"] = round(time.time() - start)
    if a.out:
        with open(a.out, "w") as f:
            json.dump(figures, f, indent=1)


if __name__ == "__main__":
    main()
