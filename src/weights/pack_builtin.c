/* Makes the native file that the library carries: pack_builtin IN OUT.sam2. Run while building. In bfloat16, which is
 * what the small model's values are: nothing is rounded. */
#include "sam2.h"

#include <stdio.h>

int main(int count, char **arguments)
{
    sam2_error error = {SAM2_OK, ""};
    if (count != 3) {
        fprintf(stderr, "Usage: pack_builtin IN OUT.sam2\n");
        return 1;
    }
    if (sam2_convert(arguments[1], arguments[2], SAM2_PRECISION_BF16, NULL, &error)) {
        fprintf(stderr, "pack_builtin: %s\n", error.text);
        return 1;
    }
    return 0;
}
