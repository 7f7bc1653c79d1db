"""Samples as the trainer takes them: soft masks of half the side, a click and a box for each."""
import cv2
import numpy as np


def click(rng, mask):
    """A pixel of the mask: anywhere, rather inside, or in the middle."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    ys, xs = np.nonzero(distance > rng.choice([0.0, 0.3, 0.7, 0.95]) * distance.max())
    i = rng.integers(len(ys))
    return xs[i] + 0.5, ys[i] + 0.5


def soft(mask):
    S = len(mask)
    return cv2.resize(mask.astype(np.uint8) * 255, (S // 2, S // 2), interpolation=cv2.INTER_AREA)


def corners(mask):
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    return x, y, x + w, y + h


def choose(rng, masks, count):
    """`count` of the masks, each once before any twice."""
    picked = rng.permutation(len(masks))[:count]
    picked = np.concatenate([picked, rng.integers(len(masks), size=count - len(picked))]).astype(int)
    rng.shuffle(picked)
    return [masks[i] for i in picked]


def image_sample(maker, S, prompts, least, photographs):
    """Picture [S, S, 3], soft masks [prompts, S/2, S/2], clicks [prompts, 2], boxes [prompts, 4]."""
    picture, masks = maker.image(S, least, photographs)
    masks = choose(maker.r, masks, prompts)
    points = np.array([click(maker.r, m) for m in masks], np.float32)
    return picture, np.stack([soft(m) for m in masks]), points, np.array([corners(m) for m in masks], np.float32)


def clip_sample(maker, S, frames, objects, least):
    """Frames [T, S, S, 3], soft masks [T, objects, S/2, S/2]; clicks and boxes on the first frame."""
    while True:
        film, masks = maker.clip(S, frames)
        if maker.r.random() < 0.5:
            film, masks = film[::-1], [m[::-1] for m in masks]
        masks = [m for m in masks if m[0].sum() >= max(40, 1.7 * least * S * S)]
        if masks:
            break
    masks = choose(maker.r, masks, objects)
    points = np.array([click(maker.r, m[0]) for m in masks], np.float32)
    softened = np.stack([np.stack([soft(m[t]) for m in masks]) for t in range(frames)])
    return np.ascontiguousarray(film), softened, points, np.array([corners(m[0]) for m in masks], np.float32)
