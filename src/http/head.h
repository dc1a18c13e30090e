/* head.h -- the head of a request as slices: method, target, fields, and what they say of the body and the connection.
 *
 * A protocol fills it (http1/head_scan.h). Pure functions; any thread. The slices point into the request's bytes, or to
 * static text: the "/" of an absolute target that has no path. */
#ifndef MR_HTTP_HEAD_H
#define MR_HTTP_HEAD_H

#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

#define MR_HEADERS_MAX 100 /* fields of one head */

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
enum mr_method mr_method_of(struct mr_slice name);

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

/* The value of the first field called `name` (ASCII case does not matter), or a slice with .at NULL. */
struct mr_slice mr_head_find(const struct mr_head *head, const char *name);
/* Is there more than one of them? */
bool mr_head_is_repeated(const struct mr_head *head, const char *name);
/* Is `token` an element of the comma-separated list(s) of the field? Not for lists that may hold quoted strings. */
bool mr_head_list_has(const struct mr_head *head, const char *name, const char *token);

/* Cut the next element that is not empty off a comma-separated list (RFC 9110, section 5.6.1). False at its end. */
bool mr_list_next(struct mr_slice *rest, struct mr_slice *out);

/* Authority of the Host field: host and port apart; false when it is not `uri-host [":" port]` (RFC 9110, section 7.2).
 * The brackets of an IPv6 literal are left out of *host. */
bool mr_host_split(struct mr_slice authority, struct mr_slice *host, struct mr_slice *port);
/* Is this host an IP address literal or `localhost` (also localhost. and *.localhost)? DNS rebinding forges none. */
bool mr_host_is_local_name(struct mr_slice host);
/* Is it a name that no stranger can own: one label, or one below .internal, .local, .localhost, .home.arpa or .test
 * (also .cluster.local, then)? A page cannot point a name of its own at us with it. */
bool mr_host_is_private_name(struct mr_slice host);

#endif
