"""Expected values of the official video predictor on a made clip, with the small configurations: video_2.0.safetensors and its like."""
import os

import numpy as np
import torch

import official
import pictures
import tensors
import track
from parity import another_order, moved_features
from tensors import numbers
from track import box, clear, mask, points, propagate, remove, reset

HERE = os.path.dirname(os.path.abspath(__file__))

# Seeds are such that the official code, adding in another order, comes near to itself in every case; `noise` in the files says how near.
VIDEOS = {
    "video_2.0": dict(config="small_2.0", size=(150, 100), seed=2, absent=False),
    "video_2.1": dict(config="small_2.1", size=(240, 90), seed=0, absent=False),
    "video_2.0_absent": dict(config="small_2.0", size=(150, 100), seed=2, absent=True),
    "video_2.1_absent": dict(config="small_2.1", size=(240, 90), seed=0, absent=True),
    # The trained small model that the project ships; it follows the disc and the rectangle.
    "video_trained": dict(config=None, size=(320, 240), seed=None, absent=False),
}
STAGES_FRAME = 4
# Of a session with the trained model, by how much the official code's object scores may differ from its own: half of what the test allows.
MOST_NOISE = 2.5e-5
SAMPLES = 256  # of a row


def case(frames, *calls, whole=False, show=(), blank=(), **chosen):
    """`frames` of the clip, those of `blank` empty; `show` are outputs (by number) whose logits are kept; `whole` keeps all of the low-resolution logits."""
    return dict(frames=frames, calls=calls, whole=whole, show=show, blank=blank, chosen=chosen)


def cases(width, height, side):
    def at(x, y, *label):
        return (round(width * x) + 0.25, round(height * y) + 0.5, *label)

    inside, outside, other = at(0.3, 0.4, 1), at(0.75, 0.3, 0), at(0.7, 0.65, 1)
    corners, other_corners = at(0.15, 0.2) + at(0.45, 0.6), at(0.52, 0.45) + at(0.88, 0.9)
    disc = lambda t: pictures.clip_disc(width, height, t)
    click, other_click = points(1, 0, inside), points(2, 0, other)
    return {
        # Kinds of prompts. Outputs are counted from 0: that of the click is 0, of the frames behind it 1, 2, …
        "click": case(12, click, propagate(), whole=True, show=(0, 12)),
        "two_clicks": case(6, points(1, 0, inside, outside), propagate()),
        "box": case(6, box(1, 0, corners), propagate()),
        "box_click": case(6, box(1, 0, corners, outside), propagate()),
        "mask": case(8, mask(1, 0, disc(0)), propagate(), show=(0, 8)),
        "mask_square": case(3, mask(1, 0, pictures.clip_disc(side, side, 0)), propagate()),
        "mask_other_size": case(3, mask(1, 0, pictures.clip_disc(67, 53, 0)), propagate()),
        "mask_empty": case(5, mask(1, 0, disc(0) & False), propagate()),
        # Clicks one after the other: the first one's logits are given to the next.
        "again": case(4, click, points(1, 0, outside), propagate()),
        "again_kept": case(4, click, points(1, 0, outside, clear=False), propagate()),
        "click_then_mask": case(4, click, mask(1, 0, disc(0)), propagate()),
        "mask_then_click": case(4, mask(1, 0, disc(0)), points(1, 0, inside), propagate()),
        # Objects.
        "two_objects": case(8, points(7, 0, inside), box(3, 0, other_corners), propagate(), show=(1, 2)),
        "later_object": case(10, click, propagate(), points(2, 5, other), propagate()),
        "remove": case(8, click, other_click, propagate(most=3), remove(1), propagate(start=3)),
        "remove_updates": case(4, click, other_click, points(1, 2, inside), remove(1), propagate()),
        "non_overlap": case(5, click, other_click, propagate(), show=(7, 8), non_overlap=1),
        # Several frames with prompts, both directions, parts of the clip.
        "several": case(10, click, mask(1, 4, disc(4)), points(1, 8, at(0.5, 0.5, 1)), propagate()),
        "reverse": case(10, click, mask(1, 4, disc(4)), points(1, 8, at(0.5, 0.5, 1)), propagate(reverse=True, start=8)),
        "both": case(10, points(1, 5, inside), propagate(), propagate(reverse=True)),
        "middle": case(8, points(1, 4, inside), propagate()),
        "early": case(8, points(1, 4, inside), propagate(start=1, most=3), propagate(start=6)),
        "short5": case(5, click, propagate()),
        "short3": case(3, box(1, 0, corners), propagate()),
        "single": case(1, click, propagate(), propagate(reverse=True)),
        "long": case(20, click, propagate()),
        "max_cond": case(10, *(points(1, t, inside) for t in (0, 2, 5, 8)), propagate(), max_cond=2),
        "max_cond_reverse": case(10, *(points(1, t, inside) for t in (0, 2, 5, 8)), propagate(reverse=True, start=9), max_cond=2),
        "stride": case(14, points(1, 1, inside), propagate(), stride=2),
        "stride_reverse": case(12, points(1, 11, inside), propagate(reverse=True), stride=3),
        # Corrections of tracked frames, prompts taken back.
        "correction": case(8, click, propagate(), points(1, 4, outside), propagate(start=4)),
        "correction_cond": case(8, click, propagate(), points(1, 4, outside), propagate(), correct_as_cond=1),
        "correction_mask": case(8, click, propagate(), mask(1, 4, disc(4)), propagate(start=5)),
        "correction_reverse": case(6, points(1, 5, inside), propagate(reverse=True), points(1, 2, outside), propagate(reverse=True), correct_as_cond=1),
        "clear": case(8, click, points(1, 4, inside), propagate(), clear(1, 4), propagate()),
        "clear_before": case(4, click, points(1, 2, inside), clear(1, 2), propagate()),
        "reset": case(4, click, other_click, propagate(), reset(), box(2, 1, other_corners), propagate()),
        # The other post-processing.
        "eval_click": case(6, click, propagate(), evaluation=1),
        "eval_box_click": case(6, box(1, 0, corners, outside), propagate(), evaluation=1),
        "eval_mask": case(5, mask(1, 0, disc(0)), propagate(), evaluation=1),
        "eval_two_objects": case(6, click, other_click, propagate(), evaluation=1),
        "fill_click": case(6, click, propagate(), show=(6,), fill=1),
        "fill_box_click": case(5, box(1, 0, corners, outside), propagate(), fill=1),
        "fill_mask": case(5, mask(1, 0, disc(0)), propagate(), fill=1),
        "fill_correction": case(6, click, propagate(), points(1, 3, outside), propagate(), correct_as_cond=1, fill=1),
        # Objects that go and come back (with the trained model).
        "vanish": case(9, click, other_click, propagate(), blank=(3, 4, 5)),
        "vanish_reverse": case(9, points(1, 8, at(0.5, 0.6, 1)), mask(2, 7, disc(7)), propagate(reverse=True), blank=(3, 4)),
        "prompt_on_nothing": case(6, click, points(2, 3, at(0.35, 0.3, 1)), propagate(), points(1, 3, other), propagate(), blank=(3,), correct_as_cond=1),
        # One tracked frame in all its stages.
        "stages": case(6, click, propagate()),
    }


TRAINED_CASES = (
    *("click", "two_clicks", "box", "mask", "two_objects", "later_object", "several", "both", "early", "correction_cond", "long", "eval_click", "fill_click"),
    *("vanish", "vanish_reverse", "prompt_on_nothing"),
)
# With weights that see no object.
ABSENT_CASES = ("click", "box_click", "mask", "mask_empty", "two_objects", "several", "correction_cond", "eval_click", "fill_click")


def call_tensors(name, number, call):
    """The call's row of CASE.calls but for its outputs, and what it was given."""
    key, out = f"{name}.call{number}.", {}
    if call.get("points"):
        out[key + "points"] = numbers(*call["points"])
    if "box" in call:
        out[key + "box"] = numbers(*call["box"])
    if "mask" in call:
        out |= {key + "mask_size": numbers(*call["mask"].shape[::-1]), key + "mask": tensors.pack(call["mask"][None])[0]}
    get = lambda field, unless: float(call.get(field, unless))
    row = [call["kind"], get("object", -1), get("frame", -1), get("reverse", 0), get("start", track.DEFAULT), get("most", track.DEFAULT), get("clear", 1)]
    return row, out


def keep_rows(name, values, whole):
    """[rows, …]: all of it, or samples and sums of each row."""
    return {name: np.ascontiguousarray(values)} if whole else tensors.sample(name, values, rows=True, count=SAMPLES)


def case_tensors(name, c, outputs, rows):
    calls, out = [], {}
    for number, call in enumerate(c["calls"]):
        row, given = call_tensors(name, number, call)
        calls.append(row + [sum(o[0] == number for o in outputs)])
        out |= given
    chosen = track.DEFAULTS | c["chosen"]
    logits = np.stack([o[3] for o in outputs])
    head = {"calls": numbers(*calls), "settings": numbers(c["frames"], *chosen.values())}
    head["outputs"] = numbers(*([*o[:3], (o[3] > 0).sum()] for o in outputs))
    head["outputs.sums"] = tensors.sample("", logits, rows=True)[".sums"]
    if c["blank"]:
        head["blank"] = numbers(*c["blank"])
    if c["show"]:
        head |= {"shown": numbers(*c["show"]), "shown.logits": logits[list(c["show"])]}
    head["rows"] = numbers(*([r["object"], r["frame"], r["cond"]] for r in rows))
    stacked = {k: np.stack([r[k] for r in rows]) for k in ("low_res", "memory", "pointer", "score")}
    head |= keep_rows("low_res", stacked["low_res"], c["whole"])
    head |= {k: tensors.bfloat16(a) if k == "memory.samples" else a for k, a in tensors.sample("memory", stacked["memory"], rows=True, count=SAMPLES).items()}
    head |= {"pointer": stacked["pointer"], "score": stacked["score"]}
    return {f"{name}.{k}": a for k, a in head.items()} | out


def relative(want, got):
    want, got = want.astype(np.float64), got.astype(np.float64)
    return float(np.sqrt(np.square(want - got).sum() / np.square(want).sum()))


def row_errors(rows, other):
    """Relative RMS errors [rows, 4]: low_res, memory, pointer, score."""
    return np.array([[relative(a[k], b[k]) for k in ("low_res", "memory", "pointer", "score")] for a, b in zip(rows, other, strict=True)], np.float32)


class Clip:
    """The made clip: the frames of a case as a folder."""

    def __init__(self, size):
        self.size = size

    def __call__(self, c):
        return track.folder_of([pictures.blank(*self.size) if t in c["blank"] else pictures.clip(*self.size, t) for t in range(c["frames"])])


def watch(model, seen):
    """Hooks that keep the tensors of the last frame tracked; returns what to call to take them off."""
    keep = lambda name: lambda m, a, o: seen.__setitem__(name, track.to_np(o))
    attention, encoder, handles = model.memory_attention, model.memory_encoder, []

    def before_attention(m, a, k):
        first = lambda v: v[0] if isinstance(v, list) else v
        seen["embedding"] = track.to_np(first(k["curr"]))[:, 0]
        seen["bank"], seen["bank_position"] = track.to_np(k["memory"])[:, 0], track.to_np(k["memory_pos"])[:, 0]
        seen["pointer_tokens"] = numbers(k["num_obj_ptr_tokens"])

    def after_decoder(m, a, o):
        seen.update({"decoder.low_res": track.to_np(o[0][0]), "decoder.iou": track.to_np(o[1][0]), "decoder.tokens": track.to_np(o[2][0]), "decoder.score": track.to_np(o[3][0])})

    handles.append(attention.register_forward_pre_hook(before_attention, with_kwargs=True))
    handles.append(attention.layers[0].register_forward_pre_hook(lambda m, a, k: seen.__setitem__("attention_input", track.to_np(k["tgt"])[0]), with_kwargs=True))
    for i, layer in enumerate(attention.layers):
        for part, module in ((".self", layer.self_attn), (".cross", layer.cross_attn_image), ("", layer)):
            handles.append(module.register_forward_hook(lambda m, a, o, key=f"layer{i}{part}": seen.__setitem__(key, track.to_np(o)[0])))
    handles.append(attention.register_forward_hook(lambda m, a, o: seen.__setitem__("attended", track.to_np(o)[:, 0])))
    handles.append(model.sam_mask_decoder.register_forward_hook(after_decoder))
    handles.append(encoder.register_forward_pre_hook(lambda m, a: seen.__setitem__("memory_mask", track.to_np(a[1])[0, 0])))
    handles.append(encoder.mask_downsampler.register_forward_hook(lambda m, a, o: seen.__setitem__("downsampled", track.to_np(o)[0])))
    handles.append(encoder.fuser.register_forward_hook(lambda m, a, o: seen.update(fuser_input=track.to_np(a[0])[0], fused=track.to_np(o)[0])))
    handles.append(encoder.register_forward_hook(lambda m, a, o: seen.__setitem__("memory_plain", track.to_np(o["vision_features"])[0])))
    return lambda: [h.remove() for h in handles]


def stages(model, clip, c, whole):
    """stages.* of the README: the same session, cut off behind the frame that is looked at."""
    calls, seen = list(c["calls"]), {}
    calls[-1] = propagate(most=STAGES_FRAME)
    unwatch = watch(model, seen)
    with clip(c) as folder:
        rows = track.session(model, folder, calls, c["chosen"])[1]
    unwatch()
    row = next(r for r in rows if r["frame"] == STAGES_FRAME)
    seen |= {"low_res_kept": row["low_res"], "memory_kept": row["memory"], "pointer_kept": row["pointer"]}
    out = {"stages.frame": numbers(STAGES_FRAME)}
    for name, a in seen.items():
        # The mask is as large as the square.
        full = a.size < 2048 or (whole and name != "memory_mask")
        out |= {f"stages.{name}": a} if full else tensors.sample(f"stages.{name}", a)
    return out


def build(v, weights=None, seed=None):
    """`weights` are the trained model's."""
    if not v["config"]:
        return official.load_with_config(weights)
    return official.load(os.path.join(HERE, v["config"] + ".yaml"), seed=v["seed"] if seed is None else seed, absent=v["absent"])


def chosen_cases(v, model):
    every = cases(*v["size"], model.image_size)
    if not v["config"]:
        return {n: dict(every[n], whole=False, show=()) for n in TRAINED_CASES}
    if not v["absent"]:
        return {n: c for n, c in every.items() if not c["blank"]}
    # Most of the logits are one number there.
    return {n: dict(every[n], whole=False, show=every[n]["show"][:1]) for n in ABSENT_CASES}


def sessions(model, v):
    """Outputs and rows of every case."""
    clip, forget = Clip(v["size"]), track.remember_features(model)
    got = {}
    for name, c in chosen_cases(v, model).items():
        with clip(c) as folder:
            got[name] = track.session(model, folder, c["calls"], c["chosen"])
    forget()
    return got


def compute(v, weights=None, seed=None):
    """The model, and every case's outputs, rows and noise: row_errors() of another order of adding, with the trained model of moved features too."""
    model = build(v, weights, seed)
    plain = sessions(model, v)
    with another_order():
        other = [sessions(build(v, weights, seed), v)]
    if not v["config"]:
        for s in range(3):
            again = build(v, weights, seed)
            with moved_features(again.image_encoder, s, 1e-7):
                other.append(sessions(again, v))
    noise = {n: np.max([row_errors(plain[n][1], o[n][1]) for o in other], 0) for n in plain}
    loose = {n: float(e[:, 3].max()) for n, e in noise.items() if not v["config"] and e[:, 3].max() > MOST_NOISE}
    assert not loose, f"sessions in which a rounding of the features moves the object score, take other prompts: {loose}"
    return model, plain, noise


def facts(name, rows, noise):
    scores = np.array([r["score"] for r in rows])
    return dict(name=name, score=[float(scores.min()), float(scores.max())], noise=[float(f"{x:.1e}") for x in noise.max(0)])


def setup(v, model):
    """The tensors that say which clip and weights."""
    out = {"clip": numbers(*v["size"])}
    if v["config"]:
        out |= {"seed": numbers(v["seed"]), "absent": numbers(v["absent"])}
        # Its presence is how a reader of weights tells SAM 2.1 from 2.0.
        if model.no_obj_embed_spatial is not None:
            out["no_obj_embed_spatial"] = official.to_np(model.no_obj_embed_spatial)
    return out


def video(out, weights, write):
    for file, v in VIDEOS.items():
        model, got, noise = compute(v, weights)
        arrays, said, every = setup(v, model), [], chosen_cases(v, model)
        for name, (outputs, rows) in got.items():
            arrays |= case_tensors(name, every[name], outputs, rows) | {f"{name}.noise": noise[name].max(0)}
            said.append(facts(name, rows, noise[name]))
        if "stages" in every:
            arrays |= stages(model, Clip(v["size"]), every["stages"], whole=v["config"] == "small_2.0")
        config = {"sam2.config": official.config_json(os.path.join(HERE, v["config"] + ".yaml"))} if v["config"] else {}
        write(os.path.join(out, file + ".safetensors"), arrays, said, config)


# Cases in which bfloat16 does not choose another of the three masks: that would be an error of 1 and no measure of anything.
BF16 = {
    "video_2.0": ("box", "box_click", "mask", "eval_mask"),
    "video_2.1": ("click", "box", "box_click", "mask", "two_objects", "several", "long", "eval_click"),
    "video_trained": ("two_clicks", "box", "mask", "eval_click", "fill_click", "vanish_reverse"),
}


def sampled_errors(fixture, case, rows):
    """[rows, 4]: relative RMS errors of a session's rows to a fixture's, by the elements that the fixture has."""
    out = []
    for i, r in enumerate(rows):
        errors = []
        for kind in ("low_res", "memory", "pointer", "score"):
            want = fixture.get(f"{case}.{kind}")
            got = r[kind].ravel()
            if want is None:
                want, got = fixture[f"{case}.{kind}.samples"], got[tensors.positions(SAMPLES, got.size)]
            errors.append(relative(np.ravel(want[i]), got))
        out.append(errors)
    return np.array(out, np.float32)


def video_bf16(out, weights, write):
    """Errors of the official code under bfloat16 autocast, row by row, which ours may not exceed."""
    arrays = {}
    for file, names in BF16.items():
        v = VIDEOS[file]
        fixture, _ = tensors.read(os.path.join(out, file + ".safetensors"))
        model, clip = build(v, weights), Clip(v["size"])
        track.remember_features(model)
        every = chosen_cases(v, model)
        for name in names:
            with clip(every[name]) as folder, torch.autocast("cpu", dtype=torch.bfloat16):
                rows = track.session(model, folder, every[name]["calls"], every[name]["chosen"])[1]
            arrays[f"{file}.{name}"] = errors = sampled_errors(fixture, name, rows)
            assert errors[:, 0].max() < 0.1, f"{file} {name}: another mask"
    write(os.path.join(out, "video_bf16.safetensors"), arrays, [], {})
