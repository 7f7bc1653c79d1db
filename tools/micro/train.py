"""One phase of training on the CPU, with data made on the fly: retrain.sh has the phases.

    python train.py --out run/a --minutes 30 --size 128 --video 0.45 [--init WEIGHTS]

Two processes of one thread each average their gradients: on a machine whose cores are taken now and then by others, a team of two threads stalls at every
operator (measured: 4 to 10 times slower), while two processes meet once a step. A phase lasts a number of minutes of CPU time, so that a busy machine
delays its end and does not shorten it. Each 150 seconds OUT/last.pt is written; the same command goes on from there after an interruption.
"""
import argparse
import copy
import datetime
import json
import math
import os
import random
import subprocess
import sys
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.utils.data import DataLoader, IterableDataset

import model as micro
import start
import steps
import windows

F.scaled_dot_product_attention = steps.attention_by_products
SAVE_SECONDS = 150
KEPT_BATCHES = 200
LEAST_SIDE = 16  # of a matrix that Muon trains: tables of a few tokens are not maps from one space to another


def narrow_is_faster():
    """Whether a product in bfloat16 takes less time here than in float32: it takes several times as long without AVX512-BF16, and twice as long on some
    processors that have it."""
    seconds = []
    for kind in (torch.float32, torch.bfloat16):
        x, w = torch.ones(1024, 128, dtype=kind), torch.ones(128, 512, dtype=kind)
        times = []
        for _ in range(20):
            began = time.perf_counter()
            x @ w
            times.append(time.perf_counter() - began)
        seconds.append(min(times))
    return seconds[1] < seconds[0]


class Stream(IterableDataset):
    """Batches of pictures or of clips without end, made in a process of its own."""

    def __init__(self, a, kind, seed):
        self.a, self.kind, self.seed = a, kind, seed

    def __iter__(self):
        import pictures
        import samples
        from datagen import Maker

        torch.set_num_threads(1)
        a = self.a
        maker = Maker(pictures.load(), self.seed)
        maker.smallest, maker.most = a.smallest, a.most
        maker.walls, maker.jumps = a.walls, a.jumps
        while True:
            if self.kind == "image":
                batch = [samples.image_sample(maker, a.size, a.prompts, a.least, a.photographs) for _ in range(a.batch)]
            else:
                batch = [samples.clip_sample(maker, a.size, a.frames, a.objects, a.least) for _ in range(a.clips)]
            yield tuple(torch.from_numpy(np.stack(part)) for part in zip(*batch))


class Batches:
    """New batches of a stream, or earlier ones again: making them costs as much as a step at 128 pixels."""

    def __init__(self, a, kind, seed):
        self.source, self.again, self.kept = iter(DataLoader(Stream(a, kind, seed), batch_size=None, num_workers=1, prefetch_factor=8)), a.replay, []

    def next(self):
        if len(self.kept) >= 12 and random.random() < self.again:
            return random.choice(self.kept)
        self.kept.append(next(self.source))
        if len(self.kept) > KEPT_BATCHES:
            self.kept.pop(0)
        return self.kept[-1]


def mirrored(batch, S):
    """The batch under a random symmetry of the square."""
    pictures, soft, points, box = batch
    if random.random() < 0.5:
        pictures, soft = pictures.flip(-2), soft.flip(-1)
        points = torch.stack([S - points[..., 0], points[..., 1]], -1)
        box = torch.stack([S - box[..., 2], box[..., 1], S - box[..., 0], box[..., 3]], -1)
    if random.random() < 0.3:
        pictures, soft = pictures.transpose(-2, -3), soft.transpose(-1, -2)
        points, box = points[..., [1, 0]], box[..., [1, 0, 3, 2]]
    return pictures, soft, points, box


def average(parameters, world, progress):
    """Gradients become the mean over the processes; returns the first process's progress, which all then agree on."""
    grads = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads] + [torch.tensor([progress])])
    dist.all_reduce(flat)
    at = 0
    for g in grads:
        g.copy_(flat[at : at + g.numel()].view_as(g) / world)
        at += g.numel()
    return flat[-1].item()


def optimizers(model, a):
    """AdamW; with --muon, Muon for the matrices of linear layers, its updates as large as AdamW's."""
    free = [p for p in model.parameters() if p.requires_grad]
    linear = [p for p in free if a.muon and p.ndim == 2 and min(p.shape) >= LEAST_SIDE]
    taken = {id(p) for p in linear}
    others = [p for p in free if id(p) not in taken]
    groups = [{"params": [p for p in others if p.ndim > 1], "weight_decay": a.decay}, {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=a.lr, betas=(0.9, 0.98), fused=True)
    return [torch.optim.Muon(linear, lr=a.lr, weight_decay=a.decay, adjust_lr_fn="match_rms_adamw"), adam] if a.muon else [adam]


class Run:
    def __init__(self, a, rank):
        self.a, self.rank, self.done = a, rank, 0.0
        last, begin = os.path.join(a.out, "last.pt"), {}
        if os.path.exists(last):
            begin = micro.read_weights(last)
            self.done = begin["done"]
        elif a.init:
            begin = micro.read_weights(a.init)
        self.model = micro.build(None, a.size, mode="train").train()
        self.windows = windows.Windows(self.model, a.size)
        steps.quicken(self.model)
        if begin:
            self.model.load_state_dict(begin["model"])
        else:
            start.fresh(self.model)
        self.mean = copy.deepcopy(self.model.state_dict())
        self.young = not begin
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizers = optimizers(self.model, a)
        self.narrow = narrow_is_faster()
        if "optimizers" in begin:  # a phase after another one, or after an interruption: everything goes on
            if len(begin["optimizers"]) != len(self.optimizers):
                raise SystemExit(f"{last if os.path.exists(last) else a.init}: was trained {'without' if a.muon else 'with'} --muon")
            self.model.load_state_dict(begin["live"])
            for one, state in zip(self.optimizers, begin["optimizers"]):
                one.load_state_dict(state)

    def save(self):
        path = os.path.join(self.a.out, "last")
        state = {"model": self.mean, "live": self.model.state_dict(), "optimizers": [o.state_dict() for o in self.optimizers], "done": self.done}
        torch.save(state, path + ".tmp")
        os.replace(path + ".tmp", path + ".pt")

    def rate(self, step):
        """The phase's part, `span`, of one cosine over the whole run; a short rise at its start."""
        a = self.a
        at = a.span[0] + (a.span[1] - a.span[0]) * min(self.done, 1)
        return a.lr * min(1.0, (step + 1) / a.warmup) * 0.5 * (1 + math.cos(math.pi * at))

    def loop(self):
        a = self.a
        kinds = ["image"] * (a.video < 1) + ["video"] * (a.video > 0)
        batches = {k: Batches(a, k, a.seed * 1000 + 100 * self.rank + 50 * (k == "video")) for k in kinds}
        torch.manual_seed(a.seed * 100 + self.rank)
        averaged, live = ([v for v in d.values() if v.is_floating_point()] for d in (self.mean, self.model.state_dict()))
        log = open(os.path.join(a.out, "log.jsonl"), "a") if self.rank == 0 else None
        before, cpu, began, saved, step, seen, sums = self.done, time.process_time(), time.time(), time.time(), 0, 0, {}
        while self.done < 1:
            while a.pause and os.path.exists(a.pause):
                time.sleep(1)
            kind = "video" if steps.together.random() < a.video else "image"
            batch = mirrored(batches[kind].next(), a.size)
            for group in (g for o in self.optimizers for g in o.param_groups):
                group["lr"] = self.rate(step)
            # Clips are seen whole: as windows they unlearn to find objects that come back far away (docs/MICRO.md).
            self.windows.choose([a.size] if kind == "video" else a.within)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.narrow):
                loss, stat = (steps.video_step if kind == "video" else steps.image_step)(self.model, batch, a)
            self.model.zero_grad(set_to_none=True)
            loss.backward()
            mine = before + (time.process_time() - cpu) / (a.minutes * 60)
            self.done = average(self.parameters, a.world, mine if self.rank == 0 else 0.0)
            norm = torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            if torch.isfinite(norm):
                for one in self.optimizers:
                    one.step()
            step += 1
            seen += batch[0].shape[0] * (batch[0].shape[1] if kind == "video" else 1)
            keep = min(a.average, (1 + step) / (10 + step)) if self.young else a.average
            with torch.no_grad():
                torch._foreach_lerp_(averaged, live, 1 - keep)
            for k, v in stat.items():
                sums.setdefault(k, []).append(v)
            if self.rank:
                continue
            if step % 25 == 0:
                row = {"step": step, "done": round(self.done, 4), "minutes": round((time.time() - began) / 60, 2), "lr": round(self.rate(step), 6)}
                row |= {"frames": seen * a.world} | {k: round(sum(v) / len(v), 4) for k, v in sums.items()}
                sums = {}
                print(json.dumps(row), flush=True)
                log.write(json.dumps(row) + "\n")
                log.flush()
            if time.time() - saved > SAVE_SECONDS:
                self.save()
                saved = time.time()
        if self.rank == 0:
            self.save()


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", required=True, help="folder of last.pt and log.jsonl")
    ap.add_argument("--init", help="weights, or the last.pt of an earlier phase, which is then gone on with")
    ap.add_argument("--minutes", type=float, required=True, help="of CPU time of the first process")
    ap.add_argument("--size", type=int, default=256)
    ap.add_argument("--batch", type=int, default=8, help="pictures a process and step")
    ap.add_argument("--prompts", type=int, default=8, help="a picture")
    ap.add_argument("--clips", type=int, default=3, help="a process and step")
    ap.add_argument("--frames", type=int, default=5)
    ap.add_argument("--objects", type=int, default=3, help="a clip")
    ap.add_argument("--video", type=float, default=0.0, help="share of steps that are clips")
    ap.add_argument("--photographs", type=float, default=0.2, help="share of pictures that are photographs with regions of like colour")
    ap.add_argument("--teacher", type=float, default=0.0, help="share of clips whose memory is made of true masks")
    ap.add_argument("--smallest", type=float, default=0.09, help="object, of the side")
    ap.add_argument("--least", type=float, default=0.0012, help="mask, of the area")
    ap.add_argument("--walls", type=float, default=0.0, help="share of clips with a bar in front of everything")
    ap.add_argument("--jumps", type=float, default=0.0, help="share of objects that vanish for a while and come back elsewhere")
    ap.add_argument("--most", type=int, default=8, help="objects a picture")
    ap.add_argument("--more", type=float, default=0.5, help="probability of a correction")
    ap.add_argument("--replay", type=float, default=0.5, help="share of batches that were used before")
    ap.add_argument("--lr", type=float, default=3e-4)
    ap.add_argument("--span", type=float, nargs=2, default=(0.0, 1.0), help="which part of the run's cosine this phase is")
    ap.add_argument("--warmup", type=int, default=150, help="steps")
    ap.add_argument("--muon", action="store_true", help="for the matrices of linear layers, in place of AdamW; a phase goes on from one with the same")
    ap.add_argument("--decay", type=float, default=0.03)
    ap.add_argument("--average", type=float, default=0.998, help="of the moving average of the weights, which is what is saved as the model")
    ap.add_argument("--within", type=int, nargs="+", help="sides that pictures of --size are treated as windows of, each as often; clips never are; default --size")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--pause", help="while this file exists, no step is made")
    ap.add_argument("--world", type=int, default=2, help="processes")
    ap.add_argument("--port", type=int, default=29511)
    a = ap.parse_args()
    a.within = a.within or [a.size]
    if any(w < a.size or w % windows.STEP for w in a.within):
        ap.error(f"--within: multiples of {windows.STEP}, --size or more")
    return a


def main():
    a = arguments()
    os.makedirs(a.out, exist_ok=True)
    rank = int(os.environ.get("MICRO_RANK", 0))
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # the decoder's gradients have many, and products with them take several times as long
    others = []
    if rank == 0:
        others = [subprocess.Popen([sys.executable] + sys.argv, env=os.environ | {"MICRO_RANK": str(i)}) for i in range(1, a.world)]
    # A paused process must not be taken for a dead one.
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{a.port}", rank=rank, world_size=a.world, timeout=datetime.timedelta(days=7))
    torch.manual_seed(a.seed)
    random.seed(a.seed * 7 + rank)
    steps.together.seed(a.seed)
    run = Run(a, rank)
    dist.barrier()  # none may write last.pt before all have read it
    run.loop()
    for other in others:
        other.wait()
    sys.stdout.flush()
    os._exit(0)  # the streams have no end to wait for


if __name__ == "__main__":
    main()
