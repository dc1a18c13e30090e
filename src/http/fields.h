/* fields.h -- the fields of a response, and the one writer of field lines.
 *
 * A handler fills a struct mr_fields on its request's arena and gives it to mr_respond() or mr_respond_stream():
 *
 *      struct mr_fields fields;
 *      mr_fields_init(&fields, &request->arena);
 *      mr_fields_etag(&fields, hash, false);
 *      mr_fields_vary(&fields, "Accept");
 *      mr_respond(request, 200, "image/webp", &fields, bytes, len, free, bytes);
 *
 * A name occurs at most once: set() replaces, add() appends a member to the list that the field is (RFC 9110, section
 * 5.6.1). Set-Cookie, which cannot be a list, is not sent by this server.
 *
 * Names are ours: one that is no token is a programming error and asserts. Values may come from outside. An octet that
 * no value may have (a control, so also CR, LF and NUL) is written as a space, as a recipient would read it (RFC 9110,
 * section 5.5): a value can never end its line. Values are copied. One thread at a time, as the arena. */
#ifndef MR_HTTP_FIELDS_H
#define MR_HTTP_FIELDS_H

#include "base/arena.h"
#include "base/buf.h"
#include <stdint.h>

struct mr_field {
    const char *name;      /* static text */
    struct mr_slice value; /* in the arena, not checked yet */
    struct mr_field *next;
};

struct mr_fields {
    struct mr_arena *arena; /* borrowed */
    struct mr_field *first; /* private, in the arena */
};

void mr_fields_init(struct mr_fields *fields, struct mr_arena *arena);
void mr_fields_set(struct mr_fields *fields, const char *name, struct mr_slice value);
void mr_fields_set_text(struct mr_fields *fields, const char *name, const char *value);
void mr_fields_add(struct mr_fields *fields, const char *name, struct mr_slice value);
/* The value of the field, or .at NULL. */
struct mr_slice mr_fields_find(const struct mr_fields *fields, const char *name);

/* ---- typed ---- */

/* Vary: one more request field (static text) on which the response depends; once each. */
void mr_fields_vary(struct mr_fields *fields, const char *name);
/* Last-Modified: seconds since 1970. */
void mr_fields_last_modified(struct mr_fields *fields, int64_t seconds);
/* ETag: "opaque" or W/"opaque". The opaque text is ours (an id, a hash): a quote or a control in it asserts. */
void mr_fields_etag(struct mr_fields *fields, struct mr_slice opaque, bool is_weak);
/* Content-Disposition (RFC 6266): inline or attachment, and the file's name, UTF-8; empty: none. Controls, slashes,
 * backslashes and octets that are no UTF-8 become '_'. A name that not every client reads alike between quotes is also
 * sent as filename* (RFC 8187), and has '_' for what is not plain in filename. */
void mr_fields_content_disposition(struct mr_fields *fields, bool is_attachment, struct mr_slice name);
/* Link (RFC 8288): one more target, a URI reference; what no URI may have is percent-encoded. rel: static text. */
void mr_fields_link(struct mr_fields *fields, struct mr_slice target, const char *rel);
/* Location: a path and what follows it, below `base`: the public URL (http.h), or nothing. What no URI may have is
 * percent-encoded. */
void mr_fields_location(struct mr_fields *fields, struct mr_slice base, struct mr_slice path);
/* Retry-After: seconds, at least 1. */
void mr_fields_retry_after(struct mr_fields *fields, uint32_t seconds);
/* Allow: bits of methods (mr_router_allow()). */
void mr_fields_allow(struct mr_fields *fields, unsigned methods);

/* ---- the writer ---- */

/* "Name: value" CR LF. */
void mr_field_write(struct mr_buf *out, const char *name, struct mr_slice value);
void mr_fields_write(const struct mr_fields *fields, struct mr_buf *out);

#endif
