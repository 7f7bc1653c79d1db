#!/usr/bin/env python3
"""Write ../data/reference/rle.txt: COCO run-length codes by pycocotools of masks that integer formulae make.

A line is `kind width height code`. Kinds: 0 empty, 1 full, 2 the top-left pixel, 3 all but the top-left pixel, 4 the `pattern` of pictures.py (red) above 127,
5 a disc of radius min(w, h) / 3 around the centre, 6 columns in turn.
"""
import pathlib

import numpy as np
from pycocotools import mask as coco

import pictures

SIZES = [(1, 1), (1, 7), (7, 1), (5, 4), (64, 48), (33, 131), (640, 427), (1500, 3)]


def make(kind, w, h):
    y, x = np.mgrid[0:h, 0:w]
    if kind == 0:
        return np.zeros((h, w), bool)
    if kind == 1:
        return np.ones((h, w), bool)
    if kind in (2, 3):
        corner = np.zeros((h, w), bool)
        corner[0, 0] = True
        return corner if kind == 2 else ~corner
    if kind == 4:
        return pictures.pattern(w, h)[:, :, 0] > 127
    if kind == 5:
        return (x - w // 2) ** 2 + (y - h // 2) ** 2 < (min(w, h) // 3) ** 2
    return x % 2 == 1


def main():
    out = pathlib.Path(__file__).parent.parent / "data" / "reference" / "rle.txt"
    lines = []
    for w, h in SIZES:
        for kind in range(7):
            if kind == 4 and w * h > 64 * 64:
                continue  # long codes
            code = coco.encode(np.asfortranarray(make(kind, w, h).astype(np.uint8)))["counts"].decode()
            lines.append(f"{kind} {w} {h} {code}\n")
    out.write_text("".join(lines))


if __name__ == "__main__":
    main()
