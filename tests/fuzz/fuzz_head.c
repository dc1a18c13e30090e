/* Properties of the head scan, on any bytes:
 *  - the end of the head is found alike in one piece and byte by byte;
 *  - a prefix is refused with the error of the whole head or not at all;
 *  - an accepted head has no CR or LF but in CRLF, and its slices lie in it;
 *  - what is accepted, llhttp in strict mode accepts too, and reads as the same request. */
#include "base/assert.h"
#include "http/chars.h"
#include "http/http1/head_scan.h"
#include <llhttp.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What llhttp saw. Its spans are not split, as it gets the head in one piece. */
struct seen {
    struct mr_slice target;
    struct mr_header headers[MR_HEADERS_MAX];
    unsigned header_count;
    bool headers_complete, keep_alive;
};

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct seen *seen = parser->data;
    MR_ASSERT(seen->target.at == NULL);
    seen->target = (struct mr_slice){.at = at, .len = len};
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct seen *seen = parser->data;
    MR_ASSERT(seen->header_count < MR_HEADERS_MAX);
    seen->headers[seen->header_count].name = (struct mr_slice){.at = at, .len = len};
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct seen *seen = parser->data;
    seen->headers[seen->header_count].value = (struct mr_slice){.at = at, .len = len};
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    ((struct seen *)parser->data)->header_count++;
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct seen *seen = parser->data;
    seen->headers_complete = true;
    seen->keep_alive = llhttp_should_keep_alive(parser);
    parser->upgrade = 0; /* as connection.c does: Upgrade is not spoken */
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
};

static void check_framing_agrees(const struct mr_head *head, llhttp_t *parser)
{
    MR_ASSERT(llhttp_get_http_major(parser) == 1 && llhttp_get_http_minor(parser) == head->minor);
    MR_ASSERT(head->chunked == ((parser->flags & F_CHUNKED) != 0));
    MR_ASSERT(head->has_length == ((parser->flags & F_CONTENT_LENGTH) != 0));
    MR_ASSERT(head->chunked || head->content_length == parser->content_length);
}

/* llhttp reads no option that stands beside a tab, and of both options in HTTP/1.0 it takes keep-alive, where RFC 9112,
 * section 9.3, lets close win. */
static void check_keep_alive_agrees(const struct mr_head *head, const struct seen *seen, const char *bytes, size_t len)
{
    bool close = mr_head_list_has(head, "connection", "close");
    MR_ASSERT(!close || !head->keep_alive);
    if (memchr(bytes, '\t', len) == NULL && (head->minor > 0 || !close))
        MR_ASSERT(head->keep_alive == seen->keep_alive);
}

static void check_fields_agree(const struct mr_head *head, const struct seen *seen)
{
    MR_ASSERT(mr_slice_equal(head->target, seen->target));
    MR_ASSERT(head->header_count == seen->header_count);
    for (unsigned i = 0; i < head->header_count; i++) {
        MR_ASSERT(mr_slice_equal(head->headers[i].name, seen->headers[i].name));
        MR_ASSERT(mr_slice_equal(head->headers[i].value, mr_slice_trim(seen->headers[i].value)));
    }
}

/* White space behind a value may be a tab (RFC 9110, section 5.6.3), but not for llhttp behind a length. */
static bool has_tab_behind_length(const struct mr_head *head)
{
    struct mr_slice length = mr_head_find(head, "content-length");
    const char *behind = length.at + length.len;
    while (*behind == ' ')
        behind++;
    return *behind == '\t';
}

static void check_llhttp_agrees(const struct mr_head *head, const char *bytes, size_t len)
{
    static struct seen seen;
    seen = (struct seen){0};
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &seen;
    llhttp_errno_t err = llhttp_execute(&parser, bytes, len);
    if (err == HPE_INVALID_CONTENT_LENGTH && has_tab_behind_length(head))
        return;
    bool has_body = head->chunked || head->content_length > 0;
    MR_ASSERT(err == (has_body ? HPE_OK : HPE_PAUSED));
    MR_ASSERT(has_body || llhttp_get_error_pos(&parser) == bytes + len);
    MR_ASSERT(seen.headers_complete);
    if (head->method != MR_METHOD_OTHER)
        MR_ASSERT(mr_slice_is(head->method_text, llhttp_method_name((llhttp_method_t)parser.method)));
    check_framing_agrees(head, &parser);
    check_keep_alive_agrees(head, &seen, bytes, len);
    check_fields_agree(head, &seen);
}

/* llhttp knows its own set of methods only; for the others it gets a GET. */
static void check_against_llhttp(const struct mr_head *head, const char *bytes, size_t len)
{
    if (head->method != MR_METHOD_OTHER) {
        check_llhttp_agrees(head, bytes, len);
        return;
    }
    if (mr_slice_is(head->method_text, "CONNECT"))
        return;
    const char *rest = head->method_text.at + head->method_text.len;
    size_t rest_len = (size_t)(bytes + len - rest);
    char *copy = malloc(3 + rest_len);
    MR_ASSERT(copy != NULL);
    memcpy(copy, "GET", 3); // NOLINT(bugprone-not-null-terminated-result)
    memcpy(copy + 3, rest, rest_len);
    check_llhttp_agrees(head, copy, 3 + rest_len);
    free(copy);
}

static void check_slice(struct mr_slice slice, const char *bytes, size_t len)
{
    if (slice.len > 0)
        MR_ASSERT(slice.at >= bytes && slice.at + slice.len <= bytes + len);
}

static void check_accepted(const struct mr_head *head, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        MR_ASSERT(bytes[i] != '\0');
        MR_ASSERT((bytes[i] == '\r') == (i + 1 < len && bytes[i + 1] == '\n'));
    }
    check_slice(head->method_text, bytes, len);
    check_slice(head->target, bytes, len);
    check_slice(head->query, bytes, len);
    check_slice(head->host, bytes, len);
    for (unsigned i = 0; i < head->header_count; i++) {
        check_slice(head->headers[i].name, bytes, len);
        check_slice(head->headers[i].value, bytes, len);
    }
    MR_ASSERT(head->path.len > 0);
    MR_ASSERT(head->minor == 0 || head->host.len > 0);
    MR_ASSERT(!head->chunked || (head->minor == 1 && !head->has_length));
    MR_ASSERT(head->content_length <= INT64_MAX);
}

static void check_prefixes(const char *bytes, size_t len, int expected)
{
    size_t step = len / 64 + 1; /* of a long head not each */
    for (size_t prefix = 0; prefix <= len; prefix += step) {
        struct mr_fault fault = {0};
        int err = mr_head_check_prefix(bytes, prefix, &fault);
        MR_ASSERT((int)fault.error == err);
        MR_ASSERT(err == MR_OK || err == expected);
    }
}

static void check_length_in_pieces(const char *bytes, size_t size, size_t expected)
{
    size_t searched = 0, found = 0;
    for (size_t len = 0; len <= size && found == 0; len++)
        found = mr_head_length(bytes, len, &searched);
    MR_ASSERT(found == expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    size_t searched = 0, len = mr_head_length(bytes, size, &searched);
    check_length_in_pieces(bytes, size, len);
    static struct mr_head head;
    struct mr_fault fault = {0};
    int err = mr_head_scan(&head, bytes, len == 0 ? size : len, &fault);
    MR_ASSERT((int)fault.error == err);
    MR_ASSERT(err == MR_OK ? len != 0 : fault.detail[0] != '\0' || fault.limit_name != NULL || err == MR_EVERSION);
    if (len != 0)
        check_prefixes(bytes, len, err);
    if (err != MR_OK)
        return 0;
    check_accepted(&head, bytes, len);
    check_against_llhttp(&head, bytes, len);
    return 0;
}
