"""The official automatic mask generator, and how two lists of its records are held together."""
import numpy as np

import official

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
