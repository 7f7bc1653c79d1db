"""The program `sam2` behind the calls that eval.py makes of the official predictors, so that both are measured by the same lines."""
import os
import subprocess
import tempfile

import cv2
import numpy as np


class Program:
    def __init__(self, program, weights, size, precision):
        self.command = [program, None, "-m", weights, "--size", str(size), "--precision", precision, "-q"]

    def run(self, what, *arguments):
        done = subprocess.run(self.command[:1] + [what] + self.command[2:] + [str(a) for a in arguments], capture_output=True, text=True)
        if done.returncode not in (0, 5):  # 5: an empty mask
            raise SystemExit(f"sam2 {what}: {done.stderr}")


def numbers(*values):
    return ",".join(repr(float(v)) for v in values)


class ImageProgram(Program):
    """SAM2ImagePredictor."""

    def __init__(self, *args):
        super().__init__(*args)
        self.folder = tempfile.TemporaryDirectory()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def set_image(self, picture):
        cv2.imwrite(self.path("picture.png"), picture[..., ::-1])
        self.run("encode", "-i", self.path("picture.png"), "-o", self.path("picture.features"))

    def predict(self, point_coords=None, point_labels=None, box=None, mask_input=None, multimask_output=True):
        words = ["--embedding", self.path("picture.features"), "-o", self.path("mask.png"), "--dump", self.path("dump.npz")]
        for (x, y), label in zip([] if point_coords is None else point_coords, [] if point_labels is None else point_labels):
            words += ["-p", numbers(x, y) + f",{label}"]
        if box is not None:
            words += ["-b", numbers(*box)]
        if mask_input is not None:
            np.savez(self.path("input.npz"), low_res=mask_input.astype(np.float32))
            words += ["--mask", self.path("input.npz")]
        if multimask_output:
            words.append("--multimask")
        self.run("segment", *words)
        dump = np.load(self.path("dump.npz"))
        names = [f"mask_{i}.png" for i in range(3)] if multimask_output else ["mask.png"]
        masks = np.stack([cv2.imread(self.path(name), cv2.IMREAD_UNCHANGED) > 0 for name in names])
        order = np.argsort(-dump["iou"].reshape(-1), kind="stable")  # of the files; the dump has the network's
        return masks, dump["iou"].reshape(-1)[order], dump["low_res"].reshape(len(names), *dump["low_res"].shape[-2:])[order]


class VideoProgram(Program):
    """Takes a folder of frames and one object's prompt: its masks."""

    def follow(self, frames, points=None, labels=None, box=None):
        if box is not None:
            prompt = "1:0:box:" + numbers(*box)
        else:
            prompt = "1:0:point:" + ";".join(numbers(x, y) + f",{label}" for (x, y), label in zip(points, labels))
        with tempfile.TemporaryDirectory() as out:
            self.run("track", "-i", frames, "--prompt", prompt, "-o", out)
            names = sorted(os.listdir(os.path.join(out, "1")))
            return [cv2.imread(os.path.join(out, "1", name), cv2.IMREAD_UNCHANGED) > 0 for name in names]
