/* head.h -- the head of a request: found, scanned strictly, and turned into slices.
 *
 * The scan stands before llhttp sees a byte and is stricter than it: what two parsers could read in two ways (the raw
 * material of request smuggling) is refused here. It decides from the whole head at once. After RFC 9112 (syntax,
 * framing) and RFC 9110 (semantics); each rule cites its section in head.c.
 *
 *   refused with   400  bad token, bare CR or LF, obs-fold, white space around a field name or in the request line,
 *                       empty field name, control characters, missing, repeated, empty or invalid Host, repeated or
 *                       invalid Content-Length, Content-Length beside Transfer-Encoding, Transfer-Encoding in HTTP/1.0
 *                       or not ending in chunked, a fragment, invalid character or broken percent escape in the
 *                       target, an absolute target whose authority is not Host, a Connection option that is no token
 *                  414  target longer than MR_TARGET_MAX
 *                  431  more than MR_HEADERS_MAX fields
 *                  501  a transfer coding other than chunked, a method longer than any
 *                  505  HTTP/0.9, HTTP/2.0, other protocols' versions
 *
 * How long a head may be as a whole is the caller's bound. An unknown method is no error here but MR_METHOD_OTHER,
 * which the caller answers with 501.
 *
 * Pure functions; any thread. The slices point into the scanned bytes, or to static text: the "/" of an absolute target
 * that has no path. */
#ifndef MR_HTTP_HEAD_H
#define MR_HTTP_HEAD_H

#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

#define MR_TARGET_MAX  8000 /* octets (RFC 9112, section 3: recipients should take 8000 at least) */
#define MR_HEADERS_MAX 100  /* fields of one head */

enum mr_method {
    MR_METHOD_OTHER, /* a token that is none of the below */
    MR_METHOD_GET,
    MR_METHOD_HEAD,
    MR_METHOD_POST,
    MR_METHOD_PUT,
    MR_METHOD_PATCH,
    MR_METHOD_DELETE,
    MR_METHOD_OPTIONS,
    MR_METHOD_COUNT,
};
const char *mr_method_name(enum mr_method method);

struct mr_header {
    struct mr_slice name, value; /* value: without surrounding white space */
};

struct mr_head {
    enum mr_method method;
    uint8_t minor; /* HTTP/1.minor: 0 or 1 */
    struct mr_slice method_text;
    struct mr_slice target;  /* as sent */
    struct mr_slice path;    /* still percent-encoded, begins with '/'; "*" for OPTIONS *; CONNECT: the target */
    struct mr_slice query;   /* behind '?', without it; .at NULL when there is none */
    struct mr_slice host;    /* authority: of Host (or of an absolute target); empty for HTTP/1.0 without Host */
    bool chunked;            /* Transfer-Encoding: chunked */
    bool has_length;         /* Content-Length was given */
    uint64_t content_length; /* at most 2^63-1 */
    bool keep_alive;         /* by version and Connection options (RFC 9112, section 9.3) */
    bool expect_continue;    /* Expect: 100-continue of an HTTP/1.1 client */
    bool expect_other;       /* another expectation: 417 */
    bool te_trailers;        /* TE: trailers: trailer fields are welcome */
    unsigned header_count;
    struct mr_header headers[MR_HEADERS_MAX];
};

/* Is the head complete? Returns its length including the empty line (also when that ends in a bare LF, which the scan
 * will refuse), or 0: more bytes are needed. *searched: how far earlier calls looked (start with 0), so that a head
 * that comes byte by byte costs no more than one that comes at once. */
size_t mr_head_length(const char *bytes, size_t len, size_t *searched);
/* Can these first bytes of a head still become a request? MR_OK, or as soon as they cannot (a TLS hello, a bare LF at
 * the end of the request line, a target longer than any) the error that the scan would give, with *fault filled: answer
 * without waiting for the rest. Looks at the request line only; MR_OK promises nothing. */
int mr_head_check_prefix(const char *bytes, size_t len, struct mr_fault *fault);
/* Scan a complete head. MR_OK, or the error with *fault filled; then *out holds what was read before it (method and
 * target, for the log). One empty line before the request line is allowed (RFC 9112, section 2.2). */
int mr_head_scan(struct mr_head *out, const char *bytes, size_t len, struct mr_fault *fault);

/* The value of the first field called `name` (ASCII case does not matter), or a slice with .at NULL. */
struct mr_slice mr_head_find(const struct mr_head *head, const char *name);
/* Is there more than one of them? */
bool mr_head_is_repeated(const struct mr_head *head, const char *name);
/* Is `token` an element of the comma-separated list(s) of the field? Not for lists that may hold quoted strings. */
bool mr_head_list_has(const struct mr_head *head, const char *name, const char *token);

/* Authority of the Host field: host and port apart; false when it is not `uri-host [":" port]` (RFC 9110, section 7.2).
 * The brackets of an IPv6 literal are left out of *host. */
bool mr_host_split(struct mr_slice authority, struct mr_slice *host, struct mr_slice *port);
/* Is this host an IP address literal or `localhost` (also localhost. and *.localhost)? DNS rebinding forges none. */
bool mr_host_is_local_name(struct mr_slice host);

#endif
