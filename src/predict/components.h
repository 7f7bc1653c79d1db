/* Connected components of low-resolution logits. */
#ifndef PREDICT_COMPONENTS_H
#define PREDICT_COMPONENTS_H

#include <stddef.h>

#define COMPONENTS_MAX_SIDE 65535

/* Bytes of scratch memory, aligned as malloc's, that fill_holes wants for a map of this side. */
size_t fill_holes_bytes(size_t side);

/* The video predictor's hole filling: 8-connected components of pixels <= 0 with at most `max_area` pixels become 0.1,
 * also where they touch the border or are the whole background. NaN is no background. logits [side, side], side at most
 * COMPONENTS_MAX_SIDE; max_area 0 changes nothing. */
void fill_holes(float *logits, size_t side, size_t max_area, void *scratch);

#endif
