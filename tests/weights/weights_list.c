/* Prints what the library finds in a checkpoint: name, type, FNV-1a of the first and last 64 bytes, shape. With a
 * second file it writes the checkpoint there as its ending says (.pt, .safetensors, .sam2). For the checking scripts.
 */
#include "weights/internal.h"

#include <stdio.h>

static void print(const weights_tensor *t)
{
    const uint8_t *p = t->data;
    size_t bytes = t->count * weights_type_size(t->type), n = bytes < 64 ? bytes : 64;
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t k = 0; k < n; k++)
        hash = (hash ^ p[k]) * 0x100000001B3u;
    for (size_t k = bytes - n; k < bytes; k++)
        hash = (hash ^ p[k]) * 0x100000001B3u;
    printf("%s %s %016llx", t->name, weights_type_name(t->type), (unsigned long long)hash);
    for (int d = 0; d < t->dims; d++)
        printf(" %lld", (long long)t->shape[d]);
    printf("\n");
}

static sam2_status write_as(const weights *w, const char *path, sam2_error *error)
{
    const char *dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".pt") == 0)
        return weights_write_pt(w, path, error);
    if (dot && strcmp(dot, ".sam2") == 0)
        return weights_write_native(w, path, weights_config(w), 1, WEIGHTS_F32, error);
    return weights_write_safetensors(w, path, weights_config(w), 1, WEIGHTS_F32, error);
}

int main(int argc, char **argv)
{
    weights *w = NULL;
    sam2_error error = {.text = "usage: weights_list FILE [OUTPUT]"};
    if (argc < 2 || argc > 3 || weights_open(&alloc_default, argv[1], 1, &w, &error) != SAM2_OK ||
        (argc == 3 && write_as(w, argv[2], &error) != SAM2_OK)) {
        fprintf(stderr, "%s\n", error.text);
        weights_close(w);
        return 1;
    }
    for (size_t i = 0; argc == 2 && i < weights_count(w); i++)
        print(weights_at(w, i));
    weights_close(w);
    return 0;
}
