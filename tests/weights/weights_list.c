/* Prints what the library finds in a checkpoint: name, type, FNV-1a of the first and last 64 bytes, shape. For the checking scripts. */
#include "weights/internal.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    weights *w;
    sam2_error error;
    if (argc != 2 || weights_open(&alloc_default, argv[1], 1, &w, &error) != SAM2_OK) {
        fprintf(stderr, "%s\n", argc == 2 ? error.text : "usage: weights_list FILE");
        return 1;
    }
    for (size_t i = 0; i < weights_count(w); i++) {
        const weights_tensor *t = weights_at(w, i);
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
    weights_close(w);
    return 0;
}
