/* libsam2: Segment Anything Model 2 in C.
 *
 * The one public header. A program needs four kinds of object:
 *
 *   sam2_model     a checkpoint, loaded and packed; immutable, shared by any number of threads
 *   sam2_context   working memory for one thread at a time; makes features, answers prompts
 *   sam2_features  one encoded picture; immutable, usable with any context of the same model
 *   sam2_result    the masks of the latest prediction made into it; reused without allocation
 *
 *     sam2_model_open -> sam2_context_create -> sam2_features_encode       once a picture
 *                                            -> sam2_predict ... any number of times
 *
 * Conventions. Every function that can fail returns a sam2_status; SAM2_OK is 0. The last argument of
 * such a function is a sam2_error that the caller owns, or NULL; it is written only on failure. Pictures are rows of
 * bytes, x to the right, y down, the origin at the outer corner of the first pixel. Coordinates of prompts are pixels
 * of the picture. The library prints nothing, reads no environment variable, never ends the process, and keeps no
 * global state.
 *
 * Thread-safety: functions that take a `const` object may be called on it from several threads at once. A context and a
 * result belong to one thread at a time.
 */
#ifndef SAM2_H
#define SAM2_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define SAM2_API
#elif defined(__GNUC__)
#define SAM2_API __attribute__((visibility("default")))
#else
#define SAM2_API
#endif

#define SAM2_VERSION_MAJOR 0
#define SAM2_VERSION_MINOR 1
#define SAM2_VERSION_PATCH 0

/* The version of the library that is linked, as "0.1.0". Static storage. Since 0.1. */
SAM2_API const char *sam2_version(void);

/* ---- errors ---- */

/* What went wrong. Numbers are fixed for ever. */
typedef enum sam2_status {
    SAM2_OK = 0,
    SAM2_ERROR_ARGUMENT = 1,    /* a NULL, a number out of range, a struct of unknown size */
    SAM2_ERROR_MEMORY = 2,      /* an allocation failed */
    SAM2_ERROR_FILE = 3,        /* a file cannot be opened, read or written */
    SAM2_ERROR_FORMAT = 4,      /* a file is not what it should be: damaged, truncated, another kind */
    SAM2_ERROR_UNSUPPORTED = 5, /* understood, but not something this build or machine can do */
    SAM2_ERROR_MISMATCH = 6, /* two objects do not belong together: features of another model, a mask of another size */
    SAM2_ERROR_INTERNAL = 7, /* a fault of the library */
    SAM2_ERROR_CANCELLED = 8 /* a callback of the caller's said so */
} sam2_status;

/* The detail of a failure: a sentence that names the file, tensor, option and numbers. Owned by the caller; no
 * clean-up. */
typedef struct sam2_error {
    sam2_status code;
    char text[508]; /* UTF-8, NUL-terminated */
} sam2_error;

/* A short fixed phrase for a status, such as "out of memory". Static storage; never NULL. Since 0.1. */
SAM2_API const char *sam2_status_text(sam2_status status);

/* ---- memory ---- */

/* Where the library gets its memory. `allocate` returns `size` bytes aligned to `alignment` (a power of two, at most
 * 4096), or NULL; `release` gets the same pointer and size back. Both may be called from several threads at once. An
 * object keeps a copy of the allocator it was made with; `user` must outlive it. */
typedef struct sam2_allocator {
    void *(*allocate)(void *user, size_t size, size_t alignment);
    void (*release)(void *user, void *pointer, size_t size);
    void *user;
} sam2_allocator;

/* ---- models ---- */

typedef struct sam2_model sam2_model;

/* In what arithmetic large products are computed. */
typedef enum sam2_precision {
    SAM2_PRECISION_AUTO = 0, /* the fastest that the machine runs natively */
    SAM2_PRECISION_F32 = 1,  /* the official code's numbers */
    SAM2_PRECISION_BF16 = 2, /* products on the image's side of bfloat16 numbers with float32 sums, everything else in
                                float32: closer to float32 than the official bfloat16. Where the processor has neither
                                AMX nor AVX512-BF16, arithmetic is that of F32, but the weights of such products
                                are rounded to bfloat16 and take half the memory */
    SAM2_PRECISION_INT8 = 3  /* not in this version */
} sam2_precision;

/* How a model is opened. Set the struct up with SAM2_MODEL_OPTIONS_INIT, then change what you need. */
typedef struct sam2_model_options {
    size_t struct_size;
    sam2_precision precision; /* default: automatic */
    int threads;     /* threads used for one call, 1 to 256; 0 (default): the processors usable by this process */
    int image_size;  /* side of the square the network sees, a multiple of 32, 64 to 4096; 0 (default): the model's own
                      */
    int verify;      /* 1: check every checksum the file has before use (reads it whole); default 0 */
    const char *isa; /* highest instruction set to use: "ref", "avx2", "avx512", "avx512bf16", "amx"; NULL (default):
                        the best here */
    const sam2_allocator *allocator; /* NULL (default): aligned_alloc and free */
    int plain_graph; /* 1: layers as the official code has them, one after the other, for comparison; default 0: layers
                        without anything between them are merged, the mask decoder's image side is folded onto the
                        tokens. The results differ by rounding */
} sam2_model_options;

#define SAM2_MODEL_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(sam2_model_options), SAM2_PRECISION_AUTO, 0, 0, 0, NULL, NULL, 0                                        \
    }

/* Opens a checkpoint: an official .pt, a .safetensors (official or Hugging Face tensor names), or a native .sam2 file.
 * The kind of file is told by its bytes and the model by its tensors. `options` may be NULL. On success *model is a new
 * object, to be closed with sam2_model_close. A native file made for this machine and precision is mapped and used
 * where it is: until the model is closed it may be renamed, removed or replaced by another of its name, but not be
 * written into. Other files are not needed after the call returns. Errors: FILE, FORMAT (names the tensor and both
 * shapes where a tensor is missing, extra or misshapen), UNSUPPORTED, ARGUMENT, MEMORY. Thread-safe. Since 0.1. */
SAM2_API sam2_status sam2_model_open(const char *path, const sam2_model_options *options, sam2_model **model,
                                     sam2_error *error);

/* The same from `size` bytes in memory, which must stay valid until the call returns. Since 0.1. */
SAM2_API sam2_status sam2_model_open_memory(const void *bytes, size_t size, const sam2_model_options *options,
                                            sam2_model **model, sam2_error *error);

/* Opens the small model that the library carries: a SAM 2.1 of 4.2 million parameters for a 512 x 512 input, trained on
 * made pictures of plain objects, not for photographs (docs/MICRO.md). It is used where the library has it. Its name in
 * sam2_model_info is "micro". Errors: UNSUPPORTED (a build without it), ARGUMENT, MEMORY. Thread-safe. Since 0.1. */
SAM2_API sam2_status sam2_model_open_builtin(const sam2_model_options *options, sam2_model **model, sam2_error *error);

/* Releases a model. All its contexts must have been destroyed before; features and results may outlive it (its threads
 * end with the last result). NULL is allowed. Since
 * 0.1. */
SAM2_API void sam2_model_close(sam2_model *model);

/* What a model is. Pointers are valid as long as the model. */
typedef struct sam2_model_info {
    size_t struct_size;
    const char *name;         /* "sam2.1_t", "sam1_b"; "custom" for a layout with its own configuration */
    const char *isa;          /* the instruction set in use, of the same names */
    sam2_precision precision; /* the precision in use, never AUTO */
    int threads;              /* threads in use */
    int image_size;           /* side of the square the network sees */
    int embedding_dim;        /* channels of the embedding (256) */
    int low_res_size;         /* side of the low-resolution masks, image_size / 4 */
    uint64_t parameters;      /* number of weights */
    uint64_t identity;        /* a fingerprint of the weights, configuration and image size */
    size_t weight_bytes;      /* memory held for weights, mapped ones included */
    size_t workspace_bytes;   /* memory that a context holds */
    size_t mapped_bytes;      /* of the weights, those used where a native file has them, unpacked and not copied */
    const char *format;       /* the file's: "PyTorch zip", "safetensors", "native" */
    int repacked;         /* 1: a native file was made for another instruction set or precision, and was packed again */
    uint64_t encode_flop; /* floating-point operations of the encoder's matrix products, for one picture */
    const char *family;   /* "sam2": SAM 2 and 2.1; "sam1": SAM, for pictures alone */
    sam2_precision storage; /* BF16 where weights of large products are held in bfloat16: with that precision, and in
                               float32 those that a file has in it, which changes no result */
} sam2_model_info;

#define SAM2_MODEL_INFO_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(sam2_model_info), NULL, NULL, SAM2_PRECISION_AUTO, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, NULL,         \
            SAM2_PRECISION_AUTO                                                                                        \
    }

/* Fills *info (struct_size set by the caller). Errors: ARGUMENT. Since 0.1. */
SAM2_API sam2_status sam2_model_get_info(const sam2_model *model, sam2_model_info *info, sam2_error *error);

/* A line of the model's precision plan: in what arithmetic the products of a part of the network are. */
typedef struct sam2_precision_part {
    size_t struct_size;
    const char *part;         /* "mask decoder" */
    const char *tensors;      /* the prefix of its tensors' names, "sam_mask_decoder"; the longest that fits counts */
    sam2_precision precision; /* F32 or BF16 */
    const char *reason;       /* of the choice where the model is in bfloat16 */
} sam2_precision_part;

#define SAM2_PRECISION_PART_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(sam2_precision_part), NULL, NULL, SAM2_PRECISION_AUTO, NULL                                             \
    }

/* Line `index` of the plan, from 0. Strings are valid as long as the library. Errors: ARGUMENT, also past the last
 * line. Thread-safe. Since 0.1. */
SAM2_API sam2_status sam2_model_get_precision(const sam2_model *model, int index, sam2_precision_part *part,
                                              sam2_error *error);

/* The name of kernel `index`, from 0, and the instruction set of the variant that the model uses. Strings are valid as
 * long as the library. Errors: ARGUMENT, also past the last kernel. Thread-safe. Since 0.1. */
SAM2_API sam2_status sam2_model_get_kernel(const sam2_model *model, int index, const char **name, const char **isa,
                                           sam2_error *error);

/* ---- contexts ---- */

typedef struct sam2_context sam2_context;

/* Makes working memory for one thread at a time; its size is sam2_model_info.workspace_bytes and does not change
 * afterwards. The model must outlive it. Errors: ARGUMENT, MEMORY. Since 0.1. */
SAM2_API sam2_status sam2_context_create(const sam2_model *model, sam2_context **context, sam2_error *error);

/* NULL is allowed. Since 0.1. */
SAM2_API void sam2_context_destroy(sam2_context *context);

/* Called with each intermediate tensor of the following calls on the context: float32, C order, `dims` sizes in
 * `shape`. The data is valid during the call only. Names, in the order of the network: "input", "trunk_stage0" to
 * "trunk_stage3", "fpn0", "fpn1", "embedding" (all [1, C, H, W]), then per object "sparse" [1, tokens, C], "dense" [1,
 * C, H, W], "low_res" [masks, h, w], "iou" [masks], "object_score" [1, 1]; masks are those of the result, in its order
 * (best_first = 0 gives the network's). For comparing with other implementations; costs copies. */
typedef void (*sam2_observer)(void *user, const char *name, const float *data, const int64_t *shape, int dims);

/* Sets (or with NULL removes) the observer. Errors: ARGUMENT. Since 0.1. */
SAM2_API sam2_status sam2_context_set_observer(sam2_context *context, sam2_observer observer, void *user,
                                               sam2_error *error);

/* One line of a profile: a stage of the network, or an operation within it. The strings are constants. */
typedef struct sam2_profile_entry {
    const char *stage;     /* "preprocess", "trunk stage 2", "mask decoder" ... */
    const char *operation; /* "linear", "softmax" ...; NULL: the stage as a whole */
    uint64_t calls;        /* of a stage: its parts that were run */
    double ms;             /* a stage's wall-clock time; an operation's time summed over the threads */
    double flop;           /* floating-point operations of its matrix products, a multiply-add being two */
} sam2_profile_entry;

/* Later versions may append members to the entry. */
typedef void (*sam2_profile_visitor)(void *user, const sam2_profile_entry *entry);

/* With `on` 1 starts an empty profile of the following encode and predict calls on the context, with 0 ends it.
 * Profiled calls give the same results a little later; others are not slowed down. The names are for people: they
 * change with the code. Errors: ARGUMENT, MEMORY. Since 0.1. */
SAM2_API sam2_status sam2_context_set_profiling(sam2_context *context, int on, sam2_error *error);

/* Shows the profile so far: each stage in the order of the network, followed by its operations. What a stage's
 * operations leave of its time on all threads is other work and waiting. Errors: ARGUMENT (profiling is not on). Since
 * 0.1. */
SAM2_API sam2_status sam2_context_read_profile(const sam2_context *context, sam2_profile_visitor visit, void *user,
                                               sam2_error *error);

/* ---- features ---- */

/* One encoded picture. It takes, with float32 and a 1024 x 1024 network input, 22 MiB: the pyramid of 16 MiB and 6 MiB
 * of the mask decoder's products that no prompt changes; in bfloat16 13 MiB, 10 and 3. A file of features has the
 * pyramid alone. */
typedef struct sam2_features sam2_features;

typedef enum sam2_pixel_format {
    SAM2_PIXEL_RGB = 0,  /* 3 bytes a pixel */
    SAM2_PIXEL_RGBA = 1, /* 4 bytes a pixel; the fourth is ignored */
    SAM2_PIXEL_GREY = 2  /* 1 byte a pixel, taken as R = G = B */
} sam2_pixel_format;

/* A picture in memory, 8 bits a channel, in sRGB. `pixels` points at the top-left pixel; `stride` is the distance in
 * bytes from one row to the next, at least width * bytes per pixel, or negative for rows stored bottom up. Width and
 * height 1 to 65536. */
typedef struct sam2_image {
    const uint8_t *pixels;
    int width, height;
    ptrdiff_t stride;
    sam2_pixel_format format;
} sam2_image;

/* Encodes a picture (SAM2ImagePredictor.set_image): antialiased bilinear resize to the network's square without keeping
 * the aspect ratio, normalisation, Hiera, feature pyramid. *features is a new immutable object, to be released with
 * sam2_features_destroy; the picture is not referred to afterwards. Errors: ARGUMENT, MEMORY. Since 0.1. */
SAM2_API sam2_status sam2_features_encode(sam2_context *context, const sam2_image *image, sam2_features **features,
                                          sam2_error *error);

/* NULL is allowed. Since 0.1. */
SAM2_API void sam2_features_destroy(sam2_features *features);

/* Width and height of the encoded picture. Either pointer may be NULL. Since 0.1. */
SAM2_API void sam2_features_get_size(const sam2_features *features, int *width, int *height);

/* Writes features to a file with the model's identity, the picture's size and a checksum. An existing file is replaced
 * only once the new one is whole. Errors: FILE, MEMORY. Since 0.1. */
SAM2_API sam2_status sam2_features_save(const sam2_features *features, const char *path, sam2_error *error);

/* Reads features made by the same model (same weights, image size, precision). Errors: FILE, FORMAT, MISMATCH (another
 * model), MEMORY. Since 0.1. */
SAM2_API sam2_status sam2_features_load(const sam2_model *model, const char *path, sam2_features **features,
                                        sam2_error *error);

/* ---- prediction ---- */

typedef struct sam2_point {
    float x, y; /* pixels of the picture */
    int label;  /* 1: inside the object, 0: outside */
} sam2_point;

typedef struct sam2_box {
    float x0, y0, x1, y1; /* two opposite corners, pixels of the picture; corners in the wrong order are sorted */
} sam2_box;

/* What is known about one object. Set up with SAM2_PROMPT_INIT. Everything is optional; an empty prompt is what the
 * official predictor does with none. Pointers need to be valid during the call only. */
typedef struct sam2_prompt {
    size_t struct_size;
    const sam2_point *points;
    int point_count;             /* 0 to 1024 */
    const sam2_box *box;         /* or NULL */
    const float *low_res_logits; /* [low_res_size, low_res_size] logits of an earlier prediction, or NULL */
    /* [height of the picture, mask_stride], non-zero inside, or NULL; not together with low_res_logits. Averaged down
     * to the low resolution, +10 where at least half is inside, else -10. */
    const uint8_t *mask;
    int mask_width, mask_height; /* must equal the picture's */
    ptrdiff_t mask_stride;       /* bytes from row to row */
} sam2_prompt;

#define SAM2_PROMPT_INIT                                                                                               \
    {                                                                                                                  \
        sizeof(sam2_prompt), NULL, 0, NULL, NULL, NULL, 0, 0, 0                                                        \
    }

typedef struct sam2_predict_options {
    size_t struct_size;
    int multimask;  /* 1 (default): three masks an object; 0: one, with the official choice by stability (none in SAM 1)
                     */
    int best_first; /* 1 (default): masks ordered by score; 0: the network's order */
} sam2_predict_options;

#define SAM2_PREDICT_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(sam2_predict_options), 1, 1                                                                             \
    }

typedef struct sam2_result sam2_result;

/* An empty result. It grows to what the largest prediction made into it needs, then allocates no more.
 * Errors: ARGUMENT, MEMORY. Since 0.1. */
SAM2_API sam2_status sam2_result_create(const sam2_model *model, sam2_result **result, sam2_error *error);

/* NULL is allowed. Since 0.1. */
SAM2_API void sam2_result_destroy(sam2_result *result);

/* Answers `prompt_count` prompts (1 to 65536 objects) on one picture (SAM2ImagePredictor.predict); they lie
 * prompts[0].struct_size bytes apart. Each object's masks
 * have the same bits as if it had been asked alone. `options` may be NULL. On failure the result is empty.
 * Errors: ARGUMENT (names the object and what is wrong: a coordinate that is not finite, a label other than 0 and 1, a
 * box without area or outside the picture), MISMATCH (features of another model, a mask of another size), MEMORY. Since
 * 0.1. */
SAM2_API sam2_status sam2_predict(sam2_context *context, const sam2_features *features, const sam2_prompt *prompts,
                                  int prompt_count, const sam2_predict_options *options, sam2_result *result,
                                  sam2_error *error);

/* One mask of a result. Pointers are valid until the next prediction into the result. */
typedef struct sam2_mask {
    size_t struct_size;
    const float *low_res_logits; /* [low_res_size, low_res_size], not clamped; > 0 is inside */
    int low_res_size;
    int width, height;    /* the picture's */
    float score;          /* predicted IoU, 0 to 1; SAM 1's is not held within that */
    float object_score;   /* logit that the object is there at all; the image predictor does not act on it. 0 in SAM 1,
                           * which has none */
    int index;            /* the mask's place in the network's own order, 0 to 3 */
    const void *internal; /* the library's: leave it as it is, or NULL for logits of your own */
} sam2_mask;

#define SAM2_MASK_INIT                                                                                                 \
    {                                                                                                                  \
        sizeof(sam2_mask), NULL, 0, 0, 0, 0.0f, 0.0f, 0, NULL                                                          \
    }

/* Number of objects, and of masks for each object (1 or 3). 0 for an empty result or NULL. Since 0.1. */
SAM2_API int sam2_result_object_count(const sam2_result *result);
SAM2_API int sam2_result_mask_count(const sam2_result *result);

/* Describes mask `mask` of object `object`. Errors: ARGUMENT. Since 0.1. */
SAM2_API sam2_status sam2_result_get_mask(const sam2_result *result, int object, int mask, sam2_mask *out,
                                          sam2_error *error);

/* The mask enlarged to the picture (bilinear, half-pixel centres; a SAM 1 result's in the two steps of the official
 * code, without its padding) as float32 logits: `out` is [height, stride] with stride in floats, at least the width.
 * Errors: ARGUMENT. Since 0.1. */
SAM2_API sam2_status sam2_mask_to_logits(const sam2_mask *mask, float *out, ptrdiff_t stride, sam2_error *error);

/* The same thresholded: `out` is [height, stride] bytes, `inside` where the logit is > 0, else 0. No float picture is
 * made. Both work on the model's threads where the mask is a result's. Since 0.1. */
SAM2_API sam2_status sam2_mask_to_bytes(const sam2_mask *mask, uint8_t inside, uint8_t *out, ptrdiff_t stride,
                                        sam2_error *error);

/* Area in pixels and tight box [x, y, width, height] (all 0 for an empty mask) of the enlarged, thresholded mask.
 * Either pointer may be NULL. Since 0.1. */
SAM2_API sam2_status sam2_mask_measure(const sam2_mask *mask, int64_t *area, int box[4], sam2_error *error);

/* The enlarged, thresholded mask as COCO compressed run-length encoding (column-major, as pycocotools), NUL-terminated.
 * Writes at most `capacity` bytes with the NUL; *length (never NULL) becomes the length without the NUL whatever the
 * capacity, so that a call with capacity 0 measures. A text that does not fit is cut. Errors: ARGUMENT. Since 0.1. */
SAM2_API sam2_status sam2_mask_to_rle(const sam2_mask *mask, char *out, size_t capacity, size_t *length,
                                      sam2_error *error);

/* ---- masks as run lengths ---- */

/* A mask as COCO compressed run lengths (column-major, background first, as pycocotools): the text that
 * sam2_mask_to_rle writes and COCO's files have. The functions below take any such text, check it, and give what
 * pycocotools gives. Those that write a text do it as sam2_mask_to_rle: `capacity` 0 measures, a text that does not fit
 * is cut, *length is that of the whole. `allocator` is for the time of the call, NULL: aligned_alloc and free. Errors
 * of them all: ARGUMENT (also a side that is not 1 to 65536), FORMAT (a text that is no mask of the size), MISMATCH
 * (masks of different sizes), MEMORY where there is an allocator. All are thread-safe. */
typedef struct sam2_rle {
    int width, height;
    const char *counts; /* NUL-terminated */
} sam2_rle;

/* From bytes, [height, stride], non-zero inside. Since 0.1. */
SAM2_API sam2_status sam2_rle_from_bytes(const uint8_t *mask, int width, int height, ptrdiff_t stride, char *out,
                                         size_t capacity, size_t *length, sam2_error *error);

/* To bytes, [height, stride], `inside` or 0. Since 0.1. */
SAM2_API sam2_status sam2_rle_to_bytes(const sam2_rle *rle, uint8_t inside, uint8_t *out, ptrdiff_t stride,
                                       sam2_error *error);

/* From and to numbers ("uncompressed" run lengths): `runs` are pixels of background, mask, background ... in
 * column-major order. Reading writes at most `capacity` numbers; *count becomes how many there are. Since 0.1. */
SAM2_API sam2_status sam2_rle_from_runs(const int64_t *runs, size_t count, int width, int height, char *out,
                                        size_t capacity, size_t *length, sam2_error *error);
SAM2_API sam2_status sam2_rle_to_runs(const sam2_rle *rle, int64_t *runs, size_t capacity, size_t *count,
                                      sam2_error *error);

/* Area in pixels and tight box [x, y, width, height], all 0 for an empty mask. Either pointer may be NULL. Since 0.1.
 */
SAM2_API sam2_status sam2_rle_measure(const sam2_rle *rle, int64_t *area, int box[4], sam2_error *error);

typedef enum sam2_rle_operation {
    SAM2_RLE_UNION = 0,
    SAM2_RLE_INTERSECTION = 1,
    SAM2_RLE_DIFFERENCE = 2 /* the first without all others: what is left of a mask under those that lie on it */
} sam2_rle_operation;

/* One mask of `count` (1 or more) masks of one size. Since 0.1. */
SAM2_API sam2_status sam2_rle_merge(const sam2_rle *rles, size_t count, sam2_rle_operation operation, char *out,
                                    size_t capacity, size_t *length, const sam2_allocator *allocator,
                                    sam2_error *error);

/* out [found_count, truth_count]: intersection over union of each pair; where crowd[j] is not 0, intersection over the
 * found mask's area. `crowd` may be NULL; 0 where nothing intersects. Since 0.1. */
SAM2_API sam2_status sam2_rle_iou(const sam2_rle *found, size_t found_count, const sam2_rle *truth, size_t truth_count,
                                  const uint8_t *crowd, double *out, sam2_error *error);

/* The masks side by side, without overlap: `out` is [height, stride] numbers, 1 + the index of the first mask that a
 * pixel is in, or 0. Since 0.1. */
SAM2_API sam2_status sam2_rle_to_labels(const sam2_rle *rles, size_t count, int32_t *out, ptrdiff_t stride,
                                        sam2_error *error);

/* Connected parts (8 neighbours) of the mask or, with `inside` 0, of its background: areas in pixels, in the order in
 * which OpenCV numbers them (by blocks of 2 x 2 pixels, row by row). At most `capacity` areas are written; *count
 * becomes how many there are. `labels` is NULL or [height, stride] numbers: 1 + the part's index, or 0. Since 0.1. */
SAM2_API sam2_status sam2_rle_components(const sam2_rle *rle, int inside, int64_t *areas, size_t capacity,
                                         size_t *count, int32_t *labels, ptrdiff_t stride,
                                         const sam2_allocator *allocator, sam2_error *error);

/* Fills holes of less than `min_area` pixels (connected parts of the background, also at the border), then removes
 * islands of less, of which the largest stays if all are (the official remove_small_regions, holes then islands).
 * *changed (or NULL) becomes 1 where there was one. Since 0.1. */
SAM2_API sam2_status sam2_rle_remove_small_regions(const sam2_rle *rle, int64_t min_area, char *out, size_t capacity,
                                                   size_t *length, int *changed, const sam2_allocator *allocator,
                                                   sam2_error *error);

/* A closed polygon: `points` corners x, y of pixels' corners (pixel (x, y) is the square from (x, y) to (x + 1, y +
 * 1)). Outlines run clockwise as they are seen, holes the other way. */
typedef void (*sam2_polygon_visitor)(void *user, const int *xy, size_t points, int hole);

/* Shows the polygons around the mask's parts (8 neighbours) and their holes: with `tolerance` 0 along the pixels'
 * edges, so that outlines without holes are the mask exactly; else with corners left out that lie no further than so
 * many pixels from the line (Douglas and Peucker). An outline comes before its holes. Since 0.1. */
SAM2_API sam2_status sam2_rle_polygons(const sam2_rle *rle, double tolerance, sam2_polygon_visitor visit, void *user,
                                       const sam2_allocator *allocator, sam2_error *error);

/* ---- automatic masks ---- */

/* Points of a layer of crops: `count` pairs x, y from 0 to 1. */
typedef struct sam2_point_grid {
    const double *xy;
    int count;
} sam2_point_grid;

/* How masks that show the same thing are told. */
typedef enum sam2_nms {
    SAM2_NMS_BOX = 0, /* the official way: by the overlap of boxes, which a stray pixel changes */
    SAM2_NMS_MASK = 1 /* by the overlap of the masks themselves */
} sam2_nms;

/* How far the generator is. */
typedef struct sam2_auto_progress {
    int crop, crop_count;              /* the crop being worked on, from 0 */
    int64_t points_done, points_total; /* of all crops */
    int64_t masks;                     /* that have passed the filters so far, before suppression */
} sam2_auto_progress;

/* What became of a mask. */
typedef enum sam2_auto_fate {
    SAM2_AUTO_KEPT = 0,
    SAM2_AUTO_LOW_IOU = 1,    /* predicted_iou <= pred_iou_thresh */
    SAM2_AUTO_UNSTABLE = 2,   /* stability_score < stability_score_thresh, or an empty mask's, which is NaN */
    SAM2_AUTO_CROP_EDGE = 3,  /* ends at an edge of its crop that is none of the picture */
    SAM2_AUTO_BOX_NMS = 4,    /* a mask of the same crop with a higher score is the same */
    SAM2_AUTO_CROP_NMS = 5,   /* a mask of a smaller crop is the same */
    SAM2_AUTO_REGION_NMS = 6, /* a mask is the same since small regions were removed */
    SAM2_AUTO_AREA = 7        /* smaller than min_area or larger than max_area */
} sam2_auto_fate;

/* A mask of a prompt, whatever became of it. */
typedef struct sam2_auto_candidate {
    int crop;   /* from 0 */
    int point;  /* of the crop's grid, from 0 */
    int mask;   /* of the point: 0 to 2, in the network's order */
    float x, y; /* the point, in pixels of the picture */
    float predicted_iou;
    float stability_score; /* NaN where the mask was not looked at */
    sam2_auto_fate fate;
    int64_t rival; /* of a mask that was suppressed: the number of the candidate that did it; else -1 */
} sam2_auto_candidate;

/* The parameters of SAM2AutomaticMaskGenerator, under its names and with its defaults. Set up with
 * SAM2_AUTO_OPTIONS_INIT. */
typedef struct sam2_auto_options {
    size_t struct_size;
    int points_per_side;                /* 32; 1 to 1024; 0 where there are point_grids */
    int points_per_batch;               /* 64: prompts between two progress calls. More than 64 count as 64: results are
                                         * the same, and memory does not grow */
    double pred_iou_thresh;             /* .8: masks with a predicted IoU above it are kept; <= 0: all */
    double stability_score_thresh;      /* .95: masks at least so stable are kept; <= 0: all */
    double stability_score_offset;      /* 1; 0 or more */
    double mask_threshold;              /* 0: logits above it are inside */
    double box_nms_thresh;              /* .7: within a crop, masks that overlap more are the same */
    int crop_n_layers;                  /* 0; layer i has 2^i x 2^i crops, each encoded by itself; at most 6 */
    double crop_nms_thresh;             /* .7: between crops */
    double crop_overlap_ratio;          /* 512 / 1500 */
    int crop_n_points_downscale_factor; /* 1: layer i has points_per_side / factor^i points a side */
    const sam2_point_grid *point_grids; /* NULL, or your own points for each layer, crop_n_layers + 1 of them */
    int point_grid_count;
    int64_t min_mask_region_area; /* 0: holes and islands of less than so many pixels of the picture are removed from
                                   * each mask, as SAM 1's generator does. (SAM 2's own looks at low-resolution pixels,
                                   * and only where its CUDA extension is: elsewhere it silently does nothing.) */
    int use_m2m;                  /* 0; 1: each mask is given back to the decoder once */
    int multimask_output;         /* 1: three masks a point; 0: one */
    /* What the official generator does not have: */
    sam2_nms nms;               /* BOX (default), or MASK with the same thresholds */
    int64_t min_area, max_area; /* 0: masks of fewer or more pixels are left out at the end; 0: no limit */
    /* Called after each crop's encoding and each batch; not 0 ends the work (CANCELLED). NULL: nobody looks. */
    int (*progress)(void *user, const sam2_auto_progress *progress);
    /* Called at the end for every mask of every prompt, in their order. NULL: nobody asks. */
    void (*explain)(void *user, const sam2_auto_candidate *candidate);
    void *user; /* for both */
} sam2_auto_options;

#define SAM2_AUTO_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(sam2_auto_options), 32, 64, 0.8, 0.95, 1.0, 0.0, 0.7, 0, 0.7, 512.0 / 1500.0, 1, NULL, 0, 0, 0, 1,      \
            SAM2_NMS_BOX, 0, 0, NULL, NULL, NULL                                                                       \
    }

/* The masks that were found, in the official order. Immutable. */
typedef struct sam2_auto_result sam2_auto_result;

/* Masks of everything in a picture (SAM2AutomaticMaskGenerator.generate): a grid of points is asked for, in the picture
 * and in its crops, and what is bad or double is left out. Memory grows with the run lengths of what is left alone: no
 * mask is ever enlarged but to runs, and none that pred_iou_thresh drops is made. `options` may be NULL. *result is a
 * new object, possibly without masks, to be released with sam2_auto_destroy. Masks whose scores are equal keep the
 * order of their prompts. Errors: ARGUMENT, MEMORY, CANCELLED. Since 0.1. */
SAM2_API sam2_status sam2_auto_generate(sam2_context *context, const sam2_image *image,
                                        const sam2_auto_options *options, sam2_auto_result **result, sam2_error *error);

/* NULL is allowed. Since 0.1. */
SAM2_API void sam2_auto_destroy(sam2_auto_result *result);

/* A mask that was found: the official record. Pointers are valid as long as the result. */
typedef struct sam2_auto_mask {
    size_t struct_size;
    sam2_rle segmentation; /* of the whole picture */
    size_t length;         /* of its text */
    int64_t area;
    int bbox[4]; /* x, y, and the official width and height: the distance of the outer pixels, one less than their
                  * number
                  */
    float predicted_iou;
    float point_coords[2];
    float stability_score; /* NaN for an empty mask */
    int crop_box[4];       /* x, y, width, height */
} sam2_auto_mask;

#define SAM2_AUTO_MASK_INIT                                                                                            \
    {                                                                                                                  \
        sizeof(sam2_auto_mask), {0, 0, NULL}, 0, 0, {0, 0, 0, 0}, 0.0f, {0.0f, 0.0f}, 0.0f,                            \
        {                                                                                                              \
            0, 0, 0, 0                                                                                                 \
        }                                                                                                              \
    }

/* How many there are. 0 for NULL. Since 0.1. */
SAM2_API size_t sam2_auto_count(const sam2_auto_result *result);

/* Describes mask `index`. Errors: ARGUMENT. Since 0.1. */
SAM2_API sam2_status sam2_auto_get(const sam2_auto_result *result, size_t index, sam2_auto_mask *out,
                                   sam2_error *error);

/* ---- video ---- */

/* A tracker follows objects through the frames of a video: the official video predictor without the video. Frames come
 * as features, one at a time, so that a live stream, a file and a folder are the same to it:
 *
 *     sam2_tracker_create -> sam2_features_encode_frame -> sam2_tracker_prompt   where the user points, then
 *                            sam2_features_encode_frame -> sam2_tracker_step     frame by frame, in either direction
 *
 * Frames have numbers from 0. A prompt on a frame that was not stepped to before makes it a conditioning frame of the
 * object, whose memory is kept; a prompt on any other is a correction. Objects do not know of each other: adding one
 * changes no bit of another. Only what a later frame can read again is kept: the conditioning frames, and around each
 * of them and around the latest frame the few whose memories the model asks for; memory does not grow with the number
 * of frames, except by 24 bytes an object for each stretch of consecutive ones: which frames it was followed on is
 * known for good.
 *
 * A tracker belongs to one thread at a time; several can work on the same model and features at once. */
typedef struct sam2_tracker sam2_tracker;

/* Set up with SAM2_TRACKER_OPTIONS_INIT. */
typedef struct sam2_tracker_options {
    size_t struct_size;
    /* 0 (default): what the official builders give: a single mask is chosen by stability, prompted frames are
     * remembered as binary masks, small holes are filled. 1: none of these, as the official evaluation tool runs. */
    int evaluation;
    int memory_frames; /* conditioning frames apart, 1 to the model's own (7) with itself; 0 (default): the model's */
    int conditioning_limit; /* nearest conditioning frames that a frame looks at, at least 2; -1 (default): all */
    int memory_stride;      /* 1 (default) or more: remembered frames lie so far apart, but for the latest */
    int hole_area; /* background of at most so many low-resolution pixels is filled; 0: none; -1 (default): 8, and none
                    * with `evaluation` */
    int keep_corrections; /* 1 (default): a prompt on a tracked frame makes it a conditioning frame. 0: the official
                           * default, where the next visit of the frame forgets it */
    int64_t frame_count;  /* of the video, where it is known: with fewer than 16 the official model scales its pointers'
                           * distances by it; 0 (default): unknown or many */
    int64_t history; /* further frames to keep, for corrections and for starting again at an old frame: a number, or
                      * -1 for all; 0 (default): none */
} sam2_tracker_options;

#define SAM2_TRACKER_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(sam2_tracker_options), 0, 0, -1, 1, -1, 1, 0, 0                                                         \
    }

/* Makes a tracker without objects. `options` may be NULL. The model must outlive it. Errors: ARGUMENT, MEMORY,
 * UNSUPPORTED (a checkpoint for pictures alone). Since 0.1. */
SAM2_API sam2_status sam2_tracker_create(const sam2_model *model, const sam2_tracker_options *options,
                                         sam2_tracker **tracker, sam2_error *error);

/* NULL is allowed. Since 0.1. */
SAM2_API void sam2_tracker_destroy(sam2_tracker *tracker);

/* Encodes a frame of a video: as sam2_features_encode, but with the video predictor's own resize (bicubic, to bytes).
 * Errors: ARGUMENT, MEMORY, UNSUPPORTED (SAM 1). Since 0.1. */
SAM2_API sam2_status sam2_features_encode_frame(sam2_context *context, const sam2_image *image,
                                                sam2_features **features, sam2_error *error);

/* Says something about object `id` (any number) on a frame, whose features are given (add_new_points_or_box,
 * add_new_mask): points and a box, or a mask of any size, which is brought to the frame's. A new number is a new
 * object, at any time. What was said of the frame before is replaced; with `keep_points` points are added to the
 * earlier ones. The object's mask so far on the frame helps with clicks. Afterwards the frame is the latest one, and
 * masks can be read. On failure the tracker is as it was. Errors: ARGUMENT (an empty prompt,
 * low_res_logits, a box with keep_points, and as sam2_predict), MISMATCH (another model's features, another size),
 * MEMORY. Since 0.1. */
SAM2_API sam2_status sam2_tracker_prompt(sam2_tracker *tracker, const sam2_features *features, int64_t frame,
                                         int64_t id, const sam2_prompt *prompt, int keep_points, sam2_error *error);

/* Takes all objects to a frame: where one was prompted there its mask is as it was said, elsewhere it is tracked from
 * what is remembered and remembered in turn. One step of propagate_in_video; with `reverse` memories of later frames
 * are used. Objects without prompts are absent. On failure some objects may have been tracked; the step can be taken
 * again. Errors: ARGUMENT, MISMATCH, MEMORY. Since 0.1. */
SAM2_API sam2_status sam2_tracker_step(sam2_tracker *tracker, const sam2_features *features, int64_t frame, int reverse,
                                       sam2_error *error);

/* Takes back what was said of an object on a frame (clear_all_prompts_in_frame); an unknown object or frame changes
 * nothing. Errors: ARGUMENT, MEMORY. Since 0.1. */
SAM2_API sam2_status sam2_tracker_clear_prompts(sam2_tracker *tracker, int64_t frame, int64_t id, sam2_error *error);

/* Forgets an object. Errors: ARGUMENT (unknown). Since 0.1. */
SAM2_API sam2_status sam2_tracker_remove(sam2_tracker *tracker, int64_t id, sam2_error *error);

/* Forgets everything but the options. Since 0.1. */
SAM2_API void sam2_tracker_reset(sam2_tracker *tracker);

/* Objects in the order in which they were first named. Since 0.1. */
SAM2_API int sam2_tracker_object_count(const sam2_tracker *tracker);

/* What a tracker knows of an object on the latest frame. */
typedef struct sam2_tracked {
    size_t struct_size;
    int64_t id;
    int64_t frame;
    int present;      /* 1: the object is there; 0: its mask is empty (logits of -1024) */
    int conditioning; /* 1: the frame is one that the object was prompted on */
    sam2_mask mask;   /* valid until the next call on the tracker; .object_score is the logit that it is there */
} sam2_tracked;

#define SAM2_TRACKED_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(sam2_tracked), 0, 0, 0, 0, SAM2_MASK_INIT                                                               \
    }

/* Describes object `index`, from 0, on the latest frame. Errors: ARGUMENT (also before the first frame). Since 0.1. */
SAM2_API sam2_status sam2_tracker_get(const sam2_tracker *tracker, int index, sam2_tracked *out, sam2_error *error);

/* Masks that do not overlap (the official non_overlap_masks), all in one: `out` is [height, stride] numbers, 0 where no
 * object's logit is > 0, else 1 + the index of the object with the greatest, the first of equals. Errors: ARGUMENT,
 * MEMORY. Since 0.1. */
SAM2_API sam2_status sam2_tracker_get_labels(const sam2_tracker *tracker, int32_t *out, ptrdiff_t stride,
                                             sam2_error *error);

/* Writes everything that a tracker knows, with the model's identity and a checksum, so that work can go on later or
 * elsewhere. An existing file is replaced only once the new one is whole. Errors: ARGUMENT, FILE, MEMORY. Since 0.1. */
SAM2_API sam2_status sam2_tracker_save(const sam2_tracker *tracker, const char *path, sam2_error *error);

/* Makes a tracker from such a file: it goes on to the same bits. Errors: ARGUMENT, FILE, FORMAT, MISMATCH (another
 * model), MEMORY, UNSUPPORTED. Since 0.1. */
SAM2_API sam2_status sam2_tracker_load(const sam2_model *model, const char *path, sam2_tracker **tracker,
                                       sam2_error *error);

/* Bytes that a tracker holds. Since 0.1. */
SAM2_API size_t sam2_tracker_memory(const sam2_tracker *tracker);

/* Calls the observer with each object's tensors after each step: "low_f3_o1" (frame 3, object 1: its logits [h, w]),
 * "score_...", "pointer_..." and "memory_..." [1, C, h, w]. NULL removes it. Errors: ARGUMENT. Since 0.1. */
SAM2_API sam2_status sam2_tracker_set_observer(sam2_tracker *tracker, sam2_observer observer, void *user,
                                               sam2_error *error);

/* ---- files of weights ---- */

/* Writes a checkpoint in another format, told by the output's ending:
 * ".sam2" native, ".safetensors", ".pt" or ".pth" (float32, and in SAM 2 the official sizes alone); official tensor
 * names. `precision`: F32 or BF16 storage; AUTO keeps what the input has. A native file is laid out for this machine's
 * instruction set and opens in milliseconds there in the precision that it is written in, elsewhere like other files;
 * in BF16 it holds those matrices rounded that bfloat16 products use, everything else as it is. The output is replaced
 * only once the new file is whole. Errors: as sam2_model_open, FILE. Since 0.1. */
SAM2_API sam2_status sam2_convert(const char *input, const char *output, sam2_precision precision,
                                  const sam2_allocator *allocator, sam2_error *error);

/* The same of the model that the library carries. Errors: also UNSUPPORTED (a build without it). Since 0.1. */
SAM2_API sam2_status sam2_convert_builtin(const char *output, sam2_precision precision, const sam2_allocator *allocator,
                                          sam2_error *error);

/* Writes stand-in weights for the model `name` ("sam2.1_t", "sam2_b+", "sam2.1_hiera_large", "sam1_b", "vit_h" ...):
 * the official names and shapes, values that depend only on tensor name, index and seed. The output's ending tells the
 * format: ".pt" (as torch.save), ".safetensors", ".sam2". `absent` = 1 gives a negative object score. Errors: ARGUMENT
 * (unknown name), FILE, MEMORY. Since 0.1. */
SAM2_API sam2_status sam2_synthesize(const char *name, const char *output, uint64_t seed, int absent,
                                     const sam2_allocator *allocator, sam2_error *error);

#ifdef __cplusplus
}
#endif

#endif
