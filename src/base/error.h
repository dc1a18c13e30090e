/* error.h -- every way an operation can fail, in one table, and the fault that carries one to its reader.
 *
 * Functions return 0 or one of these negative codes. The table gives the code's name, the HTTP status it is answered
 * with, the problem type (urn:millrace:problem:NAME, RFC 9457) and a sentence for a person. A fault adds what is known
 * at the place where it happened: which limit was hit, its value, the value that hit it, and one detail sentence.
 * All functions may be called from any thread. */
#ifndef MR_BASE_ERROR_H
#define MR_BASE_ERROR_H

#include "base/macros.h"
#include <stdint.h>

// clang-format off
/*    code                value  HTTP  problem type               what a person is told */
#define MR_ERRORS(X)                                                                                                   \
    X(MR_EBUSY,           -1,    503, "queue-full",               "The job queue is full.")                            \
    X(MR_EBACKLOG,        -2,    503, "backlog",                  "The wait for a worker would pass the deadline.")    \
    X(MR_EEXPIRED,        -3,    503, "expired",                  "The job waited past its deadline and was not run.") \
    X(MR_EBUDGET,         -4,    503, "memory-budget",            "The memory budget is used up.")                     \
    X(MR_ESHUTDOWN,       -5,    503, "shutting-down",            "The server is shutting down.")                      \
    X(MR_ECONNECTIONS,    -6,    503, "too-many-connections",     "Too many connections.")                             \
    X(MR_ECANCELLED,      -7,    503, "cancelled",                "The job was cancelled.")                            \
    X(MR_ETIME,           -8,    422, "too-expensive",            "The job ran longer than a job may.")                \
    X(MR_ENOTIMAGE,       -9,    415, "unsupported-format",       "That image format is not supported here.")          \
    X(MR_EDAMAGED,        -10,   422, "damaged-image",            "The image is damaged or truncated.")                \
    X(MR_EPIXELS,         -11,   413, "too-many-pixels",          "The image has too many pixels.")                    \
    X(MR_EFRAMES,         -12,   413, "too-many-frames",          "The image has too many frames.")                    \
    X(MR_EDIMENSION,      -13,   400, "dimension",                "A dimension is outside what the format can hold.")  \
    X(MR_EPARAM,          -14,   400, "bad-parameter",            "A parameter is unknown, malformed or out of range.")\
    X(MR_EREQUEST,        -15,   400, "malformed-request",        "The request is malformed.")                         \
    X(MR_EHOST,           -16,   403, "host-not-allowed",         "This server does not answer for that host name.")   \
    X(MR_EORIGIN,         -17,   403, "origin-not-allowed",       "Pages of that origin may not use this server.")     \
    X(MR_ENOTFOUND,       -18,   404, "not-found",                "There is nothing at this address.")                 \
    X(MR_EMETHOD,         -19,   405, "method-not-allowed",       "This address does not answer that method.")         \
    X(MR_ETIMEOUT,        -20,   408, "request-timeout",          "The request did not arrive in time.")               \
    X(MR_ELENGTH,         -21,   411, "length-required",          "The request needs a Content-Length.")               \
    X(MR_EBODY,           -22,   413, "body-too-large",           "The body is larger than this server accepts.")      \
    X(MR_ETARGET,         -23,   414, "target-too-long",          "The request target is too long.")                   \
    X(MR_ECODING,         -24,   415, "unsupported-coding",       "A request Content-Encoding is not supported.")      \
    X(MR_EEXPECT,         -25,   417, "expectation-failed",       "The expectation cannot be met.")                    \
    X(MR_EHEAD,           -26,   431, "head-too-large",           "The request head is too large.")                    \
    X(MR_EMEMORY,         -27,   503, "out-of-memory",            "The server is out of memory.")                      \
    X(MR_EIO,             -28,   500, "io",                       "Reading or writing failed.")                        \
    X(MR_EINTERNAL,       -29,   500, "internal",                 "Something went wrong inside the server.")           \
    X(MR_ETRANSFER,       -30,   501, "unsupported-transfer",     "That transfer coding is not implemented.")          \
    X(MR_EHTTPMETHOD,     -31,   501, "unknown-method",           "That method is not implemented.")                   \
    X(MR_EVERSION,        -32,   505, "http-version",             "Only HTTP/1.0 and HTTP/1.1 are spoken here.")       \
    X(MR_EGONE,           -33,   400, "client-gone",              "The client went away.")                             \
    X(MR_EFORMAT,         -34,   415, "wrong-format",             "The body is not in the format that this stage reads.")\
    X(MR_ECORRUPT,        -35,   422, "corrupt-input",            "The body is damaged or truncated.")                 \
    X(MR_EEXPANSION,      -36,   413, "expansion",                "The body expands to more than is allowed.")         \
    X(MR_ENOKEY,          -37,   422, "no-matching-key",          "None of the keys at hand opens this file.")         \
    X(MR_EKEYWORK,        -38,   422, "work-factor",              "The passphrase of this file takes too much work.")    \
    X(MR_ELISTENERS,      -39,   503, "too-many-listeners",       "Too many listen to the live figures.")
// clang-format on

enum mr_error {
    MR_OK = 0,
#define MR_ERROR_ENUM(code, value, status, type, text) code = (value),
    MR_ERRORS(MR_ERROR_ENUM)
#undef MR_ERROR_ENUM
};

const char *mr_error_name(enum mr_error error); /* "MR_EBUSY"; "MR_OK" for 0 */
const char *mr_error_type(enum mr_error error); /* "queue-full": the NAME of urn:millrace:problem:NAME */
const char *mr_error_text(enum mr_error error); /* the sentence */
int mr_error_status(enum mr_error error);       /* the HTTP status; 200 for MR_OK */

/* One failure with what is known about it. A plain value: copy it freely. */
struct mr_fault {
    enum mr_error error;
    const char *limit_name; /* static text: the option or parameter whose bound was hit, e.g. "max-pixels"; or NULL */
    uint64_t limit;         /* that bound, in its own unit (bytes, pixels, ms for times) */
    uint64_t value;         /* the value that hit it */
    uint32_t retry_after_s; /* for 503: seconds until another try makes sense; 0: not known */
    char detail[200];       /* one sentence, never holding secrets or query values; "" when the table's text says all */
};

/* Fill *fault and return `error`, so that a failing function ends in `return mr_fault_set(...)`. fault may be NULL.
 * The detail is formatted as by printf and cut to what fits; NULL: none. Whatever the fault held before is forgotten.
 */
int mr_fault_set(struct mr_fault *fault, enum mr_error error, const char *detail_format, ...) MR_PRINTF(3, 4);
/* The same for a bound: `value` passed `limit`, which the reader knows as `limit_name` (static text). */
int mr_fault_limit(struct mr_fault *fault, enum mr_error error, const char *limit_name, uint64_t limit, uint64_t value);

#endif
