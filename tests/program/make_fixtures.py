#!/usr/bin/env python3
"""Makes the files in data/: arrays as NumPy writes them, and run lengths as pycocotools writes them. Needs numpy and pycocotools."""
import os

import numpy as np
from pycocotools import mask as coco

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def value(shape):
    """What test_npz.c expects at each place: i / 8 - 3 in C order."""
    return (np.arange(np.prod(shape)) / 8 - 3).reshape(shape)


def pattern(width, height, a, b, c, limit):
    """Inside where (a x + b y + c x y) mod 31 < limit, as test_mask_bytes.c has it."""
    y, x = np.mgrid[:height, :width]
    return ((a * x + b * y + c * x * y) % 31 < limit).astype(np.uint8)


def main():
    os.makedirs(here, exist_ok=True)
    low = value((3, 16, 20))
    arrays = dict(first=np.zeros((2, 2), np.int64), low_res=low.astype(np.float32), masks=low > 0)
    np.savez(os.path.join(here, "plain.npz"), **arrays)
    np.savez_compressed(os.path.join(here, "packed.npz"), **arrays)
    np.savez(os.path.join(here, "other.npz"), logits=low)
    np.savez(os.path.join(here, "whole.npz"), low_res=np.arange(64).reshape(8, 8))
    np.save(os.path.join(here, "double.npy"), value((16, 20)))
    np.save(os.path.join(here, "fortran.npy"), np.asfortranarray(value((16, 20)).astype(np.float32)))
    np.save(os.path.join(here, "line.npy"), value((20,)).astype(np.float32))
    cases = [(1, 1, 0, 0, 0, 0), (1, 1, 0, 0, 0, 31), (7, 5, 1, 1, 0, 15), (64, 3, 3, 5, 1, 10), (65, 40, 7, 13, 2, 3),
             (130, 90, 1, 0, 0, 12), (90, 130, 0, 1, 0, 12), (200, 1, 1, 0, 0, 9), (1, 200, 0, 1, 0, 9), (300, 200, 2, 3, 5, 30)]
    with open(os.path.join(here, "rle.txt"), "w") as out:
        for case in cases:
            mask = pattern(*case)
            rle = coco.encode(np.asfortranarray(mask))
            ys, xs = np.nonzero(mask)
            box = [0, 0, 0, 0] if not len(xs) else [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
            print(*case, int(mask.sum()), *box, rle["counts"].decode(), file=out)


main()
