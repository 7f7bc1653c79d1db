"""What surfaces are painted with: parts of photographs and textures by rule."""
import math

import cv2
import numpy as np

cv2.setNumThreads(1)


class Fills:
    """Pictures float32 [height, width, 3] in 0..255, each different."""

    def __init__(self, textures, rng):
        self.textures, self.r = textures, rng

    def colour(self):
        if self.r.random() < 0.25:
            return np.full(3, self.r.uniform(0, 255))
        return self.r.uniform(0, 255, 3)

    def two_colours(self):
        a = self.colour()
        b = self.colour() if self.r.random() < 0.5 else np.clip(a + self.r.normal(0, 40, 3), 0, 255)
        return a, b

    def painted(self, t):
        """A colour for every value 0..1 of the map t: along a line of two colours, or a path of up to five."""
        a, b = self.two_colours()
        if self.r.random() < 0.7:
            return a.astype(np.float32) + t[..., None] * (b - a).astype(np.float32)
        stops = [a, b] + [np.clip(b + self.r.normal(0, 60, 3), 0, 255) for _ in range(int(self.r.integers(1, 4)))]
        table = np.stack([np.interp(np.linspace(0, len(stops) - 1, 256), np.arange(len(stops)), [s[c] for s in stops]) for c in range(3)], 1)
        return table.astype(np.float32)[np.clip(t * 255, 0, 255).astype(np.uint8)]

    def photograph(self, h, w):
        r = self.r
        picture = self.textures[r.integers(len(self.textures))]
        H, W = picture.shape[:2]
        least = max(min(h, w) / 3.0, 24)
        s = math.exp(r.uniform(math.log(least), math.log(min(H, W))))  # short side of the window that is cut out
        sh, sw = (s, s * w / h) if h <= w else (s * h / w, s)
        k = min(1.0, H / sh, W / sw)
        sh, sw = max(4, int(sh * k)), max(4, int(sw * k))
        y, x = r.integers(H - sh + 1), r.integers(W - sw + 1)
        c = cv2.resize(picture[y : y + sh, x : x + sw], (w, h), interpolation=cv2.INTER_AREA if sh > h else cv2.INTER_LINEAR)
        if r.random() < 0.5:
            c = c[:, ::-1]
        if r.random() < 0.15:
            c = c[::-1]
        if h == w and r.random() < 0.2:
            c = c.transpose(1, 0, 2)
        c = c.astype(np.float32)
        if r.random() < 0.15:  # few pictures are many, if their brightness may mean other colours
            c = self.painted(c.mean(2) / 255)
        if r.random() < 0.4:
            c = (c - 128) * r.uniform(0.5, 1.4) + 128 + r.uniform(-40, 40, 3)
        if r.random() < 0.1:
            c = c[..., r.permutation(3)]
        return np.clip(c, 0, 255)

    def noise(self, h, w):
        r = self.r
        z = np.zeros((h, w), np.float32)
        a, g = 1.0, int(r.integers(2, 12))
        for _ in range(int(r.integers(1, 5))):
            z += a * cv2.resize(r.standard_normal((g, g)).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
            a *= r.uniform(0.35, 0.8)
            g = min(g * 2, max(h, w))
        z -= z.min()
        return z / max(z.max(), 1e-6)

    def ramp(self, h, w):
        r = self.r
        yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
        if r.random() < 0.6:
            angle = r.uniform(0, 2 * math.pi)
            t = xx * math.cos(angle) + yy * math.sin(angle)
        else:
            t = np.hypot(xx - r.uniform(0, w), yy - r.uniform(0, h))
        return (t - t.min()) / max(float(np.ptp(t)), 1e-6)

    def waves(self, h, w):
        r = self.r
        yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
        angle, f = r.uniform(0, math.pi), 2 * math.pi / r.uniform(4, max(8, min(h, w) / 3))
        u = np.sin((xx * math.cos(angle) + yy * math.sin(angle)) * f)
        if r.random() < 0.4:
            u = u * np.sin((yy * math.cos(angle) - xx * math.sin(angle)) * f)
        return (u > r.uniform(-0.5, 0.5)).astype(np.float32) if r.random() < 0.6 else 0.5 + 0.5 * u

    def veins(self, h, w):
        """Rings of a ramp bent by noise: wood, marble, agate."""
        t = self.ramp(h, w) + self.r.uniform(0.1, 0.6) * self.noise(h, w)
        return 0.5 + 0.5 * np.sin(t * 2 * math.pi * self.r.uniform(2, 14))

    def cells(self, h, w):
        """Each pixel has the value of its nearest seed; or its distance to it."""
        r = self.r
        seeds = np.ones((h, w), np.uint8)
        n = int(math.exp(r.uniform(math.log(5), math.log(120))))
        seeds[r.integers(h, size=n), r.integers(w, size=n)] = 0
        distance, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        if r.random() < 0.3:
            return distance / max(float(distance.max()), 1e-6)
        return r.random(int(label.max()) + 1).astype(np.float32)[label]

    def tiles(self, h, w):
        """Bricks or tiles of differing shades with joints between them."""
        r = self.r
        high, wide = r.uniform(6, max(8, h / 4)), r.uniform(6, max(8, w / 3))
        yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
        row = np.floor(yy / high).astype(int)
        xx = xx + (row % 2) * wide * (0.5 if r.random() < 0.6 else 0.0)
        column = np.floor(xx / wide).astype(int)
        shade = r.uniform(0.35, 1, (row.max() + 1, column.max() + 1)).astype(np.float32)[row, column]
        joint = r.uniform(1, 3)
        return np.where((yy % high < joint) | (xx % wide < joint), 0, shade).astype(np.float32)

    def collage(self, h, w):
        """A few of the others side by side with irregular borders: a cluttered background."""
        seeds = np.ones((h, w), np.uint8)
        n = int(self.r.integers(2, 5))
        seeds[self.r.integers(h, size=n), self.r.integers(w, size=n)] = 0
        bend = ((self.noise(h, w) - 0.5) * 0.3 * min(h, w)).astype(np.float32)
        _, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
        label = cv2.remap(label.astype(np.float32), xx + bend, yy + bend, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE).astype(int)
        out = np.empty((h, w, 3), np.float32)
        for i in np.unique(label):
            out[label == i] = self.fill(h, w, 0.5, whole=True)[label == i]
        return out

    def fill(self, h, w, photographs=0.45, whole=False):
        r = self.r
        if r.random() < photographs:
            return self.photograph(h, w)
        k = r.random()
        if k > 0.9 and not whole:
            return self.collage(h, w)
        if k < 0.25:
            out = np.empty((h, w, 3), np.float32)
            out[:] = self.colour()
        else:
            if k < 0.42:
                t = self.ramp(h, w)
            elif k < 0.62:
                t = self.noise(h, w)
                if r.random() < 0.25:
                    t = (t > 0.5).astype(np.float32)
            else:
                t = [self.waves, self.waves, self.veins, self.cells, self.tiles][int(r.integers(5))](h, w)
            out = self.painted(t)
        if r.random() < 0.35:
            out = out + r.normal(0, r.uniform(2, 14), (h, w, 1)).astype(np.float32)
        return np.clip(out, 0, 255).astype(np.float32)
