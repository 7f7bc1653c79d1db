#!/usr/bin/env python3
"""Remakes the expected values of ../data/reference with the official code: see README.md for what each file holds.

    python make_fixtures.py [--only small,resize,frame_resize,enlarge,large,sam1,sam1_resize,sam1_enlarge,trained,bf16,
                            bf16_sam1,video,video_bf16,auto] [--out DIR] [--models sam2.1_t,…]
"""
import argparse
import json
import os
import warnings

import numpy as np
import torch

import auto
import official
import pictures
import tensors
import video
from tensors import numbers

HERE = os.path.dirname(os.path.abspath(__file__))
CLAMP = 32.0
MODELS = [f"{family}_{size}" for family in ("sam2", "sam2.1") for size in ("t", "s", "b+", "l")]
LARGE_SEEDS = (0, 3)

# Where a case's mask_input comes from: the clamped first mask of the case "click", pictures.logits, or the clamped first mask of the case "previous".
PREVIOUS, MADE, AGAIN = 1, 2, 3
FIRST_OF = {PREVIOUS: "click", AGAIN: "previous"}


def case(points=(), box=None, mask=0, multimask=True):
    return dict(points=points, box=box, mask=mask, multimask=multimask)


def usual_cases(inside, outside, box, mask=PREVIOUS):
    """The prompts of every fixture; `click` has to come before those that take its logits.

    Fixtures that do not store the mask prompt take made logits for it: both sides then start from the same bits, where a result of one's own would be
    amplified once more by stand-in weights.
    """
    return {
        "click": case([inside]),
        "click_single": case([inside], multimask=False),
        "two_clicks": case([inside, outside]),
        "two_clicks_single": case([inside, outside], multimask=False),
        "box": case(box=box),
        "box_single": case(box=box, multimask=False),
        "box_click_single": case([outside], box=box, multimask=False),
        "previous": case([inside, outside], mask=mask),
        "previous_single": case([inside], mask=mask, multimask=False),
    }


def rare_cases(width, height):
    return {
        "negatives": case([(width * 0.1, height * 0.2, 0), (width * 0.8, height * 0.9, 0)]),
        "mask_only": case(mask=MADE),
        "mask_only_single": case(mask=MADE, multimask=False),
        "nothing": case(),
        "nothing_single": case(multimask=False),
    }


# The last entries are prompts for which the decoder's stability rule keeps mask 0 and takes another one; collect() checks that.
SMALL = {
    "small_2.0": dict(
        seed=541,
        picture=(150, 100),
        cases=usual_cases((60, 40, 1), (110.25, 70.5, 0), (20, 15, 120.5, 80))
        | rare_cases(150, 100)
        | {"kept": case([(99, 14, 1), (118, 79, 1), (23, 94, 1), (115, 78, 1), (142, 44, 0), (37, 29, 0), (104, 57, 1), (44, 52, 1)], multimask=False)}
        | {"replaced": case([(30, 80, 1), (5, 5, 0)], multimask=False)},
    ),
    "small_2.1": dict(
        seed=548,
        picture=(300, 190),
        cases=usual_cases((110, 60, 1), (220.25, 150.5, 0), (40, 30, 200.5, 170))
        | rare_cases(300, 190)
        | {"kept": case([(150, 95, 1)], multimask=False)}
        | {"replaced": case([(150, 95, 0), (10, 10, 0)], multimask=False)},
    ),
}
# SAM 1 has no rule of stability; the picture is upright, so that the padding is on the right.
SMALL_SAM1 = dict(seed=12, picture=(190, 300), cases=usual_cases((60, 110, 1), (150.5, 220.25, 0), (30, 40, 170, 200.5)) | {"box_click": case([(110.25, 70.5, 0)], box=(20, 15, 120.5, 80))} | rare_cases(190, 300))
LARGE = dict(picture=(900, 600), cases=usual_cases((300, 220, 1), (640.25, 410.5, 0), (120, 90, 620.5, 480), mask=MADE))
# A click on the ring and a correction give logits beyond the clamp, so that `again` needs it.
TRAINED = dict(
    picture=(640, 480),
    cases=usual_cases((490, 60, 1), (480.25, 120.5, 0), (412, 52, 548.5, 188))
    | {"again": case([(490, 60, 1), (480.25, 120.5, 0)], mask=AGAIN)}
    | rare_cases(640, 480)
    | {"disc": case([(192, 192, 1)]), "rectangle": case(box=(352, 240, 544, 408), multimask=False)}
    | {"kept": case([(192, 192, 1)], multimask=False), "replaced": case([(380, 420, 1)], multimask=False)},
)


def versions(*more):
    from importlib.metadata import version

    return {p: version(p) for p in ("torch", "torchvision", "sam2") + more}


def prompt_tensors(name, c):
    out = {f"{name}.multimask": numbers(c["multimask"])}
    if c["points"]:
        out[f"{name}.points"] = numbers(*c["points"])
    if c["box"]:
        out[f"{name}.box"] = numbers(*c["box"])
    if c["mask"]:
        out[f"{name}.mask_kind"] = numbers(c["mask"])
    return out


def complete(name, a, rows=False):
    return {name: np.ascontiguousarray(a)}


def masks_complete(name, masks):
    return {f"{name}.masks": tensors.pack(masks)}


def masks_sampled(name, masks):
    flat = masks.reshape(len(masks), -1)
    return {f"{name}.masks.area": numbers(*flat.sum(1)), f"{name}.masks.samples": tensors.pack(flat[:, tensors.positions(tensors.PIXELS, flat.shape[1])])}


def answer(recorder, name, c, firsts, keep):
    """The tensors of one prompt, and a line of facts for the metadata. firsts: the first masks of earlier cases, clamped."""
    side = recorder.model.image_size // 4
    mask = firsts[FIRST_OF[c["mask"]]] if c["mask"] in FIRST_OF else {0: None, MADE: pictures.logits(side, side)[None]}[c["mask"]]
    got = recorder.predict(c["points"], c["box"], mask, c["multimask"])
    out = prompt_tensors(name, c)
    if got["sparse"].size:
        out[f"{name}.sparse"] = got["sparse"]
    # previous_single and mask_only_single have the mask, and so the dense tensor, of the case without "_single".
    if mask is not None and c["multimask"]:
        out |= keep(f"{name}.dense", got["dense"])
        if keep is complete:
            out[f"{name}.mask_input"] = np.array(mask, np.float32)
    out |= keep(f"{name}.low_res", got["low_res"], rows=True)
    out |= {f"{name}.{k}": got[k] for k in ("iou", "object_score") if k in got} | {f"{name}.index": numbers(*got["index"])}
    out |= (masks_complete if keep is complete else masks_sampled)(name, got["masks"])
    fact = dict(c, name=name, index=got["index"])
    if hasattr(recorder, "stability"):
        fact["stability"] = recorder.stability(got["low_res_all"][0])
        if not c["multimask"]:
            out[f"{name}.stability"] = numbers(fact["stability"])
    return out, fact, got


def collect(recorder, picture, formula, setup, cases, keep):
    """The encoder's tensors for `picture`, the decoder's for every case; and the cases' facts."""
    out = {"picture": numbers(picture.shape[1], picture.shape[0], formula)} | setup
    for name, a in recorder.encode(picture).items():
        out |= keep(name, a)
    facts, firsts = [], {}
    for name, c in cases.items():
        arrays, fact, got = answer(recorder, name, c, firsts, keep)
        out |= arrays
        facts.append(fact)
        if name in FIRST_OF.values():
            firsts[name] = got["low_res_clamped"][:1]
            assert "object_score" not in got or np.array_equal(firsts[name], np.clip(got["low_res"][:1], -CLAMP, CLAMP))
        assert name != "kept" or got["index"] == [0]
        assert name != "replaced" or got["index"] != [0]
    return out, facts


def write(path, arrays, facts, metadata):
    tensors.write(path, arrays, dict(metadata, made_by=json.dumps(versions()), cases=json.dumps(facts)))
    single = {f["name"]: (f["index"], round(f["stability"], 4)) for f in facts if not f.get("multimask", True) and "stability" in f}
    print(f"{os.path.basename(path):32s} {os.path.getsize(path):9d} bytes", single or "", flush=True)


def small(out):
    for name, s in SMALL.items():
        yaml = os.path.join(HERE, name + ".yaml")
        recorder = official.Recorder(official.load(yaml, seed=s["seed"]))
        setup = {"seed": numbers(s["seed"])}
        # Its presence is how a reader of weights tells SAM 2.1 from 2.0.
        if recorder.model.no_obj_embed_spatial is not None:
            setup["no_obj_embed_spatial"] = official.to_np(recorder.model.no_obj_embed_spatial)
        arrays, facts = collect(recorder, pictures.pattern(*s["picture"]), 0, setup, s["cases"], complete)
        write(os.path.join(out, name + ".safetensors"), arrays, facts, {"sam2.config": official.config_json(yaml)})


def large(out, models):
    """The official sizes. For pictures SAM 2 and 2.1 are one network, and weights by name are the same weights, so their files come out the same."""
    picture = pictures.pattern(*LARGE["picture"])
    for model in models:
        module = official.synth.build(model).eval()
        recorder = official.Recorder(module)
        for seed in LARGE_SEEDS:
            official.synth.fill(module, seed)
            arrays, facts = collect(recorder, picture, 0, {"seed": numbers(seed)}, LARGE["cases"], tensors.sample)
            write(os.path.join(out, f"{model}_seed{seed}.safetensors"), arrays, facts, {})


def sam1(out, models):
    """SAM 1: a small configuration complete, official sizes by samples."""
    yaml = os.path.join(HERE, "small_sam1.yaml")
    recorder = official.Recorder1(official.load(yaml, seed=SMALL_SAM1["seed"]))
    picture, path = pictures.pattern(*SMALL_SAM1["picture"]), os.path.join(out, "small_sam1.safetensors")
    arrays, facts = collect(recorder, picture, 0, {"seed": numbers(SMALL_SAM1["seed"])}, SMALL_SAM1["cases"], complete)
    write(path, arrays, facts, {"sam2.config": official.config_json(yaml)})
    picture = pictures.pattern(*LARGE["picture"])
    for model in models:
        module = official.synth.build(model).eval()
        recorder = official.Recorder1(module)
        for seed in LARGE_SEEDS[: 2 if model == "sam1_b" else 1]:
            official.synth.fill(module, seed)
            path = os.path.join(out, f"{model}_seed{seed}.safetensors")
            arrays, facts = collect(recorder, picture, 0, {"seed": numbers(seed)}, LARGE["cases"], tensors.sample)
            write(path, arrays, facts, {})


# Width and height of the picture, long side of the result.
LONGEST = [(1, 1, 64), (50, 37, 64), (64, 64, 64), (64, 20, 64), (20, 64, 64), (200, 64, 64), (65, 63, 64), (40, 700, 64), (300, 700, 64), (700, 301, 64), (1500, 30, 64), (95, 6000, 64), (160, 90, 160), (241, 135, 160)]


def sam1_resize(out):
    """The official SAM 1 picture transform: bytes of the resize to the longest side, and the float32 value that becomes of each byte."""
    from segment_anything.utils.transforms import ResizeLongestSide

    model = official.synth.build(os.path.join(HERE, "small_sam1.yaml"))
    ramp = torch.arange(160 * 160).remainder(256).to(torch.uint8).reshape(1, 1, 160, 160).expand(1, 3, 160, 160)
    arrays = {"values": np.ascontiguousarray(official.to_np(model.preprocess(ramp)).reshape(3, -1)[:, :256])}
    for width, height, side in LONGEST:
        got = ResizeLongestSide(side).apply_image(pictures.pattern(width, height))
        arrays[f"{width}x{height}_to_{side}"] = got.astype(np.float16)
    tensors.write(os.path.join(out, "sam1_resize.safetensors"), arrays, {"made_by": json.dumps(versions("Pillow", "segment-anything"))})


def sam1_enlarge(out):
    """The official SAM 1 enlargement in two steps: to the padded square, and what is not padding of it to the picture."""
    from segment_anything.utils.transforms import ResizeLongestSide

    arrays = {}
    for side, width, height in SAM1_ENLARGE + SAM1_ENLARGE_SAMPLED:
        model = official.synth.build_sam1(dict(image_encoder=dict(img_size=4 * side, embed_dim=16, depth=1, num_heads=2, window_size=0, global_attn_indexes=[], out_chans=16), mask_decoder=dict(mlp_dim=16, iou_head_hidden_dim=16)))
        logits = torch.from_numpy(pictures.logits(side, side))[None, None]
        got = official.to_np(model.postprocess_masks(logits, ResizeLongestSide.get_preprocess_shape(height, width, 4 * side), (height, width)))[0, 0]
        name = f"{side}_to_{width}x{height}"
        arrays |= {name: got} if (side, width, height) in SAM1_ENLARGE else tensors.sample(name, got)
        arrays[name + ".area"] = numbers((got > 0).sum())
    tensors.write(os.path.join(out, "sam1_enlarge.safetensors"), arrays, {"made_by": json.dumps(versions("segment-anything"))})


# Side of the logits, width and height of the picture.
SAM1_ENLARGE = [(64, 150, 100), (64, 64, 64), (64, 37, 211), (64, 1, 1), (64, 1, 90), (40, 75, 51), (16, 64, 2), (40, 160, 160)]
SAM1_ENLARGE_SAMPLED = [(256, 1800, 1200), (256, 900, 1351), (256, 256, 256), (64, 3001, 77), (256, 1024, 640)]


def trained(out, weights):
    """The trained small model that the project ships, on a picture with things in it."""
    recorder = official.Recorder(official.load_with_config(weights))
    arrays, facts = collect(recorder, pictures.scene(*TRAINED["picture"]), 1, {}, TRAINED["cases"], tensors.sample)
    assert np.abs(arrays["previous.low_res.samples"][0]).max() > CLAMP, "the mask that is fed back should need the clamp"
    write(os.path.join(out, "trained.safetensors"), arrays, facts, {})


# Clicks by which bfloat16's answers are judged (the error over three prompts is a matter of luck), and how many values of each mask.
COLUMNS, ROWS, VALUES = 8, 6, 16


def grid_answers(recorder, width, height):
    """The clicks of the grid and what the official code answers them for the picture it has encoded."""
    points = np.array([((i + 0.5) * width / COLUMNS, (j + 0.5) * height / ROWS) for j in range(ROWS) for i in range(COLUMNS)], np.float32)
    answers = [recorder.predict([(float(x), float(y), 1)]) for x, y in points]
    for a in answers:
        a["low_res"] = tensors.sample("a", a["low_res"], rows=True, count=VALUES)["a.samples"]
    return {"points": points} | {name: np.stack([a[name] for a in answers]) for name in ("low_res", "iou", "object_score") if name in answers[0]}


def autocast_errors(recorder, picture, path, label):
    """What the official code's bfloat16 autocast is off by from its float32. Of the fixture at `path`: the relative RMS error of every tensor of the
    encoder, and of the logits in each case with three masks and no mask prompt; by the fixture's samples where it has no more. Of clicks on a grid: the
    answers in float32, and under ".error" the relative RMS error of all together."""
    fixture, _ = tensors.read(path)
    height, width = picture.shape[:2]
    out = {}

    def relative(a, want):
        a, want = (x.astype(np.float64).ravel() for x in (a, want))
        return numbers(np.sqrt(np.square(a - want).sum() / np.square(want).sum()))

    def error(name, a):
        key = name if name in fixture else name + ".samples"
        return relative(a if key == name else tensors.sample(name, a, rows=name.endswith(".low_res"))[key], fixture[key])

    recorder.encode(picture)
    grid = grid_answers(recorder, width, height)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for name, a in recorder.encode(picture).items():
            out[f"{label}.{name}"] = error(name, a)
        for case in [name.removesuffix(".multimask") for name, a in fixture.items() if name.endswith(".multimask") and a.all()]:
            if f"{case}.mask_kind" in fixture:
                continue
            points, box = fixture.get(f"{case}.points"), fixture.get(f"{case}.box")
            answer = recorder.predict([] if points is None else points.reshape(-1, 3).tolist(), box)
            out[f"{label}.{case}.low_res"] = error(f"{case}.low_res", answer["low_res"])
        rounded = grid_answers(recorder, width, height)
    out |= {f"{label}.grid.{name}": a for name, a in grid.items()}
    return out | {f"{label}.grid.{name}.error": relative(rounded[name], a) for name, a in grid.items() if name != "points"}


def bf16(out, models, weights):
    """Errors of the official bfloat16, which ours may not exceed. SAM 2 and 2.1 are one network for pictures, so that the sizes of 2.1 are enough."""
    arrays = {}
    for name, s in SMALL.items():
        recorder = official.Recorder(official.load(os.path.join(HERE, name + ".yaml"), seed=s["seed"]))
        arrays |= autocast_errors(recorder, pictures.pattern(*s["picture"]), os.path.join(out, name + ".safetensors"), name)
    for model in models:
        if model.startswith("sam2.1"):
            recorder = official.Recorder(official.load(model))
            arrays |= autocast_errors(recorder, pictures.pattern(*LARGE["picture"]), os.path.join(out, model + "_seed0.safetensors"), model)
    recorder = official.Recorder(official.load_with_config(weights))
    arrays |= autocast_errors(recorder, pictures.scene(*TRAINED["picture"]), os.path.join(out, "trained.safetensors"), "trained")
    write(os.path.join(out, "bf16.safetensors"), arrays, [], {})


def bf16_sam1(out, models):
    """The same of SAM 1."""
    recorder = official.Recorder1(official.load(os.path.join(HERE, "small_sam1.yaml"), seed=SMALL_SAM1["seed"]))
    arrays = autocast_errors(recorder, pictures.pattern(*SMALL_SAM1["picture"]), os.path.join(out, "small_sam1.safetensors"), "small_sam1")
    for model in models:
        recorder = official.Recorder1(official.load(model))
        arrays |= autocast_errors(recorder, pictures.pattern(*LARGE["picture"]), os.path.join(out, model + "_seed0.safetensors"), model)
    write(os.path.join(out, "bf16_sam1.safetensors"), arrays, [], {})


# Width and height of the picture, side of the square.
RESIZE = [(1, 1, 32), (1, 150, 64), (150, 1, 32), (7, 5, 32), (64, 64, 64), (65, 63, 64), (128, 128, 64), (100, 75, 64), (300, 20, 32), (33, 700, 32), (1000, 40, 32), (640, 480, 32)]


def resize(out):
    """The official picture transform: antialiased bilinear resize in float, then normalisation."""
    from sam2.utils.transforms import SAM2Transforms

    arrays = {}
    for width, height, side in RESIZE:
        arrays[f"{width}x{height}_to_{side}"] = official.to_np(SAM2Transforms(side, 0.0)(pictures.pattern(width, height)))
    tensors.write(os.path.join(out, "resize.safetensors"), arrays, {"made_by": json.dumps(versions())})


# Side of the logits, width and height of the picture.
ENLARGE = [(64, 150, 100), (64, 64, 64), (64, 37, 211), (64, 1, 1), (64, 1, 90), (40, 75, 51), (16, 199, 3), (256, 40, 30)]
ENLARGE_SAMPLED = [(256, 1800, 1200), (256, 901, 600), (256, 256, 256), (128, 3001, 77)]


def enlarge(out):
    """The official enlargement of low-resolution logits to the picture: bilinear, half-pixel centres, no antialias."""
    from sam2.utils.transforms import SAM2Transforms

    arrays = {}
    for side, width, height in ENLARGE + ENLARGE_SAMPLED:
        logits = torch.from_numpy(pictures.logits(side, side))[None, None]
        got = official.to_np(SAM2Transforms(side * 4, 0.0).postprocess_masks(logits, (height, width)))[0, 0]
        name = f"{side}_to_{width}x{height}"
        arrays |= {name: got} if (side, width, height) in ENLARGE else tensors.sample(name, got)
        arrays[name + ".area"] = numbers((got > 0).sum())
    tensors.write(os.path.join(out, "enlarge.safetensors"), arrays, {"made_by": json.dumps(versions())})


# Width and height of the frame, side of the square.
FRAMES = [(1, 1, 64), (1, 90, 64), (90, 1, 64), (2, 3, 64), (50, 37, 64), (64, 64, 64), (64, 200, 64), (333, 64, 64), (65, 63, 64), (129, 97, 64), (40, 700, 64), (300, 700, 64), (66, 68, 64), (66, 69, 64), (1500, 30, 64), (160, 90, 160), (90, 200, 160), (241, 135, 160)]


def frame_resize(out):
    """Frames as the official video predictor loads them: Pillow's bytes, and the float32 value that it makes of each byte."""
    import tempfile

    from PIL import Image
    from sam2.utils.misc import load_video_frames

    arrays, ramp = {}, np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, 2)

    def load(picture, side):
        # Pillow goes by the content: a PNG keeps the pixels as they are.
        with tempfile.TemporaryDirectory() as folder:
            Image.fromarray(picture).save(os.path.join(folder, "0.jpg"), format="png")
            images, height, width = load_video_frames(folder, side, True)
        assert (height, width) == picture.shape[:2]
        return official.to_np(images)[0]

    values = load(ramp, 16).reshape(3, 256)
    arrays["values"] = np.ascontiguousarray(values)
    for width, height, side in FRAMES:
        picture = pictures.pattern(width, height)
        got = np.array(Image.fromarray(picture).resize((side, side)))
        assert np.array_equal(load(picture, side), np.stack([values[c][got[..., c]] for c in range(3)]))
        arrays[f"{width}x{height}_to_{side}"] = got.astype(np.float16)
    tensors.write(os.path.join(out, "frame_resize.safetensors"), arrays, {"made_by": json.dumps(versions("Pillow"))})


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--only", default="small,resize,frame_resize,enlarge,large,sam1,sam1_resize,sam1_enlarge,trained,bf16,bf16_sam1,video,video_bf16,auto")
    ap.add_argument("--out", default=os.path.join(HERE, "..", "data", "reference"))
    ap.add_argument("--models", default=",".join(MODELS), help="of the full-size ones")
    ap.add_argument("--sam1-models", default="sam1_b", help="of the full-size ones of SAM 1")
    ap.add_argument("--weights", default=os.path.join(HERE, "..", "..", "data", "sam2.1_hiera_micro.safetensors"), help="of the trained small model")
    ap.add_argument("--threads", type=int, default=1)
    args = ap.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)
    torch.set_num_threads(args.threads)
    os.makedirs(args.out, exist_ok=True)
    jobs = dict(
        small=lambda: small(args.out),
        resize=lambda: resize(args.out),
        frame_resize=lambda: frame_resize(args.out),
        enlarge=lambda: enlarge(args.out),
        large=lambda: large(args.out, args.models.split(",")),
        sam1=lambda: sam1(args.out, args.sam1_models.split(",")),
        sam1_resize=lambda: sam1_resize(args.out),
        sam1_enlarge=lambda: sam1_enlarge(args.out),
        trained=lambda: trained(args.out, args.weights),
        bf16=lambda: bf16(args.out, args.models.split(","), args.weights),
        bf16_sam1=lambda: bf16_sam1(args.out, args.sam1_models.split(",")),
        video=lambda: video.video(args.out, args.weights, write),
        auto=lambda: auto.fixture(args.out, args.weights, versions("opencv-python-headless", "pycocotools")),
        video_bf16=lambda: video.video_bf16(args.out, args.weights, write),
    )
    for name in args.only.split(","):
        jobs[name]()


if __name__ == "__main__":
    main()
