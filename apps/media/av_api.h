/* FFmpeg's functions, found when the first video is opened. Linked in the ordinary way its libraries and the hundred
 * that they need would cost every start of the program some 25 ms and 28 MiB, also where there is no video. */
#ifndef MEDIA_AV_API_H
#define MEDIA_AV_API_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#define AV_API_UTIL(X)                                                                                                 \
    X(av_strerror)                                                                                                     \
    X(av_log_set_callback)                                                                                             \
    X(av_malloc)                                                                                                       \
    X(av_free)                                                                                                         \
    X(av_freep)                                                                                                        \
    X(av_dict_set)                                                                                                     \
    X(av_dict_set_int)                                                                                                 \
    X(av_dict_free)                                                                                                    \
    X(av_frame_alloc)                                                                                                  \
    X(av_frame_free)                                                                                                   \
    X(av_frame_unref)                                                                                                  \
    X(av_frame_move_ref)                                                                                               \
    X(av_frame_get_buffer)                                                                                             \
    X(av_frame_make_writable)                                                                                          \
    X(av_d2q)                                                                                                          \
    X(av_fourcc_make_string)                                                                                           \
    X(av_get_pix_fmt_name)                                                                                             \
    X(av_image_get_buffer_size)                                                                                        \
    X(av_version_info)                                                                                                 \
    X(avutil_version)

#define AV_API_CODEC(X)                                                                                                \
    X(av_packet_alloc)                                                                                                 \
    X(av_packet_free)                                                                                                  \
    X(av_packet_unref)                                                                                                 \
    X(av_packet_rescale_ts)                                                                                            \
    X(avcodec_find_decoder)                                                                                            \
    X(avcodec_find_encoder)                                                                                            \
    X(avcodec_find_encoder_by_name)                                                                                    \
    X(avcodec_alloc_context3)                                                                                          \
    X(avcodec_free_context)                                                                                            \
    X(avcodec_open2)                                                                                                   \
    X(avcodec_parameters_to_context)                                                                                   \
    X(avcodec_parameters_from_context)                                                                                 \
    X(avcodec_send_packet)                                                                                             \
    X(avcodec_receive_frame)                                                                                           \
    X(avcodec_send_frame)                                                                                              \
    X(avcodec_receive_packet)                                                                                          \
    X(avcodec_flush_buffers)                                                                                           \
    X(avcodec_get_name)                                                                                                \
    X(avcodec_version)

#define AV_API_FORMAT(X)                                                                                               \
    X(avio_alloc_context)                                                                                              \
    X(avio_context_free)                                                                                               \
    X(avformat_alloc_context)                                                                                          \
    X(avformat_open_input)                                                                                             \
    X(avformat_find_stream_info)                                                                                       \
    X(av_find_best_stream)                                                                                             \
    X(avformat_close_input)                                                                                            \
    X(av_read_frame)                                                                                                   \
    X(av_seek_frame)                                                                                                   \
    X(av_guess_frame_rate)                                                                                             \
    X(avformat_alloc_output_context2)                                                                                  \
    X(avformat_new_stream)                                                                                             \
    X(avformat_write_header)                                                                                           \
    X(av_interleaved_write_frame)                                                                                      \
    X(av_write_trailer)                                                                                                \
    X(avformat_free_context)                                                                                           \
    X(avformat_version)

/* The display matrix of a stream has moved. */
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
#define AV_API_SIDE_CODEC(X) X(av_packet_side_data_get)
#define AV_API_SIDE_FORMAT(X)
#else
#define AV_API_SIDE_CODEC(X)
#define AV_API_SIDE_FORMAT(X) X(av_stream_get_side_data)
#endif

#define AV_API_SCALE(X)                                                                                                \
    X(sws_getContext)                                                                                                  \
    X(sws_freeContext)                                                                                                 \
    X(sws_isSupportedInput)                                                                                            \
    X(sws_setColorspaceDetails)                                                                                        \
    X(sws_getCoefficients)                                                                                             \
    X(sws_scale)                                                                                                       \
    X(swscale_version)

typedef struct av_api {
#define FIELD(name) __typeof__(name) *name;
    AV_API_UTIL(FIELD)
    AV_API_CODEC(FIELD)
    AV_API_SIDE_CODEC(FIELD)
    AV_API_FORMAT(FIELD)
    AV_API_SIDE_FORMAT(FIELD)
    AV_API_SCALE(FIELD)
#undef FIELD
} av_api;

extern av_api libav;

/* Loads the libraries of the versions that this was built for. NULL when all functions of `libav` can be called, else
 * what is missing. Not for several threads at once. */
const char *av_api_load(void);

#endif
