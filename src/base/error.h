/* error.h -- every way an operation can fail, in one table, and the fault that carries one to its reader.
 *
 * Functions return 0 or one of these negative codes. The table gives the code's name, whose fault it is and a sentence
 * for a person. How HTTP says it stands in http/problem.h: a command or a store has no use for that. A fault adds what
 * is known at the place where it happened: which limit was hit, its value, the value that hit it, and one detail
 * sentence. All functions may be called from any thread. */
#ifndef MR_BASE_ERROR_H
#define MR_BASE_ERROR_H

#include "base/macros.h"
#include <stdint.h>

// clang-format off
/*    code                value  fault  what a person is told */
#define MR_ERRORS(X)                                                                                                   \
    X(MR_EBUSY,           -1,   LOAD,  "The job queue is full.")                                                       \
    X(MR_EBACKLOG,        -2,   LOAD,  "The wait for a worker would pass the deadline.")                               \
    X(MR_EEXPIRED,        -3,   LOAD,  "The job waited past its deadline and was not run.")                            \
    X(MR_EBUDGET,         -4,   LOAD,  "The memory budget is used up.")                                                \
    X(MR_ESHUTDOWN,       -5,   LOAD,  "The server is shutting down.")                                                 \
    X(MR_ECONNECTIONS,    -6,   LOAD,  "Too many connections.")                                                        \
    X(MR_ECANCELLED,      -7,   LOAD,  "The job was cancelled.")                                                       \
    X(MR_ETIME,           -8,   INPUT, "The job ran longer than a job may.")                                           \
    X(MR_ENOTIMAGE,       -9,   INPUT, "That image format is not supported here.")                                     \
    X(MR_EDAMAGED,        -10,  INPUT, "The image is damaged or truncated.")                                           \
    X(MR_EPIXELS,         -11,  INPUT, "The image has too many pixels.")                                               \
    X(MR_EFRAMES,         -12,  INPUT, "The image has too many frames.")                                               \
    X(MR_EDIMENSION,      -13,  INPUT, "A dimension is outside what the format can hold.")                             \
    X(MR_EPARAM,          -14,  INPUT, "A parameter is unknown, malformed or out of range.")                           \
    X(MR_EREQUEST,        -15,  INPUT, "The request is malformed.")                                                    \
    X(MR_EHOST,           -16,  INPUT, "This server does not answer for that host name.")                              \
    X(MR_EORIGIN,         -17,  INPUT, "Pages of that origin may not use this server.")                                \
    X(MR_ENOTFOUND,       -18,  INPUT, "There is nothing at this address.")                                            \
    X(MR_EMETHOD,         -19,  INPUT, "This address does not answer that method.")                                    \
    X(MR_ETIMEOUT,        -20,  INPUT, "The request did not arrive in time.")                                          \
    X(MR_ELENGTH,         -21,  INPUT, "The request needs a Content-Length.")                                          \
    X(MR_EBODY,           -22,  INPUT, "The body is larger than this server accepts.")                                 \
    X(MR_ETARGET,         -23,  INPUT, "The request target is too long.")                                              \
    X(MR_ECODING,         -24,  INPUT, "A request Content-Encoding is not supported.")                                 \
    X(MR_EEXPECT,         -25,  INPUT, "The expectation cannot be met.")                                               \
    X(MR_EHEAD,           -26,  INPUT, "The request head is too large.")                                               \
    X(MR_EMEMORY,         -27,  LOAD,  "The server is out of memory.")                                                 \
    X(MR_EIO,             -28,  OWN,   "Reading or writing failed.")                                                   \
    X(MR_EINTERNAL,       -29,  OWN,   "Something went wrong inside the server.")                                      \
    X(MR_ETRANSFER,       -30,  INPUT, "That transfer coding is not implemented.")                                     \
    X(MR_EHTTPMETHOD,     -31,  INPUT, "That method is not implemented.")                                              \
    X(MR_EVERSION,        -32,  INPUT, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")                                  \
    X(MR_EGONE,           -33,  INPUT, "The client went away.")                                                        \
    X(MR_EFORMAT,         -34,  INPUT, "The body is not in the format that this stage reads.")                         \
    X(MR_ECORRUPT,        -35,  INPUT, "The body is damaged or truncated.")                                            \
    X(MR_EEXPANSION,      -36,  INPUT, "The body expands to more than is allowed.")                                    \
    X(MR_ENOKEY,          -37,  INPUT, "None of the keys at hand opens this file.")                                    \
    X(MR_EKEYWORK,        -38,  INPUT, "The passphrase of this file takes too much work.")                             \
    X(MR_ELISTENERS,      -39,  LOAD,  "Too many listen to the live figures.")                                         \
    X(MR_ENOSPACE,        -40,  LOAD,  "The disk is full.")                                                            \
    X(MR_EDISK,           -41,  LOAD,  "The disk budget is used up.")                                                  \
    X(MR_EFILES,          -42,  LOAD,  "The server has no file descriptor left.")                                      \
    X(MR_ESPILL,          -43,  INPUT, "The response is larger than may be kept until the request was read.")          \
    X(MR_ERANGE,          -44,  INPUT, "No byte of the requested range exists.")                                       \
    X(MR_EPRECONDITION,   -45,  INPUT, "A condition of the request does not hold.")                                    \
    X(MR_EDIGEST,         -46,  INPUT, "The digest of the content is another than the request says.")                  \
    X(MR_EMULTIPART,      -47,  INPUT, "The multipart body is malformed.")                                             \
    X(MR_EPARTS,          -48,  INPUT, "The body has too many parts.")                                                 \
    X(MR_ENOSTORE,        -49,  INPUT, "This server keeps no files.")                                 \
    X(MR_EUNAUTHORIZED,   -50,  INPUT, "An API key is needed.")                                                        \
    X(MR_EFORBIDDEN,      -51,  INPUT, "The API key does not allow that.")                                             \
    X(MR_EWRITE,          -52,  OWN,   "The disk fails or is read-only: nothing can be kept.")                             \
    X(MR_ESIGNATURE,      -53,  INPUT, "The address is not signed, or its signature is wrong.")                        \
    X(MR_ESIGEXPIRED,     -54,  INPUT, "The signed address has expired.")                                              \
    X(MR_ENOLAB,          -55,  INPUT, "This server has no lab.")                                                      \
    X(MR_ENOTLOCAL,       -56,  INPUT, "Only clients of this machine may do that.")
// clang-format on

enum mr_error {
    MR_OK = 0,
#define MR_ERROR_ENUM(code, value, kind, text) code = (value),
    MR_ERRORS(MR_ERROR_ENUM)
#undef MR_ERROR_ENUM
};

/* How many there are, MR_OK among them: -error is an index below it. */
#define MR_ERROR_NUMBER(code, value, kind, text) MR_ERROR_NUMBER_OF_##code,
enum { MR_ERROR_NUMBER_OF_MR_OK, MR_ERRORS(MR_ERROR_NUMBER) MR_ERROR_COUNT };
#undef MR_ERROR_NUMBER

/* Whose fault an error is. */
enum mr_error_kind {
    MR_ERROR_OF_NONE,  /* MR_OK */
    MR_ERROR_OF_INPUT, /* the same input fails again */
    MR_ERROR_OF_LOAD,  /* the same input may succeed later */
    MR_ERROR_OF_OWN,   /* this program or its machine fails */
};

const char *mr_error_name(enum mr_error error); /* "MR_EBUSY"; "MR_OK" for 0 */
const char *mr_error_text(enum mr_error error); /* the sentence */
enum mr_error_kind mr_error_kind(enum mr_error error);

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
