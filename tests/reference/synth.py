#!/usr/bin/env python3
"""Deterministic stand-in weights for any SAM 2 / SAM 1 checkpoint layout.

A value depends only on (tensor name, element index, seed), so that any language can produce the same bits:

    h0      = FNV-1a-64(name, utf-8) XOR (seed * 0x9E3779B97F4A7C15 mod 2^64)
    z_i     = splitmix64 finaliser of (h0 + (i + 1) * 0x9E3779B97F4A7C15 mod 2^64)
    u_i     = (z_i >> 40) * 2^-23 - 1            24-bit uniform in [-1, 1), exact in float32
    value_i = float32(offset + scale * u_i)      scale, offset by the name's kind, below

i runs over the tensor in C order. fan_in of a weight is the product of all dimensions but the first
(for a transposed convolution: of all dimensions but the second).

Kind (first match wins):
    object score bias        offset +6, scale 0.05   "pred_obj_score_head.layers.2.bias": objects count as present
                                                     (offset -6 with absent=True: every object counts as hidden)
    norm weight              offset 1, scale 0.1     a 1-D "weight"
    layer scale ("gamma")    offset 0.1, scale 0.05
    bias (any 1-D "bias")    offset 0, scale 0.05
    gaussian matrix          offset 0, scale sqrt(3)
    embedding / token / pos  offset 0, scale 0.5
    neck 1x1 convolution     offset 0, scale 0.3 * sqrt(3 / fan_in)   "image_encoder.neck.convs." (keeps the embedding near rms 1)
    any other weight         offset 0, scale sqrt(3 / fan_in)
"""
import argparse
import math

import numpy as np

GOLDEN = 0x9E3779B97F4A7C15
M64 = (1 << 64) - 1


def fnv1a(name):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = ((h ^ b) * 0x100000001B3) & M64
    return h


def uniform(name, count, seed):
    h0 = fnv1a(name) ^ ((seed * GOLDEN) & M64)
    with np.errstate(over="ignore"):
        z = np.uint64(h0) + (np.arange(1, count + 1, dtype=np.uint64)) * np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0


TRANSPOSED = ("output_upscaling.0.weight", "output_upscaling.3.weight")
EMBED = ("embed", "token", "pos_enc", "no_mem", "obj_ptr", "rel_pos", "tpos")


def kind(name, shape, absent=False):
    """Return (offset, scale) for a tensor of this name and shape."""
    last = name.rsplit(".", 1)[-1]
    if name.endswith("pred_obj_score_head.layers.2.bias"):
        return (-6.0 if absent else 6.0), 0.05
    if last == "gamma":
        return 0.1, 0.05
    if last == "bias":
        return 0.0, 0.05
    if last == "weight" and len(shape) == 1:
        return 1.0, 0.1
    if "gaussian_matrix" in name:
        return 0.0, math.sqrt(3.0)
    is_module_weight = last == "weight" and "embeddings" not in name and "token" not in name and "no_mask_embed" not in name
    if not is_module_weight and any(k in name for k in EMBED):
        return 0.0, 0.5
    fan_in = 1
    for axis, n in enumerate(shape):
        if axis != (1 if name.endswith(TRANSPOSED) else 0):
            fan_in *= n
    gain = 0.3 if name.startswith("image_encoder.neck.convs.") else 1.0
    return 0.0, gain * math.sqrt(3.0 / max(fan_in, 1))


def tensor(name, shape, seed=0, absent=False):
    """Return the float32 array of this name and shape."""
    offset, scale = kind(name, tuple(shape), absent)
    count = int(np.prod(shape)) if len(shape) else 1
    return (offset + scale * uniform(name, count, seed)).astype(np.float32).reshape(shape)


def fill(module, seed=0, absent=False):
    """Overwrite every parameter and buffer of a torch state_dict in place."""
    import torch

    state = module.state_dict()
    for name, value in state.items():
        if value.is_floating_point():
            state[name] = torch.from_numpy(tensor(name, tuple(value.shape), seed, absent))
    module.load_state_dict(state)
    return module


def build_sam1(config):
    """SAM 1 of other sizes than the package's builders know; what they have in common is as there (segment_anything/build_sam.py)."""
    from functools import partial

    import torch
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    encoder, decoder = dict(config["image_encoder"]), config["mask_decoder"]
    size, dim = encoder["img_size"], encoder["out_chans"]
    encoder["global_attn_indexes"] = list(encoder["global_attn_indexes"])
    return Sam(
        image_encoder=ImageEncoderViT(mlp_ratio=4, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), patch_size=16, qkv_bias=True, use_rel_pos=True, **encoder),
        prompt_encoder=PromptEncoder(embed_dim=dim, image_embedding_size=(size // 16, size // 16), input_image_size=(size, size), mask_in_chans=16),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=dim, mlp_dim=decoder["mlp_dim"], num_heads=8),
            transformer_dim=dim,
            iou_head_depth=3,
            iou_head_hidden_dim=decoder["iou_head_hidden_dim"],
        ),
    )


def build(model, image_size=None):
    """Official model by short name: sam2_t sam2.1_t … sam2.1_l, sam1_b sam1_l sam1_h (needs the reference packages).

    A path ending in .yaml builds that configuration, as small_2.1.yaml or small_sam1.yaml.
    image_size (SAM 2 only): the square input side, by default the configuration's (1024).
    """
    if model.endswith(".yaml"):
        from hydra.utils import instantiate
        from omegaconf import OmegaConf

        config = OmegaConf.load(model).model
        if config.get("model_type") == "sam1":
            return build_sam1(config).eval()
        config["_target_"] = "sam2.sam2_video_predictor.SAM2VideoPredictor"
        config["image_size"] = image_size or config["image_size"]
        config["sam_mask_decoder_extra_args"] = dict(dynamic_multimask_via_stability=True, dynamic_multimask_stability_delta=0.05, dynamic_multimask_stability_thresh=0.98)
        config["binarize_mask_from_pts_for_mem_enc"] = True
        config["fill_hole_area"] = 8
        return instantiate(config, _recursive_=True).eval()
    family, size = model.replace("base_plus", "b+").rsplit("_", 1)
    if family == "sam1":
        from segment_anything import sam_model_registry

        return sam_model_registry["vit_" + size]().eval()
    from sam2.build_sam import build_sam2_video_predictor

    extra = [f"++model.image_size={image_size}"] if image_size else []
    return build_sam2_video_predictor(f"configs/{family}/{family}_hiera_{size}.yaml", None, device="cpu", hydra_overrides_extra=extra)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("model", help="sam2_t … sam2.1_l, sam1_b sam1_l sam1_h")
    ap.add_argument("output", help="*.pt (the official layout) or *.safetensors")
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--absent", action="store_true", help="object scores negative: every object counts as hidden")
    args = ap.parse_args()
    import torch

    module = fill(build(args.model), args.seed, args.absent)
    state = {k: v.clone() for k, v in module.state_dict().items()}
    if args.output.endswith(".safetensors"):
        from safetensors.torch import save_file

        save_file(state, args.output)
    else:
        torch.save(state if args.model.startswith("sam1") else {"model": state}, args.output)
    print(args.output, f"{sum(v.numel() for v in state.values()) / 1e6:.1f} M values")


if __name__ == "__main__":
    main()
