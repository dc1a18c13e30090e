/* head_scan.h -- the head of an HTTP/1 request: found, scanned strictly, and turned into slices.
 *
 * The scan stands before llhttp sees a byte and is stricter than it: what two parsers could read in two ways (the raw
 * material of request smuggling) is refused here. It decides from the whole head at once. After RFC 9112 (syntax,
 * framing) and RFC 9110 (semantics); each rule cites its section in head_scan.c.
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
 * which the caller refuses with 501.
 *
 * Pure functions; any thread. The slices point into the scanned bytes, or to static text: the "/" of an absolute target
 * that has no path. */
#ifndef MR_HTTP1_HEAD_SCAN_H
#define MR_HTTP1_HEAD_SCAN_H

#include "base/error.h"
#include "http/head.h"

#define MR_TARGET_MAX 8000 /* octets (RFC 9112, section 3: recipients should take 8000 at least) */

/* Is the head complete? Returns its length including the empty line (also when that ends in a bare LF, which the scan
 * will refuse), or 0: more bytes are needed. *searched: how far earlier calls looked (start with 0), so that a head
 * that comes byte by byte costs no more than one that comes at once. */
size_t mr_head_length(const char *bytes, size_t len, size_t *searched);
/* Can these first bytes of a head still become a request? MR_OK, or as soon as they cannot (a TLS hello, a bare LF at
 * the end of the request line, a target longer than any) the error that the scan would give, with *fault filled:
 * respond without waiting for the rest. Looks at the request line only; MR_OK promises nothing. */
int mr_head_check_prefix(const char *bytes, size_t len, struct mr_fault *fault);
/* Scan a complete head. MR_OK, or the error with *fault filled; then *out holds what was read before it (method and
 * target, for the log). One empty line before the request line is allowed (RFC 9112, section 2.2). */
int mr_head_scan(struct mr_head *out, const char *bytes, size_t len, struct mr_fault *fault);

#endif
