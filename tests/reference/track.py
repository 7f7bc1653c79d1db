"""Sessions of the official video predictor: a list of calls in, every output and the state at the end out."""
import contextlib
import os
import tempfile
import warnings

import numpy as np
import torch

# Kinds of calls; the numbers are those of the fixtures (README.md).
POINTS, BOX, BOX_POINTS, MASK, PROPAGATE, REMOVE, CLEAR, RESET = range(1, 9)
DEFAULT = -1  # of `start` and `most`: the predictor's own choice

# What a session may set; see settings().
DEFAULTS = dict(evaluation=0, fill=0, correct_as_cond=0, non_overlap=0, max_cond=-1, stride=1)


def points(object, frame, *clicks, clear=True):
    return dict(kind=POINTS, object=object, frame=frame, points=clicks, clear=clear)


def box(object, frame, corners, *clicks):
    return dict(kind=BOX_POINTS if clicks else BOX, object=object, frame=frame, box=corners, points=clicks)


def mask(object, frame, bits):
    return dict(kind=MASK, object=object, frame=frame, mask=bits)


def propagate(reverse=False, start=DEFAULT, most=DEFAULT):
    return dict(kind=PROPAGATE, reverse=reverse, start=start, most=most)


def remove(object):
    return dict(kind=REMOVE, object=object)


def clear(object, frame):
    return dict(kind=CLEAR, object=object, frame=frame)


def reset():
    return dict(kind=RESET)


def call_of(words):
    """A prompt as the program's --prompt has it: ID:FRAME:point:x,y,label[;x,y,label…], ID:FRAME:box:x0,y0,x1,y1 or ID:FRAME:mask:FILE (bright is inside)."""
    from PIL import Image

    oid, frame, how, rest = words.split(":", 3)
    if how == "mask":
        return mask(int(oid), int(frame), np.array(Image.open(rest).convert("L")) > 127)
    if how == "box":
        return box(int(oid), int(frame), [float(v) for v in rest.split(",")])
    assert how == "point", f"{words}: point, box or mask"
    return points(int(oid), int(frame), *([float(v) for v in p.split(",")] for p in rest.split(";")))


def components(masks):
    """What the official CUDA kernel gives: labels of 8-connected components, and at each pixel its component's area."""
    import cv2

    labels, areas = np.zeros(masks.shape, np.int32), np.zeros(masks.shape, np.int32)
    for i, m in enumerate(masks.cpu().numpy().astype(np.uint8)[:, 0]):
        _, labels[i, 0], facts, _ = cv2.connectedComponentsWithStats(m, connectivity=8)
        areas[i, 0] = np.where(m > 0, facts[labels[i, 0], cv2.CC_STAT_AREA], 0)
    return torch.from_numpy(labels), torch.from_numpy(areas)


@contextlib.contextmanager
def settings(model, evaluation, fill, correct_as_cond, non_overlap, max_cond, stride):
    """Sets the official model's switches for one session.

    evaluation       the builders' post-processing off: no choice by stability, no binary mask into the memory, no filling of holes
    fill             holes are filled as with the CUDA extension (area 8), the components by OpenCV; without it the official code on a CPU fills none
    correct_as_cond  add_all_frames_to_correct_as_cond
    non_overlap      non_overlap_masks
    max_cond         max_cond_frames_in_attn
    stride           memory_temporal_stride_for_eval
    """
    import sam2.sam2_video_predictor as predictor
    import sam2.utils.misc as misc

    predictor.tqdm = misc.tqdm = lambda items, **_: items  # no progress bars
    decoder, plain = model.sam_mask_decoder, misc.get_connected_components
    decoder.dynamic_multimask_via_stability = not evaluation
    model.binarize_mask_from_pts_for_mem_enc = not evaluation
    model.fill_hole_area = 0 if evaluation else 8
    model.add_all_frames_to_correct_as_cond = bool(correct_as_cond)
    model.non_overlap_masks = bool(non_overlap)
    model.max_cond_frames_in_attn = max_cond
    model.memory_temporal_stride_for_eval = stride
    if fill:
        misc.get_connected_components = components
    try:
        with warnings.catch_warnings():
            # The official warning that holes stay.
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        misc.get_connected_components = plain


@contextlib.contextmanager
def folder_of(frames):
    """A folder as the official loader wants it: it goes by the names, and opens PNG bytes under them without loss."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as tmp:
        for i, frame in enumerate(frames):
            Image.fromarray(frame).save(os.path.join(tmp, f"{i:05d}.jpg"), "PNG", compress_level=1)
        yield tmp


def to_np(tensor):
    """A copy: some official tensors are changed in place later."""
    return tensor.detach().float().cpu().numpy().copy()


def remember_features(model):
    """Keeps the image encoder's output of every frame seen, so that many sessions over one clip encode it once. Returns a function that forgets them."""
    import hashlib

    plain, seen = model.forward_image, {}

    def forward_image(image):
        key = hashlib.sha1(image.numpy().tobytes()).digest()
        if key not in seen:
            out = plain(image)
            # The positions are the same for every frame, and large.
            first = next(iter(seen.values()), out)
            seen[key] = dict(out, vision_pos_enc=first["vision_pos_enc"])
        return {k: list(v) if isinstance(v, list) else v for k, v in seen[key].items()}

    model.forward_image = forward_image
    return seen.clear


def widen_memory(model):
    """Memories are kept in bfloat16. With a pointer beside them the official code widens them to float32 as it joins the two; on a frame that has no pointer
    to see (its object's prompts are all on later frames) it stops with an error, unless under autocast. This widens there too."""
    return model.memory_attention.register_forward_pre_hook(lambda m, a, k: (a, dict(k, memory=k["memory"].float())), with_kwargs=True)


def run_call(model, state, call):
    """One call's outputs: (frame, ids, logits [objects, 1, height, width]) each."""
    kind = call["kind"]
    if kind == PROPAGATE:
        unless = lambda v: None if v == DEFAULT else v
        return model.propagate_in_video(state, unless(call["start"]), unless(call["most"]), call["reverse"])
    if kind == RESET:
        model.reset_state(state)
        return []
    if kind == REMOVE:
        ids, updated = model.remove_object(state, call["object"], strict=True)
        return [(frame, ids, logits) for frame, logits in updated]
    where = dict(inference_state=state, frame_idx=call["frame"], obj_id=call["object"])
    if kind == CLEAR:
        return [model.clear_all_prompts_in_frame(**where)]
    if kind == MASK:
        return [model.add_new_mask(mask=call["mask"], **where)]
    if call["points"]:
        clicks = np.array(call["points"], np.float32)
        where |= dict(points=clicks[:, :2], labels=clicks[:, 2].astype(np.int32))
    if "box" in call:
        where["box"] = np.array(call["box"], np.float32)
    return [model.add_new_points_or_box(clear_old_points=call.get("clear", True), **where)]


def state_rows(state):
    """Everything stored at the end, by object in the session's order, then frame."""
    rows = []
    for index, oid in enumerate(state["obj_ids"]):
        stores = state["output_dict_per_obj"][index]
        frames = {f: (o, True) for f, o in stores["cond_frame_outputs"].items()} | {f: (o, False) for f, o in stores["non_cond_frame_outputs"].items()}
        for frame, (out, cond) in sorted(frames.items()):
            values = {"low_res": out["pred_masks"][0, 0], "memory": out["maskmem_features"][0], "pointer": out["obj_ptr"][0], "score": out["object_score_logits"][0, 0]}
            rows.append(dict(object=oid, frame=frame, cond=cond, **{k: to_np(v) for k, v in values.items()}))
    return rows


def session(model, folder, calls, chosen={}):
    """Runs the calls on the frames of a folder. Returns the outputs, (call, frame, object, logits [height, width]) each, and state_rows()."""
    outputs, hook = [], widen_memory(model)
    try:
        with settings(model, **(DEFAULTS | chosen)), torch.inference_mode():
            state = model.init_state(folder)
            for number, call in enumerate(calls):
                for frame, ids, logits in run_call(model, state, call):
                    outputs += [(number, frame, oid, to_np(logits[k, 0])) for k, oid in enumerate(ids)]
            return outputs, state_rows(state)
    finally:
        hook.remove()
