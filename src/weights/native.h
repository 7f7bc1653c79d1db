/* Constants of the native file; native.c describes it. */
#ifndef WEIGHTS_NATIVE_H
#define WEIGHTS_NATIVE_H

#define NATIVE_MAGIC "SAM2\r\n\x1A\n"
#define NATIVE_VERSION 2
#define NATIVE_HEADER 64 /* bytes before the metadata */
#define NATIVE_RECORD 40 /* bytes of a record before its sizes */
#define NATIVE_ALIGN 64
#define NATIVE_TENSOR 0 /* kinds of records */
#define NATIVE_CONSTANT 1

#endif
