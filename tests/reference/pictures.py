"""Test pictures by integer formulae that any language repeats exactly; all divisions round down, all numbers are non-negative."""
import numpy as np


def grid(width, height):
    return np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")


def pattern(width, height):
    """Ramps that wrap, blocks of 16 pixels, a fine grain. RGB bytes, [height, width, 3].

    p(x,y,c) = ( (x*(c+2) + y*(5-c)) / 4  +  61 * (((x/16)*3 + (y/16)*5 + c) mod 4)  +  (x*y + 7*c) mod 13 ) mod 256
    """
    y, x, c = grid(width, height)
    return (((x * (c + 2) + y * (5 - c)) // 4 + 61 * (((x // 16) * 3 + (y // 16) * 5 + c) % 4) + (x * y + 7 * c) % 13) % 256).astype(np.uint8)


def scene(width, height, disc_by=(0, 0), rectangle_by=0):
    """A disc, a rectangle and a ring before a slow ramp: something that a trained model finds. RGB bytes, [height, width, 3].

    ground     60 + x*(40+20*c)/w + y*(50-10*c)/h
    disc       (200,70,40)[c] + (x+y) mod 8      where (x-3*w/10)^2 + (y-2*h/5)^2 < (h/5)^2
    rectangle  (40,120,200)[c]                   where 11*w/20 <= x < 17*w/20 and h/2 <= y < 17*h/20
    ring       (230,220,60)[c]                   where (h/12)^2 <= (x-3*w/4)^2 + (y-h/4)^2 < (h/7)^2

    Later lines paint over earlier ones; every product is made before its division. `disc_by` moves the disc's middle, `rectangle_by` the rectangle to
    the left, in pixels.
    """
    w, h = width, height
    y, x, c = grid(w, h)
    out = 60 + x * (40 + 20 * c) // w + y * (50 - 10 * c) // h
    disc = inside_disc(w, h, x, y, disc_by)
    out = np.where(disc, np.array([200, 70, 40])[c] + (x + y) % 8, out)
    left, right = 11 * w // 20 - rectangle_by, 17 * w // 20 - rectangle_by
    out = np.where((x >= left) & (x < right) & (y >= h // 2) & (y < 17 * h // 20), np.array([40, 120, 200])[c], out)
    far = (x - 3 * w // 4) ** 2 + (y - h // 4) ** 2
    out = np.where((far >= (h // 12) ** 2) & (far < (h // 7) ** 2), np.array([230, 220, 60])[c], out)
    return out.astype(np.uint8)


def inside_disc(w, h, x, y, by):
    return (x - 3 * w // 10 - by[0]) ** 2 + (y - 2 * h // 5 - by[1]) ** 2 < (h // 5) ** 2


def clip(width, height, t):
    """Frame t (0 to 19) of a clip: the scene with its disc moved right by t*w/40 and down by t*h/50, and its rectangle moved left by t*w/40."""
    return scene(width, height, (t * width // 40, t * height // 50), t * width // 40)


def blank(width, height):
    """A frame with nothing on it: every byte 90."""
    return np.full((height, width, 3), 90, np.uint8)


def clip_disc(width, height, t):
    """Where the disc of the clip's frame t is (the rectangle may hide it). [height, width] of bool."""
    y, x = np.mgrid[:height, :width]
    return inside_disc(width, height, x, y, (t * width // 40, t * height // 50))


def logits(width, height):
    """Made mask logits, exact in float32: (p(x,y,0) - 127.5) / 8 with the pattern's p. [height, width]."""
    return (pattern(width, height)[..., 0].astype(np.float32) - 127.5) / 8
