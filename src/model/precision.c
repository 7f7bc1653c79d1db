#include "model/precision.h"

#include <stdbool.h>
#include <string.h>

/* The longest prefix decides; SAM 1's names lack the "sam_". Which rules are right is measured: the fixture `bf16` has
 * the official autocast's errors, which ours stay below at every stage. */
static const precision_rule rules[] = {
    {"image_encoder.trunk", "image encoder: Hiera trunk", SAM2_PRECISION_BF16, "nearly all of the work"},
    {"image_encoder.patch_embed", "image encoder: patches of SAM 1", SAM2_PRECISION_BF16, "as in the Hiera trunk"},
    {"image_encoder.blocks", "image encoder: ViT of SAM 1", SAM2_PRECISION_BF16, "nearly all of the work"},
    {"image_encoder.neck", "image encoder: neck", SAM2_PRECISION_BF16, "follows the trunk"},
    {"sam_mask_decoder.conv_s", "high-resolution features", SAM2_PRECISION_BF16, "made with the picture's features"},
    {"sam_prompt_encoder", "prompt encoder", SAM2_PRECISION_F32,
     "no work to speak of, and positions need their digits"},
    {"sam_mask_decoder.output_upscaling", "mask decoder: enlargement", SAM2_PRECISION_BF16, "most of its products"},
    {"sam_mask_decoder.transformer.layers.0.cross_attn_token_to_image.k", "mask decoder: keys of the picture",
     SAM2_PRECISION_BF16, "made with the picture's features"},
    {"sam_mask_decoder.transformer.layers.0.cross_attn_token_to_image.v", "mask decoder: values of the picture",
     SAM2_PRECISION_BF16, "made with the picture's features"},
    {"sam_mask_decoder.transformer.layers.0.cross_attn_image_to_token.q", "mask decoder: queries of the picture",
     SAM2_PRECISION_BF16, "made with the picture's features"},
    {"sam_mask_decoder.transformer.layers.0.mlp", "mask decoder: tokens' MLPs", SAM2_PRECISION_BF16,
     "half of the weights that a click reads"},
    {"sam_mask_decoder.transformer.layers.1.mlp", "mask decoder: tokens' MLPs", SAM2_PRECISION_BF16,
     "as those of layer 0"},
    {"sam_mask_decoder", "mask decoder: tokens", SAM2_PRECISION_F32,
     "they decide the scores; what they meet the picture with is rounded only there"},
    {"memory_attention", "memory attention", SAM2_PRECISION_BF16, "most of the work of a tracked frame"},
    {"memory_encoder", "memory encoder", SAM2_PRECISION_BF16, "its result is rounded to bfloat16 in any case"},
    {"memory_encoder.mask_downsampler", "memory encoder: mask", SAM2_PRECISION_F32,
     "little work, on numbers from -10 to 10"},
    {"obj_ptr", "object pointers", SAM2_PRECISION_F32, "no work to speak of"},
};

const precision_rule *precision_rule_at(size_t index)
{
    return index < sizeof rules / sizeof *rules ? &rules[index] : NULL;
}

static bool begins_with(const char *name, const char *prefix)
{
    if (strncmp(prefix, "sam_", 4) == 0 && strncmp(name, "sam_", 4) != 0)
        prefix += 4;
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

sam2_precision precision_of(const char *name, sam2_precision model)
{
    const precision_rule *best = NULL;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (begins_with(name, rules[i].prefix) && (!best || strlen(rules[i].prefix) > strlen(best->prefix)))
            best = &rules[i];
    return best && model == SAM2_PRECISION_BF16 ? best->precision : SAM2_PRECISION_F32;
}
