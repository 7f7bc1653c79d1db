"""Small pictures trained on as if each were cut out of a larger one.

Where a click is and which tokens are near it is told by codes of the place within the whole picture, so that what is learned about it at 128 pixels does not
hold at 512, where a token is a quarter as far from the next. Here all codes of a small picture are those of its place in a larger one, with a quarter or a
sixteenth of the work.
"""
import functools
import random

import torch
import torch.nn.functional as F

STEP = 128  # pixels: the side of the encoder's largest windows, which then lie in a picture as they would in the larger one


class Windows:
    def __init__(self, model, size):
        """model: the official SAM2Base, for pictures of `size`; its codes are from then on those of the place last chosen."""
        self.size, self.whole, self.x, self.y = size, size, 0, 0
        trunk, prompts = model.image_encoder.trunk, model.sam_prompt_encoder

        def trunk_code(hw):
            side, window = self.whole * hw[0] // size, trunk.pos_embed_window
            code = F.interpolate(trunk.pos_embed, size=(side, side), mode="bicubic")
            code = code + window.tile([1, 1, side // window.shape[2], side // window.shape[3]])
            return self.cut(code, hw[0]).permute(0, 2, 3, 1)

        def sine(module):
            official = module.forward
            whole = functools.lru_cache(None)(lambda side: official(torch.zeros(1, 1, side, side)))

            # Computed once, and one for all pictures: at 128 pixels within 512, written for each of 24, it took a third of a step.
            def code(x):
                return self.cut(whole(self.whole * x.shape[-1] // size), x.shape[-1]).expand(len(x), -1, -1, -1)

            module.forward = code

        pixels = functools.lru_cache(None)(lambda side: prompts.pe_layer((side, side))[None])

        def dense():
            return self.cut(pixels(self.whole // 16), size // 16)

        points = prompts.pe_layer.forward_with_coords

        def sparse(coords, _):
            return points(coords + coords.new_tensor([self.x, self.y]), (self.whole, self.whole))

        trunk._get_pos_embed = trunk_code
        sine(model.image_encoder.neck.position_encoding)
        sine(model.memory_encoder.position_encoding)
        prompts.get_dense_pe, prompts.pe_layer.forward_with_coords = dense, sparse

    def cut(self, code, side):
        """This place's part, [..., side, side], of the larger picture's code."""
        x, y = self.x * side // self.size, self.y * side // self.size
        return code[..., y : y + side, x : x + side]

    def choose(self, sides):
        """A side of the larger picture, and a place in it."""
        self.whole = random.choice(sides)
        places = (self.whole - self.size) // STEP
        self.x, self.y = STEP * random.randint(0, places), STEP * random.randint(0, places)
