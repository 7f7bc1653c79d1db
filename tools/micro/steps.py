"""What one training step computes: losses of a batch of pictures or of clips.

The model is the official SAM2Base. Its parts are called one by one, so that the losses see the mask's logits before the object score gates them: a gated
mask has no gradient.
"""
import random

import torch
import torch.nn.functional as F

from losses import enlarged, loss_of

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)

together = random.Random(0)  # decisions that all processes have to take alike: how many passes, which prompt
FEW_KEYS = 32


def attention_by_products(q, k, v, **_):
    """Twice as fast as the backward pass of the CPU's flash attention in bfloat16, at these sizes. With few keys the products are transposed: a softmax over a
    short innermost dimension is not vectorised."""
    q = q * q.shape[-1] ** -0.5
    if k.shape[-2] < FEW_KEYS:
        p = (k @ q.transpose(-2, -1)).softmax(-2).transpose(-2, -1)
    else:
        p = (q @ k.transpose(-2, -1)).softmax(-1)
    return p.to(v.dtype) @ v


class Contiguous(torch.autograd.Function):
    """The same values, with a gradient that is contiguous: GELU's backward pass over transposed ones is not vectorised."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, slope):
        return slope.contiguous()


class Gelu(torch.nn.Module):
    def forward(self, x):
        return Contiguous.apply(F.gelu(x.contiguous()))


def quicken(model):
    """Puts Gelu in the place of the decoder's, which has no weights either."""
    upscaling = model.sam_mask_decoder.output_upscaling
    for i, part in enumerate(upscaling):
        if isinstance(part, torch.nn.GELU):
            upscaling[i] = Gelu()


def encode(model, pictures):
    """uint8 [N, S, S, 3] -> the pyramid's maps in float32, and their positional encodings."""
    out = model.forward_image((pictures.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD)
    return [f.float() for f in out["backbone_fpn"]], out["vision_pos_enc"]


def decode(model, pixels, high, points, labels, previous=None):
    if points is None:
        points, labels = pixels.new_zeros(len(pixels), 1, 2), -torch.ones(len(pixels), 1, dtype=torch.int32)
    sparse, dense = model.sam_prompt_encoder(points=(points, labels), boxes=None, masks=previous)
    masks, iou, tokens, score = model.sam_mask_decoder.predict_masks(
        image_embeddings=pixels,
        image_pe=model.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        repeat_image=False,
        high_res_features=high,
    )
    return masks.float(), iou.float(), tokens, score.float()


def error_click(logits, truth, S):
    """A click into what is wrong, rather away from its border. logits [N, h, w]; truth [N, 2 h, 2 w]."""
    with torch.no_grad():
        wrong = ((enlarged(logits[:, None], truth)[:, 0] > 0) != (truth > 0.5)).float()
        # Along rows, then columns; and a draw from running sums: a square window and multinomial take several times as long.
        around = F.avg_pool2d(F.avg_pool2d(wrong[:, None], (1, 9), 1, (0, 4)), (9, 1), 1, (4, 0))[:, 0]
        below = (wrong * around**3 + 1e-9).flatten(1).double().cumsum(1)
        i = torch.searchsorted(below, below[:, -1:] * torch.rand(len(below), 1, dtype=torch.float64), right=True)[:, 0].clamp(max=below.shape[1] - 1)
        side = truth.shape[-1]
        label = (truth.flatten(1).gather(1, i[:, None]) > 0.5).int()
        at = torch.stack([i % side, i // side], -1).float() + torch.rand(len(i), 2)
        return (at * (S / side))[:, None], label


def noisy_box(box, S, amount=0.05):
    extent = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    noise = (torch.randn_like(box) * amount * extent).clamp(-10 * S / 256, 10 * S / 256) * (torch.rand(len(box), 1) < 0.4)
    return (box + noise).clamp(0, S).view(-1, 2, 2), torch.tensor([[2, 3]], dtype=torch.int32).expand(len(box), 2)


def prompt_loss(model, kind, pixels, high, truth, points, box, S, more, stat):
    """Clicks or boxes on one picture's features, with up to two corrections: the loss."""
    n = len(pixels)
    if kind == "click":
        q, labels = points.reshape(-1, 1, 2), torch.ones(n, 1, dtype=torch.int32)
        weights = (0.4, 1.0)
    else:
        q, labels = noisy_box(box.reshape(-1, 4), S)
        weights = (1.0, 0.3)
    previous, total = None, 0.0
    for k in range(3):
        masks, guess, _, score = decode(model, pixels, high, q, labels, previous)
        loss, iou = loss_of(masks, guess, score, truth, *weights)
        total = total + loss * (1.0 if k == 0 else 0.6)
        best = torch.zeros(n, dtype=torch.long)
        if k == 0 and kind == "click":
            best = guess[:, 1:].argmax(1) + 1
            stat["click_best"] = iou[:, 1:].max(1).values.mean().item()
        stat[f"{kind}+{k}"] = iou.gather(1, best[:, None]).mean().item()
        if k == 2 or together.random() > (more if k == 0 else 0.6 * more):
            return total
        previous = masks.detach().gather(1, best[:, None, None, None].expand(-1, 1, *masks.shape[-2:]))
        at, label = error_click(previous[:, 0], truth, S)
        q, labels = torch.cat([q, at], 1), torch.cat([labels, label], 1)
        weights = (1.0, 0.2)
        previous = previous.clamp(-32, 32)


def image_step(model, batch, a):
    """The first half of a picture's prompts are clicks, the second boxes."""
    pictures, soft, points, box = batch
    clicks = soft.shape[1] // 2
    maps, _ = encode(model, pictures)
    truth = soft.float() / 255
    empty_memory = maps[2] + model.no_mem_embed.view(1, -1, 1, 1)
    total, stat = 0.0, {}
    for kind, part in (("click", slice(0, clicks)), ("box", slice(clicks, soft.shape[1]))):
        n = part.stop - part.start
        high = [f.repeat_interleave(n, 0) for f in maps[:2]]
        pixels = empty_memory.repeat_interleave(n, 0)
        total = total + prompt_loss(model, kind, pixels, high, truth[:, part].flatten(0, 1), points[:, part], box[:, part], a.size, a.more, stat)
    stat["loss"] = total.item()
    return total, stat


def hand_on(model, masks, guess, tokens, score, multi, S):
    """What the official heads give to the memory: gated masks in low and full resolution, the pointer; and the index of the mask."""
    n = torch.arange(len(masks))
    i = guess[:, 1:].argmax(1) + 1 if multi else torch.zeros(len(masks), dtype=torch.long)
    on = score > 0
    low = torch.where(on[:, :, None, None], masks[n, i][:, None], -1024.0)
    high = F.interpolate(low, size=(S, S), mode="bilinear", align_corners=False)
    seen = on.float()
    return low, high, seen * model.obj_ptr_proj(tokens[n, i]) + (1 - seen) * model.no_obj_ptr, i


def first_frame(model, maps, truth, present, points, box, S, stat):
    """A mask, a click or a box, sometimes with a correction: loss, mask in full resolution, pointer, object score."""
    kind = together.choices(["click", "box", "mask"], [0.4, 0.35, 0.25])[0]
    pixels = maps[2] + model.no_mem_embed.view(1, -1, 1, 1)
    if kind == "mask":
        given = (F.interpolate(truth[:, None], size=(S, S), mode="bilinear", align_corners=False) > 0.5).float()
        _, _, _, _, full, pointer, score = model._use_mask_as_output(pixels, maps[:2], given)
        return 0.0, full, pointer, score.detach()
    if kind == "click":
        q, labels = points.reshape(-1, 1, 2), torch.ones(len(truth), 1, dtype=torch.int32)
    else:
        q, labels = noisy_box(box.reshape(-1, 4), S)
    out = decode(model, pixels, maps[:2], q, labels)
    total, iou = loss_of(out[0], out[1], out[3], truth, *((0.4, 1.0) if kind == "click" else (1.0, 0.3)), present)
    low, full, pointer, i = hand_on(model, *out, kind == "click", S)
    if together.random() < 0.4:
        at, label = error_click(low[:, 0].detach(), truth, S)
        out = decode(model, pixels, maps[:2], torch.cat([q, at], 1), torch.cat([labels, label], 1), low.detach().clamp(-32, 32))
        loss, iou = loss_of(out[0], out[1], out[3], truth, 1.0, 0.2, present)
        total = total + loss
        low, full, pointer, i = hand_on(model, *out, False, S)
    stat["first"] = iou.gather(1, i[:, None]).mean().item()
    return total, full, pointer, out[3]


def video_step(model, batch, a):
    """Clips [B, T, S, S, 3] with O objects each: every frame after the first is found from the memory of the earlier ones."""
    frames, soft, points, box = batch
    B, T, O = soft.shape[:3]
    S, N = a.size, B * O
    maps, places = encode(model, frames.flatten(0, 1))
    maps = [f.unflatten(0, (B, T)) for f in maps]
    sizes = [f.shape[-2:] for f in maps]
    truths = soft.float() / 255
    gap = together.choice([1, 1, 1, 2, 4, 8])  # frame numbers between the prompted frame and the next
    number = [0] + [gap + i for i in range(T - 1)]
    true_memory = together.random() < a.teacher  # memorise true masks in this clip: steadies the start
    memory = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    total, ious, stat = 0.0, [], {"present_right": 0.0}
    for t in range(T):
        f = [x[:, t].repeat_interleave(O, 0) for x in maps]
        tokens = [x.flatten(2).permute(2, 0, 1) for x in f]
        codes = [p[:1].expand(N, -1, -1, -1).flatten(2).permute(2, 0, 1) for p in places]
        truth = truths[:, t].flatten(0, 1)
        present = (truth.flatten(1).sum(1) > 8.0).float()
        if t == 0:
            loss, full, pointer, score = first_frame(model, f, truth, present, points, box, S, stat)
            total = total + loss
        else:
            pixels = model._prepare_memory_conditioned_features(
                frame_idx=number[t],
                is_init_cond_frame=False,
                current_vision_feats=tokens[-1:],
                current_vision_pos_embeds=codes[-1:],
                feat_sizes=sizes[-1:],
                output_dict=memory,
                num_frames=16,  # pointers' time codes depend on it
            )
            out = decode(model, pixels.float(), f[:2], None, None)
            score = out[3]
            loss, iou = loss_of(out[0], out[1], score, truth, 0.2, 1.0, present, score_weight=0.5)
            total = total + loss
            _, full, pointer, i = hand_on(model, *out, True, S)
            value = iou.gather(1, i[:, None])[:, 0]
            ious.append((value * present).sum().item() / max(present.sum().item(), 1))
            stat["present_right"] += ((score[:, 0] > 0) == (present > 0)).float().mean().item() / (T - 1)
        if true_memory:
            full = F.interpolate(truth[:, None], size=(S, S), mode="bilinear", align_corners=False) * 20 - 10
            score = present[:, None] * 20 - 10
        features, code = model._encode_new_memory(tokens, sizes, full, score, is_mask_from_pts=t == 0)
        kept = {"maskmem_features": features.float(), "maskmem_pos_enc": code, "obj_ptr": pointer.float()}
        memory["cond_frame_outputs" if t == 0 else "non_cond_frame_outputs"][number[t]] = kept
    stat.update(track=sum(ious) / len(ious), track_last=ious[-1], clip_loss=total.item())
    return total * (2.0 / T), stat
