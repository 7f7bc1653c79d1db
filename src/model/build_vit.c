/* SAM 1's image encoder by the names of its tensors. */
#include "model/builder.h"

#include <stdio.h>

#define UNDER(...) (snprintf(name, sizeof name, __VA_ARGS__), name)

static void load_block(builder *b, int index)
{
    const size_t dim = (size_t)b->m->config.embed_dim;
    char prefix[64], name[128];
    snprintf(prefix, sizeof prefix, "image_encoder.blocks.%d", index);
    hiera_block block = {0};
    block.norm1 = builder_norm(b, UNDER("%s.norm1", prefix), 1e-6f);
    block.relative.vertical = builder_plain(b, UNDER("%s.attn.rel_pos_h", prefix), NULL);
    block.relative.horizontal = builder_plain(b, UNDER("%s.attn.rel_pos_w", prefix), NULL);
    block.qkv = builder_map_linear(b, UNDER("%s.attn.qkv", prefix), 3 * dim, dim);
    block.proj = builder_map_linear(b, UNDER("%s.attn.proj", prefix), dim, dim);
    block.norm2 = builder_norm(b, UNDER("%s.norm2", prefix), 1e-6f);
    block.fc1 = builder_map_linear(b, UNDER("%s.mlp.lin1", prefix), 4 * dim, dim);
    block.fc2 = builder_map_linear(b, UNDER("%s.mlp.lin2", prefix), dim, 4 * dim);
    if (!builder_dry(b))
        b->m->blocks[index] = block;
}

void builder_vit(builder *b)
{
    model *m = b->m;
    const model_config *c = &m->config;
    const size_t dim = (size_t)c->embed_dim, out = (size_t)c->d_model;
    m->position = builder_plain(b, "image_encoder.pos_embed", NULL);
    m->patch = builder_matrix(b, "image_encoder.patch_embed.proj", "image_encoder.patch_embed.proj.pixels", dim,
                              16 * 16 * 3, builder_pixels_at);
    m->patch.bias = builder_plain(b, "image_encoder.patch_embed.proj", "bias");
    m->blocks = arena_take(&b->arena, (size_t)c->block_count, sizeof *m->blocks);
    for (int i = 0; i < c->block_count; i++)
        load_block(b, i);
    m->neck_project = builder_matrix(b, "image_encoder.neck.0", NULL, out, dim, NULL);
    m->neck_project.many = true;
    m->neck_norm[0] = builder_norm(b, "image_encoder.neck.1", 1e-6f);
    m->neck_mix =
        builder_matrix(b, "image_encoder.neck.2", "image_encoder.neck.2.patches", out, 9 * out, builder_conv3_at);
    m->neck_norm[1] = builder_norm(b, "image_encoder.neck.3", 1e-6f);
}
