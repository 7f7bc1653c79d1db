"""The pictures of docs/MICRO.md: what the model makes of held-out pictures and clips, good and bad in the share in which they come.

    python card.py WEIGHTS FOLDER [--seed 4242]

micro_images.png: clicks (first row) and boxes (second row) on made pictures, at even distances from the best to the worst IoU; third row: photographs, chosen by
hand. micro_clips.png: the clip at the upper quartile, at the median and at the lower quartile of J from a click.
"""
import argparse
import os

import cv2
import numpy as np
import torch
from PIL import Image

import eval as measure
import model
import pictures
from datagen import Maker

TILE, ACROSS = 152, 6
PICTURES, CLIPS = 36, 12
# On the held-out photographs at 512 x 512, clicks and boxes: the cup, its coffee, the spoon, the saucer; the man, his coat.
BY_HAND = (
    ("coffee", (250, 150, 250, 150)),
    ("coffee", (130, 60, 400, 330)),
    ("coffee", (420, 380, 420, 380)),
    ("coffee", (60, 40, 460, 470)),
    ("camera", (190, 220, 190, 220)),
    ("camera", (85, 60, 350, 490)),
)


def overlay(picture, mask, prompt, text):
    out = picture.copy()
    out[mask] = (0.5 * out[mask] + 0.5 * np.array((30, 144, 255))).astype(np.uint8)
    out[cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((5, 5))) > 0] = (255, 255, 0)
    if prompt is not None and len(prompt) == 2:
        cv2.circle(out, (int(prompt[0]), int(prompt[1])), 11, (255, 0, 0), -1)
    elif prompt is not None:
        cv2.rectangle(out, (int(prompt[0]), int(prompt[1])), (int(prompt[2]), int(prompt[3])), (0, 255, 0), 4)
    out = cv2.resize(out, (TILE, TILE), interpolation=cv2.INTER_AREA)
    width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)[0][0]
    out[:18, : width + 8] = 0
    cv2.putText(out, text, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
    return out


def spread(found, count):
    """`count` of (IoU, …) at even distances from the best to the worst."""
    found = sorted(found, key=lambda f: -f[0])
    return [found[i] for i in np.linspace(0, len(found) - 1, count).round().astype(int)]


def answer(predictor, prompt):
    """The mask for a click, chosen by predicted IoU, or for a box; and the predicted IoU."""
    if len(prompt) == 2:
        masks, scores, _ = predictor.predict(np.array([prompt]), np.array([1]))
        return masks[int(scores.argmax())] > 0, float(scores.max())
    masks, scores, _ = predictor.predict(box=np.array(prompt, np.float32), multimask_output=False)
    return masks[0] > 0, float(scores[0])


def images(weights, seed):
    predictor = model.image_predictor(weights)
    maker = Maker(pictures.load(held=True), seed)
    found = {2: [], 4: []}
    for _ in range(PICTURES):
        picture, truths = maker.image(model.SIZE, measure.LEAST_ON_IMAGE)
        truth = truths[int(maker.r.integers(len(truths)))]
        predictor.set_image(picture)
        for prompt in (measure.centre(truth), measure.box_of(truth).tolist()):
            mask, _ = answer(predictor, prompt)
            found[len(prompt)].append((measure.iou(mask, truth), picture, mask, prompt))
    rows = [[overlay(p, m, q, f"IoU {v:.2f}") for v, p, m, q in spread(found[k], ACROSS)] for k in (2, 4)]
    rows.append([])
    for name, (x0, y0, x1, y1) in BY_HAND:
        picture = pictures.read(pictures.HELD[name][0])
        picture = cv2.resize(picture, (model.SIZE, model.SIZE), interpolation=cv2.INTER_AREA)
        predictor.set_image(picture)
        prompt = [x0, y0] if (x0, y0) == (x1, y1) else [x0, y0, x1, y1]
        mask, score = answer(predictor, prompt)
        rows[-1].append(overlay(picture, mask, prompt, f"predicted {score:.2f}"))
    return rows


def clips(weights, seed):
    predictor = model.video_predictor(weights)
    maker = Maker(pictures.load(held=True), seed)
    found = []
    for _ in range(CLIPS):
        frames, truth = maker.film(model.SIZE, measure.FRAMES, measure.LEAST_ON_CLIP)
        masks = measure.track(predictor, frames, measure.prompts_of(truth[0])["click"])
        each = [measure.iou(m, t) for m, t in zip(masks, truth)]
        J = np.mean([v for v, t in list(zip(each, truth))[1:] if t.any()])
        found.append((J, frames, masks, each, measure.centre(truth[0])))
    shown = np.linspace(0, measure.FRAMES - 1, ACROSS).round().astype(int)
    picked = [sorted(found, key=lambda f: -f[0])[int(CLIPS * q)] for q in (0.25, 0.5, 0.75)]
    return [[overlay(f[i], m[i], at if i == 0 else None, f"{i}: {v[i]:.2f}") for i in shown] for _, f, m, v, at in picked]


def write(path, rows):
    """With a palette: photographs in full colour would be four times as large."""
    sheet = np.concatenate([np.concatenate(row, 1) for row in rows], 0)
    Image.fromarray(sheet).quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path, os.path.getsize(path), "bytes")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("weights")
    ap.add_argument("folder")
    ap.add_argument("--seed", type=int, default=4242)
    a = ap.parse_args()
    torch.set_num_threads(1)
    measure.quiet()
    write(os.path.join(a.folder, "micro_images.png"), images(a.weights, a.seed))
    write(os.path.join(a.folder, "micro_clips.png"), clips(a.weights, a.seed + 1))


if __name__ == "__main__":
    main()
