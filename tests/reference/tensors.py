"""Writing and reading .safetensors, and taking samples of a tensor."""
import json
import struct

import numpy as np

SAMPLES, PIXELS = 512, 4096
# numpy has no bfloat16: its bits are held in 16-bit integers.
TYPES = {"<f4": "F32", "<f2": "F16", "<u2": "BF16"}


def write(path, arrays, metadata):
    """float32, float16 and bfloat16() arrays to a .safetensors file. The same values give the same bytes (the usual writer shuffles the metadata)."""
    header, at = {"__metadata__": metadata}, 0
    for name, a in arrays.items():
        header[name] = {"dtype": TYPES[a.dtype.str], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in arrays.values():
            f.write(np.ascontiguousarray(a).tobytes())


def read(path):
    """(arrays, metadata) of a .safetensors file; bfloat16 comes as float32."""
    with open(path, "rb") as f:
        (n,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(n))
        data = f.read()
    metadata = header.pop("__metadata__", {})
    types = {v: k for k, v in TYPES.items()}
    arrays = {k: np.frombuffer(data[slice(*v["data_offsets"])], types[v["dtype"]]).reshape(v["shape"]) for k, v in header.items()}
    return {k: widen(a) for k, a in arrays.items()}, metadata


def widen(a):
    """Of bfloat16() the float32 values; anything else as it is."""
    return (a.astype(np.uint32) << 16).view(np.float32) if a.dtype == np.uint16 else a


def bfloat16(a):
    """The bits of float32 values that bfloat16 holds exactly."""
    bits = np.ascontiguousarray(a, np.float32).view(np.uint32)
    assert not (bits & 0xFFFF).any(), "not a bfloat16 value"
    return (bits >> 16).astype(np.uint16)


def numbers(*values):
    return np.array(values, np.float32)


def positions(count, of):
    """`count` indices below `of`: the first outputs of splitmix64 seeded with 0, modulo `of`."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z % np.uint64(of)).astype(np.int64)


def pack(bits):
    """[n, any number of] booleans as [n, bytes], first pixel in the highest bit; bytes as float16, which holds them exactly."""
    return np.packbits(bits.reshape(len(bits), -1), axis=1).astype(np.float16)


def sample(name, a, rows=False, count=SAMPLES):
    """name.shape, name.samples and name.sums of an array: of the whole, or with `rows` of each a[i]."""
    flat = a.reshape(len(a) if rows else 1, -1)
    sums = []
    for row in flat.astype(np.float64):
        for value in (row.sum(), np.square(row).sum()):
            high = np.float32(value)
            sums += [high, np.float32(value - np.float64(high))]
    return {
        f"{name}.shape": numbers(*a.shape),
        f"{name}.samples": np.ascontiguousarray(flat[:, positions(count, flat.shape[1])]),
        f"{name}.sums": numbers(*sums).reshape(len(flat), 4),
    }
