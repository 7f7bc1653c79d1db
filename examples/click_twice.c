/* Opens a model, encodes a picture once and asks about it twice: a click, then the same click with a second one that
 * says "not this".
 *
 *     cc click_twice.c $(pkg-config --cflags --libs sam2) -o click_twice
 *     ./click_twice sam2.1_hiera_tiny.pt
 *
 * The picture is made here, so that the example needs no picture library: a bright disc and a bright square on grey. */
#include <sam2.h>

#include <stdio.h>
#include <stdlib.h>

#define WIDTH 640
#define HEIGHT 480

static uint8_t picture[HEIGHT][WIDTH][3];

static void draw_picture(void)
{
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            int disc = (x - 200) * (x - 200) + (y - 240) * (y - 240) < 110 * 110;
            int square = abs(x - 470) < 90 && abs(y - 240) < 90;
            picture[y][x][0] = disc ? 230 : square ? 40 : 110;
            picture[y][x][1] = disc ? 120 : square ? 90 : 115;
            picture[y][x][2] = disc ? 30 : square ? 220 : 120;
        }
}

static int fail(const sam2_error *error)
{
    fprintf(stderr, "click_twice: %s\n", error->text);
    return 1;
}

int main(int argc, char **argv)
{
    sam2_error error;
    sam2_model *model = NULL;
    sam2_context *context = NULL;
    sam2_features *features = NULL;
    sam2_result *result = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: click_twice MODEL\n");
        return 1;
    }
    draw_picture();
    sam2_image image = {&picture[0][0][0], WIDTH, HEIGHT, WIDTH * 3, SAM2_PIXEL_RGB};
    if (sam2_model_open(argv[1], NULL, &model, &error) || sam2_context_create(model, &context, &error) ||
        sam2_features_encode(context, &image, &features, &error) || sam2_result_create(model, &result, &error))
        return fail(&error);

    sam2_point clicks[2] = {{200, 240, 1}, {470, 240, 0}};
    for (int count = 1; count <= 2; count++) {
        sam2_prompt prompt = SAM2_PROMPT_INIT;
        sam2_mask mask = SAM2_MASK_INIT;
        int64_t area;
        int box[4];
        prompt.points = clicks;
        prompt.point_count = count;
        if (sam2_predict(context, features, &prompt, 1, NULL, result, &error) ||
            sam2_result_get_mask(result, 0, 0, &mask, &error) || sam2_mask_measure(&mask, &area, box, &error))
            return fail(&error);
        printf("%d click%s: score %.3f, %lld pixels in the box %d,%d %d x %d\n", count, count == 1 ? "" : "s",
               mask.score, (long long)area, box[0], box[1], box[2], box[3]);
    }
    sam2_result_destroy(result);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    sam2_model_close(model);
    return 0;
}
