/* FFmpeg's words for our errors; nothing of them goes to standard error. */
#ifndef MEDIA_AV_TEXT_H
#define MEDIA_AV_TEXT_H

/* Silences FFmpeg; to be called before anything else of it. The last complaint of this thread is kept. */
void av_text_quiet(void);
/* What `code` means, and the last complaint since av_text_quiet or av_text_forget, if any; valid until the next call in
 * this thread. */
const char *av_text(int code);
void av_text_forget(void);
/* 1 when the reader of the container has complained since: it goes on behind the damage and says nothing else. */
int av_text_demuxer_complained(void);

#endif
