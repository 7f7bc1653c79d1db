/* NumPy's files: .npz written (stored entries) and read (stored or deflated), .npy read. */
#ifndef CLI_NPZ_H
#define CLI_NPZ_H

#include <stddef.h>
#include <stdint.h>

typedef enum npz_type { NPZ_FLOAT32, NPZ_BOOL, NPZ_UINT8 } npz_type;

typedef struct npz_writer npz_writer;

/* The file appears only when npz_close(keep = 1) has succeeded. All return 0 or -1 with a sentence in `error`; after a
 * failure only npz_close with keep = 0 is of use. */
int npz_open(npz_writer **writer, const char *path, char *error, size_t error_size);
/* One array in C order, its bytes given in as many pieces as is convenient, until the shape is full. */
int npz_begin(npz_writer *writer, const char *name, npz_type type, const int64_t *shape, int dims, char *error,
              size_t error_size);
int npz_write(npz_writer *writer, const void *bytes, size_t size, char *error, size_t error_size);
int npz_end(npz_writer *writer, char *error, size_t error_size);
/* Closes and frees; NULL is allowed. */
int npz_close(npz_writer *writer, int keep, char *error, size_t error_size);

#define NPZ_MOST_DIMS 8

/* A float array that was read. */
typedef struct npz_array {
    float *data; /* free() */
    int dims;
    int64_t shape[NPZ_MOST_DIMS];
} npz_array;

/* The array `name` of the .npz file in `bytes`, or the one of a .npy file; float32 or float64, C order, little-endian.
 * `label` names the file in errors. */
int npz_find(const void *bytes, size_t size, const char *label, const char *name, npz_array *out, char *error,
             size_t error_size);
int npy_parse(const void *bytes, size_t size, const char *label, npz_array *out, char *error, size_t error_size);

#endif
