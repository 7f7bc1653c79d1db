"""Made pictures and clips with true masks.

A sample is a clip of one or more frames: a background, which may pan, and up to eight objects, each a patch (an outline of shapes.py, a surface of
fills.py, sometimes with parts of another surface) that moves on a smooth affine path. The masks are what is visible. Objects come before parts.
A share of the single pictures are photographs with their regions of like colour for masks.
"""
import math

import cv2
import numpy as np

from fills import Fills
from shapes import SIDE, shape


class Maker(Fills):
    """Everything comes from one random generator: the same source and seed give the same samples."""

    smallest, largest, most = 0.09, 0.95, 8  # of objects: range of sizes as shares of the picture's side, number
    # Of clips: share with a bar in front of everything, and of objects that vanish and come back elsewhere than their path leads. The figures of the
    # model card are of clips without either.
    walls, jumps = 0.0, 0.0

    def __init__(self, source, seed):
        """source: what pictures.load gave."""
        super().__init__(source[0], np.random.default_rng(seed))
        self.regions = source[1]

    def parts(self, rgb, outline):
        """Up to three smaller shapes painted onto an object: the new colours, the parts' coverage."""
        r, found = self.r, []
        for _ in range(int(r.integers(1, 4))):
            scale = r.uniform(0.2, 0.6)
            part = shape(r, self.regions)
            M = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), r.uniform(0, 360), scale)
            M[:, 2] += r.uniform(-0.3, 0.3, 2) * SIDE
            part = np.minimum(cv2.warpAffine(part, M, (SIDE, SIDE), flags=cv2.INTER_AREA), outline)
            if part.sum() / 255 < 60:
                continue
            w = (part.astype(np.float32) / 255)[..., None]
            rgb = rgb * (1 - w) + self.fill(SIDE, SIDE, 0.3) * w
            found = [np.minimum(p, 255 - part) for p in found] + [part]
        return rgb, found

    def patch(self):
        """Colours and coverage, float32 [SIDE, SIDE, 4], and the coverage of the parts."""
        r = self.r
        outline = shape(r, self.regions)
        rgb, parts = self.fill(SIDE, SIDE), []
        if r.random() < 0.4:
            rgb, parts = self.parts(rgb, outline)
        if r.random() < 0.3:  # shading across the object
            t = self.noise(SIDE, SIDE)[..., None] if r.random() < 0.5 else np.linspace(0, 1, SIDE, dtype=np.float32)[:, None, None]
            rgb = rgb * (1 - r.uniform(0.2, 0.6) * t)
        if r.random() < 0.12:  # an edge of another colour
            edge = cv2.morphologyEx(outline, cv2.MORPH_GRADIENT, np.ones((3, 3))).astype(np.float32)[..., None] / 255
            rgb = rgb * (1 - edge) + self.colour() * edge
        return np.concatenate([np.clip(rgb, 0, 255).astype(np.float32), outline[..., None].astype(np.float32)], 2), parts

    def path(self, T, S):
        """The patch's affine map [2, 3] on each frame: centre, size, angle and stretch change smoothly."""
        r = self.r
        size = math.exp(r.uniform(math.log(self.smallest), math.log(self.largest))) * S
        centre = r.uniform(0.08, 0.92, 2) * S
        speed = r.normal(0, 0.035, 2) * S if r.random() < 0.8 else np.zeros(2)
        acceleration = r.normal(0, 0.008, 2) * S
        angle, turn = r.uniform(0, 360), r.normal(0, 6) if r.random() < 0.7 else 0.0
        growth = r.normal(0, 0.03)
        stretch, stretching = r.uniform(0.6, 1.0), r.normal(0, 0.03)
        shear, shearing = r.normal(0, 0.15), r.normal(0, 0.04)
        out = []
        for t in range(T):
            x = centre + speed * t + 0.5 * acceleration * t * t
            a = math.radians(angle + turn * t)
            rotation = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
            A = rotation @ np.array([[1, shear + shearing * t], [0, np.clip(stretch + stretching * t, 0.4, 1.4)]]) * (size * math.exp(growth * t) / SIDE)
            b = x - A @ np.array([SIDE / 2, SIDE / 2])
            out.append(np.concatenate([A, b[:, None]], 1))
        return out

    def background(self, S, T):
        r = self.r
        pans = T > 1 and r.random() < 0.7
        margin = int(0.25 * S) if pans else 0
        large = self.fill(S + 2 * margin, S + 2 * margin, 0.65)
        if not pans:
            return [large] * T
        at, speed = np.array([margin, margin], float), r.normal(0, 0.015, 2) * S
        out = []
        for _ in range(T):
            y, x = np.clip(np.round(at), 0, 2 * margin).astype(int)
            out.append(large[y : y + S, x : x + S])
            at = at + speed
        return out

    def camera(self, S):
        """What happens to every frame of a clip after it is painted: light, contrast, blur, noise, JPEG. Returns a function."""
        r = self.r
        light = (1 + r.uniform(0.1, 0.5) * (self.noise(S, S) - 0.5) * 2)[..., None] if r.random() < 0.25 else 1.0
        gain, bias = (r.uniform(0.5, 1.1), r.uniform(-30, 30)) if r.random() < 0.35 else (1.0, 0.0)
        blur = r.uniform(0.4, 1.1) if r.random() < 0.25 else 0
        grain = r.uniform(1, 9) if r.random() < 0.35 else 0
        quality = int(r.integers(30, 90)) if r.random() < 0.3 else 0

        def take(frame):
            frame = frame * light * gain + bias
            if blur:
                frame = cv2.GaussianBlur(frame, (0, 0), blur)
            if grain:
                frame = frame + r.normal(0, grain, frame.shape).astype(np.float32)
            frame = np.clip(frame, 0, 255).astype(np.uint8)
            if quality:
                frame = cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)
            return frame

        return take

    def paint(self, frame, visible, k, thing, M):
        """Object k onto the frame; what it hides is taken out of the masks that are `visible`, and its own and its parts' are added."""
        (patch, parts), _, shadow, soft = thing
        S = len(frame)
        corners = np.array([[0, 0, 1], [SIDE, 0, 1], [0, SIDE, 1], [SIDE, SIDE, 1]], float) @ M.T
        x0, y0 = np.maximum(np.floor(corners.min(0)).astype(int) - 2, 0)
        x1, y1 = np.minimum(np.ceil(corners.max(0)).astype(int) + 2, S)
        if x1 - x0 < 3 or y1 - y0 < 3:
            return
        M = M.copy()
        M[:, 2] -= (x0, y0)
        scale = math.sqrt(abs(np.linalg.det(M[:, :2])))
        if scale < 0.6:
            patch = cv2.GaussianBlur(patch, (0, 0), 0.45 / scale)
        warped = cv2.warpAffine(patch, M, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
        alpha = warped[..., 3:] / 255
        if soft:
            alpha = cv2.GaussianBlur(alpha, (0, 0), 1.0)[..., None]
        if shadow:
            right, down = np.array([3, 5]) * S // 256
            shade = cv2.GaussianBlur(alpha, (0, 0), 3)[..., None]
            sy0, sx0, sy1, sx1 = y0 + down, x0 + right, min(y1 + down, S), min(x1 + right, S)
            if sy1 > sy0 and sx1 > sx0:
                frame[sy0:sy1, sx0:sx1] *= 1 - 0.5 * shade[: sy1 - sy0, : sx1 - sx0]
        frame[y0:y1, x0:x1] = frame[y0:y1, x0:x1] * (1 - alpha) + warped[..., :3] * alpha
        hard = alpha[..., 0] > 0.5
        for mask in visible.values():
            mask[y0:y1, x0:x1] &= ~hard
        for i, part in enumerate([None] + parts):
            mask = np.zeros((S, S), bool)
            mask[y0:y1, x0:x1] = hard if part is None else hard & (cv2.warpAffine(part, M, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR) > 127)
            visible[(k, i)] = mask

    def wall(self, S):
        """A bar across the picture: its surface, and where it is."""
        r = self.r
        width = int(r.uniform(0.15, 0.4) * S)
        at = int(r.uniform(0.1, 0.9) * (S - width))
        band = (slice(None), slice(at, at + width)) if r.random() < 0.7 else (slice(at, at + width), slice(None))
        return self.fill(S, S, 0.5)[band].astype(np.float32), band

    def clip(self, S, T):
        """Frames uint8 [T, S, S, 3] and masks, a list of bool [T, S, S]."""
        r = self.r
        backgrounds = self.background(S, T)
        n = int(r.integers(1, (self.most if T == 1 else min(self.most, 5)) + 1))
        things = [(self.patch(), self.path(T, S), r.random() < 0.3, r.random() < 0.2) for _ in range(n)]
        gone = (-1, 0, 0)
        if T > 1 and r.random() < 0.35:  # one object is not there for some frames
            first = int(r.integers(1, T))
            gone = (int(r.integers(n)), first, int(r.integers(first, T + 1)))
            if self.jumps and r.random() < self.jumps:
                path = things[gone[0]][1]
                offset = r.uniform(-0.5, 0.5, 2) * S
                for t in range(gone[2], T):
                    path[t][:, 2] += offset
        wall = self.wall(S) if T > 1 and self.walls and r.random() < self.walls else None
        take = self.camera(S)
        frames, masks = [], {}
        for t in range(T):
            frame, visible = backgrounds[t].copy(), {}
            for k, thing in enumerate(things):
                if not (gone[0] == k and gone[1] <= t < gone[2]):
                    self.paint(frame, visible, k, thing, thing[1][t])
            if wall:
                frame[wall[1]] = wall[0]
                for mask in visible.values():
                    mask[wall[1]] = False
            frames.append(take(frame))
            for key, mask in visible.items():
                masks.setdefault(key, np.zeros((T, S, S), bool))[t] = mask
        return np.stack(frames), [masks[k] for k in sorted(masks, key=lambda k: (k[1] > 0, k))]

    def photograph_regions(self, S):
        """Part of a photograph with its regions as masks; as clip(S, 1)."""
        r = self.r
        picture, maps = self.regions[r.integers(len(self.regions))]
        label = maps[r.choice([0, 1, 1, 2, 2])]
        H, W = label.shape
        s = int(r.uniform(0.5, 1.0) * min(H, W))
        y, x = r.integers(H - s + 1), r.integers(W - s + 1)
        frame = cv2.resize(picture[y : y + s, x : x + s], (S, S), interpolation=cv2.INTER_LINEAR)
        label = cv2.resize(label[y : y + s, x : x + s], (S, S), interpolation=cv2.INTER_NEAREST)
        if r.random() < 0.5:
            frame, label = frame[:, ::-1], label[:, ::-1]
        frame = frame.astype(np.float32)
        if r.random() < 0.4:
            frame = (frame - 128) * r.uniform(0.6, 1.3) + 128 + r.uniform(-30, 30, 3)
        masks = []
        for i, count in zip(*np.unique(label, return_counts=True)):
            if not 0.004 * S * S < count < 0.45 * S * S:
                continue
            region = (label == i).astype(np.uint8)
            region = cv2.medianBlur(region, 5) if S >= 192 else region
            if region.sum() > 0.003 * S * S:
                masks.append(region.astype(bool)[None])
        return np.clip(frame, 0, 255).astype(np.uint8)[None], masks

    def image(self, S, least, photographs=0.0):
        """A picture and its masks of at least the share `least` of it."""
        while True:
            frames, masks = self.photograph_regions(S) if self.r.random() < photographs else self.clip(S, 1)
            masks = [m[0] for m in masks if m[0].sum() >= max(30, least * S * S)]
            if masks:
                return frames[0], masks

    def film(self, S, T, least):
        """Frames and the masks [T, S, S] of one object that is large enough on the first frame and visible on half of them."""
        while True:
            frames, masks = self.clip(S, T)
            masks = [m for m in masks if m[0].sum() >= least * S * S and (m.sum((1, 2)) > 0).sum() >= T // 2]
            if masks:
                return frames, masks[int(self.r.integers(min(2, len(masks))))]
