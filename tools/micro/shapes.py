"""Outlines of objects: coverage 0..255 on a square patch."""
import math

import cv2
import numpy as np

SIDE = 128
CENTRE = SIDE / 2
MIDDLE = (SIDE // 2, SIDE // 2)


def polygon(mask, points, value=255):
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], value, cv2.LINE_AA, 4)


def ring_of(radius, angles, flat=1.0):
    return np.stack([CENTRE + radius * np.cos(angles), CENTRE + radius * np.sin(angles) * flat], 1)


def blob(mask, r):
    angles = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    radius = np.ones(72)
    for h in range(1, int(r.integers(3, 8))):
        radius += r.normal(0, 0.42 / h**1.1) * np.cos(h * angles + r.uniform(0, 6.28))
    radius = np.clip(radius, 0.25, None)
    radius *= (CENTRE - 3) / radius.max()
    polygon(mask, ring_of(radius, angles, r.uniform(0.5, 1)))


def star(mask, r):
    n = int(r.integers(3, 10))
    angles = np.sort(r.uniform(0, 2 * math.pi, n)) if r.random() < 0.5 else np.arange(n) * 2 * math.pi / n
    radius = (CENTRE - 3) * (r.uniform(0.35, 1, n) if r.random() < 0.6 else np.ones(n))
    polygon(mask, ring_of(radius, angles))


def ellipse(mask, r):
    cv2.ellipse(mask, MIDDLE, (int(CENTRE - 3), int((CENTRE - 3) * r.uniform(0.35, 1))), 0, 0, 360, 255, -1, cv2.LINE_AA)


def rounded_box(mask, r):
    a, b = int((CENTRE - 4) * r.uniform(0.5, 1)), int((CENTRE - 4) * r.uniform(0.2, 1))
    q = int(r.uniform(0, 0.95) * min(a, b)) if r.random() < 0.6 else 0
    x0, y0, x1, y1 = int(CENTRE - a), int(CENTRE - b), int(CENTRE + a), int(CENTRE + b)
    if q <= 1:
        cv2.rectangle(mask, (x0, y0), (x1, y1), 255, -1)
        return
    cv2.rectangle(mask, (x0 + q, y0), (x1 - q, y1), 255, -1)
    cv2.rectangle(mask, (x0, y0 + q), (x1, y1 - q), 255, -1)
    for x in (x0 + q, x1 - q):
        for y in (y0 + q, y1 - q):
            cv2.circle(mask, (x, y), q, 255, -1, cv2.LINE_AA)


def ring(mask, r):
    a = int(CENTRE - 3)
    b, inner = int(a * r.uniform(0.5, 1)), r.uniform(0.35, 0.8)
    cv2.ellipse(mask, MIDDLE, (a, b), 0, 0, 360, 255, -1, cv2.LINE_AA)
    cv2.ellipse(mask, MIDDLE, (int(a * inner), int(b * inner)), 0, 0, 360, 0, -1, cv2.LINE_AA)


def letter(mask, r):
    sign = chr(int(r.choice(list(range(65, 91)) + list(range(50, 58)))))
    at = (int(CENTRE - 42), int(CENTRE + 42))
    cv2.putText(mask, sign, at, int(r.integers(0, 8)), r.uniform(3.0, 4.0), 255, int(r.integers(8, 22)), cv2.LINE_AA)


def stroke(mask, r):
    """A thin Bezier curve."""
    n = int(r.integers(2, 6))
    points = r.uniform(10, SIDE - 10, (n, 2))
    t = np.linspace(0, 1, 40)[:, None]
    curve = points if n == 2 else sum(math.comb(n - 1, i) * t**i * (1 - t) ** (n - 1 - i) * points[i] for i in range(n))
    cv2.polylines(mask, [np.round(curve * 16).astype(np.int32)], False, 255, int(r.integers(3, 14)), cv2.LINE_AA, 4)


def creature(mask, r):
    """A few ellipses joined by limbs."""
    p = np.array([CENTRE, CENTRE])
    for _ in range(int(r.integers(2, 6))):
        a, b = r.uniform(10, 30), r.uniform(8, 24)
        cv2.ellipse(mask, (int(p[0]), int(p[1])), (int(a), int(b)), r.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
        q = np.clip(p + r.normal(0, 24, 2), 26, SIDE - 26)
        cv2.line(mask, tuple(p.astype(int).tolist()), tuple(q.astype(int).tolist()), 255, int(r.integers(6, 18)), cv2.LINE_AA)
        p = q


def natural(mask, r, regions):
    """The outline of a region of a photograph; a disc where six tries give none of a useful size."""
    _, maps = regions[r.integers(len(regions))]
    label = maps[2]
    for _ in range(6):
        region = (label == label[r.integers(label.shape[0]), r.integers(label.shape[1])]).astype(np.uint8)
        x, y, w, h = cv2.boundingRect(region)
        if not 24 <= max(w, h) <= 220 or min(w, h) <= 12:
            continue
        scale = (SIDE - 6) / max(w, h)
        region = region[y : y + h, x : x + w] * 255
        region = cv2.resize(region, (max(1, int(w * scale)), max(1, int(h * scale))), interpolation=cv2.INTER_LINEAR)
        region = np.where(cv2.GaussianBlur(region, (5, 5), 1.2) > 127, 255, 0).astype(np.uint8)
        y, x = (SIDE - region.shape[0]) // 2, (SIDE - region.shape[1]) // 2
        mask[y : y + region.shape[0], x : x + region.shape[1]] = region
        return
    cv2.circle(mask, MIDDLE, SIDE // 2 - 4, 255, -1, cv2.LINE_AA)


# Shares of the kinds; what is left over is `natural`.
KINDS = ((0.26, blob), (0.16, star), (0.12, ellipse), (0.12, rounded_box), (0.06, ring), (0.05, letter), (0.07, stroke), (0.10, creature))


def shape(r, regions):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    k = r.random()
    for share, draw in KINDS:
        k -= share
        if k < 0:
            draw(mask, r)
            break
    else:
        natural(mask, r, regions)
    if r.random() < 0.08:  # a hole
        cv2.circle(mask, tuple(r.integers(30, SIDE - 30, 2).tolist()), int(r.integers(6, 20)), 0, -1, cv2.LINE_AA)
    return mask
