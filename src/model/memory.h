/* What video adds to a picture's network: memories of frames and objects. Everything here is one object's, and its bits
 * do not depend on other objects. A model must have memory.there. */
#ifndef MODEL_MEMORY_H
#define MODEL_MEMORY_H

#include "model/model.h"

/* A frame's memory as attention reads it. */
typedef struct memory_frame {
    const uint16_t *features; /* [tokens, memory_dim], bfloat16 */
    int slot;                 /* row of maskmem_tpos_enc */
} memory_frame;

/* An object pointer and its distance in frames, signed as SAM 2.1 wants it. */
typedef struct memory_pointer {
    const float *vector; /* [d_model] */
    int distance;
} memory_pointer;

typedef struct memory_bank {
    const memory_frame *frames;
    size_t frame_count;
    const memory_pointer *pointers;
    size_t pointer_count;
    int pointer_span; /* what distances are divided by, at least 1 */
} memory_bank;

/* memory_attention.MemoryAttention up to the first layer's self-attention, which no object changes: out [tokens,
 * d_model]. */
void memory_begin(const model *m, const exec *ex, const float *embedding, float *out);

/* The rest: out [tokens, d_model] is the embedding as the object's memories see it, from what memory_begin made. The
 * bank is not empty. */
void memory_attend(const model *m, const exec *ex, const float *begun, const memory_bank *bank, float *out);

/* memory_encoder.MemoryEncoder (SAM2Base._encode_new_memory): a frame's memory, features [tokens, memory_dim] in
 * bfloat16, from its embedding (without no_mem_embed) and mask logits [side / 4, side / 4]. With `binary` the logits
 * count by their sign alone; `present` says whether the object is there. */
void memory_encode(const model *m, const exec *ex, const float *embedding, const float *logits, bool binary,
                   bool present, uint16_t *features);

/* obj_ptr_proj of an output token [d_model], or no_obj_ptr where the object is absent. */
void pointer_make(const model *m, const exec *ex, const float *token, bool present, float *out);

/* mask_downsample: out [side / 4, side / 4] from a mask [side, side] of 0 and 1. */
void mask_reduce(const model *m, const float *mask, float *out);

#endif
