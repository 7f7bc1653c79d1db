/* Polygons around the parts of a mask and their holes. */
#ifndef PREDICT_POLYGON_H
#define PREDICT_POLYGON_H

#include "predict/rle.h"

/* As sam2_rle_polygons; the text has been checked. */
sam2_status polygons_show(const sam2_rle *rle, double tolerance, sam2_polygon_visitor visit, void *user,
                          const sam2_allocator *a, sam2_error *error);

#endif
