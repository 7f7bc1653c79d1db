#include "fuzz/fuzz.h"

#include "weights/weights.h"

#include <string.h>

/* Both ends are enough for a sanitizer to see that the range is there; reading all would make a pickle of many tensors
 * over one storage slow. */
static void read_ends(const weights_tensor *t)
{
    float values[16];
    size_t n = t->count < 16 ? t->count : 16;
    weights_read(t, 0, n, values);
    weights_read(t, t->count - n, n, values);
}

static unsigned char sum; /* so that reads are not optimised away */

static void use_tensor(const weights_tensor *t)
{
    size_t count = 1;
    REQUIRE(t->type == WEIGHTS_F32 || t->type == WEIGHTS_F16 || t->type == WEIGHTS_BF16);
    REQUIRE(t->dims >= 0 && t->dims <= WEIGHTS_MAX_DIMS);
    for (int i = 0; i < t->dims; i++) {
        REQUIRE(t->shape[i] >= 0);
        count *= (size_t)t->shape[i];
    }
    REQUIRE(count == t->count);
    REQUIRE(*t->name);
    read_ends(t);
    if (t->count > 1000) { /* inside of panels */
        float value;
        weights_read(t, t->count / 2, 1, &value);
    }
    /* What packed data is copied by. */
    const uint8_t *data = t->data;
    const size_t bytes = weights_bytes(t);
    REQUIRE(bytes >= t->count * weights_type_size(t->type));
    if (bytes)
        sum ^= data[0] ^ data[bytes - 1];
}

void fuzz_weights(const uint8_t *bytes, size_t size, int verify)
{
    weights *w = NULL;
    sam2_error error = {0};
    sam2_status status = weights_open_memory(NULL, bytes, size, "input", verify, &w, &error);
    if (status != SAM2_OK) {
        REQUIRE(w == NULL && error.code == status && *error.text);
        return;
    }
    for (size_t i = 0; i < weights_count(w); i++) {
        use_tensor(weights_at(w, i));
        REQUIRE(weights_find(w, weights_at(w, i)->name) == weights_at(w, i));
    }
    for (size_t i = 0; i < weights_constant_count(w); i++) {
        use_tensor(weights_constant_at(w, i));
        REQUIRE(weights_constant(w, weights_constant_at(w, i)->name));
    }
    const char *config = weights_config(w);
    REQUIRE(!config || strlen(config) <= size);
    (void)weights_fingerprint(w);
    weights_close(w);
}
