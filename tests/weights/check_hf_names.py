#!/usr/bin/env python3
"""Compares the table of src/weights/hf_names.c with Hugging Face transformers' own models, and writes the lists for the C test.

    check_hf_names.py PROGRAM [--write ../data/weights]

PROGRAM is weights_list (built with the tests): it prints the tensors that the library finds in a file. For every size, 2.0 and 2.1, image and
video models of transformers get random weights and are saved as safetensors; the library has to find exactly the official model's names, shapes and
values. The values are compared through the state dict of the official package, filled by shape-preserving renaming done here
independently (the rules of the conversion script, forwards). SAM 1 is compared by names and shapes with segment_anything when that is installed.
"""
import argparse
import re
import subprocess
import tempfile

import torch
from safetensors.torch import save_file
from transformers import Sam2Config, Sam2HieraDetConfig, Sam2Model, Sam2VideoConfig, Sam2VideoModel, Sam2VisionConfig, SamConfig, SamModel, SamVisionConfig

SIZES = {
    "t": (dict(), None),
    "s": (dict(blocks_per_stage=[1, 2, 11, 2], global_attention_blocks=[7, 10, 13]), None),
    "b+": (dict(hidden_size=112, embed_dim_per_stage=[112, 224, 448, 896], num_attention_heads_per_stage=[2, 4, 8, 16], blocks_per_stage=[2, 3, 16, 3], global_attention_blocks=[12, 16, 20], window_positional_embedding_background_size=[14, 14]), [896, 448, 224, 112]),
    "l": (dict(hidden_size=144, embed_dim_per_stage=[144, 288, 576, 1152], num_attention_heads_per_stage=[2, 4, 8, 16], blocks_per_stage=[2, 6, 36, 4], global_attention_blocks=[23, 33, 43], window_size_per_stage=[8, 4, 16, 8]), [1152, 576, 288, 144]),
}


def vision(size):
    backbone, channels = SIZES[size]
    backbone = Sam2HieraDetConfig(**backbone)
    return Sam2VisionConfig(backbone_config=backbone, **({"backbone_channel_list": channels} if channels else {}))


def theirs(size, version, video):
    """A transformers state dict with random values; the tied copies of the Gaussian matrix equal, as in a real file."""
    new = version == "2.1"
    with torch.device("meta"):
        if video:
            model = Sam2VideoModel(Sam2VideoConfig(vision_config=vision(size), enable_temporal_pos_encoding_for_object_pointers=new, enable_occlusion_spatial_embedding=new))
        else:
            model = Sam2Model(Sam2Config(vision_config=vision(size)))
    state = {k: torch.randn(v.shape) for k, v in model.state_dict().items()}
    state["shared_image_embedding.positional_embedding"] = state["prompt_encoder.shared_embedding.positional_embedding"].clone()
    return state


def official(size, version):
    from hydra import compose
    from hydra.utils import instantiate
    import sam2  # noqa: F401 (its import sets the configuration path)

    family = {"2.0": "sam2", "2.1": "sam2.1"}[version]
    config = compose(config_name=f"configs/{family}/{family}_hiera_{size}.yaml")
    return {k: tuple(v.shape) for k, v in instantiate(config.model, _recursive_=True).state_dict().items()}


FORWARD = [  # in this order, as the conversion script applies them
    ("iou_prediction_head.layers.0", "iou_prediction_head.proj_in"), ("iou_prediction_head.layers.1", "iou_prediction_head.layers.0"),
    ("iou_prediction_head.layers.2", "iou_prediction_head.proj_out"), ("mask_decoder.output_upscaling.0", "mask_decoder.upscale_conv1"),
    ("mask_decoder.output_upscaling.1", "mask_decoder.upscale_layer_norm"), ("mask_decoder.output_upscaling.3", "mask_decoder.upscale_conv2"),
    ("mask_downscaling.0", "mask_embed.conv1"), ("mask_downscaling.1", "mask_embed.layer_norm1"), ("mask_downscaling.3", "mask_embed.conv2"),
    ("mask_downscaling.4", "mask_embed.layer_norm2"), ("mask_downscaling.6", "mask_embed.conv3"), ("dwconv", "depthwise_conv"), ("pwconv", "pointwise_conv"),
    ("fuser", "memory_fuser"), ("point_embeddings", "point_embed"), ("pe_layer.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    ("obj_ptr_tpos_proj", "temporal_positional_encoding_projection_layer"), ("no_obj_embed_spatial", "occlusion_spatial_embedding_parameter"),
    ("sam_prompt_encoder", "prompt_encoder"), ("sam_mask_decoder", "mask_decoder"), ("maskmem_tpos_enc", "memory_temporal_positional_encoding"),
    ("gamma", "scale"), ("image_encoder.neck", "vision_encoder.neck"), ("image_encoder", "vision_encoder.backbone"), ("pix_feat_proj", "feature_projection"),
    ("patch_embed.proj", "patch_embed.projection"), ("no_mem_embed", "no_memory_embedding"), ("no_mem_pos_enc", "no_memory_positional_encoding"),
    ("obj_ptr", "object_pointer"), (".norm", ".layer_norm"), ("trunk.", ""), ("out_proj", "o_proj"),
]


def forward(name):
    for a, b in FORWARD:
        name = name.replace(a, b)
    if re.match(r"(vision_encoder\.backbone\.blocks|mask_decoder\.transformer\.layers)\.\d+\.mlp\.", name):
        name = name.replace("mlp.layers.0", "mlp.proj_in").replace("mlp.layers.1", "mlp.proj_out")
    if re.match(r"mask_decoder\.(pred_obj_score_head|output_hypernetworks_mlps\.\d+)\.|object_pointer_proj\.", name):
        name = name.replace(".layers.0.", ".proj_in.").replace(".layers.1.", ".layers.0.").replace(".layers.2.", ".proj_out.")
    name = re.sub(r"(vision_encoder\.neck\.convs\.\d+)\.conv\.", r"\1.", name)
    name = name.replace("memory_encoder.o_proj.", "memory_encoder.projection.")
    m = re.match(r"memory_encoder\.mask_downsampler\.encoder\.(\d+)\.(.*)", name)
    if m:
        n = int(m[1])
        part = "final_conv" if n == 12 else f"layers.{n // 3}.{('conv', 'layer_norm')[n % 3]}"
        name = f"memory_encoder.mask_downsampler.{part}.{m[2]}"
    return name


def value(state, name):
    m = re.match(r"sam_prompt_encoder\.point_embeddings\.(\d)\.weight", name)
    if m:
        return state["prompt_encoder.point_embed.weight"][int(m[1]) : int(m[1]) + 1]
    return state[forward(name)]


def found(program, path):
    """name -> (shape, hash of its ends) as the library reads the file; weights_list prints 'name dtype fnv shape...'."""
    result = {}
    for line in subprocess.run([program, path], check=True, capture_output=True, text=True).stdout.splitlines():
        name, _, digest, *shape = line.split()
        result[name] = (tuple(map(int, shape)), digest)
    return result


def digest(tensor):
    h = 0xCBF29CE484222325
    data = tensor.contiguous().numpy().tobytes()
    for b in data[:64] + data[-64:]:
        h = ((h ^ b) * 0x100000001B3) & (1 << 64) - 1
    return f"{h:016x}"


def write_lists(folder, kind, theirs, official):
    for name, shapes in (("hf", theirs), ("official", official)):
        with open(f"{folder}/{name}_{kind}.txt", "w") as f:
            f.writelines(f"{k} {' '.join(map(str, v))}\n" for k, v in shapes.items())


def check(program, size, version, video, write):
    state, expected = theirs(size, version, video), official(size, version)
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as f:
        save_file(state, f.name)
        have = found(program, f.name)
    if not video:  # the image model has no memory
        expected = {k: v for k, v in expected.items() if re.match(r"image_encoder|sam_|no_mem_embed", k)}
    assert set(have) == set(expected), (set(have) ^ set(expected))
    for name, shape in expected.items():
        assert have[name][0] == shape, (name, have[name], shape)
        assert have[name][1] == digest(value(state, name)), name
    print(f"{version} {size} {'video' if video else 'image'}: {len(state)} tensors give {len(have)} official ones")
    if write and size == "t" and version == "2.1":
        write_lists(write, "video_t" if video else "image_t", {k: tuple(v.shape) for k, v in state.items()}, expected)


def check_sam1(program, write):
    from segment_anything import sam_model_registry

    for size, config in {
        "b": dict(),
        "l": dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, global_attn_indexes=[5, 11, 17, 23]),
        "h": dict(hidden_size=1280, num_hidden_layers=32, num_attention_heads=16, global_attn_indexes=[7, 15, 23, 31]),
    }.items():
        with torch.device("meta"):
            state = SamModel(SamConfig(vision_config=SamVisionConfig(**config))).state_dict()
            expected = {k: tuple(v.shape) for k, v in sam_model_registry["vit_" + size]().state_dict().items() if not k.startswith("pixel_")}
        state = {k: torch.zeros(v.shape) for k, v in state.items()}
        with tempfile.NamedTemporaryFile(suffix=".safetensors") as f:
            save_file(state, f.name)
            have = {k: v[0] for k, v in found(program, f.name).items()}
        assert have == expected, (set(have) ^ set(expected))
        if write and size == "b":
            write_lists(write, "sam1_b", {k: tuple(v.shape) for k, v in state.items()}, expected)
        print(f"sam1 {size}: {len(state)} tensors give {len(have)} official ones")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("program")
    ap.add_argument("--write")
    args = ap.parse_args()
    for size in SIZES:
        for version in ("2.0", "2.1"):
            for video in (False, True):
                check(args.program, size, version, video, args.write)
    try:
        check_sam1(args.program, args.write)
    except ImportError:
        print("segment_anything is not installed: SAM 1 was not checked")


main()
