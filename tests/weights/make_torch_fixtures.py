#!/usr/bin/env python3
"""Small files by torch.save and safetensors for the C tests: python3 make_torch_fixtures.py ../data/weights"""
import collections
import sys

import torch
from safetensors.torch import save_file

folder = sys.argv[1]
torch.manual_seed(0)
base = torch.arange(24, dtype=torch.float32)
state = collections.OrderedDict(
    [
        ("module.a.weight", base.reshape(2, 3, 4) / 8),
        ("module.a.bias", torch.nn.Parameter(torch.tensor([1.5, -2.0]))),
        ("module.half", torch.tensor([[0.5], [65504.0]], dtype=torch.float16)),
        ("module.brain", torch.tensor([-1.0, 3.0e38, 2.0], dtype=torch.bfloat16)),
        ("module.part", base[4:10].reshape(3, 1, 2)),  # shares a storage, begins within it
        ("module.odd", torch.as_strided(torch.arange(90.0), (4, 1, 2), (2, 77, 1))),
        ("module.num_batches_tracked", torch.tensor(7)),
        ("module.empty", torch.zeros(0, 3)),
        ("module.scalar", torch.tensor(4.25)),
    ]
)
state._metadata = collections.OrderedDict([("", {"version": 1})])
checkpoint = {
    "model": state,
    "optimizer": {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(2, 2).t()}}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [0, 1], "foreach": None, "fused": True}]},
    "epoch": 12,
    "steps": 1 << 70,
    "best": {"loss": float("inf")},
}
torch.save(checkpoint, f"{folder}/torch_model.pt")
torch.save(checkpoint, f"{folder}/torch_protocol4.pt", pickle_protocol=4)
torch.save(state, f"{folder}/torch_bare.pt")
torch.save({"a": torch.ones(3, 4).t()}, f"{folder}/torch_transposed.pt")
torch.save({"a": torch.ones(3, dtype=torch.float64)}, f"{folder}/torch_float64.pt")
torch.save(torch.nn.Linear(2, 2), f"{folder}/torch_module.pt")
torch.save(state, f"{folder}/torch_old.pt", _use_new_zipfile_serialization=False)
plain = {k.removeprefix("module."): v.detach().clone() for k, v in state.items()}
save_file(plain, f"{folder}/hub.safetensors", metadata={"format": "pt", "sam2.config": '{"image_size": 512}'})
