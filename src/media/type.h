/* type.h -- the media type of a file, judged by its first bytes, and which types a browser may show where they are.
 * Pure functions; any thread. */
#ifndef MR_MEDIA_TYPE_H
#define MR_MEDIA_TYPE_H

#include "base/slice.h"

#define MR_MEDIA_TYPE_BYTES 512 /* as many suffice; more are not looked at */

/* A static text, or NULL: the bytes say nothing. `bytes` are the first of the file, all of them when it is shorter than
 * MR_MEDIA_TYPE_BYTES. Text is "text/plain; charset=utf-8" when these bytes are UTF-8 without controls, which does not
 * promise that those behind them are. What may run scripts (HTML, SVG, XML) is told apart from text. */
const char *mr_media_type_of(const void *bytes, size_t len);

/* May a response of that type be shown inline? JPEG, PNG, WebP, GIF, AVIF, audio, MP4, WebM and plain text: nothing
 * that runs scripts. Case and parameters of the type do not matter. */
bool mr_media_type_is_inline(struct mr_slice type);

#endif
