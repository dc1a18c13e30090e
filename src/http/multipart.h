/* multipart.h -- a parser of multipart/form-data (RFC 7578, RFC 2046 section 5.1) that is fed slice by slice and hands
 * parts to a receiver as they come. It holds no content: only the head of the part that begins.
 *
 *      begin(part) data(bytes)... end()    begin(part) end()   ...
 *
 * A body that could be read in two ways is refused: line ends other than CR LF, a line inside a part that begins with
 * the boundary and is no delimiter, folded fields, a part without a name, a body without its closing delimiter. So are
 * transfer encodings (base64, quoted-printable) and a multipart inside a part. Preamble and epilogue are skipped.
 * One thread at a time; no loop. */
#ifndef MR_HTTP_MULTIPART_H
#define MR_HTTP_MULTIPART_H

#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

#define MR_MULTIPART_BOUNDARY_MAX  70
#define MR_MULTIPART_HEAD_MAX      ((size_t)16 * 1024) /* bytes of a part's head */
#define MR_MULTIPART_LINES_MAX     32                  /* fields of a part's head */
#define MR_MULTIPART_PARTS_DEFAULT 1000

/* The head of a part. The slices are valid during begin(). */
struct mr_multipart_part {
    struct mr_slice name;     /* of the form's field */
    struct mr_slice filename; /* as sent (mr_disposition_clean_name() cleans it); .at NULL: the part is no file; empty:
                               * a form was sent with no file chosen */
    struct mr_slice type;     /* Content-Type as sent; .at NULL: none, which means text/plain */
};

/* What a receiver returns beside MR_OK and an error: stop behind this call, the rest is fed later. */
#define MR_MULTIPART_PAUSE 1

/* Each returns MR_OK, MR_MULTIPART_PAUSE, or an error that ends the parse. To describe an error the receiver keeps a
 * fault of its own. From inside a call the parser must not be fed, finished or freed. */
struct mr_multipart_receiver {
    int (*begin)(void *context, const struct mr_multipart_part *part);
    int (*data)(void *context, struct mr_slice bytes); /* not empty; they lie in what was fed, or in the parser */
    int (*end)(void *context);
};

struct mr_multipart {
    const struct mr_multipart_receiver *receiver;
    void *context;
    unsigned parts, parts_max;
    uint64_t steps;           /* read-only: bytes looked at: at most three for each that was fed, but for pauses */
    uint8_t state;            /* private, all below */
    uint8_t matched, skipped; /* bytes of the delimiter that matched; of those, not content */
    uint8_t delimiter_len;
    char delimiter[4 + MR_MULTIPART_BOUNDARY_MAX]; /* CR LF "--" boundary */
    char *head;                                    /* of the part that begins: grows */
    size_t head_len, head_size;
    int error; /* what ended the parse */
};

/* Is it multipart/form-data? Its parameters do not matter. */
bool mr_multipart_is_form(struct mr_slice content_type);

/* Begin. The boundary is that of content_type, which must be multipart/form-data. parts_max: more of them are
 * MR_EPARTS. The receiver must stay. MR_OK, or MR_EMULTIPART for a boundary that is missing, malformed or there twice.
 * Whatever it returns, mr_multipart_free() may follow. */
int mr_multipart_init(struct mr_multipart *multipart, struct mr_slice content_type, unsigned parts_max,
                      const struct mr_multipart_receiver *receiver, void *context, struct mr_fault *fault);

/* Take the next bytes of the body. *consumed: how many of them; all, unless the receiver paused or failed: feed the
 * rest again then. MR_OK; MR_EMULTIPART, MR_EPARTS or MR_EMEMORY with *fault filled; or what the receiver returned,
 * with *fault left alone. After an error each further call returns it. */
int mr_multipart_feed(struct mr_multipart *multipart, struct mr_slice bytes, size_t *consumed, struct mr_fault *fault);

/* The body has ended. MR_OK when it was complete, else MR_EMULTIPART, or the error that came before. */
int mr_multipart_finish(struct mr_multipart *multipart, struct mr_fault *fault);

void mr_multipart_free(struct mr_multipart *multipart);

#endif
