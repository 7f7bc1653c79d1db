#include "sam2.h"

const char *sam2_version(void)
{
    return "0.1.0";
}
