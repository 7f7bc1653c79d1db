/* Video object segmentation: how well predicted masks of labels agree with the true ones, as the official evaluator of
 * SA-V and DAVIS measures it. J is the intersection over union; F the agreement of the outlines within a tolerance. */
#ifndef CLI_VOS_MEASURE_H
#define CLI_VOS_MEASURE_H

#include <stddef.h>
#include <stdint.h>

/* Sums over the frames of a video from the first one on that has the object, in the truth or in the prediction. */
typedef struct vos_object {
    double j, f;
    int frames;   /* 0: it was in neither yet */
    int in_truth; /* in any frame so far: only then it counts */
} vos_object;

typedef struct vos_measure {
    vos_object objects[256]; /* by label; 0 is the background, and empty */
    uint8_t *memory;         /* for outlines, of the largest frame so far */
    size_t capacity;
} vos_measure;

/* One more frame, labels [height, width]. 0, or -1 when there is no memory. `measure` starts as zeros. */
int vos_measure_frame(vos_measure *measure, const uint8_t *truth, const uint8_t *prediction, int width, int height);
void vos_measure_free(vos_measure *measure);

/* Pixels by which outlines may differ in a frame of this size. */
int vos_tolerance(int width, int height);

#endif
