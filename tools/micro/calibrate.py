"""Fits what chooses between masks, after training, with everything else fixed.

    python calibrate.py WEIGHTS OUT.safetensors [--pictures 1200] [--clips 120]

The head that predicts IoUs is trained on with the pictures' size and the prompts of the predictors' users: its inputs are computed once for clicks and boxes
on new pictures and clips of the training's kind, which makes its steps cheap. And the logits of the single mask become larger by a factor: their signs, and
so the mask, stay, but the official decoder (dynamic_multimask_via_stability) takes it for stable and does not put one of the three in its place.
"""
import argparse
import concurrent.futures
import copy

import numpy as np
import torch
import torch.nn.functional as F

import export
import model as micro
import pictures
import samples
import steps
import windows
from datagen import Maker
from eval import centre

LEAST, PHOTOGRAPHS, MOST = 0.0015, 0.05, 6  # of the pictures: smallest object, share of photographs, prompted objects
FACTORS, STABLE = (1, 2, 4, 8, 16), 0.95  # of the single mask's logits: the least with which this share of boxes has a stable mask
EPOCHS, BATCH, RATE, CHECKED = 30, 256, 3e-4, 0.2


def prompts_of(rng, masks):
    """Clicks into the middle and anywhere, and boxes, of all masks: points [3 N, 2, 2], labels [3 N, 2]; -1 pads."""
    points, labels = [], []
    for mask in masks:
        for at in (centre(mask), samples.click(rng, mask)):
            points.append([at, [0, 0]])
            labels.append([1, -1])
        x0, y0, x1, y1 = samples.corners(mask)
        points.append([[x0, y0], [x1, y1]])
        labels.append([2, 3])
    return torch.tensor(points, dtype=torch.float32), torch.tensor(labels, dtype=torch.int32)


def stable(decoder, logits):
    """Whether single masks' logits [n, h, w] times each of FACTORS are stable for the official decoder: [n, factors]."""
    flat, offset = logits.flatten(1), decoder.dynamic_multimask_stability_delta
    share = [(flat > offset / f).sum(1) / (flat > -offset / f).sum(1).clamp(min=1) for f in FACTORS]
    return torch.stack(share, 1) >= decoder.dynamic_multimask_stability_thresh


def of_pictures(model, maker, count, found):
    """Masks of every prompt; returns which boxes' single masks are stable, [n, factors]."""
    boxes = []
    with torch.inference_mode():
        for _ in range(count):
            picture, masks = maker.image(micro.SIZE, LEAST, PHOTOGRAPHS)
            masks = [masks[i] for i in maker.r.permutation(len(masks))[:MOST]]
            points, labels = prompts_of(maker.r, masks)
            maps, _ = steps.encode(model, torch.from_numpy(picture)[None])
            pixels = (maps[2] + model.no_mem_embed.view(1, -1, 1, 1)).expand(len(points), -1, -1, -1)
            logits = steps.decode(model, pixels, [f.expand(len(points), -1, -1, -1) for f in maps[:2]], points, labels)[0]
            marked = F.interpolate(logits, size=(micro.SIZE, micro.SIZE), mode="bilinear", align_corners=False) > 0
            truth = torch.from_numpy(np.stack(masks)).repeat_interleave(3, 0)[:, None]
            boxes.append(stable(model.sam_mask_decoder, logits[2::3, 0]))
            found((marked & truth).sum((2, 3)) / (marked | truth).sum((2, 3)).clamp(min=1), labels[:, 0] == 1)
    return torch.cat(boxes)


def of_clips(model, maker, count, found):
    """Every frame of clips that begin with a click, a box or a mask, where the object is to be seen."""
    settings = argparse.Namespace(size=micro.SIZE, teacher=0.0)
    loss_of = steps.loss_of

    def spied(masks, guess, score, truth, single, multi, present=None, score_weight=0.2):
        loss, iou = loss_of(masks, guess, score, truth, single, multi, present, score_weight)
        found(iou, torch.zeros(len(iou), dtype=torch.bool), present > 0)
        return loss, iou

    steps.loss_of = spied
    windows.Windows(model, micro.SIZE)
    with torch.inference_mode():
        for _ in range(count):
            clip = samples.clip_sample(maker, micro.SIZE, 6, 3, LEAST)
            steps.video_step(model, tuple(torch.from_numpy(np.stack([part])) for part in clip), settings)
    steps.loss_of = loss_of


def collect(weights, seed, pictures_count, clips_count):
    """Inputs of the head [n, d], the true IoUs of the four masks [n, 4], whether the prompt is a click on a picture [n]; and what of_pictures returns."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    steps.together.seed(seed)
    model = micro.build(weights)
    maker = Maker(pictures.load(), seed)
    maker.walls, maker.jumps = 0.2, 0.3
    given, parts = [None], []
    model.sam_mask_decoder.iou_prediction_head.register_forward_pre_hook(lambda _, inputs: given.__setitem__(0, inputs[0]))

    def found(iou, clicked, which=slice(None)):
        parts.append((given[0][which], iou[which], clicked[which]))

    boxes = of_pictures(model, maker, pictures_count, found)
    of_clips(model, maker, clips_count, found)
    order = torch.randperm(len(parts))
    return tuple(torch.cat([parts[i][k] for i in order]).clone() for k in range(3)) + (boxes,)


def told(guess, iou, clicked):
    """Mean IoU of the mask of the three that the guess prefers, for clicks and for all else; and the squared error."""
    value = iou[:, 1:].gather(1, guess[:, 1:].argmax(1, keepdim=True))
    return value[clicked].mean().item(), value[~clicked].mean().item(), (guess - iou).square().mean().item()


def fit(head, tokens, iou, clicked):
    """The head of the epoch that has the least error on a part that is not fitted, the last one."""
    cut = int(len(tokens) * (1 - CHECKED))
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.03)
    best, kept = None, None
    for epoch in range(EPOCHS + 1):
        with torch.no_grad():
            click, other, error = told(head(tokens[cut:]), iou[cut:], clicked[cut:])
        print(f"epoch {epoch}: {len(tokens)} masks, chosen from clicks {click:.4f}, else {other:.4f}, error {error ** 0.5:.4f}", flush=True)
        if best is None or error < best:
            best, kept = error, copy.deepcopy(head.state_dict())
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - epoch / (EPOCHS + 1))
        for batch in torch.randperm(cut).split(BATCH):
            optimizer.zero_grad()
            F.mse_loss(head(tokens[batch]), iou[batch]).backward()
            optimizer.step()
    head.load_state_dict(kept)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("weights", help=".safetensors, or a checkpoint of train.py")
    ap.add_argument("out", help=".safetensors")
    ap.add_argument("--pictures", type=int, default=1200)
    ap.add_argument("--clips", type=int, default=120)
    ap.add_argument("--seed", type=int, default=700)
    ap.add_argument("--jobs", type=int, default=2)
    a = ap.parse_args()
    if a.jobs < 1 or min(a.pictures, a.clips) < a.jobs:
        ap.error("--pictures, --clips: at least one for each of --jobs, which is 1 or more")
    torch.manual_seed(a.seed)
    with concurrent.futures.ProcessPoolExecutor(a.jobs) as pool:
        parts = [pool.submit(collect, a.weights, a.seed + i, a.pictures // a.jobs, a.clips // a.jobs) for i in range(a.jobs)]
        tokens, iou, clicked, boxes = (torch.cat(part) for part in zip(*(p.result() for p in parts)))
    model = micro.build(a.weights)
    decoder = model.sam_mask_decoder
    fit(decoder.iou_prediction_head, tokens, iou, clicked)
    shares = boxes.float().mean(0).tolist()
    factor = next((f for f, share in zip(FACTORS, shares) if share >= STABLE), FACTORS[-1])
    print(f"stable single masks from boxes: {dict(zip(FACTORS, (round(s, 3) for s in shares)))}; logits times {factor}")
    last = decoder.output_hypernetworks_mlps[0].layers[-1]
    with torch.no_grad():
        last.weight.mul_(factor)
        last.bias.mul_(factor)
    export.write(model.state_dict(), a.out)


if __name__ == "__main__":
    main()
