/* Follows an object through a video, a frame at a time, as a live stream would come: a click on the first frame, then a
 * step for each. Nothing has to know how many frames there are, and memory does not grow with them.
 *
 *     cc follow.c $(pkg-config --cflags --libs sam2) -o follow
 *     ./follow sam2.1_hiera_tiny.pt
 *
 * The frames are made here: a bright disc that goes to the right over grey. */
#include <sam2.h>

#include <stdio.h>

#define WIDTH 640
#define HEIGHT 480
#define FRAMES 8

static uint8_t picture[HEIGHT][WIDTH][3];

static void draw_frame(int frame)
{
    int middle = 150 + 40 * frame;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            int disc = (x - middle) * (x - middle) + (y - 240) * (y - 240) < 90 * 90;
            picture[y][x][0] = disc ? 230 : 110;
            picture[y][x][1] = disc ? 120 : 115;
            picture[y][x][2] = disc ? 30 : 120;
        }
}

/* One frame: features, the click where it is the first, a step, and what became of the object. */
static sam2_status follow(sam2_context *context, sam2_tracker *tracker, int frame, sam2_error *error)
{
    sam2_image image = {&picture[0][0][0], WIDTH, HEIGHT, WIDTH * 3, SAM2_PIXEL_RGB};
    sam2_point click = {150, 240, 1};
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    sam2_tracked object = SAM2_TRACKED_INIT;
    sam2_features *features = NULL;
    int64_t area = 0;
    int box[4];
    prompt.points = &click;
    prompt.point_count = 1;
    sam2_status status = sam2_features_encode_frame(context, &image, &features, error);
    if (status == SAM2_OK && frame == 0)
        status = sam2_tracker_prompt(tracker, features, frame, 1, &prompt, 0, error);
    if (status == SAM2_OK)
        status = sam2_tracker_step(tracker, features, frame, 0, error);
    if (status == SAM2_OK)
        status = sam2_tracker_get(tracker, 0, &object, error);
    if (status == SAM2_OK)
        status = sam2_mask_measure(&object.mask, &area, box, error);
    if (status == SAM2_OK)
        printf("frame %d: %s, %lld pixels in the box %d,%d %d x %d\n", frame, object.present ? "there" : "not there",
               (long long)area, box[0], box[1], box[2], box[3]);
    sam2_features_destroy(features);
    return status;
}

int main(int argc, char **argv)
{
    sam2_error error;
    sam2_model *model = NULL;
    sam2_context *context = NULL;
    sam2_tracker *tracker = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: follow MODEL\n");
        return 1;
    }
    sam2_status status = sam2_model_open(argv[1], NULL, &model, &error);
    if (status == SAM2_OK)
        status = sam2_context_create(model, &context, &error);
    if (status == SAM2_OK)
        status = sam2_tracker_create(model, NULL, &tracker, &error);
    for (int frame = 0; frame < FRAMES && status == SAM2_OK; frame++) {
        draw_frame(frame);
        status = follow(context, tracker, frame, &error);
    }
    if (status != SAM2_OK)
        fprintf(stderr, "follow: %s\n", error.text);
    sam2_tracker_destroy(tracker);
    sam2_context_destroy(context);
    sam2_model_close(model);
    return status != SAM2_OK;
}
