"""The model and its predictors, built by the official functions from the yaml beside this file."""
import os

import torch
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

HERE = os.path.dirname(os.path.abspath(__file__))
YAML = "sam2.1_hiera_micro.yaml"
SIZE = 512


def find_yaml_here():
    import sam2  # noqa: F401  (it points hydra at its own configurations when it is imported)

    GlobalHydra.instance().clear()
    initialize_config_dir(HERE, version_base="1.2")


def read_weights(path):
    """{"model": tensors in float32 by their official names} and, from a checkpoint of train.py, what is needed to go on."""
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file

        return {"model": {k: v.float() for k, v in load_file(path).items()}}
    return torch.load(path, map_location="cpu", weights_only=True)


def build(weights=None, size=SIZE, mode="eval"):
    from sam2.build_sam import build_sam2

    find_yaml_here()
    model = build_sam2(YAML, None, device="cpu", mode=mode, apply_postprocessing=mode == "eval", hydra_overrides_extra=[f"++model.image_size={size}"])
    if weights:
        model.load_state_dict(read_weights(weights)["model"])
    return model


def image_predictor(weights, size=SIZE):
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    predictor = SAM2ImagePredictor(build(weights, size))
    predictor._bb_feat_sizes = [(size // s,) * 2 for s in (4, 8, 16)]  # those of a 1024 x 1024 input are written into the class
    return predictor


def video_predictor(weights, size=SIZE):
    from sam2.build_sam import build_sam2_video_predictor

    find_yaml_here()
    predictor = build_sam2_video_predictor(YAML, None, device="cpu", hydra_overrides_extra=[f"++model.image_size={size}"])
    predictor.load_state_dict(read_weights(weights)["model"])
    return predictor
