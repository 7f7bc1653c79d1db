/* COCO's run lengths of any text: the first two bytes are the size. What is taken for a mask comes back as it is. */
#include "fuzz/fuzz.h"

#include "sam2.h"

#include <stdlib.h>
#include <string.h>

static void count_points(void *user, const int *xy, size_t points, int hole)
{
    (void)hole;
    REQUIRE(points >= 3 && xy);
    *(size_t *)user += points;
}

static void use_mask(const sam2_rle *rle)
{
    enum { PIXELS = 64 * 64 };
    static uint8_t bytes[PIXELS];
    static int32_t labels[PIXELS];
    static char text[4 * PIXELS], again[4 * PIXELS];
    size_t length = 0, count = 0, points = 0;
    int64_t area = 0, of_parts = 0, areas[PIXELS];
    int box[4];
    double iou = 0;
    REQUIRE(sam2_rle_measure(rle, &area, box, NULL) == SAM2_OK);
    REQUIRE(area >= 0 && area <= (int64_t)rle->width * rle->height);
    REQUIRE(box[0] >= 0 && box[1] >= 0 && box[0] + box[2] <= rle->width && box[1] + box[3] <= rle->height);
    REQUIRE(sam2_rle_to_bytes(rle, 1, bytes, rle->width, NULL) == SAM2_OK);
    REQUIRE(sam2_rle_from_bytes(bytes, rle->width, rle->height, rle->width, text, sizeof text, &length, NULL) ==
            SAM2_OK);
    const sam2_rle same = {rle->width, rle->height, text}, pair[2] = {*rle, same};
    REQUIRE(sam2_rle_iou(rle, 1, &same, 1, NULL, &iou, NULL) == SAM2_OK && iou == (area ? 1.0 : 0.0));
    REQUIRE(sam2_rle_merge(pair, 2, SAM2_RLE_INTERSECTION, again, sizeof again, &length, NULL, NULL) == SAM2_OK);
    REQUIRE(!strcmp(again, text));
    REQUIRE(sam2_rle_components(rle, 1, areas, PIXELS, &count, labels, rle->width, NULL, NULL) == SAM2_OK);
    for (size_t i = 0; i < count; i++)
        of_parts += areas[i];
    REQUIRE(of_parts == area);
    REQUIRE(sam2_rle_remove_small_regions(rle, 5, again, sizeof again, &length, NULL, NULL, NULL) == SAM2_OK);
    REQUIRE(sam2_rle_polygons(rle, 1, count_points, &points, NULL, NULL) == SAM2_OK);
    REQUIRE((points > 0) == (area > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    char *text = malloc(size - 1);
    if (!text)
        return 0;
    memcpy(text, bytes + 2, size - 2);
    text[size - 2] = '\0';
    const sam2_rle rle = {bytes[0] % 64 + 1, bytes[1] % 64 + 1, text};
    int64_t area;
    if (sam2_rle_measure(&rle, &area, NULL, NULL) == SAM2_OK)
        use_mask(&rle);
    free(text);
    return 0;
}
