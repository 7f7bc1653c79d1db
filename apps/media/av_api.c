/* FFmpeg's functions, found when the first video is opened. */
#include "av_api.h"

#include <dlfcn.h>
#include <string.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#ifdef __APPLE__
#define FILE_OF(name, version) "lib" name "." TEXT(version) ".dylib"
#else
#define FILE_OF(name, version) "lib" name ".so." TEXT(version)
#endif

av_api libav;

/* A data pointer becomes a function pointer by its bytes, since a cast is not ISO C. */
static const char *find(void *library, const char *name, void *field)
{
    void *address = dlsym(library, name);
    memcpy(field, &address, sizeof address);
    return address ? NULL : name;
}

const char *av_api_load(void)
{
    static int loaded;
    static const char *const files[] = {
        FILE_OF("avutil", LIBAVUTIL_VERSION_MAJOR), FILE_OF("avcodec", LIBAVCODEC_VERSION_MAJOR),
        FILE_OF("avformat", LIBAVFORMAT_VERSION_MAJOR), FILE_OF("swscale", LIBSWSCALE_VERSION_MAJOR)};
    void *libraries[4];
    const char *missing = NULL;
    if (loaded)
        return NULL;
    for (int i = 0; i < 4; i++)
        if (!(libraries[i] = dlopen(files[i], RTLD_NOW | RTLD_LOCAL)))
            return files[i];
#define FIND(number, name)                                                                                             \
    if (!missing)                                                                                                      \
        missing = find(libraries[number], #name, &libav.name);
#define FIND_UTIL(name) FIND(0, name)
#define FIND_CODEC(name) FIND(1, name)
#define FIND_FORMAT(name) FIND(2, name)
#define FIND_SCALE(name) FIND(3, name)
    AV_API_UTIL(FIND_UTIL)
    AV_API_CODEC(FIND_CODEC)
    AV_API_SIDE_CODEC(FIND_CODEC)
    AV_API_FORMAT(FIND_FORMAT)
    AV_API_SIDE_FORMAT(FIND_FORMAT)
    AV_API_SCALE(FIND_SCALE)
    loaded = !missing;
    return missing;
}
