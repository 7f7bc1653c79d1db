/* A restricted machine for Python pickles: it builds what a state dict is made of and runs nothing. The callables it
 * knows are five (collections.OrderedDict, torch._utils._rebuild_tensor_v2, _rebuild_parameter,
 * _rebuild_parameter_with_state, and as arguments torch's storage types); any other global ends the reading with its
 * name. Opcodes are those of the binary protocols 2 to 5 for plain values.
 *
 * Bounds: a pickle has at most PICKLE_MAX_BYTES; objects take at most PICKLE_MAX_MEMORY, the stack and the memo at most
 * PICKLE_MAX_VALUES values of 16 bytes each. Below these limits memory is at most 128 bytes for each byte of the
 * pickle, and time is linear in it. Nothing recurses. */
#ifndef WEIGHTS_PICKLE_H
#define WEIGHTS_PICKLE_H

#include "weights/chunks.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PICKLE_MAX_BYTES ((size_t)16 << 20)
#define PICKLE_MAX_MEMORY ((size_t)32 << 20)
#define PICKLE_MAX_VALUES ((size_t)1 << 19)
#define PICKLE_MAX_DIMS 8

typedef enum pickle_type {
    PICKLE_UNSET = 0, /* an empty place of the memo */
    PICKLE_MARK,
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_REAL,
    PICKLE_OPAQUE, /* something plain that is not looked at: a number of more than 64 bits, bytes */
    PICKLE_TEXT,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,
    PICKLE_GLOBAL,
    PICKLE_STORAGE,
    PICKLE_TENSOR
} pickle_type;

typedef struct pickle_value pickle_value;
typedef struct pickle_pair pickle_pair;

/* Growing containers. What refers to one refers to the same one, as in Python. */
typedef struct pickle_list {
    pickle_value *items;
    size_t count, capacity;
} pickle_list;

typedef struct pickle_dict {
    pickle_pair *pairs; /* in the order they were set; a key may occur again */
    size_t count, capacity;
} pickle_dict;

/* torch's typed storages. */
typedef enum pickle_element {
    PICKLE_F32,
    PICKLE_F16,
    PICKLE_BF16,
    PICKLE_F64,
    PICKLE_I64,
    PICKLE_I32,
    PICKLE_I16,
    PICKLE_I8,
    PICKLE_U8,
    PICKLE_B8
} pickle_element;
size_t pickle_element_size(pickle_element e);
const char *pickle_element_name(pickle_element e); /* "float64" ... */

typedef struct pickle_storage {
    pickle_element element;
    const uint8_t *data; /* count elements are there */
    size_t count;
} pickle_storage;

typedef struct pickle_tensor {
    const pickle_storage *storage;
    size_t offset; /* of its first element, in elements; all its elements lie within the storage */
    int dims;
    int64_t shape[PICKLE_MAX_DIMS], stride[PICKLE_MAX_DIMS]; /* each >= 0 */
} pickle_tensor;

struct pickle_value {
    uint8_t type;    /* a pickle_type */
    uint32_t length; /* of a text, a tuple */
    union {
        int64_t integer; /* INT, BOOL; the index of a GLOBAL */
        double real;
        const char *text; /* in the pickle; `length` bytes without a NUL */
        const pickle_value *items;
        pickle_list *list;
        pickle_dict *dict;
        const pickle_storage *storage;
        const pickle_tensor *tensor;
    } u;
};

struct pickle_pair {
    pickle_value key, value;
};

/* Finds a storage's bytes by its key. Errors are the callee's own. */
typedef sam2_status (*pickle_find_storage)(void *context, const char *key, size_t key_length, const uint8_t **data,
                                           size_t *size, sam2_error *error);

typedef struct pickle {
    sam2_allocator allocator;
    chunks objects;
    pickle_value *stack, *memo;
    size_t depth, stack_bytes;
    size_t memo_count, memo_bytes;
    const uint8_t *start, *at, *end;
    pickle_find_storage find_storage;
    void *context;
    pickle_value root; /* the result */
} pickle;

/* Reads a pickle of `size` bytes, which stay. p->root is valid until pickle_free, which is to be called after a success
 * only. Errors: UNSUPPORTED (a global or opcode that is not on the list: named), FORMAT, MEMORY, or find_storage's. */
sam2_status pickle_load(pickle *p, const sam2_allocator *a, const uint8_t *bytes, size_t size,
                        pickle_find_storage find_storage, void *context, sam2_error *error);
void pickle_free(pickle *p);

/* ---- between pickle.c and pickle_torch.c ---- */

/* *out = the global `module`.`name`, if it is on the list. */
sam2_status pickle_global(const char *module, size_t module_length, const char *name, size_t name_length,
                          pickle_value *out, sam2_error *error);
/* *out = what calling the global gives. */
sam2_status pickle_call(pickle *p, const pickle_value *callable, const pickle_value *arguments, pickle_value *out,
                        sam2_error *error);
/* *out = the storage that a persistent id stands for. */
sam2_status pickle_persistent(pickle *p, const pickle_value *id, pickle_value *out, sam2_error *error);
sam2_status pickle_new_dict(pickle *p, pickle_value *out, sam2_error *error);

#endif
