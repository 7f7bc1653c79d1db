#!/usr/bin/env python3
"""The program's tracking against the official video predictor: the same weights, frames and prompts; every frame's tensors within their limits.

    python parity_video.py --program build/apps/cli/sam2 --clip FOLDER --cache DIR [--models sam2.1_t,sam2.1_b+,sam2_s] [--seeds 0] [--absent]
                           [--frames 12] [--cases click,box_reverse,…] [--own-noise 3] [--size 512] [--threads N] [--isa avx2] [--option=--verify …]

Exits 1 when a limit is passed or the program fails, 2 when nothing was compared.

FOLDER holds frames 00000.jpg, 00001.jpg …; the first --frames of them are the clip. Every case is run forwards, with its prompts on the first frame, and
in reverse, with the same prompts on the last one. An error printed is the worst frame's and object's, with that frame. `presence` is the number of frames on which the two disagree
whether the object is there.

Official results are kept in --cache (10 MB a case: what the predictor keeps of each frame; logits of the frame's size are enlarged from that by the official operation), so a second run needs only the
program; --official-only fills the cache, with --own-noise for that too. --own-noise N accepts an error over its limit up to N times what the official code, made to add in another order, differs from
itself in that very case.
"""
import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np

from parity import Cache, another_order, case_key, read_picture

# Relative RMS errors of one frame's tensor; of `presence` the frames.
LIMITS = {"logits": 1e-3, "low": 1e-3, "memory": 1e-3, "pointer": 1e-3, "score": 1e-3, "presence": 0}
KEPT = {"low": "low_res", "memory": "memory", "pointer": "pointer", "score": "score"}


def usual_cases(width, height, last):
    """Prompts as the program's words, without a frame; MASK stands for the file of mask_picture()."""
    at = lambda x, y: f"{round(width * x) + 0.25},{round(height * y) + 0.5}"
    click, box = f"1:%d:point:{at(0.42, 0.33)},1", f"1:%d:box:{at(0.3, 0.05)},{at(0.55, 0.75)}"
    prompts = {
        "click": [click],
        "two_clicks": [f"{click};{at(0.75, 0.3)},0"],
        "box": [box],
        "mask": ["1:%d:mask:MASK"],
        "two_objects": [click, f"2:%d:box:{at(0.15, 0.25)},{at(0.31, 0.76)}"],
    }
    cases = {n: dict(prompts=[p % 0 for p in ps], reverse=False, evaluation=False) for n, ps in prompts.items()}
    cases |= {n + "_reverse": dict(prompts=[p % last for p in ps], reverse=True, evaluation=False) for n, ps in prompts.items()}
    return cases | {"click_evaluation": dict(cases["click"], evaluation=True)}


def mask_picture(width, height):
    """An ellipse. [height, width] of bool."""
    y, x = np.mgrid[:height, :width]
    return ((x / width - 0.42) / 0.1) ** 2 + ((y / height - 0.38) / 0.34) ** 2 < 1


class Official:
    """Official results of one model on one clip; the model is made only when something is not in the cache."""

    def __init__(self, cache, clip, make_model, order=contextlib.nullcontext, prefix=""):
        self.cache, self.clip, self.make_model, self.order, self.prefix, self.model = cache, clip, make_model, order, prefix, None

    def other(self):
        return Official(self.cache, self.clip, self.make_model, another_order, "other-")

    def answer(self, name, case):
        """{low, memory, pointer, score}_f{frame}_o{id}."""
        import tensors

        key = self.prefix + case_key(name, case)
        got = self.cache.load(key)
        if got is None:
            import track

            if self.model is None:
                self.model = self.make_model()
                track.remember_features(self.model)
            calls = [track.call_of(p) for p in self.clip.words(case)] + [track.propagate(reverse=case["reverse"])]
            with self.order():
                rows = track.session(self.model, self.clip.folder, calls, dict(evaluation=case["evaluation"]))[1]
            got = {f"{k}_f{r['frame']}_o{r['object']}": tensors.bfloat16(r[of]) if k == "memory" else r[of] for r in rows for k, of in KEPT.items()}
            self.cache.save(key, got)
        return {k: tensors.widen(a) for k, a in got.items()}


def with_logits(arrays, width, height):
    """Adds logits_f{frame}_o{id}, as the predictor returns them."""
    import torch

    enlarge = lambda a: torch.nn.functional.interpolate(torch.from_numpy(a)[None, None], size=(height, width), mode="bilinear", align_corners=False)[0, 0].numpy()
    return arrays | {k.replace("low_", "logits_"): enlarge(a) for k, a in arrays.items() if k.startswith("low_")}


def program_answer(args, weights, clip, case, out):
    """Runs the program; its dump's arrays, or the message it ended with."""
    line = [args.program, "track", "-m", weights, "-i", clip.folder, "--frames", str(args.frames), "--precision", args.precision, "--no-fill", "--dump", out]
    for prompt in clip.words(case):
        line += ["--prompt", prompt]
    line += ["--reverse"] if case["reverse"] else []
    line += ["--evaluation"] if case["evaluation"] else []
    line += ["--size", str(args.size)] if args.size else []
    line += ["--threads", str(args.threads)] if args.threads else []
    line += ["--isa", args.isa] if args.isa else []
    line += args.option
    done = subprocess.run(line, capture_output=True, text=True)
    # 5 is "done, but every mask is empty".
    if done.returncode not in (0, 5) or not os.path.exists(out):
        return None, f"exit status {done.returncode}: {done.stderr.strip()[-300:]}"
    with np.load(out) as f:
        return {k: f[k] for k in f.files}, None


def relative(a, b):
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(np.sqrt(np.mean((a - b) ** 2) / np.mean(a**2)))


def errors_of(reference, ours):
    """{kind: (worst value, frame)}; None for what is missing or of another size."""
    out = {}
    for kind in LIMITS:
        of = "score" if kind == "presence" else kind
        keys = [k for k in reference if k.startswith(of + "_")]
        wrong = [k for k in keys if k not in ours or ours[k].size != reference[k].size]
        if wrong or not keys:
            out[kind] = None
        elif kind == "presence":
            out[kind] = sum(bool(reference[k].item() > 0) != bool(ours[k].item() > 0) for k in keys), ""
        else:
            out[kind] = max((relative(reference[k], ours[k]), k.split("_")[1]) for k in keys)
    return out


class Report:
    def __init__(self, own_noise):
        self.own_noise, self.bad, self.count, self.excused, self.worst = own_noise, 0, 0, 0, {}
        print(f"{'model':24s} {'case':20s} " + " ".join(f"{n:>14s}" for n in LIMITS))

    def row(self, model, case, reference, ours, message, other):
        """`other()` gives the official results added in another order."""
        cells, bad, excused, own = [], message is not None, False, None
        for kind, got in errors_of(reference, ours).items() if ours else ():
            if got is None:
                cells.append(f"{'missing*':>14s}")
                bad = True
                continue
            value, frame = got
            mark = "" if value <= LIMITS[kind] else "*"
            if mark and self.own_noise:
                own = own or errors_of(reference, other())
                if value <= self.own_noise * own[kind][0]:
                    mark, excused = "~", True
            bad |= mark == "*"
            self.worst[kind] = max(self.worst.get(kind, 0), value)
            text = str(value) if kind == "presence" else f"{value:.1e} {frame}"
            cells.append(f"{text + mark:>14s}")
        print(f"{model:24s} {case:20s} " + (" ".join(cells) if not message else message), flush=True)
        self.bad += bad
        self.excused += excused and not bad
        self.count += 1

    def finish(self):
        print("worst   " + "  ".join(f"{n} {v:.1e}" for n, v in self.worst.items()))
        print("limits  " + "  ".join(f"{n} {v}" for n, v in LIMITS.items()))
        print(f"{self.count} compared, {self.bad} over a limit (*) or failed, {self.excused} within the official code's own noise (~)")
        raise SystemExit(1 if self.bad else 0 if self.count else 2)


class Clip:
    """The first frames of a folder, as a folder of links, and the mask as a file."""

    def __init__(self, args, into):
        from PIL import Image

        names = sorted((n for n in os.listdir(args.clip) if n.lower().endswith((".jpg", ".jpeg"))), key=lambda n: int(os.path.splitext(n)[0]))[: args.frames]
        if len(names) < args.frames:
            raise SystemExit(f"{args.clip}: {len(names)} frames, {args.frames} wanted")
        self.folder, self.mask_file = os.path.join(into, "frames"), os.path.join(into, "mask.png")
        os.mkdir(self.folder)
        for n in names:
            os.symlink(os.path.abspath(os.path.join(args.clip, n)), os.path.join(self.folder, n))
        self.frames = np.stack([read_picture(os.path.join(self.folder, n)) for n in names])
        self.height, self.width = self.frames.shape[1:3]
        Image.fromarray(mask_picture(self.width, self.height).astype(np.uint8) * 255).save(self.mask_file)

    def words(self, case):
        return [p.replace("MASK", self.mask_file) for p in case["prompts"]]


def run_model(args, report, clip, model, seed, tmp):
    def make():
        import official

        return official.load(model, args.size, seed, args.absent)

    weights = os.path.join(tmp, "weights.safetensors")
    if not args.official_only:
        subprocess.run([args.program, "synth", model, weights, "--seed", str(seed)] + ["--absent"] * args.absent, check=True)
    label = f"{model}-seed{seed}" + "-absent" * args.absent
    cache = Cache(args.cache, label + (f"-{args.size}" if args.size else ""), args.clip.rstrip("/"), clip.frames)
    official = Official(cache, clip, make)
    twin, cases = official.other(), usual_cases(clip.width, clip.height, args.frames - 1)
    for name in args.cases.split(",") if args.cases else cases:
        reference = official.answer(name, cases[name])
        if args.official_only:
            if args.own_noise:
                twin.answer(name, cases[name])
            print(label, name, f"{len(reference)} arrays", flush=True)
            continue
        out = os.path.join(tmp, "ours.npz")
        ours, message = program_answer(args, weights, clip, cases[name], out)
        full = lambda o: with_logits(o.answer(name, cases[name]), clip.width, clip.height)
        report.row(label, name, full(official), ours, message, lambda: full(twin))
        if os.path.exists(out):
            os.remove(out)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", help="the program `sam2`")
    ap.add_argument("--clip", required=True, help="folder of frames")
    ap.add_argument("--frames", type=int, default=12)
    ap.add_argument("--models", default="sam2.1_t,sam2.1_b+,sam2_s")
    ap.add_argument("--seeds", default="0")
    ap.add_argument("--absent", action="store_true", help="weights that see no object")
    ap.add_argument("--size", type=int, help="square input side; default the model's, 1024")
    ap.add_argument("--cases", help="names divided by commas; default all")
    ap.add_argument("--own-noise", type=float, metavar="N", help="accept errors up to N times the official code's difference from itself")
    ap.add_argument("--cache", help="folder for the official results")
    ap.add_argument("--official-only", action="store_true", help="fill the cache, do not run the program")
    ap.add_argument("--temporary", help="folder for weights, up to 400 MB at a time; default the system's")
    ap.add_argument("--threads", type=int, help="of the program")
    ap.add_argument("--isa", help="instruction set of the program")
    ap.add_argument("--precision", default="f32", help="of the program")
    ap.add_argument("--option", action="append", default=[], help="one more word for the program's line")
    ap.add_argument("--official-threads", type=int, default=1)
    args = ap.parse_args()
    if not (args.program or args.official_only):
        ap.error("--program (or --official-only) is needed")
    warnings.filterwarnings("ignore")
    import torch

    torch.set_num_threads(args.official_threads)
    report = None if args.official_only else Report(args.own_noise)
    with tempfile.TemporaryDirectory(dir=args.temporary) as tmp:
        clip = Clip(args, tmp)
        for model in args.models.split(","):
            for seed in map(int, args.seeds.split(",")):
                run_model(args, report, clip, model, seed, tmp)
    if report:
        report.finish()
    sys.exit(0)


if __name__ == "__main__":
    main()
