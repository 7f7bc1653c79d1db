/* Hugging Face names: the lists are those of transformers' own models (check_hf_names.py wrote them). */
#include "weights/support.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX = 600 };

typedef struct names {
    weights_shape shapes[MAX];
    char texts[MAX][128];
    size_t count;
} names;

static names *read_names(const char *file)
{
    names *n = calloc(1, sizeof *n);
    char path[512], line[512];
    snprintf(path, sizeof path, "%s/weights/%s", TEST_DATA, file);
    FILE *stream = fopen(path, "r");
    if (!n || !stream)
        fail_msg("%s is missing", path);
    for (; fgets(line, sizeof line, stream); n->count++) {
        assert_true(n->count < MAX);
        weights_shape *s = &n->shapes[n->count];
        int at = 0, used;
        long long size;
        assert_int_equal(sscanf(line, "%127s%n", n->texts[n->count], &at), 1);
        s->name = n->texts[n->count];
        for (; sscanf(line + at, "%lld%n", &size, &used) == 1; at += used)
            s->shape[s->dims++] = size;
    }
    fclose(stream);
    return n;
}

/* A safetensors file of these tensors; element i of the file is the float32 i (modulo 2^20), but the matrices are
 * equal. */
static buffer make_file(const names *n)
{
    buffer header = new_bytes(), b = new_bytes();
    size_t at = 0, matrix = SIZE_MAX;
    put_text(&header, "{");
    for (size_t i = 0; i < n->count; i++) {
        char text[400];
        size_t count;
        assert_true(weights_shape_count(n->shapes[i].dims, n->shapes[i].shape, &count));
        snprintf(text, sizeof text, "%s\"%s\":{\"dtype\":\"F32\",\"data_offsets\":[%zu,%zu],\"shape\":[", i ? "," : "",
                 n->texts[i], at, at + 4 * count);
        put_text(&header, text);
        for (int d = 0; d < n->shapes[i].dims; d++) {
            snprintf(text, sizeof text, "%s%lld", d ? "," : "", (long long)n->shapes[i].shape[d]);
            put_text(&header, text);
        }
        put_text(&header, "]}");
        at += 4 * count;
    }
    put_text(&header, "}");
    put_number(&b, header.size, 8);
    put(&b, header.bytes, header.size);
    assert_int_equal(buffer_fill(&b, 0, at, NULL), SAM2_OK);
    uint8_t *data = b.bytes + 8 + header.size;
    size_t element = 0;
    for (size_t i = 0; i < n->count; i++) {
        size_t count;
        weights_shape_count(n->shapes[i].dims, n->shapes[i].shape, &count);
        bool is_matrix = strstr(n->texts[i], "positional_embedding") != NULL;
        if (is_matrix && matrix == SIZE_MAX)
            matrix = element;
        for (size_t k = 0; k < count; k++) {
            float f = (float)(((is_matrix ? matrix : element) + k) % (1 << 20));
            memcpy(data + 4 * (element + k), &f, sizeof f);
        }
        element += count;
    }
    buffer_free(&header);
    return b;
}

/* Element 0 of the tensor that has this name in the file. */
static float first_value(const names *n, const char *name)
{
    size_t element = 0;
    for (size_t i = 0; i < n->count; i++) {
        size_t count;
        weights_shape_count(n->shapes[i].dims, n->shapes[i].shape, &count);
        if (strcmp(n->texts[i], name) == 0)
            return (float)(element % (1 << 20));
        element += count;
    }
    fail_msg("%s is missing", name);
    return 0;
}

static float value_of(const weights *w, const char *name)
{
    const weights_tensor *t = weights_find(w, name);
    float f;
    assert_non_null(t);
    weights_read(t, 0, 1, &f);
    return f;
}

typedef struct pair {
    const char *official, *theirs;
} pair;

/* Opens a file of `theirs`, which has to give `official` and nothing else; the pairs are compared by value. */
static weights *open_theirs(const names *theirs, const names *official, const pair *pairs, size_t pair_count, buffer *b)
{
    weights *w = NULL;
    sam2_error error;
    *b = make_file(theirs);
    expect_ok(weights_open_memory(&alloc_default, b->bytes, b->size, "theirs", 0, &w, &error), &error);
    for (size_t i = 0; i < official->count; i++) {
        const weights_tensor *t = weights_find(w, official->texts[i]);
        if (!t)
            fail_msg("%s is missing", official->texts[i]);
        assert_int_equal(t->dims, official->shapes[i].dims);
        assert_memory_equal(t->shape, official->shapes[i].shape, sizeof t->shape);
    }
    assert_int_equal(weights_count(w), official->count);
    for (size_t i = 0; i < pair_count; i++)
        if (value_of(w, pairs[i].official) != first_value(theirs, pairs[i].theirs))
            fail_msg("%s is not %s", pairs[i].official, pairs[i].theirs);
    return w;
}

/* The Gaussian matrix is there twice; when the two differ, neither is chosen. */
static void refuse_two_matrices(const names *theirs, buffer *b)
{
    size_t element = 0, count;
    for (size_t i = 0; strcmp(theirs->texts[i], "shared_image_embedding.positional_embedding") != 0; i++) {
        weights_shape_count(theirs->shapes[i].dims, theirs->shapes[i].shape, &count);
        element += count;
    }
    b->bytes[8 + (size_t)get_le64(b->bytes) + 4 * element + 3] ^= 0x40;
    refuse_bytes(b->bytes, b->size, SAM2_ERROR_FORMAT, "positional_encoding_gaussian_matrix is there twice");
}

static void check_sam2(const char *theirs_file, const char *official_file, bool video)
{
    /* a few that could be mixed up without the shapes showing it */
    static const pair pairs[] = {
        {"image_encoder.trunk.blocks.11.norm2.weight", "vision_encoder.backbone.blocks.11.layer_norm2.weight"},
        {"sam_mask_decoder.transformer.layers.1.norm3.bias", "mask_decoder.transformer.layers.1.layer_norm3.bias"},
        {"sam_mask_decoder.transformer.layers.1.cross_attn_image_to_token.out_proj.weight",
         "mask_decoder.transformer.layers.1.cross_attn_image_to_token.o_proj.weight"},
        {"sam_mask_decoder.output_hypernetworks_mlps.2.layers.0.weight",
         "mask_decoder.output_hypernetworks_mlps.2.proj_in.weight"},
        {"sam_mask_decoder.output_hypernetworks_mlps.2.layers.1.weight",
         "mask_decoder.output_hypernetworks_mlps.2.layers.0.weight"},
        {"sam_mask_decoder.pred_obj_score_head.layers.1.bias", "mask_decoder.pred_obj_score_head.layers.0.bias"},
        {"memory_encoder.mask_downsampler.encoder.10.bias", "memory_encoder.mask_downsampler.layers.3.layer_norm.bias"},
        {"obj_ptr_proj.layers.1.weight", "object_pointer_proj.layers.0.weight"},
        {"obj_ptr_proj.layers.2.weight", "object_pointer_proj.proj_out.weight"},
    };
    names *theirs = read_names(theirs_file), *official = read_names(official_file);
    assert_true(theirs->count > 300 && official->count > 300);
    buffer b;
    weights *w = open_theirs(theirs, official, pairs, video ? 9 : 6, &b);
    float points = first_value(theirs, "prompt_encoder.point_embed.weight");
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "sam_prompt_encoder.point_embeddings.%d.weight", i);
        assert_true(value_of(w, name) == points + 256.0f * (float)i);
    }
    weights_close(w);
    refuse_two_matrices(theirs, &b);
    buffer_free(&b);
    free(theirs);
    free(official);
}

static void test_video(void **state)
{
    (void)state;
    check_sam2("hf_video_t.txt", "official_video_t.txt", true);
}

static void test_image(void **state)
{
    (void)state;
    check_sam2("hf_image_t.txt", "official_image_t.txt", false);
}

static void test_sam1(void **state)
{
    (void)state;
    static const pair pairs[] = {
        {"image_encoder.blocks.7.norm2.weight", "vision_encoder.layers.7.layer_norm2.weight"},
        {"image_encoder.blocks.7.attn.rel_pos_w", "vision_encoder.layers.7.attn.rel_pos_w"},
        {"image_encoder.neck.3.weight", "vision_encoder.neck.layer_norm2.weight"},
        {"prompt_encoder.point_embeddings.3.weight", "prompt_encoder.point_embed.3.weight"},
        {"mask_decoder.transformer.layers.1.norm4.bias", "mask_decoder.transformer.layers.1.layer_norm4.bias"},
        {"mask_decoder.iou_prediction_head.layers.1.weight", "mask_decoder.iou_prediction_head.layers.0.weight"},
    };
    names *theirs = read_names("hf_sam1_b.txt"), *official = read_names("official_sam1_b.txt");
    buffer b;
    weights_close(open_theirs(theirs, official, pairs, sizeof pairs / sizeof *pairs, &b));
    refuse_two_matrices(theirs, &b);
    buffer_free(&b);
    free(theirs);
    free(official);
}

/* Names that are not theirs stay; doubtful ones give an error or stay, nothing else. */
static void test_odd(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"vision_encoder.backbone.blocks.x.layer_norm1.weight", "image_encoder.trunk.blocks.x.layer_norm1.weight"},
        {"vision_encoder.backbone.blocks.12345678901234567890.layer_norm9.q",
         "image_encoder.trunk.blocks.12345678901234567890.norm9.q"},
        {"prompt_encoder.", "prompt_encoder."},
        {"something.else", "something.else"},
        {"mask_decoder.output_hypernetworks_mlps.#.@.*", "sam_mask_decoder.output_hypernetworks_mlps.#.@.*"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        names n = {.count = 2, .shapes = {{.dims = 1, .shape = {1}}, {.dims = 1, .shape = {2}}}};
        strcpy(n.texts[0], "vision_encoder.backbone.z");
        strcpy(n.texts[1], cases[i][0]);
        buffer b = make_file(&n);
        weights *w = NULL;
        sam2_error error;
        expect_ok(weights_open_memory(&alloc_default, b.bytes, b.size, "x", 0, &w, &error), &error);
        assert_non_null(weights_find(w, cases[i][1]));
        weights_close(w);
        buffer_free(&b);
    }

    /* the rotary table is computed, and left out when it is there */
    names n = {.count = 2, .shapes = {{.dims = 1, .shape = {1}}, {.dims = 1, .shape = {2}}}};
    strcpy(n.texts[0], "vision_encoder.backbone.z");
    strcpy(n.texts[1], "memory_attention.rotary_emb.cos");
    buffer b = make_file(&n);
    weights *w = NULL;
    sam2_error error;
    expect_ok(weights_open_memory(&alloc_default, b.bytes, b.size, "x", 0, &w, &error), &error);
    assert_int_equal(weights_count(w), 1);
    weights_close(w);
    buffer_free(&b);
}

/* A name that is as long as can be does not fit when it becomes longer. */
static void test_long(void **state)
{
    (void)state;
    char name[WEIGHTS_MAX_NAME + 1], header[2000];
    memset(name, 'x', sizeof name - 1);
    memcpy(name, "prompt_encoder.", 15);
    name[sizeof name - 1] = '\0';
    snprintf(header, sizeof header,
             "{\"vision_encoder.backbone.z\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
             "\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
             name);
    buffer b = new_bytes();
    put_number(&b, strlen(header), 8);
    put_text(&b, header);
    put_number(&b, 0, 8);
    refuse_bytes(b.bytes, b.size, SAM2_ERROR_FORMAT, "the name is too long");
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_video), cmocka_unit_test(test_image), cmocka_unit_test(test_sam1),
        cmocka_unit_test(test_odd),   cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
