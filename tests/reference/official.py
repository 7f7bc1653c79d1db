"""The official image predictors of SAM 2 and SAM 1 with every stage's tensor recorded."""
import json

import numpy as np
import torch

import synth


def load(model, size=None, seed=0, absent=False, weights=None):
    """A model by name or yaml (synth.build) with the stand-in weights of `seed`, or those of a .pt or .safetensors file."""
    module = synth.build(model, size)
    if weights and weights.endswith(".safetensors"):
        from safetensors.torch import load_file

        module.load_state_dict({k: v.float() for k, v in load_file(weights).items()})
    elif weights:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        module.load_state_dict(state.get("model", state))
    else:
        synth.fill(module, seed, absent)
    return module.eval()


def load_with_config(weights):
    """The model of a .safetensors file that carries its configuration under "sam2.config"."""
    import tempfile

    from safetensors import safe_open

    with safe_open(weights, "np") as f:
        config = json.loads(f.metadata()["sam2.config"])
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        json.dump({"model": config}, f)
        f.flush()
        return load(f.name, weights=weights)


def config_json(yaml):
    """The yaml's `model` node as the JSON text that travels with a file under "sam2.config"."""
    from omegaconf import OmegaConf

    return json.dumps(OmegaConf.to_container(OmegaConf.load(yaml).model), separators=(",", ":"))


def to_np(tensor):
    return tensor.detach().float().cpu().numpy()


class Recorder:
    """encode() then predict(); both return dictionaries of float32 arrays under the names of dump.py."""

    def __init__(self, model):
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        self.model, self.seen = model, {}
        self.predictor = SAM2ImagePredictor(model)
        # The predictor has the sizes of a 1024 x 1024 input written into it.
        self.predictor._bb_feat_sizes = [(model.image_size // k, model.image_size // k) for k in (4, 8, 16)]
        model.image_encoder.register_forward_hook(lambda m, a, o: self.seen.update(input=to_np(a[0])))
        model.image_encoder.trunk.register_forward_hook(lambda m, a, o: self.seen.update({f"trunk_stage{i}": to_np(x) for i, x in enumerate(o)}))
        model.sam_prompt_encoder.register_forward_hook(lambda m, a, o: self.seen.update(sparse=to_np(o[0]), dense=to_np(o[1])))
        decoder = model.sam_mask_decoder
        # What the predictor returns is clamped to +-32; the decoder's own output is not.
        decoder.register_forward_hook(lambda m, a, o: self.seen.update(low_res=to_np(o[0][0]), iou=to_np(o[1][0]), object_score=to_np(o[3])))
        plain = decoder.predict_masks

        def predict_masks(**kw):
            out = plain(**kw)
            self.seen.update(low_res_all=to_np(out[0][0]), iou_all=to_np(out[1][0]))
            return out

        decoder.predict_masks = predict_masks

    def encode(self, picture):
        """input, trunk_stage0..3, fpn0, fpn1, embedding."""
        self.seen.clear()
        with torch.inference_mode():
            self.predictor.set_image(picture)
        out = dict(self.seen)
        features = self.predictor._features
        out["fpn0"], out["fpn1"] = (to_np(f) for f in features["high_res_feats"])
        out["embedding"] = to_np(features["image_embed"])
        return out

    def restore(self, arrays, size):
        """Takes up the features of an earlier encode(), so that prompts can be answered without the encoder; `size` is (height, width)."""
        self.predictor.reset_predictor()
        self.predictor._orig_hw = [size]
        levels = [torch.from_numpy(arrays[k]) for k in ("fpn0", "fpn1", "embedding")]
        self.predictor._features = {"image_embed": levels[2], "high_res_feats": levels[:2]}
        self.predictor._is_image_set = True

    def predict(self, points=(), box=None, mask_input=None, multimask=True):
        """sparse, dense, low_res (the decoder's choice, not clamped), low_res_clamped (what the predictor returns), iou, object_score, masks (bool),
        low_res_all and iou_all (all four masks), index (of each returned mask in those four)."""
        self.seen.clear()
        coords = np.array([p[:2] for p in points], np.float32) if points else None
        labels = np.array([p[2] for p in points], np.int32) if points else None
        with torch.inference_mode():
            masks, _, clamped = self.predictor.predict(
                point_coords=coords, point_labels=labels, box=None if box is None else np.array(box, np.float32), mask_input=mask_input, multimask_output=multimask
            )
        out = dict(self.seen, masks=masks > 0, low_res_clamped=clamped)
        out["index"] = [next(k for k in range(4) if np.array_equal(m, out["low_res_all"][k])) for m in out["low_res"]]
        return out

    def stability(self, low_res):
        """The decoder's stability score of one mask's logits."""
        return float(self.model.sam_mask_decoder._get_stability_scores(torch.from_numpy(low_res)[None])[0])


class Recorder1:
    """The same for SAM 1: input, block0 ... (each block's output, NCHW), embedding; then the same names but object_score. Nothing is clamped."""

    def __init__(self, model):
        from segment_anything import SamPredictor

        self.model, self.seen, self.predictor = model, {}, SamPredictor(model)
        model.image_size = model.image_encoder.img_size
        model.image_encoder.register_forward_hook(lambda m, a, o: self.seen.update(input=to_np(a[0])))
        for i, block in enumerate(model.image_encoder.blocks):
            block.register_forward_hook(lambda m, a, o, i=i: self.seen.update({f"block{i}": np.ascontiguousarray(to_np(o).transpose(0, 3, 1, 2))}))
        model.prompt_encoder.register_forward_hook(lambda m, a, o: self.seen.update(sparse=to_np(o[0]), dense=to_np(o[1])))
        plain = model.mask_decoder.predict_masks

        def predict_masks(**kw):
            out = plain(**kw)
            self.seen.update(low_res_all=to_np(out[0][0]), iou_all=to_np(out[1][0]))
            return out

        model.mask_decoder.predict_masks = predict_masks
        answer = self.predictor.predict_torch
        # numpy has no bfloat16, which autocast gives.
        self.predictor.predict_torch = lambda *a, **kw: tuple(t.float() if t.is_floating_point() else t for t in answer(*a, **kw))

    def encode(self, picture):
        self.seen.clear()
        with torch.inference_mode():
            self.predictor.set_image(picture)
        order = ["input"] + [f"block{i}" for i in range(len(self.model.image_encoder.blocks))]
        return {k: self.seen[k] for k in order} | {"embedding": to_np(self.predictor.features)}

    def restore(self, arrays, size):
        self.predictor.reset_image()
        self.predictor.original_size = size
        self.predictor.input_size = self.predictor.transform.get_preprocess_shape(*size, self.model.image_size)
        self.predictor.features = torch.from_numpy(arrays["embedding"])
        self.predictor.is_image_set = True

    def predict(self, points=(), box=None, mask_input=None, multimask=True):
        self.seen.clear()
        coords = np.array([p[:2] for p in points], np.float32) if points else None
        labels = np.array([p[2] for p in points], np.int32) if points else None
        with torch.inference_mode():
            masks, iou, low_res = self.predictor.predict(coords, labels, None if box is None else np.array(box, np.float32), mask_input, multimask_output=multimask)
        low_res = np.asarray(low_res, np.float32)
        return dict(self.seen, masks=masks > 0, low_res=low_res, low_res_clamped=low_res, iou=np.asarray(iou, np.float32), index=[1, 2, 3] if multimask else [0])


def recorder(model):
    """The recorder for a model of either kind."""
    return Recorder(model) if hasattr(model, "sam_mask_decoder") else Recorder1(model)
