"""Writes the averaged weights of a checkpoint of train.py as the file that the program reads; several checkpoints, or such files: their mean.

    python export.py CHECKPOINT… OUT.safetensors

bfloat16, the official names, the yaml's `model` node as JSON under "sam2.config" in the metadata. The file is read back and has to load strictly.
"""
import argparse
import json
import os

import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file

import model

LARGEST = 8_500_000


def write(weights, out):
    """weights: tensors by their official names."""
    part = out.removesuffix(".safetensors") + ".part.safetensors"
    narrow = {k: v.detach().bfloat16().contiguous() for k, v in weights.items()}
    wrong = [k for k, v in narrow.items() if not torch.isfinite(v).all()]
    if wrong:
        raise SystemExit(f"{out}: {wrong[0]} is not finite")
    config = OmegaConf.to_container(OmegaConf.load(os.path.join(model.HERE, model.YAML)).model)
    save_file(narrow, part, {"format": "pt", "sam2.config": json.dumps(config, separators=(",", ":"))})
    model.build(part)
    model.video_predictor(part)
    size = os.path.getsize(part)
    if size > LARGEST:
        raise SystemExit(f"{out}: {size} bytes, more than {LARGEST}")
    os.replace(part, out)
    print(f"{out}: {len(narrow)} tensors, {sum(v.numel() for v in narrow.values())} numbers, {size} bytes")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("checkpoints", nargs="+")
    ap.add_argument("out")
    a = ap.parse_args()
    found = [model.read_weights(path)["model"] for path in a.checkpoints]
    write({k: sum(f[k].float() for f in found) / len(found) for k in found[0]}, a.out)


if __name__ == "__main__":
    main()
