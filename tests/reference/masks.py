#!/usr/bin/env python3
"""The library's tools for masks against pycocotools and OpenCV.

    python masks.py --fixture                                     writes ../data/reference/masks.txt
    python masks.py --library build/src/libsam2.so --count 10000  compares on random masks; exits 1 at the first difference

A line of the fixture: width height a b union intersection area x y w h iou crowd_iou min_area cleaned, where a, b, union, intersection and cleaned are
COCO's compressed run lengths, iou that of a and b (b counted as a crowd in crowd_iou), and cleaned the official remove_small_regions (holes, then islands)
of a; then the number of parts of a and their areas, and of its background, in OpenCV's order.
"""
import argparse
import ctypes as c
import pathlib

import cv2
import numpy as np
from pycocotools import mask as coco
from sam2.utils.amg import remove_small_regions


class Rle(c.Structure):
    _fields_ = [("width", c.c_int), ("height", c.c_int), ("counts", c.c_char_p)]


def encode(mask):
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))


def parts(mask):
    return cv2.connectedComponentsWithStats(mask.astype(np.uint8), 8)[2][1:, -1].tolist()


def cleaned(mask, min_area):
    mask, a = remove_small_regions(mask, min_area, "holes")
    mask, b = remove_small_regions(mask, min_area, "islands")
    return mask.astype(bool), a or b


def made(rng, w, h):
    """Noise of some density, blobs, stripes, or all the same."""
    kind = rng.integers(5)
    if kind == 0:
        return rng.random((h, w)) < rng.random()
    if kind == 1:
        k = int(rng.integers(1, 6)) * 2 + 1
        return cv2.GaussianBlur(rng.random((h, w)).astype(np.float32), (k, k), 0) > 0.5
    if kind == 2:
        y, x = np.mgrid[:h, :w]
        return (x * rng.integers(0, 4) + y * rng.integers(0, 4)) % 7 < 3
    if kind == 3:
        m = np.zeros((h, w), bool)
        for _ in range(4):
            x, y = rng.integers(w), rng.integers(h)
            m[y : y + rng.integers(1, h + 1), x : x + rng.integers(1, w + 1)] ^= True
        return m
    return np.full((h, w), bool(rng.integers(2)))


def case(rng):
    w, h = int(rng.integers(1, 40)), int(rng.integers(1, 40))
    return made(rng, w, h), made(rng, w, h), int(rng.integers(0, 30))


def fixture(path):
    rng, lines = np.random.default_rng(1), []
    for _ in range(150):
        a, b, least = case(rng)
        ra, rb = encode(a), encode(b)
        texts = [r["counts"].decode() for r in (ra, rb, coco.merge([ra, rb]), coco.merge([ra, rb], intersect=True))]
        numbers = [int(coco.area(ra))] + [int(v) for v in coco.toBbox(ra)]
        ious = [repr(float(coco.iou([ra], [rb], [crowd])[0, 0])) for crowd in (0, 1)]
        clean = encode(cleaned(a, least)[0])["counts"].decode()
        lists = [[len(p)] + p for p in (parts(a), parts(~a))]
        lines.append(" ".join(map(str, [a.shape[1], a.shape[0], *texts, *numbers, *ious, least, clean, *lists[0], *lists[1]])))
    path.write_text("\n".join(lines) + "\n")


class Library:
    def __init__(self, path):
        self.lib = c.CDLL(path)

    def text(self, function, *arguments, tail=()):
        """A function that writes a text, asked for its length first."""
        length = c.c_size_t()
        assert function(*arguments, None, c.c_size_t(0), c.byref(length), *tail, None) == 0
        out = c.create_string_buffer(length.value + 1)
        assert function(*arguments, out, c.c_size_t(length.value + 1), c.byref(length), *tail, None) == 0
        return out.value

    def encode(self, mask):
        m = np.ascontiguousarray(mask.astype(np.uint8))
        h, w = m.shape
        return self.text(self.lib.sam2_rle_from_bytes, m.ctypes.data_as(c.c_void_p), c.c_int(w), c.c_int(h), c.c_ssize_t(w))

    def decode(self, rle, shape):
        out = np.empty(shape, np.uint8)
        assert self.lib.sam2_rle_to_bytes(c.byref(rle), c.c_uint8(1), out.ctypes.data_as(c.c_void_p), c.c_ssize_t(shape[1]), None) == 0
        return out.astype(bool)

    def parts(self, rle, inside, shape):
        areas, count, labels = np.empty(4096, np.int64), c.c_size_t(), np.empty(shape, np.int32)
        assert self.lib.sam2_rle_components(c.byref(rle), c.c_int(inside), areas.ctypes.data_as(c.c_void_p), c.c_size_t(4096), c.byref(count), labels.ctypes.data_as(c.c_void_p), c.c_ssize_t(shape[1]), None, None) == 0
        return areas[: count.value].tolist(), labels

    def polygons(self, rle, tolerance=0.0):
        got = []
        visitor = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(c.c_int), c.c_size_t, c.c_int)
        call = visitor(lambda user, xy, n, hole: got.append((np.ctypeslib.as_array(xy, (n, 2)).copy(), hole)))
        assert self.lib.sam2_rle_polygons(c.byref(rle), c.c_double(tolerance), call, None, None, None) == 0
        return got


def filled(polygons, shape):
    """Pixels whose centre is inside by even and odd crossings of a ray to the left."""
    out = np.zeros(shape, int)
    for xy, _ in polygons:
        for (x0, y0), (x1, y1) in zip(xy, np.roll(xy, -1, 0)):
            if x0 == x1:
                out[min(y0, y1) : max(y0, y1), x0:] += 1
    return out % 2 == 1


def compare(library, count):
    rng = np.random.default_rng(2)
    for number in range(count):
        a, b, least = case(rng)
        ra, rb = encode(a), encode(b)
        oa, ob = library.encode(a), library.encode(b)
        assert oa == ra["counts"] and ob == rb["counts"], (number, "encode")
        size = a.shape[1], a.shape[0]
        pair = (Rle * 2)(Rle(*size, oa), Rle(*size, ob))
        assert np.array_equal(library.decode(pair[0], a.shape), a), (number, "decode")
        for operation, want in enumerate((coco.merge([ra, rb]), coco.merge([ra, rb], intersect=True), encode(a & ~b))):
            got = library.text(library.lib.sam2_rle_merge, pair, c.c_size_t(2), c.c_int(operation), tail=(None,))
            assert got == want["counts"], (number, "merge", operation)
        area, box, out = c.c_int64(), (c.c_int * 4)(), c.c_double()
        assert library.lib.sam2_rle_measure(pair, c.byref(area), box, None) == 0
        assert area.value == coco.area(ra) and list(box) == coco.toBbox(ra).tolist(), (number, "measure")
        for crowd in (0, 1):
            assert library.lib.sam2_rle_iou(pair, c.c_size_t(1), c.byref(pair[1]), c.c_size_t(1), bytes([crowd]), c.byref(out), None) == 0
            assert out.value == coco.iou([ra], [rb], [crowd])[0, 0], (number, "iou", crowd)
        for inside, m in ((1, a), (0, ~a)):
            areas, labels = library.parts(pair[0], inside, a.shape)
            assert areas == parts(m) and np.array_equal(labels, cv2.connectedComponents(m.astype(np.uint8), connectivity=8)[1]), (number, "parts", inside)
        changed = c.c_int()
        got = library.text(library.lib.sam2_rle_remove_small_regions, pair, c.c_int64(least), tail=(c.byref(changed), None))
        want, turned = cleaned(a, least)
        assert got == encode(want)["counts"] and changed.value == turned, (number, "small regions")
        loops = library.polygons(pair[0])
        assert np.array_equal(filled(loops, a.shape), a), (number, "polygons")
        assert sum(not hole for _, hole in loops) == len(parts(a)), (number, "outlines")
    print(count, "masks: all the same")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--fixture", action="store_true")
    ap.add_argument("--library")
    ap.add_argument("--count", type=int, default=10000)
    args = ap.parse_args()
    if args.fixture:
        fixture(pathlib.Path(__file__).parent.parent / "data" / "reference" / "masks.txt")
    if args.library:
        compare(Library(args.library), args.count)


if __name__ == "__main__":
    main()
