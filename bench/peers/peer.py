"""One other implementation in a process of its own, for compare.py.

    peer.py NAME MODEL WEIGHTS.pt --threads N --runs N --folder FOLDER

prepares, writes a line of JSON, waits for a line on standard input, measures, and writes a second line of JSON: lists of
milliseconds for each thing that was timed, after one call that is not counted.
"""
import argparse
import contextlib
import json
import os
import sys
import time

NAMES = ("torch-f32", "torch-bf16", "onnxruntime-f32", "openvino-f32", "openvino-bf16")


def timed(call, runs):
    call()
    out = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        out.append((time.perf_counter() - start) * 1e3)
    return out


def build(model, weights):
    """The official model, as its users build it."""
    from sam2.build_sam import build_sam2

    release, size = model.split("_")
    return build_sam2(f"configs/{release}/{release}_hiera_{size}.yaml", weights, device="cpu").eval()


def export(model, weights, path):
    """The encoder as ONNX: what SAM2Base.forward_image gives."""
    import torch

    class Encoder(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return tuple(self.inner.forward_image(x)["backbone_fpn"])

    part = path + ".part"
    with torch.no_grad():
        torch.onnx.export(
            Encoder(build(model, weights)), torch.zeros(1, 3, 1024, 1024), part, opset_version=17, dynamo=False, input_names=["x"]
        )
    os.replace(part, path)


def prepare_torch(args, precision):
    import numpy
    import torch
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    torch.set_num_threads(args.threads)
    module = build(args.model, args.weights)
    predictor = SAM2ImagePredictor(module)
    rng = numpy.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((1, 3, 1024, 1024), dtype=numpy.float32))
    picture = rng.integers(0, 256, (1200, 1800, 3), dtype=numpy.uint8)
    click = dict(point_coords=numpy.array([[900, 600]]), point_labels=numpy.array([1]), multimask_output=True)

    def load():
        module.load_state_dict(torch.load(args.weights, map_location="cpu", weights_only=True)["model"])

    def measure():
        cast = torch.autocast("cpu", dtype=torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
        out = {}
        with torch.inference_mode(), cast:
            out["encode_ms"] = timed(lambda: module.forward_image(x), args.runs)
            predictor.set_image(picture)
            out["decode_ms"] = timed(lambda: predictor.predict(**click), 3 * args.runs)
        if precision == "f32":
            out["load_ms"] = timed(load, args.runs)
        return out

    return {"version": torch.__version__}, measure


def prepare_onnxruntime(args, x):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    start = time.perf_counter()
    session = onnxruntime.InferenceSession(args.onnx, options, providers=["CPUExecutionProvider"])
    about = {"version": onnxruntime.__version__, "compile_ms": (time.perf_counter() - start) * 1e3}
    return about, lambda: {"encode_ms": timed(lambda: session.run(None, {"x": x}), args.runs)}


def prepare_openvino(args, precision, x):
    import openvino

    core = openvino.Core()
    config = {"INFERENCE_NUM_THREADS": args.threads, "INFERENCE_PRECISION_HINT": precision}
    start = time.perf_counter()
    request = core.compile_model(core.read_model(args.onnx), "CPU", config).create_infer_request()
    about = {"version": openvino.__version__, "compile_ms": (time.perf_counter() - start) * 1e3}
    return about, lambda: {"encode_ms": timed(lambda: request.infer({"x": x}), args.runs)}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("name", choices=NAMES)
    ap.add_argument("model")
    ap.add_argument("weights")
    ap.add_argument("--threads", type=int, required=True)
    ap.add_argument("--runs", type=int, required=True)
    ap.add_argument("--folder", required=True)
    args = ap.parse_args()
    lines = os.fdopen(os.dup(1), "w", buffering=1)  # libraries print what they like; only the two lines go out
    os.dup2(2, 1)
    tool, precision = args.name.rsplit("-", 1)
    if tool == "torch":
        about, measure = prepare_torch(args, precision)
    else:
        import numpy

        args.onnx = os.path.join(args.folder, args.model + ".onnx")
        if not os.path.exists(args.onnx):
            export(args.model, args.weights, args.onnx)
        x = numpy.random.default_rng(0).standard_normal((1, 3, 1024, 1024), dtype=numpy.float32)
        about, measure = prepare_onnxruntime(args, x) if tool == "onnxruntime" else prepare_openvino(args, precision, x)
    lines.write(json.dumps(about) + "\n")
    if not sys.stdin.readline():
        return
    lines.write(json.dumps(measure()) + "\n")


if __name__ == "__main__":
    main()
