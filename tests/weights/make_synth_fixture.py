#!/usr/bin/env python3
"""Values of the stand-in formula for the C test: python3 make_synth_fixture.py PATH/TO/synth.py > ../data/weights/synth.txt

One line a tensor: name seed absent dims sizes... fnv1a-64 of all bytes, then the bits of the first 8 values.
"""
import importlib.util
import sys

import numpy as np

spec = importlib.util.spec_from_file_location("synth", sys.argv[1])
synth = importlib.util.module_from_spec(spec)
spec.loader.exec_module(synth)

CASES = [
    ("image_encoder.trunk.pos_embed", (1, 12, 7, 7)),
    ("image_encoder.trunk.pos_embed_window", (1, 12, 8, 8)),
    ("image_encoder.trunk.patch_embed.proj.weight", (12, 3, 7, 7)),
    ("image_encoder.trunk.patch_embed.proj.bias", (12,)),
    ("image_encoder.trunk.blocks.0.norm1.weight", (96,)),
    ("image_encoder.trunk.blocks.0.attn.qkv.weight", (36, 12)),
    ("image_encoder.neck.convs.0.conv.weight", (16, 48, 1, 1)),
    ("image_encoder.neck.convs.0.conv.bias", (16,)),
    ("memory_attention.layers.0.cross_attn_image.k_proj.weight", (64, 16)),
    ("memory_encoder.fuser.layers.0.gamma", (64,)),
    ("memory_encoder.fuser.layers.0.dwconv.weight", (64, 1, 7, 7)),
    ("memory_encoder.mask_downsampler.encoder.1.weight", (4,)),
    ("sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", (2, 128)),
    ("sam_prompt_encoder.point_embeddings.0.weight", (1, 256)),
    ("sam_prompt_encoder.not_a_point_embed.weight", (1, 256)),
    ("sam_prompt_encoder.no_mask_embed.weight", (1, 256)),
    ("sam_mask_decoder.obj_score_token.weight", (1, 256)),
    ("sam_mask_decoder.output_upscaling.0.weight", (64, 16, 2, 2)),
    ("sam_mask_decoder.output_upscaling.3.weight", (16, 8, 2, 2)),
    ("sam_mask_decoder.pred_obj_score_head.layers.2.bias", (1,)),
    ("sam_mask_decoder.pred_obj_score_head.layers.2.weight", (1, 256)),
    ("maskmem_tpos_enc", (7, 1, 1, 64)),
    ("no_mem_embed", (1, 1, 256)),
    ("no_mem_pos_enc", (1, 1, 256)),
    ("no_obj_ptr", (1, 256)),
    ("no_obj_embed_spatial", (1, 64)),
    ("obj_ptr_proj.layers.0.weight", (64, 64)),
    ("obj_ptr_tpos_proj.weight", (64, 256)),
    ("mask_downsample.weight", (1, 1, 4, 4)),
    ("image_encoder.blocks.0.attn.rel_pos_h", (27, 64)),
    ("scalar", ()),
    ("nothing.weight", (0, 3)),
]


def fnv1a(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & (1 << 64) - 1
    return h


for seed, absent in ((0, False), (1, True), (0xFFFFFFFFFFFFFFFF, False)):
    for name, shape in CASES:
        values = synth.tensor(name, shape, seed, absent)
        data = values.astype("<f4").tobytes()
        bits = np.frombuffer(data, "<u4")[:8]
        print(name, seed, int(absent), len(shape), *shape, f"{fnv1a(data):016x}", *(f"{b:08x}" for b in bits))
