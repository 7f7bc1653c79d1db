/* The objects behind the public handles, and prediction on them. Arguments have been checked (api*.c). */
#ifndef PREDICT_PREDICTOR_H
#define PREDICT_PREDICTOR_H

#include "model/model.h"
#include "predict/enlarge.h"

#define PREDICT_MAX_POINTS 1024
#define PREDICT_MAX_OBJECTS 65536

struct sam2_model {
    model *m;
    size_t workspace_bytes;
};

struct sam2_context {
    const struct sam2_model *model;
    void *block;
    size_t block_bytes;
    sam2_observer observe;
    void *user;
    profile *profile; /* NULL unless somebody asked for one */
    kernels timed;    /* the kernels to use with it */
};

struct sam2_features {
    sam2_allocator allocator;
    uint64_t identity; /* the model's */
    int width, height; /* the picture's */
    pyramid pyramid;
    size_t embedding_floats, s0_count, s1_count;
    size_t pyramid_bytes; /* of the block's first part, the pyramid, which `pyramid.embedding` starts */
    size_t bytes;         /* of the block: then the products */
    image_products products;
    size_t panel; /* image_product_panel of the model that made them */
};

typedef struct result_mask {
    float score, object_score;
    int index;
    bool made; /* false: the score was too low for the mask to be made */
} result_mask;

/* What enlarges a result's masks; results may outlive their model, so the pool is shared. */
typedef struct enlarger {
    kernels kernels;
    pool *pool;
    size_t middle, columns, rows; /* as in enlarge */
} enlarger;

struct sam2_result {
    sam2_allocator allocator;
    enlarger enlarger;
    int objects, masks, side, width, height;
    void *logits; /* [objects][masks][side][side] floats */
    size_t logits_bytes;
    void *info; /* result_mask [objects][masks] */
    size_t info_bytes;
};

/* Memory that encoding and predicting with the largest arguments take, by dry runs. */
size_t predict_workspace(const model *m);

/* Bytes of a pyramid: the embedding in float32, the fine levels in the model's precision. */
size_t features_pyramid_bytes(const model *m);
/* True when their sizes are those of the model's: the identity says so too, but a native file can lie about it. */
bool features_fit(const sam2_features *f, const model *m);
sam2_status features_create(const model *m, int width, int height, const sam2_allocator *a, sam2_features **out,
                            sam2_error *error);

/* Makes the products from the pyramid, which is there; takes scratch memory from the arena. */
void features_complete(const model *m, const exec *ex, sam2_features *features);

/* Its products for the picture predictor, in `room`; NULL where they are packed for other kernels than this model's. */
const image_products *features_products(const model *m, const sam2_features *features, image_products *room);

/* How the model's picture predictor has pictures: preprocess or longest_side. */
input_filler predict_filler(const model *m);

/* `filler` is that or frame_resize. */
sam2_status predict_encode(sam2_context *context, const sam2_image *image, input_filler filler, sam2_features *features,
                           sam2_error *error);

/* Points of a prompt in the network's square: the box's corners, labelled 2 and 3, first, and after the clicks in
 * SAM 1. Returns how many there are. */
size_t predict_place_points(const model *m, const sam2_features *features, const sam2_prompt *prompt, net_point *out);

/* MaskDecoder._dynamic_multimask_via_stability: whether a mask may stay. */
bool mask_is_stable(const float *mask, size_t count);

/* Starts a new profile of the context's calls, or stops having one. */
sam2_status predict_profile(sam2_context *context, bool on, sam2_error *error);

/* Room in a result for so many objects' masks of a picture. */
sam2_status result_make_room(sam2_result *result, const model *m, const sam2_features *f, int objects, int masks,
                             sam2_error *error);

/* Masks of the first few of `count` prompts into `result`, which has room, as objects `first` ...; *done (at least 1)
 * says of how many. Masks whose score is not above `least` are not made; with one mask an object, those of objects
 * neither of whose candidates is. */
sam2_status predict_objects(sam2_context *context, const sam2_features *features, const sam2_prompt *prompts, int count,
                            const sam2_predict_options *options, float least, sam2_result *result, int first, int *done,
                            sam2_error *error);

#endif
