/* Constants of the native file; native.c describes it. */
#ifndef WEIGHTS_NATIVE_H
#define WEIGHTS_NATIVE_H

#define NATIVE_MAGIC "SAM2\r\n\x1A\n"
#define NATIVE_VERSION 1
#define NATIVE_HEADER 48 /* bytes before the metadata */
#define NATIVE_RECORD 32 /* bytes of a record before its sizes */
#define NATIVE_ALIGN 64
#define NATIVE_LAYOUT_C 0

#endif
