#!/usr/bin/env python3
"""The first inputs of the fuzz targets: make_corpus.py WEIGHTS_DATA CORPUS, for instance ../data/weights corpus.

Valid files of each kind, the same cut short and with bits flipped, and pickles made to do harm.
Regression inputs that are there stay."""
import io
import pathlib
import pickle
import random
import struct
import sys
import zipfile
import zlib

data, corpus = map(pathlib.Path, sys.argv[1:3])
random.seed(1)


def put(target, name, content):
    folder = corpus / ("fuzz_" + target)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def damage(target, name, content, times=3):
    for i in range(times):
        put(target, f"{name}-cut{i}", content[: random.randrange(len(content))])
        flipped = bytearray(content)
        for _ in range(1 + i):
            flipped[random.randrange(len(flipped))] ^= 1 << random.randrange(8)
        put(target, f"{name}-flip{i}", bytes(flipped))


def pad(content, step):
    return content + bytes(-len(content) % step)


def native(tensors, metadata=b"{}"):
    """The format that src/weights/native.c describes; tensors: (name, type, shape, data), then perhaps layout, panel width and kind."""
    tensors = [t + (0, 0, 0)[len(t) - 4:] for t in tensors]
    directory_size = sum(len(pad(bytes(40 + 8 * len(t[2])) + t[0], 8)) for t in tensors)
    head = 64 + len(pad(metadata, 8)) + directory_size
    body, directory = b"", b""
    start = head + -head % 64 if any(t[3] for t in tensors) else head
    for name, element, shape, content, layout, width, kind in tensors:
        if content:
            body = pad(body, 64)
        directory += pad(
            struct.pack("<IIQQBBBBIII", 40 + len(pad(bytes(8 * len(shape)) + name, 8)), zlib.crc32(content),
                        start + len(body), len(content), element, layout, len(shape), kind, len(name), width, 0)
            + struct.pack(f"<{len(shape)}q", *shape) + name, 8)
        body += content
    rest = struct.pack("<QQQIIQQ", start + len(body), len(metadata), len(directory), len(tensors), 0, 1, 2)
    rest += pad(metadata, 8) + directory
    rest += bytes(start - 16 - len(rest))
    return b"SAM2\r\n\x1a\n" + struct.pack("<II", 2, zlib.crc32(rest)) + rest + body


def safetensors(header, body=b""):
    return struct.pack("<Q", len(header)) + header + body


def small_zip(entries, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, content in entries:
            z.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return out.getvalue()


class Call:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def hostile():
    yield "system", pickle.dumps(Call(print, ("harm",)), 2)
    yield "posix", b"cposix\nsystem\n(X\x04\0\0\0trueetR."
    yield "stack-global", b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R."
    yield "inst", b"(S'true'\nios\nsystem\n."
    yield "build", b"\x80\x02ccollections\nOrderedDict\n)R}X\x01\0\0\0aK\1sb."
    yield "deep-tuples", b"\x80\x02)" + b"\x85" * 4000 + b"."
    yield "deep-lists", b"\x80\x02" + b"](" * 2000 + b"e" * 2000 + b"."
    yield "marks", b"\x80\x02" + b"(" * 4000 + b"."
    yield "doubling", b"\x80\x02)" + b"2\x86" * 500 + b"."
    yield "own-list", b"\x80\x02]q\0h\0a."
    yield "own-dict", b"\x80\x02}q\0X\x01\0\0\0ah\0s."
    yield "memo-far", b"\x80\x02Nr\xff\xff\xff\x7f."
    yield "memo-unset", b"\x80\x02h\x05."
    yield "long-text", b"\x80\x02X\xff\xff\xff\xffabc."
    yield "long-text8", b"\x80\x04\x8d" + b"\xff" * 8 + b"abc."
    yield "long-frame", b"\x80\x04\x95" + b"\xff" * 8 + b"N."
    yield "long-long", b"\x80\x02\x8b\xff\xff\xff\x7f1."
    yield "empty-pop", b"\x80\x02000."
    yield "no-stop", b"\x80\x02}"
    yield "protocol9", b"\x80\x09N."
    for name, offset, shape, stride in [
        ("fits", 0, (4, 4), (4, 1)), ("beyond", 60, (8,), (1,)), ("negative", -1, (1,), (1,)), ("back", 4, (4,), (-1,)),
        ("wraps", 0, (1 << 33, 1 << 33), (1, 1)), ("zero-stride", 0, (1 << 40,), (0,)),
        ("empty", 64, (0, 7), (7, 1)), ("many", 0, (1,) * 9, (1,) * 9),
    ]:
        yield "tensor-" + name, tensor(offset, shape, stride)


def tensor(offset, shape, stride):
    def number(n):
        return b"\x8a\x08" + struct.pack("<q", n)

    def numbers(t):
        return b"(" + b"".join(map(number, t)) + b"t"

    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x40tQ"
    rebuilt = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + numbers(shape) + numbers(stride)
    return b"\x80\x02}X\x01\0\0\0a" + rebuilt + b"\x89ccollections\nOrderedDict\n)RtRs."


for path in sorted(data.glob("torch_*.pt")):
    content = path.read_bytes()
    if not zipfile.is_zipfile(path):
        put("zip", path.stem, content)
        continue
    put("zip", path.stem, content)
    with zipfile.ZipFile(path) as z:
        pickled = next(z.read(n) for n in z.namelist() if n.endswith("/data.pkl"))
    put("pickle", path.stem, pickled)
    if path.stem in ("torch_model", "torch_protocol4"):
        damage("zip", path.stem, content)
        damage("pickle", path.stem, pickled, 5)
for name, content in hostile():
    put("pickle", name, content)

fits = tensor(0, (4, 4), (4, 1))
put("zip", "small", small_zip([("a/data.pkl", fits), ("a/data/0", bytes(256))]))
put("zip", "deflated", small_zip([("a/data.pkl", fits), ("a/data/0", bytes(256))], zipfile.ZIP_DEFLATED))
put("zip", "parent", small_zip([("../data.pkl", fits), ("../data/0", bytes(256))]))
put("zip", "two", small_zip([("a/data.pkl", fits), ("b/data.pkl", fits)]))
put("zip", "empty", small_zip([]))
damage("zip", "small", small_zip([("a/data.pkl", fits), ("a/data/0", bytes(256))]), 5)

hub = (data / "hub.safetensors").read_bytes()
put("safetensors", "hub", hub)
damage("safetensors", "hub", hub, 5)
for name, header, body in [
    ("one", b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', bytes(8)),
    ("f16", b'{"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}}', bytes(4)),
    ("nothing", b"{}", b""),
    ("hole", b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', bytes(8)),
    ("overlap", b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
     b'"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    ("twice", b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
     b'"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', bytes(8)),
    ("wraps", b'{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}', b""),
    ("backwards", b'{"a":{"dtype":"F32","shape":[],"data_offsets":[9223372036854775807,4]}}', bytes(4)),
    ("deep", b'{"__metadata__":' + b"[" * 300 + b"]" * 300 + b"}", b""),
    ("metadata", b'{"__metadata__":{"sam2.config":"{\\"image_size\\": 512}","format":"pt",'
     b'"x":"\\u00e9\\ud83d\\ude00"}}', b""),
]:
    put("safetensors", name, safetensors(header, body))
put("safetensors", "long", struct.pack("<Q", (1 << 64) - 1) + b"{}")
put("safetensors", "html", b"<!DOCTYPE html><html></html>")
put("safetensors", "lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")

whole = native(
    [(b"a.weight", 0, (2, 3), struct.pack("<6f", *range(6))), (b"half", 1, (2,), bytes(4)),
     (b"brain", 2, (1, 1, 3), bytes(6)),
     (b"empty", 0, (0, 3), b""), (b"scalar", 0, (), bytes(4))], b'{"sam2.config":"{\\"image_size\\": 512}"}')
put("native", "whole", whole)
put("native", "nothing", native([]))
put("native", "layout", whole.replace(b"\0\0\2\0\x08\0\0\0", b"\0\1\2\0\x08\0\0\0"))
put("native", "wraps", native([(b"a", 0, (1 << 33, 1 << 33), b"")]))
put("native", "negative", native([(b"a", 0, (-1,), b"")]))
put("native", "twice", native([(b"a", 0, (1,), bytes(4)), (b"a", 0, (1,), bytes(4))]))
put("native", "text", whole.replace(b"\r\n", b"\n"))
damage("native", "whole", whole, 10)
packed = native(
    [(b"panels", 0, (5, 3), bytes(range(96)), 1, 4), (b"pairs", 2, (33, 1, 2, 1), bytes(2 * 32 * 32 * 2), 2, 32),
     (b"pairs8", 2, (3, 33), bytes(8 * 64 * 2), 2, 8), (b"bias", 0, (3,), bytes(12)),
     (b"table", 0, (2, 2), bytes(16), 0, 0, 1), (b"table.panels", 0, (2, 2), bytes(128), 1, 16, 1)])
put("native", "packed", packed)
put("native", "packed-wide", native([(b"a", 0, (5, 3), bytes(65 * 12), 1, 65)]))
put("native", "packed-none", native([(b"a", 0, (0, 3), b"", 1, 4)]))
put("native", "packed-scalar", native([(b"a", 0, (), bytes(4), 1, 1)]))
put("native", "packed-wraps", native([(b"a", 2, (1 << 58, 7), b"", 2, 64)]))
put("native", "packed-type", native([(b"a", 1, (4, 2), bytes(32), 1, 4)]))
put("native", "constants", native([(b"a", 0, (1,), bytes(4)), (b"b", 0, (1,), bytes(4), 0, 0, 1), (b"b", 0, (1,), bytes(4), 0, 0, 1)]))
put("native", "constant-alone", native([(b"b", 0, (1,), bytes(4), 0, 0, 1)]))
damage("native", "packed", packed, 10)
