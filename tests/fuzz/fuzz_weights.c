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

static void use_tensor(const weights *w, const weights_tensor *t)
{
    size_t count = 1;
    REQUIRE(t->type == WEIGHTS_F32 || t->type == WEIGHTS_F16 || t->type == WEIGHTS_BF16);
    REQUIRE(t->dims >= 0 && t->dims <= WEIGHTS_MAX_DIMS);
    for (int i = 0; i < t->dims; i++) {
        REQUIRE(t->shape[i] >= 0);
        count *= (size_t)t->shape[i];
    }
    REQUIRE(count == t->count);
    REQUIRE(*t->name && weights_find(w, t->name) == t);
    read_ends(t);
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
    for (size_t i = 0; i < weights_count(w); i++)
        use_tensor(w, weights_at(w, i));
    const char *config = weights_config(w);
    REQUIRE(!config || strlen(config) <= size);
    (void)weights_fingerprint(w);
    weights_close(w);
}
