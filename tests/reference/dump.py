#!/usr/bin/env python3
"""Run the official SAM 2 / SAM 1 Python code on reproducible weights and save every stage's tensor.

    python dump.py image sam2.1_t photo.jpg out.npz --point 500,375,1 [--point x,y,label …] [--box x1,y1,x2,y2]
                   [--mask-input prev.npz] [--single] [--size 512] [--dtype float32|bfloat16] [--seed 0] [--weights f.pt]
    python dump.py video sam2.1_t frames_dir out.npz --frames 10 --object 1:0:point:200,300,1 [--object id:frame:box:x1,y1,x2,y2 …]
                   [--object id:frame:mask:FILE …] [--reverse] [--evaluation] [--fill]
    python dump.py image micro.yaml scene.png out.npz --weights micro.safetensors --point …
    python dump.py auto  sam2.1_t photo.jpg out.json [--points-per-side 32 --pred-iou-thresh .8 --stability-score-thresh .95
                   --crop-n-layers 0 --use-m2m]

The arrays' names are given in `image()` and `video()`.
"""
import argparse
import contextlib
import json
import os
import tempfile

import numpy as np
import torch
from PIL import Image

import official
import track
from official import to_np
from parity_video import KEPT


def context(dtype):
    return torch.autocast("cpu", dtype=torch.bfloat16) if dtype == "bfloat16" else contextlib.nullcontext()


def load(args):
    return official.load(args.model, args.size, args.seed, args.absent, args.weights)


def image_sam1(model, pic, prompt, multimask):
    """SAM 1: block0 … (each block's output), embedding, low_res, iou, masks."""
    from segment_anything import SamPredictor

    out = {}
    for i, block in enumerate(model.image_encoder.blocks):
        block.register_forward_hook(lambda m, a, o, i=i: out.__setitem__(f"block{i}", to_np(o)))
    predictor = SamPredictor(model)
    predictor.set_image(pic)
    out["embedding"] = to_np(predictor.features)
    coords, labels, box, mask_input = prompt
    masks, iou, low_res = predictor.predict(coords, labels, box, mask_input, multimask_output=multimask)
    return dict(out, masks=masks, iou=np.asarray(iou, np.float32), low_res=np.asarray(low_res, np.float32))


def image(args):
    """SAM 2: input, trunk_stage0..3 (NCHW), fpn0 fpn1 (high-res, after conv_s0/s1), embedding (with no_mem_embed),
    sparse, dense, low_res (all returned masks before the enlargement, clamped to +-32 as the predictor returns them),
    low_res_unclamped, iou, object_score, masks (0/1, full size)."""
    model = load(args)
    pic = np.array(Image.open(args.input).convert("RGB"))
    points = [list(map(float, p.split(","))) for p in args.point]
    box = list(map(float, args.box.split(","))) if args.box else None
    mask_input = np.load(args.mask_input)["low_res"][:1] if args.mask_input else None
    with torch.inference_mode(), context(args.dtype):
        if args.model.startswith("sam1"):
            coords = np.array([p[:2] for p in points], np.float32) if points else None
            labels = np.array([p[2] for p in points], np.int32) if points else None
            prompt = coords, labels, None if box is None else np.array(box, np.float32), mask_input
            out = image_sam1(model, pic, prompt, not args.single)
        else:
            recorder = official.Recorder(model)
            out = recorder.encode(pic)
            got = recorder.predict(points, box, mask_input, not args.single)
            out |= {k: got[k] for k in ("sparse", "dense", "object_score", "masks", "iou")}
            out |= dict(low_res=got["low_res_clamped"], low_res_unclamped=got["low_res"])
    np.savez_compressed(args.output, **out)
    for k, v in out.items():
        print(f"{k:17s} {str(v.shape):22s} rms {np.sqrt(np.mean(np.square(v.astype(np.float64)))) if v.size else 0:.5f}")


def video(args):
    """logits_f{frame}_o{id}: full-size mask logits; low_f{frame}_o{id}: 256x256 logits kept in the state;
    score_f{frame}_o{id}; memory_f{frame}_o{id} (maskmem_features); pointer_f{frame}_o{id}. Holes are not filled, as ever on a CPU, without --fill."""
    model = load(args)
    calls = [track.call_of(words) for words in args.object] + [track.propagate(reverse=args.reverse)]
    with tempfile.TemporaryDirectory() as tmp, context(args.dtype):
        names = sorted((n for n in os.listdir(args.input) if n.lower().endswith((".jpg", ".jpeg"))), key=lambda n: int(os.path.splitext(n)[0]))
        for n in names[: args.frames]:
            os.symlink(os.path.abspath(os.path.join(args.input, n)), os.path.join(tmp, n))
        outputs, rows = track.session(model, tmp, calls, dict(evaluation=args.evaluation, fill=args.fill))
    out = {f"logits_f{f}_o{oid}": logits for number, f, oid, logits in outputs if number == len(args.object)}
    for r in rows:
        # As the predictor keeps them: [1, 1], [1, channels, height, width], [1, channels].
        batch = dict(r, score=r["score"].reshape(1, 1), memory=r["memory"][None], pointer=r["pointer"][None])
        out |= {f"{name}_f{r['frame']}_o{r['object']}": batch[of] for name, of in KEPT.items()}
    np.savez_compressed(args.output, **out)
    print(len(out), "arrays")


def auto(args):
    model = load(args)
    pic = np.array(Image.open(args.input).convert("RGB"))
    if args.model.startswith("sam1"):
        from segment_anything import SamAutomaticMaskGenerator as Generator
    else:
        from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator as Generator
    kw = dict(points_per_side=args.points_per_side, pred_iou_thresh=args.pred_iou_thresh, stability_score_thresh=args.stability_score_thresh, crop_n_layers=args.crop_n_layers, output_mode="coco_rle")
    if args.use_m2m:
        kw["use_m2m"] = True
    with torch.inference_mode(), context(args.dtype):
        records = Generator(model, **kw).generate(pic)
    json.dump(records, open(args.output, "w"), indent=1, default=float)
    print(len(records), "masks")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=["image", "video", "auto"])
    ap.add_argument("model")
    ap.add_argument("input")
    ap.add_argument("output")
    ap.add_argument("--point", action="append", default=[])
    ap.add_argument("--box")
    ap.add_argument("--mask-input")
    ap.add_argument("--single", action="store_true", help="multimask_output=False")
    ap.add_argument("--object", action="append", default=[])
    ap.add_argument("--frames", type=int, default=10)
    ap.add_argument("--reverse", action="store_true")
    ap.add_argument("--evaluation", action="store_true", help="the builders' post-processing switched off")
    ap.add_argument("--fill", action="store_true", help="holes filled, their components found by OpenCV")
    ap.add_argument("--size", type=int)
    ap.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--absent", action="store_true", help="synthetic weights whose object scores are negative")
    ap.add_argument("--weights")
    ap.add_argument("--points-per-side", type=int, default=32)
    ap.add_argument("--pred-iou-thresh", type=float, default=0.8)
    ap.add_argument("--stability-score-thresh", type=float, default=0.95)
    ap.add_argument("--crop-n-layers", type=int, default=0)
    ap.add_argument("--use-m2m", action="store_true")
    args = ap.parse_args()
    {"image": image, "video": video, "auto": auto}[args.what](args)


if __name__ == "__main__":
    main()
