#!/usr/bin/env python3
"""The program against the official code: the same weights, picture and prompts; every tensor within its limit.

    python parity.py --program build/apps/cli/sam2 --models sam2.1_t,sam2_l --seeds 0,3 --pictures truck.jpg,cars.jpg --cache DIR
                     [--cases click,box,…] [--own-noise 3] [--threads N] [--isa avx2] [--precision bf16] [--option=--verify …]
    python parity.py --program … --scenes DIR --weights micro.safetensors --cache DIR     DIR holds *.png and prompts.json
    python parity.py --make-scenes DIR                                                     writes 20 made scenes

Exits 1 when a limit is passed or the program fails, 2 when nothing was compared.

Stand-in weights amplify rounding in the decoder: the official code, made to add in another order, differs from itself by up to 1e-4 in low_res and 5e-5 in
iou. With --own-noise N an error over its limit (marked ~) is accepted up to N times what the official code differs from itself in that very case.

The official results are kept in --cache (embedding, fpn0, fpn1 once a picture, about 25 MB; the rest once a prompt), so a second run needs only the
program; --official-only fills the cache. Delete the folder when the official packages change.

prompts.json: {"scene_00.png": {"click": {"points": [[x, y, label], …]}, "box": {"box": [x0, y0, x1, y1], "multimask": false}, …}, …}; a case with
"mask": "click" is given the logits of that case's first mask, which must come earlier.
"""
import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np

# Relative RMS errors, as compare.py has them (of low_res the worst mask's); of masks the least IoU.
LIMITS = {"embedding": 5e-6, "fpn0": 5e-6, "fpn1": 5e-6, "low_res": 2e-4, "iou": 1e-5, "object_score": 1e-5, "masks": 0.9995}
MAPS = ("embedding", "fpn0", "fpn1")
ANSWERS = ("low_res", "iou", "object_score", "masks")


def usual_cases(width, height):
    """Prompts at fractions of the picture, a third of a pixel beside whole numbers."""

    def at(x, y, *rest):
        return [round(width * x) + 1 / 3, round(height * y) + 1 / 3, *rest]

    inside, outside, box = at(0.28, 0.31, 1), at(0.62, 0.52, 0), at(0.24, 0.5) + at(0.39, 0.73)
    return {
        "click": dict(points=[inside]),
        "click_single": dict(points=[inside], multimask=False),
        "two_clicks": dict(points=[inside, outside]),
        "two_clicks_single": dict(points=[inside, outside], multimask=False),
        "negatives": dict(points=[outside, at(0.1, 0.9, 0)]),
        "box": dict(box=box),
        "box_single": dict(box=box, multimask=False),
        "box_click_single": dict(box=box, points=[at(0.32, 0.62, 0)], multimask=False),
        "previous": dict(points=[inside, outside], mask="click"),
        "previous_single": dict(points=[inside], mask="click", multimask=False),
        "mask_only": dict(mask="click"),
        "nothing": dict(),
    }


class Cache:
    """Arrays under DIR/WEIGHTS/PICTURE/NAME.npz, written whole or not at all."""

    def __init__(self, folder, weights, path, picture):
        # With a part of the picture's digest, so that another picture of the same name finds nothing.
        key = f"{os.path.basename(path)}-{hashlib.sha1(picture.tobytes()).hexdigest()[:8]}"
        self.folder = os.path.join(folder, weights, key) if folder else None

    def path(self, name):
        return os.path.join(self.folder, name + ".npz")

    def load(self, name):
        if not self.folder or not os.path.exists(self.path(name)):
            return None
        with np.load(self.path(name)) as f:
            return {k: f[k] for k in f.files}

    def save(self, name, arrays):
        if not self.folder:
            return
        os.makedirs(self.folder, exist_ok=True)
        part = f"{self.path(name)}.{os.getpid()}.part"
        with open(part, "wb") as f:
            np.savez(f, **arrays)
        os.replace(part, self.path(name))


def case_key(name, case):
    """The case's name and its content, so that changed prompts find no old answer."""
    return name + "-" + hashlib.sha1(json.dumps(case, sort_keys=True).encode()).hexdigest()[:8]


def another_order():
    """Other kernels of torch for the same sums: matrix products without oneDNN, attention as plain products."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    stack = contextlib.ExitStack()
    stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
    stack.enter_context(sdpa_kernel(SDPBackend.MATH))
    return stack


@contextlib.contextmanager
def moved_features(encoder, seed, amount):
    """What an official image encoder gives is off by a relative `amount` meanwhile. Another order of adding leaves many features as they are; with 6e-7, which is
    how far the official float32 is from float64 for the official sizes, this shows what rounding in the encoder alone does to the answers."""
    import torch

    noise = torch.Generator().manual_seed(seed)

    def off(module, arguments, out):
        move = lambda f: f * (1 + amount * torch.randn(f.shape, generator=noise))
        if torch.is_tensor(out):
            return move(out)
        levels = [move(f) for f in out["backbone_fpn"]]
        return dict(out, backbone_fpn=levels, vision_features=levels[-1])

    handle = encoder.register_forward_hook(off)
    try:
        yield
    finally:
        handle.remove()


class Official:
    """Official results for one picture; the model is made only when something is not in the cache. `order` is entered around its computations."""

    def __init__(self, cache, picture, make_recorder, order=contextlib.nullcontext, prefix="", base=None):
        self.cache, self.picture, self.make_recorder, self.recorder, self.maps = cache, picture, make_recorder, None, None
        self.order, self.prefix, self.base = order, prefix, base or self

    def other(self):
        """The same added in another order, given the same mask prompts."""
        return Official(self.cache, self.picture, self.make_recorder, another_order, "other-", self)

    def encode(self):
        self.maps = self.maps or self.cache.load(self.prefix + "maps")
        if self.maps is None:
            self.recorder = self.make_recorder()
            with self.order():
                got = self.recorder.encode(self.picture)
            self.maps = {k: got[k] for k in MAPS if k in got}
            self.cache.save(self.prefix + "maps", self.maps)
        return self.maps

    def answer(self, name, cases):
        case, key = cases[name], self.prefix + case_key(name, cases[name])
        got = self.cache.load(key)
        if got is not None:
            shape = (len(got["iou"]), *self.picture.shape[:2])
            got["masks"] = np.unpackbits(got["masks"], axis=1, count=shape[1] * shape[2]).reshape(shape).astype(bool)
            return got
        previous = self.base.answer(case["mask"], cases)["low_res"][:1] if "mask" in case else None
        if self.recorder is None:
            self.recorder = self.make_recorder()
        self.recorder.restore(self.encode(), self.picture.shape[:2])
        with self.order():
            got = self.recorder.predict(case.get("points", ()), case.get("box"), previous, case.get("multimask", True))
        # The program's dump has the logits clamped as the official predictor returns them.
        got = dict({k: got[k] for k in ANSWERS if k in got}, low_res=got["low_res_clamped"])
        self.cache.save(key, dict(got, masks=np.packbits(got["masks"].reshape(len(got["masks"]), -1), axis=1)))
        return got


def program_answer(args, weights, picture, case, previous, out):
    """Runs the program; its dump's arrays, or the message it ended with. The picture is encoded anew for each case: as a user would."""
    line = [args.program, "segment", "-m", weights, "-i", picture, "--precision", "f32", "--dump", out]
    for p in case.get("points", ()):
        line += ["-p", ",".join(repr(v) for v in p)]
    if case.get("box"):
        line += ["-b", ",".join(repr(v) for v in case["box"])]
    if previous:
        line += ["--mask", previous]
    if case.get("multimask", True):
        line.append("--multimask")
    if not (case.get("points") or case.get("box") or previous):
        line.append("--allow-empty")
    line += ["--threads", str(args.threads)] if args.threads else []
    line += ["--isa", args.isa] if args.isa else []
    line += ["--precision", args.precision]
    line += args.option
    done = subprocess.run(line, capture_output=True, text=True)
    # 5 is "done, but every mask is empty".
    if done.returncode not in (0, 5) or not os.path.exists(out):
        return None, f"exit status {done.returncode}: {done.stderr.strip()[-300:]}"
    with np.load(out) as f:
        return {k: f[k] for k in f.files}, None


def error_of(name, a, b):
    """The number to hold against LIMITS[name]; None where the shapes differ."""
    if name == "object_score":
        a, b = a.reshape(-1), b.reshape(-1)
    if name in MAPS:
        a, b = a.reshape(a.shape[-3:]), b.reshape(b.shape[-3:])
    if a.shape != b.shape:
        return None
    if name == "masks":
        worst = 1.0
        for x, y in zip(a.astype(bool), b.astype(bool)):
            union = np.logical_or(x, y).sum()
            worst = min(worst, np.logical_and(x, y).sum() / union if union else 1.0)
        return float(worst)
    a, b = a.astype(np.float64), b.astype(np.float64)
    if name == "low_res":
        # The worst mask, not their mean.
        return float(max(np.sqrt(np.mean((x - y) ** 2) / np.mean(x**2)) for x, y in zip(a, b)))
    return float(np.sqrt(np.mean((a - b) ** 2) / np.mean(a**2)))


def within(name, value):
    return value is not None and (value >= LIMITS[name] if name == "masks" else value <= LIMITS[name])


class Report:
    def __init__(self, own_noise):
        self.own_noise, self.bad, self.count, self.excused, self.worst = own_noise, 0, 0, 0, {}
        print(f"{'model':22s} {'picture':16s} {'case':18s} " + " ".join(f"{n:>12s}" for n in LIMITS))

    def row(self, model, picture, case, reference, ours, message, other):
        """`other()` gives the official results added in another order."""
        cells, bad, excused = [], message is not None, False
        for name in LIMITS if ours else ():
            if name not in reference:  # of SAM 1
                cells.append(f"{'none' if name not in ours else 'extra*':>12s}")
                bad |= name in ours
                continue
            value = error_of(name, reference[name], ours[name]) if name in ours else None
            mark = "" if within(name, value) else "*"
            if mark and value is not None and self.own_noise and self.is_noise(name, value, error_of(name, reference[name], other()[name])):
                mark, excused = "~", True
            bad |= mark == "*"
            if value is not None:
                pick = min if name == "masks" else max
                self.worst[name] = pick(self.worst.get(name, value), value)
            text = "missing" if name not in ours else "shape" if value is None else f"{value:.5f}" if name == "masks" else f"{value:.1e}"
            cells.append(f"{text + mark:>12s}")
        print(f"{model:22s} {picture:16s} {case:18s} " + (" ".join(cells) or message), flush=True)
        self.bad += bad
        self.excused += excused and not bad
        self.count += 1

    def is_noise(self, name, value, own):
        if own is None:
            return False
        return 1 - value <= self.own_noise * (1 - own) if name == "masks" else value <= self.own_noise * own

    def finish(self):
        print("worst   " + "  ".join(f"{n} {v:.5f}" if n == "masks" else f"{n} {v:.1e}" for n, v in self.worst.items()))
        print("limits  " + "  ".join(f"{n} {v}" for n, v in LIMITS.items()))
        print(f"{self.count} compared, {self.bad} over a limit (*) or failed, {self.excused} within the official code's own noise (~)")
        raise SystemExit(1 if self.bad else 0 if self.count else 2)


def read_picture(path):
    from PIL import Image, ImageOps

    return np.array(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


def compare_picture(args, report, official, model, weights, path, cases):
    chosen = args.cases.split(",") if args.cases else list(cases)
    with tempfile.TemporaryDirectory() as tmp:
        previous, twin = {}, official.other()
        for name in chosen:
            case = cases[name]
            reference = official.encode() | official.answer(name, cases)
            if args.official_only:
                continue
            mask = None
            if "mask" in case:
                # The official logits, so that an error does not add to the next case's.
                mask = previous.setdefault(case["mask"], os.path.join(tmp, case["mask"] + "-official.npz"))
                if not os.path.exists(mask):
                    np.savez(mask, low_res=official.answer(case["mask"], cases)["low_res"])
            ours, message = program_answer(args, weights, path, case, mask, os.path.join(tmp, "ours.npz"))
            other = lambda: twin.encode() | twin.answer(name, cases)
            report.row(model, os.path.basename(path), name, reference, ours, message, other)
            if os.path.exists(os.path.join(tmp, "ours.npz")):
                os.remove(os.path.join(tmp, "ours.npz"))


def run_models(args, report):
    """Stand-in weights, made for the program by itself."""
    for model in args.models.split(","):
        for seed in map(int, args.seeds.split(",")):
            made = []

            def recorder(model=model, seed=seed, made=made):
                import official

                if not made:
                    made.append(official.recorder(official.load(model, seed=seed)))
                return made[0]

            with tempfile.TemporaryDirectory(dir=args.temporary) as tmp:
                weights = os.path.join(tmp, "weights.safetensors")
                if not args.official_only:
                    subprocess.run([args.program, "synth", model, weights, "--seed", str(seed)], check=True)
                for path in args.pictures.split(","):
                    picture = read_picture(path)
                    # For pictures SAM 2 and 2.1 are one network, and these weights are equal where both have them.
                    cache = Cache(args.cache, f"{model if model.startswith('sam1') else model.split('_', 1)[1]}-seed{seed}", path, picture)
                    official = Official(cache, picture, recorder)
                    compare_picture(args, report, official, f"{model} seed {seed}", weights, path, usual_cases(picture.shape[1], picture.shape[0]))


def run_scenes(args, report):
    """A trained model on a folder of pictures with their own prompts."""
    made = []

    def recorder():
        import official

        if not made:
            made.append(official.Recorder(official.load_with_config(args.weights)))
        return made[0]

    with open(os.path.join(args.scenes, "prompts.json")) as f:
        prompts = json.load(f)
    for file, cases in sorted(prompts.items()):
        path = os.path.join(args.scenes, file)
        picture = read_picture(path)
        official = Official(Cache(args.cache, os.path.basename(args.weights), path, picture), picture, recorder)
        compare_picture(args, report, official, os.path.basename(args.weights)[:22], args.weights, path, cases)


def make_scenes(folder, count=20):
    """Ellipses and rectangles of flat colour with grain on a ramp, later ones over earlier ones; each prompt is on something still in sight."""
    from PIL import Image

    os.makedirs(folder, exist_ok=True)
    prompts = {}
    for k in range(count):
        random = np.random.default_rng(k)
        width, height = (int(v) for v in random.integers(240, 800, 2))
        y, x = np.mgrid[:height, :width]
        ramp = random.integers(0, 200, (2, 3))
        picture = ramp[0] + (ramp[1] - ramp[0]) * ((x / width + y / height) / 2)[..., None]
        owner = np.full((height, width), -1)
        shapes = []
        for n in range(int(random.integers(2, 6))):
            cx, cy = random.uniform(0.15, 0.85, 2) * (width, height)
            rx, ry = random.uniform(0.08, 0.25, 2) * min(width, height) + 8
            inside = (np.abs(x - cx) < rx) & (np.abs(y - cy) < ry) if n % 2 else ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1
            picture[inside] = random.integers(0, 256, 3)
            owner[inside] = n
            shapes.append((cx, cy, rx, ry))
        picture += random.normal(0, 6, picture.shape)
        Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(os.path.join(folder, f"scene_{k:02d}.png"))
        seen = [n for n in range(len(shapes)) if (owner == n).sum() > 200]
        target = seen[-1]
        ys, xs = np.nonzero(owner == target)
        middle = int(np.argmin((xs - xs.mean()) ** 2 + (ys - ys.mean()) ** 2))
        inside = [int(xs[middle]), int(ys[middle]), 1]
        ys, xs = np.nonzero(owner == -1)
        away = int(random.integers(len(xs)))
        outside = [int(xs[away]) + 0.5, int(ys[away]) + 0.25, 0]
        cx, cy, rx, ry = shapes[target]
        box = [round(max(0.0, cx - rx), 2), round(max(0.0, cy - ry), 2), round(min(width, cx + rx), 2), round(min(height, cy + ry), 2)]
        prompts[f"scene_{k:02d}.png"] = {
            "click": dict(points=[inside]),
            "click_single": dict(points=[inside], multimask=False),
            "two_clicks_single": dict(points=[inside, outside], multimask=False),
            "box_single": dict(box=box, multimask=False),
            "box_click_single": dict(box=box, points=[outside], multimask=False),
            "previous_single": dict(points=[inside, outside], mask="click", multimask=False),
        }
    with open(os.path.join(folder, "prompts.json"), "w") as f:
        json.dump(prompts, f, indent=1)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", help="the program `sam2`")
    ap.add_argument("--models", default="sam2_t,sam2_s,sam2_b+,sam2_l,sam2.1_t,sam2.1_s,sam2.1_b+,sam2.1_l")
    ap.add_argument("--seeds", default="0,3")
    ap.add_argument("--pictures", help="files, divided by commas")
    ap.add_argument("--scenes", help="a folder of pictures and prompts.json, instead of --pictures")
    ap.add_argument("--weights", help="the .safetensors with its configuration, for --scenes")
    ap.add_argument("--make-scenes", metavar="DIR")
    ap.add_argument("--cases", help="names divided by commas; default all")
    ap.add_argument("--own-noise", type=float, metavar="N", help="accept errors up to N times the official code's difference from itself")
    ap.add_argument("--cache", help="folder for the official results")
    ap.add_argument("--official-only", action="store_true", help="fill the cache, do not run the program")
    ap.add_argument("--temporary", help="folder for weights, up to 900 MB at a time; default the system's")
    ap.add_argument("--threads", type=int, help="of the program")
    ap.add_argument("--isa", help="instruction set of the program")
    ap.add_argument("--precision", default="f32", help="of the program")
    ap.add_argument("--option", action="append", default=[], help="one more word for the program's line")
    ap.add_argument("--official-threads", type=int, default=1)
    args = ap.parse_args()
    if args.make_scenes:
        return make_scenes(args.make_scenes)
    if not (args.scenes and args.weights) and not args.pictures or not (args.program or args.official_only):
        ap.error("--program (or --official-only) and --pictures or --scenes with --weights are needed")
    warnings.filterwarnings("ignore", category=FutureWarning)
    import torch

    torch.set_num_threads(args.official_threads)
    report = Report(args.own_noise)
    run_scenes(args, report) if args.scenes else run_models(args, report)
    if args.official_only:
        sys.exit(0)
    report.finish()


if __name__ == "__main__":
    main()
