/* Properties of the guard over chunked bodies, on any bytes in any pieces (the first octet of the input seeds them):
 *  - its verdict is that of a plain reading of RFC 9112, section 7.1 (less white space around extensions and
 * backslashes in quoted strings, see chunked.h), and does not depend on the pieces;
 *  - what the guard accepts and passes on, llhttp in strict mode reads with the same data and the same end, in any
 * pieces; or it refuses that, only in trailer fields to which it gives a meaning. */
#include "base/assert.h"
#include "base/number.h"
#include "base/slice.h"
#include "http/chars.h"
#include "http/http1/chunked.h"
#include <llhttp.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum verdict { MORE, DONE, BAD };

struct result {
    enum verdict verdict;
    size_t end; /* of the body, when DONE */
    uint64_t data_len, data_hash;
};

static void add_data(struct result *result, const char *at, size_t len)
{
    result->data_len += len;
    for (size_t i = 0; i < len; i++)
        result->data_hash = result->data_hash * 31 + (uint8_t)at[i];
}

/* ---- the plain reading: a cursor over the whole text, one function for each rule ---- */

struct cursor {
    const char *at, *end;
};

static enum verdict read_octet(struct cursor *cursor, char octet)
{
    if (cursor->at == cursor->end)
        return MORE;
    return *cursor->at++ == octet ? DONE : BAD;
}

static enum verdict read_crlf(struct cursor *cursor)
{
    enum verdict verdict = read_octet(cursor, '\r');
    return verdict == DONE ? read_octet(cursor, '\n') : verdict;
}

static bool at_octet(struct cursor *cursor, char octet)
{
    return cursor->at < cursor->end && *cursor->at == octet;
}

/* At least `min` octets of the class, and the octet that ends them has arrived. */
static enum verdict read_run(struct cursor *cursor, enum mr_char_class class, size_t min)
{
    const char *start = cursor->at;
    while (cursor->at < cursor->end && mr_char_is(*cursor->at, class))
        cursor->at++;
    if (cursor->at == cursor->end)
        return MORE;
    return (size_t)(cursor->at - start) >= min ? DONE : BAD;
}

static enum verdict read_size(struct cursor *cursor, uint64_t *out)
{
    size_t digits = 0;
    *out = 0;
    for (; cursor->at < cursor->end && mr_number_hex_value(*cursor->at) >= 0; cursor->at++) {
        if (++digits > 16 || *out >= (uint64_t)1 << 59)
            return BAD;
        *out = *out * 16 + (uint64_t)mr_number_hex_value(*cursor->at);
    }
    return cursor->at == cursor->end ? MORE : digits > 0 ? DONE : BAD;
}

static enum verdict read_extension(struct cursor *cursor)
{
    enum verdict verdict = read_run(cursor, MR_CHAR_TOKEN, 1);
    if (verdict != DONE || !at_octet(cursor, '='))
        return verdict;
    cursor->at++;
    if (!at_octet(cursor, '"'))
        return read_run(cursor, MR_CHAR_TOKEN, 1);
    cursor->at++;
    verdict = read_run(cursor, MR_CHAR_QUOTED, 0);
    return verdict == DONE ? read_octet(cursor, '"') : verdict;
}

static enum verdict read_size_line(struct cursor *cursor, uint64_t *size)
{
    enum verdict verdict = read_size(cursor, size);
    while (verdict == DONE && at_octet(cursor, ';')) {
        cursor->at++;
        verdict = read_extension(cursor);
    }
    return verdict == DONE ? read_crlf(cursor) : verdict;
}

static enum verdict read_data(struct cursor *cursor, uint64_t size, struct result *result)
{
    size_t there = (size_t)(cursor->end - cursor->at), len = size < there ? (size_t)size : there;
    add_data(result, cursor->at, len);
    cursor->at += len;
    return len < size ? MORE : read_crlf(cursor);
}

static enum verdict read_trailers(struct cursor *cursor)
{
    while (!at_octet(cursor, '\r')) {
        enum verdict verdict = read_run(cursor, MR_CHAR_TOKEN, 1);
        if (verdict == DONE)
            verdict = read_octet(cursor, ':');
        if (verdict == DONE)
            verdict = read_run(cursor, MR_CHAR_FIELD, 0);
        if (verdict == DONE)
            verdict = read_crlf(cursor);
        if (verdict != DONE)
            return verdict;
    }
    return read_crlf(cursor);
}

static struct result read_plainly(const char *text, size_t len)
{
    struct result result = {.verdict = DONE};
    struct cursor cursor = {.at = text, .end = text + len};
    uint64_t size = 1;
    while (result.verdict == DONE && size > 0) {
        result.verdict = read_size_line(&cursor, &size);
        if (result.verdict == DONE && size > 0)
            result.verdict = read_data(&cursor, size, &result);
    }
    if (result.verdict == DONE)
        result.verdict = read_trailers(&cursor);
    result.end = result.verdict == DONE ? (size_t)(cursor.at - text) : 0;
    return result;
}

/* ---- guard and llhttp, in pieces ---- */

struct pieces {
    uint32_t state; /* 0: one piece */
};

static size_t next_piece(struct pieces *pieces, size_t left)
{
    if (pieces->state == 0)
        return left;
    pieces->state = pieces->state * 1664525 + 1013904223;
    size_t len = 1 + (pieces->state >> 24) % (1 + (pieces->state >> 20) % 15); /* short ones often */
    return len < left ? len : left;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    add_data(parser->data, at, len);
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {.on_body = on_body, .on_message_complete = on_message_complete};

/* The guard, and llhttp behind it, as a connection runs them: the guard's verdict, and what llhttp made of the body. */
static struct result run_both(const char *text, size_t len, struct pieces pieces, struct result *parsed,
                              struct mr_fault *fault)
{
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct mr_chunked guard;
    llhttp_t parser;
    *parsed = (struct result){.verdict = MORE};
    mr_chunked_init(&guard);
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = parsed;
    MR_ASSERT(llhttp_execute(&parser, head, sizeof(head) - 1) == HPE_OK);
    for (size_t at = 0; at < len && !guard.done;) {
        size_t piece = next_piece(&pieces, len - at);
        for (size_t end = at + piece; at < end && !guard.done; at += guard.used) {
            if (mr_chunked_guard(&guard, text + at, end - at, fault) != MR_OK)
                return (struct result){.verdict = BAD};
            MR_ASSERT(guard.used > 0 && guard.used <= end - at);
            if (guard.skipped || parsed->verdict != MORE)
                continue;
            llhttp_errno_t err = llhttp_execute(&parser, text + at, guard.used);
            if (err == HPE_PAUSED) {
                parsed->verdict = DONE;
                parsed->end = (size_t)(llhttp_get_error_pos(&parser) - text);
            } else if (err != HPE_OK) {
                parsed->verdict = BAD;
            }
        }
        if (guard.done)
            return (struct result){.verdict = DONE, .end = at};
    }
    return (struct result){.verdict = MORE};
}

static bool equal(struct result a, struct result b)
{
    return a.verdict == b.verdict && a.end == b.end && a.data_len == b.data_len && a.data_hash == b.data_hash;
}

/* Is there anything about which llhttp may be stricter? It looks at these also in trailers. */
static bool may_be_refused(const char *text, size_t len)
{
    static const char *const names[] = {"content-length", "transfer-encoding"};
    for (size_t i = 0; i < len; i++)
        for (size_t j = 0; j < MR_ARRAY_SIZE(names); j++)
            if (len - i >= strlen(names[j]) && strncasecmp(text + i, names[j], strlen(names[j])) == 0)
                return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct pieces whole = {0}, pieces = {data[0]};
    const char *text = (const char *)data + 1;
    size_t len = size - 1;

    struct mr_fault fault = {0};
    struct result parsed, parsed_whole, plain = read_plainly(text, len);
    struct result guarded = run_both(text, len, pieces, &parsed, &fault);
    MR_ASSERT(guarded.verdict == run_both(text, len, whole, &parsed_whole, NULL).verdict);
    if (fault.limit_name == NULL) {
        MR_ASSERT(guarded.verdict == plain.verdict);
        MR_ASSERT(guarded.end == plain.end);
    }
    if (guarded.verdict != BAD) {
        MR_ASSERT(equal(parsed, parsed_whole));
        MR_ASSERT(equal(parsed, plain) || (parsed.verdict == BAD && may_be_refused(text, len)));
    }
    return 0;
}
