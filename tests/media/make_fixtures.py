#!/usr/bin/env python3
"""Makes the picture files of tests/data/media and expected.txt, what they must decode to.

8-bit pictures: the checksum is that of Pillow's Image.open(f).convert("RGB") after ImageOps.exif_transpose.
16-bit pictures and alpha over a ground: by the arithmetic written here, since Pillow clips or composes otherwise.
Made with Pillow 13.0.0 and numpy 2.4.6; the result does not depend on anything else.

    make_fixtures.py [FOLDER]
"""
import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

W, H = 47, 31
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6


def picture():
    """Asymmetric under every turn and flip, with edges, gradients and all channels in use."""
    y, x = np.mgrid[0:H, 0:W]
    p = np.stack([x * 5 + y, 250 - y * 7 + (x * y) % 11, (x * 3 + y * 5) % 256], 2)
    p[3:12, 5:17] = (220, 30, 40)
    p[15:28, 30:36] = (20, 200, 60)
    p[(x - 12) ** 2 + (y - 22) ** 2 < 40] = (30, 60, 230)
    p[0:2, 40:47] = (255, 255, 255)
    return np.clip(p, 0, 255).astype(np.uint8)


def alpha():
    y, x = np.mgrid[0:H, 0:W]
    a = np.clip(x * 6 - 10, 0, 255)
    a[20:] = 0
    return a.astype(np.uint8)


# ---------- PNG, with what Pillow cannot write: 16 bits, interlaced, chunks at will ----------
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_row(row, depth):
    """row: [pixels, channels] to bytes."""
    flat = row.reshape(-1)
    if depth == 16:
        return flat.astype(">u2").tobytes()
    if depth == 8:
        return flat.astype(np.uint8).tobytes()
    bits = ((flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8).reshape(-1)
    return np.packbits(bits).tobytes()


def make_png(pixels, depth, colour, interlaced=False, before=b"", after=b""):
    pixels = pixels.reshape(pixels.shape[0], pixels.shape[1], -1)
    h, w = pixels.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    data = b""
    for y0, x0, dy, dx in passes:
        part = pixels[y0::dy, x0::dx]
        if part.size:
            data += b"".join(b"\0" + pack_row(row, depth) for row in part)
    head = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlaced))
    return PNG_HEAD + chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(data, 9)) + after + chunk(b"IEND", b"")


# ---------- TIFF, with what Pillow cannot write: tiles, planes apart, 16-bit colours ----------
def make_tiff(pixels, bits, photometric, big=False, tile=None, apart=False, deflate=False, rows=8, tags=()):
    """pixels: [H, W, channels]."""
    pixels = pixels.reshape(pixels.shape[0], pixels.shape[1], -1)
    h, w, channels = pixels.shape
    end = ">" if big else "<"

    def encode(block):
        if bits == 16:
            raw = block.astype(end + "u2").tobytes()
        else:
            raw = b"".join(pack_row(row, bits) for row in block)
        return zlib.compress(raw, 9) if deflate else raw

    blocks = []
    for plane in (pixels[..., c:c + 1] for c in range(channels)) if apart else (pixels,):
        if tile:
            for y in range(0, h, tile):
                for x in range(0, w, tile):
                    block = np.zeros((tile, tile, plane.shape[2]), plane.dtype)
                    part = plane[y:y + tile, x:x + tile]
                    block[:part.shape[0], :part.shape[1]] = part
                    blocks.append(encode(block))
        else:
            blocks += [encode(plane[y:y + rows]) for y in range(0, h, rows)]
    offsets, body, at = [], b"", 8
    for block in blocks:
        offsets.append(at + len(body))
        body += block + b"\0" * (len(block) & 1)
    sizes = [len(block) for block in blocks]
    entries = {256: (4, [w]), 257: (4, [h]), 258: (3, [bits] * channels), 259: (3, [8 if deflate else 1]), 262: (3, [photometric]),
               277: (3, [channels]), 284: (3, [2 if apart else 1])}
    if tile:
        entries.update({322: (4, [tile]), 323: (4, [tile]), 324: (4, offsets), 325: (4, sizes)})
    else:
        entries.update({273: (4, offsets), 278: (4, [rows]), 279: (4, sizes)})
    entries.update(dict(tags))
    ifd = 8 + len(body)
    extra_at = ifd + 2 + 12 * len(entries) + 4
    table, extra = struct.pack(end + "H", len(entries)), b""
    for tag, (kind, values) in sorted(entries.items()):
        data = b"".join(struct.pack(end + ("H" if kind == 3 else "I"), v) for v in values)
        if len(data) > 4:
            field = struct.pack(end + "I", extra_at + len(extra))
            extra += data
        else:
            field = data.ljust(4, b"\0")
        table += struct.pack(end + "HHI", tag, kind, len(values)) + field
    head = (b"MM\0\x2a" if big else b"II\x2a\0") + struct.pack(end + "I", ifd)
    return head + body + table + struct.pack(end + "I", 0) + extra


# ---------- what is written down ----------
def checksum(a):
    value = 0xCBF29CE484222325
    for byte in a.tobytes():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


class Fixtures:
    def __init__(self, folder):
        self.folder, self.lines = Path(folder), []
        self.folder.mkdir(parents=True, exist_ok=True)

    def expect(self, name, mode, kind, rgb, orientation=1):
        rgb = np.ascontiguousarray(rgb, np.uint8)
        self.lines.append(f"{name} {mode} {rgb.shape[1]} {rgb.shape[0]} {kind} {orientation} {checksum(rgb)}")

    def write(self, name, data):
        (self.folder / name).write_bytes(data)

    def pillow(self, name, data, orientation=1):
        """Expected values from Pillow: upright, and as stored."""
        self.write(name, data)
        with Image.open(io.BytesIO(data)) as image:
            kind = image.format
            if kind == "TIFF":
                stored = None     # Pillow turns these itself
            else:
                stored = np.asarray(image.convert("RGB"))
            upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        kind = {"WEBP": "WebP"}.get(kind, kind)
        self.expect(name, "default", kind, upright, orientation)
        if stored is not None and orientation != 1:
            self.expect(name, "stored", kind, stored, orientation)
        return upright


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation):
    block = Image.Exif()
    block[0x112] = orientation
    return block


def stored_for(array, orientation):
    """The array that becomes `array` when a reader turns it as the tag says."""
    undo = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
            5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1), 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
            8: lambda a: np.rot90(a, -1)}
    return np.ascontiguousarray(undo[orientation](array))


def over(colour, a, ground, full):
    colour, a = colour.astype(np.int64), a.astype(np.int64)[..., None]
    return (colour * a + ground * (full - a) + full // 2) // full


def to8(v16):
    return (v16.astype(np.int64) + 128) // 257


def stretch(v16, low, high):
    joint = v16.reshape(-1) if v16.ndim == 3 else np.repeat(v16.reshape(-1), 3)
    a, b = np.percentile(joint, [low, high])
    return np.floor(np.clip((v16.astype(np.float64) - a) / (b - a) * 255, 0, 255) + 0.5)


def grey3(v):
    return np.repeat(v.reshape(v.shape[0], v.shape[1], 1), 3, 2)


def jpegs(f, p):
    image = Image.fromarray(p)
    for name, mode, options in [
            ("420.jpg", "RGB", dict(quality=85, subsampling=2)), ("422.jpg", "RGB", dict(quality=60, subsampling=1)),
            ("444.jpg", "RGB", dict(quality=95, subsampling=0)), ("progressive.jpg", "RGB", dict(quality=80, progressive=True)),
            ("optimised.jpg", "RGB", dict(quality=40, optimize=True)), ("restart.jpg", "RGB", dict(restart_marker_blocks=2)),
            ("rgb.jpg", "RGB", dict(keep_rgb=True)), ("grey.jpg", "L", dict(quality=85)),
            ("grey_progressive.jpg", "L", dict(progressive=True)), ("cmyk.jpg", "CMYK", dict(quality=90)),
            ("cmyk_progressive.jpg", "CMYK", dict(progressive=True))]:
        f.pillow(name, saved(image.convert(mode), "JPEG", **options))
    cmyk = np.dstack([p, alpha() // 2])
    data = saved(Image.fromarray(cmyk, "CMYK"), "JPEG", quality=90)
    at = data.index(b"Adobe")
    assert data[at - 4:at - 2] == b"\xff\xee" and data[at + 11] == 0
    f.pillow("cmyk_ink.jpg", data)
    f.pillow("ycck.jpg", data[:at + 11] + b"\x02" + data[at + 12:])
    f.pillow("cmyk_plain.jpg", data[:at - 4] + data[at + 12:])       # without Adobe's marker
    for o in range(1, 9):
        f.pillow(f"o{o}.jpg", saved(Image.fromarray(stored_for(p, o)), "JPEG", quality=92, subsampling=0, exif=exif(o)), o)
    for size in ((1, 1), (1, 17), (9, 1), (16, 16)):
        f.pillow("size_%dx%d.jpg" % size, saved(image.resize(size), "JPEG"))
    f.pillow("other_name.png", saved(image, "JPEG"))                    # told by its bytes


def pngs(f, p):
    image, a = Image.fromarray(p), alpha()
    grey = np.asarray(image.convert("L"))
    for bits in (1, 2, 4, 8):
        for interlaced in (False, True):
            name = f"grey{bits}{'_interlaced' if interlaced else ''}.png"
            f.pillow(name, make_png(grey >> (8 - bits), bits, GREY, interlaced))
    quantised = image.quantize(13)
    palette = bytes(quantised.getpalette()[:39])
    index = np.asarray(quantised)
    plte, trns = chunk(b"PLTE", palette), chunk(b"tRNS", bytes(range(0, 260, 20)))
    f.pillow("palette4.png", make_png(index, 4, PALETTE, False, plte))
    f.pillow("palette8_interlaced.png", make_png(index, 8, PALETTE, True, plte))
    f.pillow("palette_trns.png", make_png(index, 8, PALETTE, False, plte + trns))
    colours = np.frombuffer(palette, np.uint8).reshape(-1, 3)[index]
    f.expect("palette_trns.png", "white", "PNG", over(colours, (index * 20).astype(np.uint8), 255, 255))
    f.pillow("palette1.png", make_png(index & 1, 1, PALETTE, False, chunk(b"PLTE", palette[:6])))
    f.pillow("rgb.png", make_png(p, 8, RGB))
    f.pillow("rgb_interlaced.png", make_png(p, 8, RGB, True))
    key = struct.pack(">HHH", 220, 30, 40)
    f.pillow("rgb_trns.png", make_png(p, 8, RGB, False, chunk(b"tRNS", key)))
    keyed = np.where((p == (220, 30, 40)).all(2), 0, 255).astype(np.uint8)
    f.expect("rgb_trns.png", "white", "PNG", over(p, keyed, 255, 255))
    for name, channels, colour, base in (("rgba", np.dstack([p, a]), RGBA, p), ("grey_alpha", np.dstack([grey, a]), GREY_ALPHA, grey3(grey))):
        for interlaced in (False, True):
            full = f"{name}{'_interlaced' if interlaced else ''}.png"
            f.pillow(full, make_png(channels, 8, colour, interlaced))
            f.expect(full, "white", "PNG", over(base, a, 255, 255))
            f.expect(full, "black", "PNG", over(base, a, 0, 255))
    f.pillow("rgba.jpg", make_png(np.dstack([p, a]), 8, RGBA))           # a PNG by its bytes
    for o in range(1, 9):
        block = exif(o).tobytes()[6:]
        f.pillow(f"o{o}.png", make_png(stored_for(p, o), 8, RGB, False, chunk(b"eXIf", block)), o)
    f.pillow("o6_late.png", make_png(stored_for(p, 6), 8, RGB, False, b"", chunk(b"eXIf", exif(6).tobytes()[6:])), 6)
    f.pillow("gamma.png", make_png(p, 8, RGB, False, chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"tEXt", b"Comment\0x")))


def deep(f, p):
    """16 bits: exact multiples, a small part of the range, noise in the low byte, alpha; PNG and TIFF."""
    a, low = alpha(), np.random.default_rng(16).integers(0, 65536, p.shape)
    grey = np.asarray(Image.fromarray(p).convert("L")).astype(np.int64)
    wide, part = p.astype(np.int64) * 257, p.astype(np.int64) * 16
    a16 = a.astype(np.int64) * 257
    for name, v in (("rgb16", wide), ("rgb16_part", part), ("rgb16_noise", low)):
        f.write(name + ".png", make_png(v, 16, RGB))
        f.write(name + ".tif", make_tiff(v, 16, 2, big=name == "rgb16_part"))
        for kind in ("png", "tif"):
            full, label = f"{name}.{kind}", {"png": "PNG", "tif": "TIFF"}[kind]
            f.expect(full, "default", label, to8(v))
            f.expect(full, "minmax", label, stretch(v, 0, 100))
            f.expect(full, "p2,98", label, stretch(v, 2, 98))
    f.expect("rgb16.png", "default", "PNG", p)                           # 257 * v is v, exactly
    for name, v in (("grey16", grey * 257), ("grey16_part", grey * 16)):
        f.write(name + ".png", make_png(v, 16, GREY, name == "grey16"))
        f.write(name + ".tif", make_tiff(v, 16, 1, tile=16, deflate=True))
        for kind, label in (("png", "PNG"), ("tif", "TIFF")):
            f.expect(f"{name}.{kind}", "default", label, grey3(to8(v)))
            f.expect(f"{name}.{kind}", "minmax", label, grey3(stretch(v, 0, 100)))
    f.write("grey16_white.tif", make_tiff(65535 - grey * 257, 16, 0))
    f.expect("grey16_white.tif", "default", "TIFF", grey3(grey))
    f.write("rgba16.png", make_png(np.dstack([low, a16]), 16, RGBA))
    f.write("rgba16.tif", make_tiff(np.dstack([low, a16]), 16, 2, apart=True, tags=[(338, (3, [2]))]))
    for full, label in (("rgba16.png", "PNG"), ("rgba16.tif", "TIFF")):
        f.expect(full, "default", label, to8(low))
        f.expect(full, "white", label, to8(over(low, a16, 65535, 65535)))
        f.expect(full, "black", label, to8(over(low, a16, 0, 65535)))
    f.write("grey_alpha16.png", make_png(np.dstack([grey * 257, a16]), 16, GREY_ALPHA, True))
    f.expect("grey_alpha16.png", "default", "PNG", grey3(grey))


def webps(f, p):
    image, a = Image.fromarray(p), alpha()
    rgba = Image.fromarray(np.dstack([p, a]))
    f.pillow("lossy.webp", saved(image, "WEBP", quality=80))
    f.pillow("lossless.webp", saved(image, "WEBP", lossless=True))
    f.pillow("alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True))
    f.expect("alpha.webp", "white", "WebP", over(p, a, 255, 255))
    f.pillow("alpha_lossy.webp", saved(rgba, "WEBP", quality=70, exact=True))
    for o in (3, 6):
        f.pillow(f"o{o}.webp", saved(Image.fromarray(stored_for(p, o)), "WEBP", lossless=True, exif=exif(o)), o)
    frames = [image, ImageOps.mirror(image)]
    f.pillow("animation.webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, duration=50))


def tiffs(f, p):
    image, a = Image.fromarray(p), alpha()
    grey = np.asarray(image.convert("L"))
    for name, mode, options in [("raw", "RGB", {}), ("lzw", "RGB", dict(compression="tiff_lzw")),
                                ("deflate", "RGB", dict(compression="tiff_adobe_deflate")), ("packbits", "L", dict(compression="packbits")),
                                ("jpeg", "RGB", dict(compression="jpeg")), ("ycc_jpeg", "YCbCr", dict(compression="jpeg")),
                                ("group4", "1", dict(compression="group4")), ("bilevel", "1", {}), ("palette", "P", {}),
                                ("cmyk", "CMYK", dict(compression="tiff_lzw")), ("rgba", "RGBA", {}), ("ycc_lzw", "YCbCr", dict(compression="tiff_lzw"))]:
        source = Image.fromarray(np.dstack([p, a])) if mode == "RGBA" else image.quantize(200) if mode == "P" else image.convert(mode)
        f.pillow(name + ".tif", saved(source, "TIFF", **options))
    f.expect("rgba.tif", "white", "TIFF", over(p, a, 255, 255))
    f.pillow("tiled.tif", make_tiff(p, 8, 2, tile=16))
    f.pillow("tiled_big.tif", make_tiff(p, 8, 2, big=True, tile=64, deflate=True))
    f.pillow("planes.tif", make_tiff(p, 8, 2, apart=True, deflate=True))
    f.write("planes_tiled.tif", make_tiff(p, 8, 2, apart=True, tile=16))
    f.expect("planes_tiled.tif", "default", "TIFF", p)
    f.pillow("one_strip.tif", make_tiff(p, 8, 2, rows=0xFFFFFFFF))
    f.pillow("white_zero.tif", make_tiff(255 - grey, 8, 0))
    for bits in (2, 4):
        f.pillow(f"grey{bits}.tif", make_tiff(grey >> (8 - bits), bits, 1))
    multiplied = (p.astype(int) * a[..., None] // 255).astype(np.uint8)
    f.pillow("associated.tif", make_tiff(np.dstack([multiplied, a]), 8, 2, tags=[(338, (3, [1]))]))
    f.expect("associated.tif", "black", "TIFF", multiplied)
    f.pillow("unspecified.tif", make_tiff(np.dstack([p, a]), 8, 2, tags=[(338, (3, [0]))]))
    for o in range(2, 9):
        f.pillow(f"o{o}.tif", make_tiff(stored_for(p, o), 8, 2, deflate=True, tags=[(274, (3, [o]))]), o)
        f.expect(f"o{o}.tif", "stored", "TIFF", stored_for(p, o), o)
    f.pillow("pages.tif", saved(image, "TIFF", save_all=True, append_images=[ImageOps.flip(image)], compression="tiff_lzw"))


def refused(f, p):
    """Files of formats that are not read, real ones where Pillow writes them."""
    image = Image.fromarray(p[:8, :8])
    for name, kind in (("refused.gif", "GIF"), ("refused.bmp", "BMP"), ("refused.ppm", "PPM"), ("refused.jp2", "JPEG2000"),
                       ("refused.ico", "ICO"), ("refused.pdf", "PDF"), ("refused.dds", "DDS"), ("refused.avif", "AVIF")):
        f.write(name, saved(image, kind))
    f.write("float.tif", saved(Image.fromarray(p[..., 0].astype(np.float32)), "TIFF"))


def main():
    f = Fixtures(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "data" / "media")
    p = picture()
    for part in (jpegs, pngs, deep, webps, tiffs, refused):
        part(f, p)
    text = "# name mode width height format orientation fnv1a64(RGB); made by tests/media/make_fixtures.py\n"
    (f.folder / "expected.txt").write_text(text + "\n".join(f.lines) + "\n")


if __name__ == "__main__":
    main()
