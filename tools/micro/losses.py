"""The losses of a batch of masks.

    python losses.py        # compares cost and gradient with automatic differentiation, in float64
"""
import torch
import torch.nn.functional as F

FOCAL, JACCARD = 10.0, 1.5  # weights of a mask's losses
SCORE = 5.0  # weight of the squared error of the predicted IoU


def enlarged(logits, truth):
    """Logits at the truth's size, enlarged as the predictors do: only there a line thinner than a logit can be right."""
    return F.interpolate(logits, size=truth.shape[-2:], mode="bilinear", align_corners=False)


class MaskCosts(torch.autograd.Function):
    """See mask_costs. Each mask's gradient is made with its cost, one mask at a time, so that everything stays in the cache: operators over whole batches
    of masks at this size were a third of a step."""

    @staticmethod
    def forward(ctx, logits, truth):
        N, M = logits.shape[:2]
        size, area = truth.shape[-2:], truth[0].numel()
        cost, iou = logits.new_empty(N, M), logits.new_empty(N, M)
        slope = torch.empty_like(logits)
        for n in range(N):
            g = truth[n].contiguous()
            sign = 1 - 2 * g
            inside, total = g > 0.5, g.sum()
            count = inside.sum()
            for m in range(M):
                low = logits[n : n + 1, m : m + 1]
                x = enlarged(low, truth)[0, 0].contiguous()
                p = x.sigmoid()
                wrong = torch.addcmul(g, p, sign)  # 1 - p g - (1 - p) (1 - g)
                square = wrong * wrong
                entropy = F.softplus(x).addcmul_(x, g, value=-1)
                both = torch.dot(p.view(-1), g.view(-1)) + 0.5
                either = p.sum() + total + 1 - both
                share = both / either
                cost[n, m] = FOCAL * 0.5 / area * torch.dot(entropy.view(-1), square.view(-1)) + JACCARD * (1 - share)
                # By p, which the sigmoid's slope p - p p then takes to x; focal loss also has x in its entropy, of slope p - g.
                bend = torch.addcmul(p, p, p, value=-1)
                d = entropy.mul_(wrong).mul_(sign).mul_(FOCAL / area).add_(JACCARD * share / either).add_(g * (-JACCARD * (1 + share) / either)).mul_(bend)
                d.addcmul_(p.sub_(g), square, value=FOCAL * 0.5 / area)
                slope[n, m] = torch.ops.aten.upsample_bilinear2d_backward(d[None, None], size, low.shape, False)[0, 0]
                marked = x > 0
                hits = (marked & inside).sum()
                iou[n, m] = hits / (marked.sum() + count - hits).clamp(min=1)
        ctx.save_for_backward(slope)
        ctx.mark_non_differentiable(iou)
        return cost, iou

    @staticmethod
    def backward(ctx, by_cost, _):
        return ctx.saved_tensors[0] * by_cost[..., None, None], None


def mask_costs(logits, truth):
    """Cost of each mask, FOCAL times its focal loss (gamma 2) and JACCARD times 1 - its soft IoU, and its true IoU, both [N, M]. logits [N, M, h, w]; truth
    [N, H, W], soft; the logits are enlarged to the truth's size."""
    return MaskCosts.apply(logits, truth)


def loss_of(masks, iou_guess, score, truth, single, multi, present=None, score_weight=0.2):
    """`single` and `multi` weigh the single mask and the best of the three. Returns the loss and the true IoUs."""
    cost, iou = mask_costs(masks, truth)
    each = single * cost[:, 0] + multi * (0.92 * cost[:, 1:].min(1).values + 0.08 * cost[:, 1:].mean(1))
    off = iou_guess - iou
    # The mask with the largest guess is taken, so the guess should be the mean of what is possible (squared error), not the median.
    each = each + 0.5 * off.abs().mean(1) + SCORE * off.square().mean(1)
    if present is None:
        present = torch.ones(len(each))
    gate = F.binary_cross_entropy_with_logits(score[:, 0], present)
    return (each * present).sum() / present.sum().clamp(min=1) + score_weight * gate, iou


def plain_costs(logits, truth):
    """mask_costs as it is written down."""
    x, g = enlarged(logits, truth).flatten(2), truth.flatten(1)[:, None]
    p = x.sigmoid()
    right = p * g + (1 - p) * (1 - g)
    focal = (0.5 * (F.softplus(x) - x * g) * (1 - right) ** 2).mean(-1)
    both = (p * g).sum(-1) + 0.5
    return FOCAL * focal + JACCARD * (1 - both / (p.sum(-1) + g.sum(-1) + 1 - both))


def check():
    torch.manual_seed(0)
    for size in ((32, 32), (24, 40), (7, 9)):
        logits = (3 * torch.randn(3, 4, size[0] // 2 + 1, size[1] // 2 + 1, dtype=torch.float64)).requires_grad_()
        truth = torch.rand(3, *size, dtype=torch.float64).round() * torch.rand(3, *size, dtype=torch.float64).clamp(0.5, 1)
        weights = torch.rand(3, 4, dtype=torch.float64)
        expected, (cost, iou) = plain_costs(logits, truth), mask_costs(logits, truth.transpose(1, 2).contiguous().transpose(1, 2))
        slopes = [torch.autograd.grad((c * weights).sum(), logits)[0] for c in (expected, cost)]
        torch.testing.assert_close(cost, expected, rtol=1e-12, atol=0)
        torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-9, atol=1e-15)
        a, b = enlarged(logits, truth) > 0, (truth > 0.5)[:, None]
        torch.testing.assert_close(iou, (a & b).sum((2, 3)) / (a | b).sum((2, 3)).double(), rtol=1e-6, atol=0)
    print("losses: cost, gradient and IoU as automatic differentiation has them")


if __name__ == "__main__":
    check()
