/* Which model a checkpoint is: told by its tensors, or by the configuration it carries; and what is wrong with one that
 * does not fit. */
#include "model/config.h"
#include "support/cmocka_all.h"
#include "support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of the official models: name, long name, tensors, values (of the checkpoints' state dicts). */
static const struct {
    const char *name, *long_name;
    size_t tensors, values;
} officials[] = {
    {"sam2_t", "sam2_hiera_tiny", 468, 38946242},
    {"sam2_s", "sam2_hiera_small", 516, 46044098},
    {"sam2_b+", "sam2_hiera_base_plus", 612, 80833922},
    {"sam2_l", "sam2_hiera_large", 900, 224430386},
    {"sam2.1_t", "sam2.1_hiera_tiny", 471, 38962754},
    {"sam2.1_s", "sam2.1_hiera_small", 519, 46060610},
    {"sam2.1_b+", "sam2.1_hiera_base_plus", 615, 80850434},
    {"sam2.1_l", "sam2.1_hiera_large", 903, 224446898},
    {"sam1_b", "sam_vit_b", 314, 93735728},
    {"sam1_l", "vit_l", 482, 312343088},
    {"sam1_h", "vit_h", 594, 641090864},
};
#define OFFICIALS (sizeof officials / sizeof *officials)

static sam2_error error;

static void layouts_have_the_official_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < OFFICIALS; i++) {
        model_config by_name, by_long_name;
        model_layout layout;
        need_ok(config_from_name(officials[i].name, &by_name, &error), &error);
        need_ok(config_from_name(officials[i].long_name, &by_long_name, &error), &error);
        assert_memory_equal(&by_name, &by_long_name, sizeof by_name);
        assert_string_equal(by_name.name, officials[i].name);
        need_ok(config_layout(&by_name, &alloc_default, &layout, &error), &error);
        size_t values = 0;
        for (size_t t = 0; t < layout.count; t++) {
            size_t count = 1;
            for (int d = 0; d < layout.list[t].dims; d++)
                count *= (size_t)layout.list[t].shape[d];
            values += count;
        }
        assert_int_equal(layout.count, officials[i].tensors);
        assert_int_equal(values, officials[i].values);
        config_layout_free(&layout);
    }
    static const char *const wrong[] = {"",       "sam2",   "sam2_",  "sam2_x", "sam2.1_hiera_",
                                        "sam1_t", "sam3_t", "SAM2_t", "sam2_t "};
    model_config c;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(config_from_name(wrong[i], &c, &error), SAM2_ERROR_ARGUMENT);
}

/* Block windows as the official code has them: the first block of a stage with the window of the stage before. */
static void windows_lag_by_one(void **state)
{
    (void)state;
    static const int tiny[] = {8, 8, 4, 4, 14, 0, 14, 0, 14, 0, 14, 7};
    static const int large[] = {8, 8, 8, 4, 4, 4, 4, 4, 4, 16};
    model_config c;
    need_ok(config_from_name("sam2.1_t", &c, &error), &error);
    assert_int_equal(c.block_count, 12);
    for (int i = 0; i < 12; i++)
        assert_int_equal(c.blocks[i].window, tiny[i]);
    need_ok(config_from_name("sam2.1_l", &c, &error), &error);
    assert_int_equal(c.block_count, 48);
    for (int i = 0; i < 10; i++)
        assert_int_equal(c.blocks[i].window, large[i]);
    for (int i = 9; i < 44; i++)
        assert_int_equal(c.blocks[i].window, i == 23 || i == 33 || i == 43 ? 0 : 16);
    assert_int_equal(c.blocks[44].window, 16);
    assert_int_equal(c.blocks[47].window, 8);
    assert_int_equal(c.blocks[44].heads, 16);
    assert_int_equal(c.blocks[44].dim_out, 1152);
}

/* Tensors of a layout without values: what recognition looks at. `edit` may change the list. */
typedef void edit_layout(model_layout *layout);

static weights *empty_weights(const model_config *config, edit_layout *edit)
{
    model_layout layout;
    weights *w = NULL;
    need_ok(config_layout(config, &alloc_default, &layout, &error), &error);
    if (edit)
        edit(&layout);
    need_ok(weights_synthesize(&alloc_default, layout.list, layout.count, 0, 0, &w, &error), &error);
    config_layout_free(&layout);
    return w;
}

static void recognised_by_tensors(void **state)
{
    (void)state;
    for (size_t i = 0; i < OFFICIALS; i++) {
        if (strstr(officials[i].name, "_l") ||
            strcmp(officials[i].name, "sam1_h") == 0) /* 900 MB and more of values that nothing looks at */
            continue;
        model_config config, found;
        need_ok(config_from_name(officials[i].name, &config, &error), &error);
        weights *w = empty_weights(&config, NULL);
        need_ok(config_from_weights(w, &found, &error), &error);
        assert_memory_equal(&config, &found, sizeof config);
        need_ok(config_check(&found, w, &alloc_default, &error), &error);
        weights_close(w);
    }
}

static void one_wrong_shape(model_layout *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->list[i].name, "sam_mask_decoder.conv_s1.weight") == 0)
            l->list[i].shape[0] = 65;
}

static void one_missing_one_extra(model_layout *l)
{
    static const char extra[] = "ema.decay";
    l->list[l->count - 1].name = extra; /* takes the place of obj_ptr_proj's last bias */
}

static void of_another_width(model_layout *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->list[i].name, "image_encoder.trunk.patch_embed.proj.weight") == 0)
            l->list[i].shape[0] = 100;
}

/* Shapes of a SAM 1 model of sizes that no official one has: everything follows from the tensors. */
static void small_sam1_by_tensors(void **state)
{
    (void)state;
    weights *fixture = fixture_open("small_sam1");
    model_config config, found;
    need_ok(config_from_weights(fixture, &config, &error), &error);
    weights_close(fixture);
    assert_true(config.family == FAMILY_SAM1 && config.image_size == 160 && config.embed_dim == 80);
    assert_true(config.blocks[0].window == 4 && config.blocks[1].window == 0 && config.blocks[3].window == 0);
    weights *w = empty_weights(&config, NULL);
    need_ok(config_from_weights(w, &found, &error), &error);
    assert_memory_equal(config.blocks, found.blocks, sizeof config.blocks);
    assert_true(found.d_model == 64 && found.decoder_mlp == 128 && found.iou_hidden == 64 && found.image_size == 160);
    need_ok(config_check(&found, w, &alloc_default, &error), &error);
    weights_close(w);
    assert_int_equal(config_set_image_size(&found, 320, &error), SAM2_ERROR_ARGUMENT);
    assert_non_null(strstr(error.text, "160"));
    need_ok(config_set_image_size(&found, 160, &error), &error);
}

static void wrong_tables(model_layout *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->list[i].name, "image_encoder.blocks.3.attn.rel_pos_w") == 0)
            l->list[i].shape[0] = 29;
        else if (strcmp(l->list[i].name, "image_encoder.blocks.11.mlp.lin2.bias") == 0)
            l->list[i].name = "image_encoder.blocks.11.mlp.lin3.bias";
}

static void without_position(model_layout *l)
{
    l->list[0].name = "image_encoder.pos";
}

/* What a broken file can say of its sizes must not get further. */
static void absurd_heads(model_layout *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->list[i].name, "image_encoder.blocks.0.attn.rel_pos_h") == 0)
            l->list[i].shape[1] = 7;
}

static void faults_of_sam1(void **state)
{
    (void)state;
    model_config config, found;
    need_ok(config_from_name("vit_b", &config, &error), &error);
    weights *w = empty_weights(&config, wrong_tables);
    need_ok(config_from_weights(w, &found, &error), &error);
    assert_int_equal(config_check(&found, w, &alloc_default, &error), SAM2_ERROR_FORMAT);
    assert_non_null(strstr(error.text, "not a sam1_b checkpoint, 3 tensors are wrong"));
    assert_non_null(strstr(error.text, "image_encoder.blocks.3.attn.rel_pos_w is [29, 64], not [27, 64]"));
    assert_non_null(strstr(error.text, "image_encoder.blocks.11.mlp.lin2.bias [768] is missing"));
    assert_non_null(strstr(error.text, "image_encoder.blocks.11.mlp.lin3.bias [768] is not part of the model"));
    weights_close(w);
    weights *fixture = fixture_open("small_sam1");
    need_ok(config_from_weights(fixture, &config, &error), &error);
    weights_close(fixture);
    w = empty_weights(&config, without_position);
    assert_int_equal(config_from_weights(w, &found, &error), SAM2_ERROR_UNSUPPORTED);
    weights_close(w);
    w = empty_weights(&config, absurd_heads);
    assert_int_equal(config_from_weights(w, &found, &error), SAM2_ERROR_UNSUPPORTED);
    weights_close(w);
}

/* A checkpoint for pictures alone, as Hugging Face's Sam2Model saves: without what only video needs. */
static void without_video(model_layout *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++)
        if (strncmp(l->list[i].name, "image_encoder.", 14) == 0 || strncmp(l->list[i].name, "sam_", 4) == 0 ||
            strcmp(l->list[i].name, "no_mem_embed") == 0)
            l->list[kept++] = l->list[i];
    l->count = kept;
}

static void one_video_tensor_lost(model_layout *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->list[i].name, "no_obj_ptr") == 0)
            l->list[i] = l->list[--l->count];
}

static void pictures_alone(void **state)
{
    (void)state;
    model_config config, found;
    need_ok(config_from_name("sam2_t", &config, &error), &error);
    weights *w = empty_weights(&config, without_video);
    need_ok(config_from_weights(w, &found, &error), &error);
    need_ok(config_check(&found, w, &alloc_default, &error), &error);
    weights_close(w);
    w = empty_weights(&config, one_video_tensor_lost);
    assert_int_equal(config_check(&found, w, &alloc_default, &error), SAM2_ERROR_FORMAT);
    assert_non_null(strstr(error.text, "no_obj_ptr [1, 256] is missing"));
    weights_close(w);
}

static void faults_are_named(void **state)
{
    (void)state;
    model_config config, found;
    need_ok(config_from_name("sam2_t", &config, &error), &error);
    weights *w = empty_weights(&config, one_wrong_shape);
    need_ok(config_from_weights(w, &found, &error), &error);
    assert_int_equal(config_check(&found, w, &alloc_default, &error), SAM2_ERROR_FORMAT);
    assert_non_null(strstr(error.text, "sam_mask_decoder.conv_s1.weight is [65, 256, 1, 1], not [64, 256, 1, 1]"));
    weights_close(w);

    w = empty_weights(&config, one_missing_one_extra);
    assert_int_equal(config_check(&config, w, &alloc_default, &error), SAM2_ERROR_FORMAT);
    assert_non_null(strstr(error.text, "obj_ptr_proj.layers.2.bias [256] is missing"));
    assert_non_null(strstr(error.text, "ema.decay [256] is not part of the model"));
    weights_close(w);

    w = empty_weights(&config, of_another_width);
    assert_int_equal(config_from_weights(w, &found, &error), SAM2_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.text, "width 100 with 12 blocks"));
    weights_close(w);

    /* 2.1 weights for a 2.0 layout: the tensors that 2.1 adds are extra. */
    model_config newer;
    need_ok(config_from_name("sam2.1_t", &newer, &error), &error);
    w = empty_weights(&newer, NULL);
    assert_int_equal(config_check(&config, w, &alloc_default, &error), SAM2_ERROR_FORMAT);
    assert_non_null(strstr(error.text, "3 tensors are wrong"));
    assert_non_null(strstr(error.text, "no_obj_embed_spatial [1, 64] is not part of the model"));
    weights_close(w);
}

static void json_says_it_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < OFFICIALS; i++) {
        model_config config, found;
        char json[2048];
        need_ok(config_from_name(officials[i].name, &config, &error), &error);
        config_to_json(&config, json, sizeof json);
        assert_true(strlen(json) < sizeof json - 1);
        /* A file of one tensor carries it; only the release is told by tensors. */
        const weights_shape shapes[] = {{config.release_2_1 ? "no_obj_embed_spatial" : "other", 2, {1, 64}}};
        weights *w = NULL, *again = NULL;
        need_ok(weights_synthesize(&alloc_default, shapes, 1, 0, 0, &w, &error), &error);
        need_ok(weights_write_safetensors(w, BUILD_DIR "/test-config.safetensors", json, 1, WEIGHTS_F32, &error),
                &error);
        need_ok(weights_open(&alloc_default, BUILD_DIR "/test-config.safetensors", 1, &again, &error), &error);
        need_ok(config_from_weights(again, &found, &error), &error);
        assert_memory_equal(&config, &found, sizeof config);
        weights_close(w);
        weights_close(again);
    }
    remove(BUILD_DIR "/test-config.safetensors");
}

/* A configuration's numbers come from outside: each bad one is an error, none a crash. */
static void json_that_lies(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to; /* a piece of the good text, and what to put there */
    } lies[] = {
        {"\"embed_dim\":96", "\"embed_dim\":0"},
        {"\"embed_dim\":96", "\"embed_dim\":1000000"},
        {"\"embed_dim\":96", "\"embed_dim\":-96"},
        {"\"embed_dim\":96", "\"embed_dim\":96.5"},
        {"\"embed_dim\":96", "\"embed_dim\":\"96\""},
        {"\"embed_dim\":96", "\"embed_dim\":99999999999999999999"},
        {"\"num_heads\":1", "\"num_heads\":0"},
        {"\"num_heads\":1", "\"num_heads\":7"},
        {"\"stages\":[1,2,7,2]", "\"stages\":[1,2,7]"},
        {"\"stages\":[1,2,7,2]", "\"stages\":[1,2,7,2,1]"},
        {"\"stages\":[1,2,7,2]", "\"stages\":[0,2,7,2]"},
        {"\"stages\":[1,2,7,2]", "\"stages\":[1,2,700000,2]"},
        {"\"stages\":[1,2,7,2]", "\"stages\":[100,100,100,100]"},
        {"\"window_spec\":[8,4,14,7]", "\"window_spec\":[0,4,14,7]"},
        {"\"window_spec\":[8,4,14,7]", "\"window_spec\":[8,5,14,7]"},
        {"\"window_spec\":[8,4,14,7]", "\"window_spec\":[8,4,14,65]"},
        {"\"window_spec\":[8,4,14,7]", "\"window_spec\":[48,4,14,7]"},
        {"\"global_att_blocks\":[5,7,9]", "\"global_att_blocks\":[10]"},
        {"\"window_pos_embed_bkg_spatial_size\":[7,7]", "\"window_pos_embed_bkg_spatial_size\":[7,8]"},
        {"\"window_pos_embed_bkg_spatial_size\":[7,7]", "\"window_pos_embed_bkg_spatial_size\":[0,0]"},
        {"\"d_model\":256", "\"d_model\":8"},
        {"\"d_model\":256", "\"d_model\":1000"},
        {"\"fpn_top_down_levels\":[2,3]", "\"fpn_top_down_levels\":[0,1,2,3]"},
        {"\"scalp\":1", "\"scalp\":0"},
        {"\"image_size\":1024", "\"image_size\":1000"},
        {"\"image_size\":1024", "\"image_size\":1048576"},
        {"\"num_maskmem\":7", "\"num_maskmem\":0"},
        {"\"out_dim\":64", "\"out_dim\":48"},
        {"\"out_dim\":64", "\"out_dim\":0"},
        {"\"kernel_size\":7", "\"kernel_size\":6"},
        {"\"pred_obj_scores\":true", "\"pred_obj_scores\":false"},
        {"\"image_encoder\":{", "\"image_coder\":{"},
        {"\"trunk\":{", "\"trunk\":[{"},
    };
    model_config config, found;
    char good[2048];
    need_ok(config_from_name("sam2_t", &config, &error), &error);
    config_to_json(&config, good, sizeof good);
    const weights_shape shapes[] = {{"other", 1, {1}}};
    weights *w = NULL, *again = NULL;
    need_ok(weights_synthesize(&alloc_default, shapes, 1, 0, 0, &w, &error), &error);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char bad[2200];
        const char *at = strstr(good, lies[i].from);
        assert_non_null(at);
        snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - good), good, lies[i].to, at + strlen(lies[i].from));
        need_ok(weights_write_safetensors(w, BUILD_DIR "/test-lies.safetensors", bad, 1, WEIGHTS_F32, &error), &error);
        need_ok(weights_open(&alloc_default, BUILD_DIR "/test-lies.safetensors", 1, &again, &error), &error);
        sam2_status status = config_from_weights(again, &found, &error);
        if (status != SAM2_ERROR_FORMAT && status != SAM2_ERROR_UNSUPPORTED)
            fail_msg("%s: status %d", lies[i].to, (int)status);
        assert_non_null(strstr(error.text, "sam2.config"));
        weights_close(again);
    }
    /* Heads have channels in pairs: 3 each is refused, 6 are not. */
    for (int channels = 3; channels <= 6; channels += 3) {
        config.d_model = 16 * channels;
        config.memory_dim = 16;
        config_to_json(&config, good, sizeof good);
        need_ok(weights_write_safetensors(w, BUILD_DIR "/test-lies.safetensors", good, 1, WEIGHTS_F32, &error), &error);
        need_ok(weights_open(&alloc_default, BUILD_DIR "/test-lies.safetensors", 1, &again, &error), &error);
        sam2_status status = config_from_weights(again, &found, &error);
        const bool refused = status != SAM2_OK && strstr(error.text, "d_model is 48; multiples of 32");
        assert_int_equal(refused, channels == 3);
        weights_close(again);
    }
    weights_close(w);
    remove(BUILD_DIR "/test-lies.safetensors");
}

/* Totals of torch.utils.flop_counter.FlopCounterMode around the official SAM2Base.forward_image, and around SAM 1's
 * image_encoder (torch 2.15). It counts
 * products in two kinds: a convolution's and a linear layer's biases are no operations of their own. */
static void work_is_what_pytorch_counts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int side;
        uint64_t flop;
    } counted[] = {{"sam2.1_t", 1024, 292394007552},  {"sam2.1_t", 512, 62847237120},
                   {"sam2.1_s", 1024, 360070511616},  {"sam2.1_b+", 1024, 646752138240},
                   {"sam2.1_l", 1024, 1822817255424}, {"sam1_b", 1024, 972077334528},
                   {"sam1_l", 1024, 2985680306176},   {"sam1_h", 1024, 5961082830848}};
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        model_config c;
        need_ok(config_from_name(counted[i].name, &c, &error), &error);
        need_ok(config_set_image_size(&c, counted[i].side, &error), &error);
        assert_true(config_encode_work(&c, true) == counted[i].flop);
        assert_true(config_encode_work(&c, false) < counted[i].flop);
        /* The large model's windows divide its maps: there is no padding to leave out, but two layers of the neck are
         * one on each of the finest levels, 144 to 256 to 32 channels and 288 to 256 to 64. */
        if (strcmp(counted[i].name, "sam2.1_l") == 0)
            assert_true(counted[i].flop - config_encode_work(&c, false) ==
                        2 * (UINT64_C(256) * 256 * (144 * 256 + 256 * 32 - 144 * 32) +
                             128 * 128 * (UINT64_C(288) * 256 + 256 * 64 - 288 * 64)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_have_the_official_numbers),
        cmocka_unit_test(windows_lag_by_one),
        cmocka_unit_test(recognised_by_tensors),
        cmocka_unit_test(small_sam1_by_tensors),
        cmocka_unit_test(faults_are_named),
        cmocka_unit_test(faults_of_sam1),
        cmocka_unit_test(pictures_alone),
        cmocka_unit_test(json_says_it_all),
        cmocka_unit_test(json_that_lies),
        cmocka_unit_test(work_is_what_pytorch_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
