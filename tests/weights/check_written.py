#!/usr/bin/env python3
"""Reads what the library writes with PyTorch and safetensors: check_written.py PROGRAM FILE...

PROGRAM is weights_list, FILEs are checkpoints. Each is written as .pt, .safetensors and (through the library again) .sam2, and the tensors have to come
out the same; the .pt has to load with weights_only=True, mapped and unmapped, and to pass zipfile's own test.
"""
import collections
import subprocess
import sys
import tempfile
import zipfile

import torch
from safetensors import safe_open
from safetensors.torch import load_file


def same(have, want, as_float):
    assert set(have) == set(want), set(have) ^ set(want)
    for name, value in want.items():
        value = value.float() if as_float else value
        assert have[name].dtype == value.dtype and have[name].shape == value.shape, name
        assert have[name].contiguous().view(-1).view(torch.uint8).equal(value.contiguous().view(-1).view(torch.uint8)), name


def main():
    program = sys.argv[1]
    for path in sys.argv[2:]:
        if path.endswith(".safetensors"):
            want = {k: v for k, v in load_file(path).items() if v.is_floating_point()}
        else:
            want = torch.load(path, weights_only=True)
            want = {k.removeprefix("module."): v for k, v in want.get("model", want).items() if v.is_floating_point()}
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([program, path, f"{folder}/a.sam2"], check=True)
            for source in (path, f"{folder}/a.sam2"):
                subprocess.run([program, source, f"{folder}/a.safetensors"], check=True)
                same(load_file(f"{folder}/a.safetensors"), want, False)
                with safe_open(f"{folder}/a.safetensors", "pt") as f:
                    assert f.metadata()["format"] == "pt"
                subprocess.run([program, source, f"{folder}/a.pt"], check=True)
                assert zipfile.ZipFile(f"{folder}/a.pt").testzip() is None
                for mapped in (False, True):
                    loaded = torch.load(f"{folder}/a.pt", weights_only=True, mmap=mapped)
                    assert type(loaded) is dict and list(loaded) == ["model"] and type(loaded["model"]) is collections.OrderedDict
                    same(loaded["model"], want, True)
        print(f"{path}: {len(want)} tensors the same")


main()
