"""The photographs from which textures and backgrounds are cut: those in scikit-image's wheel that are free for any use.

Only pictures whose documentation in `skimage.data` says CC0 or public domain are here, and only those the wheel itself contains (nothing is downloaded).
"""
import os

import cv2
import numpy as np

# name: (file, licence as documented in skimage.data, where it is from)
TRAIN = {
    "astronaut": ("astronaut.png", "public domain", "NASA, portrait of Eileen Collins"),
    "brick": ("brick.png", "CC0", "CC0Textures, Bricks25"),
    "cell": ("cell.png", "CC0", "Paul Müller and others, a cell in saline"),
    "chelsea": ("chelsea.png", "CC0", "Stefan van der Walt, a cat"),
    "clock": ("clock_motion.png", "public domain", "Stefan van der Walt, a moving clock"),
    "gravel": ("gravel.png", "CC0", "CC0Textures, Gravel04"),
    "hubble": ("hubble_deep_field.jpg", "public domain", "NASA, Hubble eXtreme Deep Field"),
    "retina": ("retina.jpg", "CC0", "Mikael Häggström, a retina"),
    "rocket": ("rocket.jpg", "public domain", "SpaceX, a Falcon 9 on its pad"),
}
HELD = {
    "camera": ("camera.png", "CC0", "Lav Varshney, a man with a camera"),
    "coffee": ("coffee.png", "CC0", "Rachel Michetti, a cup of coffee"),
    "grass": ("grass.png", "CC0", "linolafett, grass"),
}


def fit(picture, short):
    """The picture with a short side of `short` pixels."""
    height, width = picture.shape[:2]
    scale = short / min(height, width)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=method)


def regions(picture):
    """A small copy and three maps of its regions of like colour, from fine to coarse: outlines of natural irregularity, and labels without people."""
    from skimage.segmentation import felzenszwalb

    picture = fit(picture, 288)
    smooth = cv2.bilateralFilter(picture, 7, 40, 5)
    maps = [felzenszwalb(smooth, scale=scale, sigma=0.6, min_size=least).astype(np.int16) for scale, least in ((150, 120), (500, 250), (1500, 500))]
    return picture, maps


def read(file):
    """A picture of the wheel, uint8 RGB."""
    import skimage

    path = os.path.join(os.path.dirname(skimage.__file__), "data", file)
    picture = cv2.imread(path)
    if picture is None:
        raise SystemExit(f"{path}: the picture is not in this scikit-image")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def load(held=False):
    """(textures, [(picture, region maps)]) of the training or of the held-out pictures."""
    textures, maps = [], []
    for name, (file, _, _) in sorted((HELD if held else TRAIN).items()):
        picture = read(file)
        textures.append(fit(picture, 384))
        maps.append(regions(picture))
    return textures, maps
