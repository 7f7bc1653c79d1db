"""The official automatic mask generator, and how two lists of its records are held together."""
import json
import os

import numpy as np

import official
import pictures

# The program's name of each of the generator's parameters is the official one with dashes.
FLAGS = ("use_m2m",)


def generate(module, picture, min_area=0, **parameters):
    """Records of SAM2AutomaticMaskGenerator, or of SAM 1's for its models, as COCO run lengths. `min_area` removes small regions of each mask as the
    official code of SAM 1 does at the end of generate(): SAM 2's has the same function and never calls it.
    """
    import torch

    if hasattr(module, "sam_mask_decoder"):
        from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator as Generator
    else:
        from segment_anything import SamAutomaticMaskGenerator as Generator
    generator = Generator(module, output_mode="coco_rle", **parameters)
    size = module.image_size if hasattr(module, "image_size") else module.image_encoder.img_size
    if hasattr(generator.predictor, "_bb_feat_sizes"):
        generator.predictor._bb_feat_sizes = [(size // k, size // k) for k in (4, 8, 16)]
    if min_area:
        plain = generator._generate_masks

        def with_small_regions_removed(image):
            data = plain(image)
            data["boxes"] = torch.as_tensor(data["boxes"])
            data["iou_preds"], data["points"] = torch.as_tensor(data["iou_preds"]), torch.as_tensor(data["points"])
            data["stability_score"], data["crop_boxes"] = torch.as_tensor(data["stability_score"]), torch.as_tensor(data["crop_boxes"])
            data = generator.postprocess_small_regions(data, min_area, max(generator.box_nms_thresh, generator.crop_nms_thresh))
            data.to_numpy()
            return data

        generator._generate_masks = with_small_regions_removed
    with torch.inference_mode():
        return generator.generate(picture)


def mask_iou(a, b):
    from pycocotools import mask as coco

    if a["segmentation"] == b["segmentation"]:
        return 1.0
    return float(coco.iou([a["segmentation"]], [b["segmentation"]], [0])[0, 0])


def key(record):
    """Which prompt a record comes from: a point of a crop."""
    return tuple(np.float32(record["crop_box"] + record["point_coords"][0]).tolist())


def match(ours, theirs):
    """Pairs of records of the same prompt with the most alike masks, and what is left over on either side."""
    free, pairs, alone = {}, [], []
    for b in theirs:
        free.setdefault(key(b), []).append(b)
    for place, a in enumerate(ours):
        others = free.get(key(a), [])
        best = max(others, key=lambda b: mask_iou(a, b), default=None)
        if best is None or abs(a["predicted_iou"] - best["predicted_iou"]) > 0.01:
            alone.append(a)
            continue
        others.remove(best)
        pairs.append((place, a, best))
    return pairs, alone, [b for rest in free.values() for b in rest]


def swaps(pairs, theirs):
    """The greatest difference of scores between a record and the one that has its place in the official order."""
    places = {id(b): i for i, b in enumerate(theirs)}
    wrong = [(a, theirs[place]) for place, a, b in pairs if place < len(theirs) and places[id(b)] != place]
    return max((abs(a["predicted_iou"] - b["predicted_iou"]) for a, b in wrong), default=0.0), len(wrong)


def load(model, seed, weights=None):
    return official.load_with_config(weights) if weights else official.load(model, seed=seed)


# What the tests ask of the generator: in a fixture with the official answers. Masks of stand-in weights are noise of the picture's size; those of the trained
# model are real. `model` is a yaml beside this file with a seed, or None for the trained one.
NOISE = dict(stability_score_offset=0.1, box_nms_thresh=1.0, crop_nms_thresh=1.0)
GRIDS = [[[0.3, 0.4], [0.75, 0.25], [0.7, 0.7], [0.5, 0.5]], [[0.5, 0.5], [0.25, 0.8]]]
FIXTURE = {
    "all": (None, dict(points_per_side=4, pred_iou_thresh=0.0, stability_score_thresh=0.0)),
    "filtered": (None, dict(points_per_side=8, pred_iou_thresh=0.5, stability_score_thresh=0.8)),
    "crops": (None, dict(points_per_side=8, crop_n_layers=1, crop_n_points_downscale_factor=2, pred_iou_thresh=0.5, stability_score_thresh=0.7)),
    "layers": (None, dict(points_per_side=6, crop_n_layers=2, crop_overlap_ratio=0.2, crop_nms_thresh=0.5, crop_n_points_downscale_factor=2, pred_iou_thresh=0.4, stability_score_thresh=0.5)),
    "m2m": (None, dict(points_per_side=6, use_m2m=True, pred_iou_thresh=0.4, stability_score_thresh=0.5)),
    "single": (None, dict(points_per_side=8, multimask_output=False, pred_iou_thresh=0.4, stability_score_thresh=0.5)),
    "grids": (None, dict(points_per_side=None, point_grids=GRIDS, crop_n_layers=1, pred_iou_thresh=0.3, stability_score_thresh=0.5, box_nms_thresh=0.9)),
    "threshold": (None, dict(points_per_side=6, mask_threshold=1.5, stability_score_offset=0.75, pred_iou_thresh=0.3, stability_score_thresh=0.6)),
    "regions": (None, dict(points_per_side=6, min_area=60, pred_iou_thresh=0.0, stability_score_thresh=0.5, box_nms_thresh=0.8)),
    "nothing": (None, dict(points_per_side=3, pred_iou_thresh=0.999)),
    "noise": ("small_2.1", dict(points_per_side=3, pred_iou_thresh=0.0, stability_score_thresh=0.0, **NOISE)),
    "noise_regions": ("small_2.1", dict(points_per_side=2, min_area=12, pred_iou_thresh=0.0, stability_score_thresh=0.0, **NOISE)),
    "noise_crops": ("small_2.1", dict(points_per_side=2, crop_n_layers=1, pred_iou_thresh=0.0, stability_score_thresh=0.3, **NOISE)),
}
SEED = 548


def fixture(out, weights, made_by):
    """auto.json: {case: {model, seed, picture: [width, height], parameters, records}}."""
    modules, cases = {}, {}
    here = os.path.dirname(os.path.abspath(__file__))
    for name, (model, parameters) in FIXTURE.items():
        if model not in modules:
            modules[model] = official.load(os.path.join(here, model + ".yaml"), seed=SEED) if model else official.load_with_config(weights)
        size = (120, 80) if model else (320, 240)
        picture = pictures.pattern(*size) if model else pictures.scene(*size)
        given = dict(parameters)
        if "point_grids" in given:
            given["point_grids"] = [np.array(g) for g in given["point_grids"]]
        records = generate(modules[model], picture, **given)
        cases[name] = dict(model=model, seed=SEED, picture=list(size), parameters=parameters, records=records)
        print(f"auto {name:14s} {len(records)} masks", flush=True)
    with open(os.path.join(out, "auto.json"), "w") as f:
        f.write("{\n" + ",\n".join([f'"made_by": {json.dumps(made_by)}'] + [f'"{k}": {json.dumps(v, default=float)}' for k, v in cases.items()]) + "\n}\n")
