#include "base/macros.h"
#include "http/http1/head_scan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINE  "GET / HTTP/1.1\r\n"
#define HOST  "Host: a\r\n"
#define START LINE HOST
#define END   "\r\n"

struct refused {
    struct mr_slice text; /* a slice: some hold a NUL */
    int error;
};
#define REFUSED(error, text)            \
    {                                   \
        {text, sizeof(text) - 1}, error \
    }

/* A copy without anything behind it: the address sanitizer sees every octet that is read too far. */
static char *exact_copy(struct mr_slice text)
{
    char *copy = malloc(text.len > 0 ? text.len : 1);
    assert_non_null(copy);
    memcpy(copy, text.at, text.len);
    return copy;
}

static struct mr_head scanned(const char *text)
{
    struct mr_head head;
    struct mr_fault fault = {0};
    size_t searched = 0, len = strlen(text);
    assert_int_equal(mr_head_length(text, len, &searched), len);
    assert_int_equal(mr_head_check_prefix(text, len, NULL), MR_OK);
    if (mr_head_scan(&head, text, len, &fault) != MR_OK)
        fail_msg("refused: %s\n%s", fault.detail, text);
    return head;
}

/* The scan refuses the text, and no prefix of it tells anything else. */
static void check_refused(struct mr_slice text, int error)
{
    static struct mr_head head;
    struct mr_fault fault = {0};
    char *copy = exact_copy(text);
    if (mr_head_scan(&head, copy, text.len, &fault) != error || (int)fault.error != error)
        fail_msg("expected %s, got %s: %s\n%.*s", mr_error_name(error), mr_error_name(fault.error), fault.detail,
                 MR_SLICE_ARG(text));
    if (fault.detail[0] == '\0' && fault.limit_name == NULL)
        assert_int_equal(error, MR_EVERSION);
    free(copy);
    for (size_t len = 0; len <= text.len; len++) {
        copy = exact_copy((struct mr_slice){text.at, len});
        int early = mr_head_check_prefix(copy, len, &fault);
        if (early != MR_OK)
            assert_int_equal(early, error);
        free(copy);
    }
}

static void check_all_refused(const struct refused *table, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_refused(table[i].text, table[i].error);
}
#define CHECK_ALL_REFUSED(table) check_all_refused(table, MR_ARRAY_SIZE(table))

static void check_slice(struct mr_slice slice, const char *expected)
{
    assert_int_equal(slice.len, strlen(expected));
    if (slice.len > 0)
        assert_memory_equal(slice.at, expected, slice.len);
}

static void head_becomes_slices_of_its_bytes(void **state)
{
    (void)state;
    static const char text[] = "POST /pipe/image?w=300&h=%20 HTTP/1.1\r\n"
                               "Host: Example.org:8080\r\n"
                               "X_odd!#$%&'*+-.^`|~name:\t spaces  inside\t and \x80\xff \t\r\n"
                               "Empty:\r\n"
                               "content-LENGTH: 42\r\n" END;
    struct mr_head head = scanned(text);
    assert_int_equal(head.method, MR_METHOD_POST);
    assert_int_equal(head.minor, 1);
    check_slice(head.method_text, "POST");
    check_slice(head.target, "/pipe/image?w=300&h=%20");
    check_slice(head.path, "/pipe/image");
    check_slice(head.query, "w=300&h=%20");
    check_slice(head.host, "Example.org:8080");
    assert_true(head.has_length && !head.chunked);
    assert_int_equal(head.content_length, 42);
    assert_int_equal(head.header_count, 4);
    check_slice(head.headers[1].name, "X_odd!#$%&'*+-.^`|~name");
    check_slice(head.headers[1].value, "spaces  inside\t and \x80\xff");
    check_slice(head.headers[2].value, "");
    assert_true(head.target.at > text && head.target.at < text + sizeof(text));
}

static void every_method_is_known_by_its_exact_name(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mr_method method;
    } table[] = {
        {"GET", MR_METHOD_GET},          {"HEAD", MR_METHOD_HEAD},
        {"POST", MR_METHOD_POST},        {"PUT", MR_METHOD_PUT},
        {"PATCH", MR_METHOD_PATCH},      {"DELETE", MR_METHOD_DELETE},
        {"OPTIONS", MR_METHOD_OPTIONS},  {"get", MR_METHOD_OTHER},
        {"TRACE", MR_METHOD_OTHER},      {"GETS", MR_METHOD_OTHER},
        {"PROPFIND", MR_METHOD_OTHER},   {"OTHER", MR_METHOD_OTHER},
        {"!#$%&'*+-.", MR_METHOD_OTHER}, {"BASELINE-CONTROL", MR_METHOD_OTHER},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        char text[100];
        snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a\r\n\r\n", table[i].text);
        struct mr_head head = scanned(text);
        assert_int_equal(head.method, table[i].method);
        check_slice(head.method_text, table[i].text);
        if (table[i].method != MR_METHOD_OTHER)
            assert_string_equal(mr_method_name(table[i].method), table[i].text);
    }
}

static void malformed_method_is_refused(void **state)
{
    (void)state;
    static const struct refused table[] = {
        REFUSED(MR_EREQUEST, " GET / HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, " / HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "\tGET / HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET\t/ HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GE(T / HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "G\xc3\x89T / HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "G\0T / HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET\r\n" HOST END),
        REFUSED(MR_EREQUEST, "\x16\x03\x01\x02\r\n\r\n"), /* TLS */
        REFUSED(MR_EHTTPMETHOD, "ABCDEFGHIJKLMNOPQRSTUVWXYZ1234567 / HTTP/1.1\r\n" HOST END),
    };
    CHECK_ALL_REFUSED(table);
    assert_int_equal(scanned("ABCDEFGHIJKLMNOPQRSTUVWXYZ123456 / HTTP/1.1\r\n" HOST END).method, MR_METHOD_OTHER);
}

static void one_empty_line_may_come_first(void **state)
{
    (void)state;
    static const struct refused table[] = {
        REFUSED(MR_EREQUEST, "\r\n\r\n" START END),
        REFUSED(MR_EREQUEST, "\n" START END),
        REFUSED(MR_EREQUEST, "\r" START END),
        REFUSED(MR_EREQUEST, "\r\r\n" START END),
        REFUSED(MR_EREQUEST, "\r\n \r\n" START END),
        REFUSED(MR_EREQUEST, "\r\n\r\n"),
        REFUSED(MR_EREQUEST, "\r\n"),
    };
    check_slice(scanned("\r\n" START END).path, "/");
    CHECK_ALL_REFUSED(table);
}

static void request_line_has_single_spaces_and_ends_in_crlf(void **state)
{
    (void)state;
    static const struct refused table[] = {
        REFUSED(MR_EREQUEST, "GET  / HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /  HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /\tHTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / HTTP/1.1 \r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / HTTP/1.1\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / HTTP/1.1\r" HOST END),
        REFUSED(MR_EREQUEST, "GET / HTTP/1.1\r\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / x HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /a b HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /\r" HOST END),
    };
    CHECK_ALL_REFUSED(table);
}

static void version_is_http_1_0_or_1_1(void **state)
{
    (void)state;
    static const struct refused table[] = {
        REFUSED(MR_EVERSION, "GET /\r\n\r\n"),
        REFUSED(MR_EVERSION, "GET / HTTP/0.9\r\n" HOST END),
        REFUSED(MR_EVERSION, "GET / HTTP/1.2\r\n" HOST END),
        REFUSED(MR_EVERSION, "PRI * HTTP/2.0\r\n\r\n"),
        REFUSED(MR_EVERSION, "OPTIONS * HTTP/2\r\n" HOST END),
        REFUSED(MR_EVERSION, "GET / HTTP/3.0\r\n" HOST END),
        REFUSED(MR_EVERSION, "GET / HTTP/11.1\r\n" HOST END),
        REFUSED(MR_EVERSION, "GET / HTTP/1.10\r\n" HOST END),
        REFUSED(MR_EVERSION, "OPTIONS * RTSP/1.0\r\n" HOST END),
        REFUSED(MR_EVERSION, "SOURCE / ICE/1.0\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / \r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / http/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / HTTP/1.\r\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / HTTP\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / HTTP/\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / /1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / HTTP/.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / HTTP/x.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET / HTTP/1.1.............\r\n" HOST END),
    };
    assert_int_equal(scanned("GET / HTTP/1.1\r\n" HOST END).minor, 1);
    assert_int_equal(scanned("GET / HTTP/1.0\r\n" HOST END).minor, 0);
    CHECK_ALL_REFUSED(table);
}

static void target_is_a_path_a_url_or_an_asterisk(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path, *query, *host;
    } table[] = {
        {START END, "/", NULL, "a"},
        {"GET /a//b/../c;d=%2F?q HTTP/1.1\r\n" HOST END, "/a//b/../c;d=%2F", "q", "a"},
        {"GET /? HTTP/1.1\r\n" HOST END, "/", "", "a"},
        {"GET /?a?b HTTP/1.1\r\n" HOST END, "/", "a?b", "a"},
        {"GET //b/c HTTP/1.1\r\n" HOST END, "//b/c", NULL, "a"},
        {"GET /\"<>[]^`{|}~!$&'()*+,;=:@-._?\"<>[]^`{|}%zz HTTP/1.1\r\n" HOST END, "/\"<>[]^`{|}~!$&'()*+,;=:@-._",
         "\"<>[]^`{|}%zz", "a"},
        {"GET http://a/b?c HTTP/1.1\r\n" HOST END, "/b", "c", "a"},
        {"GET HTTPS://A/b HTTP/1.1\r\n" HOST END, "/b", NULL, "a"},
        {"GET http://a HTTP/1.1\r\n" HOST END, "/", NULL, "a"},
        {"GET http://a?b HTTP/1.1\r\n" HOST END, "/", "b", "a"},
        {"OPTIONS http://a HTTP/1.1\r\n" HOST END, "*", NULL, "a"},
        {"OPTIONS http://a/ HTTP/1.1\r\n" HOST END, "/", NULL, "a"},
        {"OPTIONS http://a? HTTP/1.1\r\n" HOST END, "/", "", "a"},
        {"OPTIONS * HTTP/1.1\r\n" HOST END, "*", NULL, "a"},
        {"CONNECT a:443 HTTP/1.1\r\n" HOST END, "a:443", NULL, "a"},
        {"GET http://b:80/c HTTP/1.0\r\n" END, "/c", NULL, "b:80"},
        {"GET /c HTTP/1.0\r\n" END, "/c", NULL, ""},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_head head = scanned(table[i].text);
        check_slice(head.path, table[i].path);
        check_slice(head.host, table[i].host);
        assert_true((head.query.at == NULL) == (table[i].query == NULL));
        if (table[i].query != NULL)
            check_slice(head.query, table[i].query);
    }
}

static void malformed_target_is_refused(void **state)
{
    (void)state;
    static const struct refused table[] = {
        REFUSED(MR_EREQUEST, "GET a HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET * HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "OPTIONS ** HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET a:443 HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET ?a HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET ftp://a/ HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET http:/a HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET http:///b HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET http:///b HTTP/1.0\r\n" END),
        REFUSED(MR_EREQUEST, "GET http://b/ HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET http://a:80/ HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET http://u@a/ HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET http://u@a/ HTTP/1.0\r\n" END),
        REFUSED(MR_EREQUEST, "GET http://b/ HTTP/1.0\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /a#b HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /?a#b HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /a\\b HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /a\x01 HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /a\x7f HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /a\0 HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /\xc3\xa9 HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /% HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /%2 HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /%2?0 HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /%g0/ HTTP/1.1\r\n" HOST END),
        REFUSED(MR_EREQUEST, "GET /%%20 HTTP/1.1\r\n" HOST END),
    };
    CHECK_ALL_REFUSED(table);
}

static void target_may_have_8000_octets(void **state)
{
    (void)state;
    static char longest[MR_TARGET_MAX + 1], text[MR_TARGET_MAX + 100];
    memset(longest, '/', MR_TARGET_MAX);
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST END, longest);
    assert_int_equal(scanned(text).path.len, MR_TARGET_MAX);

    snprintf(text, sizeof(text), "GET %s/ HTTP/1.1\r\n" HOST END, longest);
    struct mr_fault fault = {0};
    static struct mr_head head;
    assert_int_equal(mr_head_check_prefix(text, 4 + MR_TARGET_MAX, &fault), MR_OK);
    assert_int_equal(mr_head_check_prefix(text, 4 + MR_TARGET_MAX + 1, &fault), MR_ETARGET);
    assert_int_equal(mr_head_scan(&head, text, strlen(text), &fault), MR_ETARGET);
    assert_string_equal(fault.limit_name, "max-target");
    assert_int_equal(fault.limit, MR_TARGET_MAX);
    assert_int_equal(fault.value, MR_TARGET_MAX + 1);
}

static void malformed_field_is_refused(void **state)
{
    (void)state;
    static const struct refused table[] = {
        REFUSED(MR_EREQUEST, START "A: b\r\n c\r\n" END), /* obs-fold */
        REFUSED(MR_EREQUEST, START "A: b\r\n\tc\r\n" END),
        REFUSED(MR_EREQUEST, START "A:\r\n \r\n" END),
        REFUSED(MR_EREQUEST, LINE " " HOST END),
        REFUSED(MR_EREQUEST, LINE " \r\n" HOST END),
        REFUSED(MR_EREQUEST, START "A : b\r\n" END),
        REFUSED(MR_EREQUEST, START "A\t: b\r\n" END),
        REFUSED(MR_EREQUEST, START " A: b\r\n" END),
        REFUSED(MR_EREQUEST, START ": b\r\n" END),
        REFUSED(MR_EREQUEST, START "A\r\n" END),
        REFUSED(MR_EREQUEST, START "A b: c\r\n" END),
        REFUSED(MR_EREQUEST, START "A(: b\r\n" END),
        REFUSED(MR_EREQUEST, START "A\x80: b\r\n" END),
        REFUSED(MR_EREQUEST, START "A\0: b\r\n" END),
        REFUSED(MR_EREQUEST, START "\x0b"
                                   "A: b\r\n" END),
        REFUSED(MR_EREQUEST, START "A: b\n" END), /* bare LF, bare CR, NUL, other controls */
        REFUSED(MR_EREQUEST, START "A: b\nC: d\r\n" END),
        REFUSED(MR_EREQUEST, START "A: b\rC: d\r\n" END),
        REFUSED(MR_EREQUEST, START "A: b\r\r\n" END),
        REFUSED(MR_EREQUEST, START "A: b\0\r\n" END),
        REFUSED(MR_EREQUEST, START "A: \x01\r\n" END),
        REFUSED(MR_EREQUEST, START "A: \x1b\r\n" END),
        REFUSED(MR_EREQUEST, START "A: \x7f\r\n" END),
    };
    CHECK_ALL_REFUSED(table);
}

static void head_ends_in_one_empty_line(void **state)
{
    (void)state;
    static const struct refused table[] = {
        REFUSED(MR_EREQUEST, START "\n"),      REFUSED(MR_EREQUEST, START "\r"),
        REFUSED(MR_EREQUEST, START),           REFUSED(MR_EREQUEST, "GET / HTTP/1.1\r\nHost: a"),
        REFUSED(MR_EREQUEST, "GET / HT"),      REFUSED(MR_EREQUEST, ""),
        REFUSED(MR_EREQUEST, START END "GET"), REFUSED(MR_EREQUEST, START "\rX"),
        REFUSED(MR_EREQUEST, START END END),   REFUSED(MR_EREQUEST, "GET / HTTP/1.1\n\nHost: a\r\n\r\n"),
    };
    CHECK_ALL_REFUSED(table);
}

static void hundred_fields_are_enough(void **state)
{
    (void)state;
    char fields[6 * MR_HEADERS_MAX + 1], text[1000];
    for (int i = 0; i < MR_HEADERS_MAX; i++)
        snprintf(fields + (ptrdiff_t)i * 6, 7, "A: b\r\n");
    snprintf(text, sizeof(text), START "%s" END, fields + 6);
    assert_int_equal(scanned(text).header_count, MR_HEADERS_MAX);

    snprintf(text, sizeof(text), START "%s" END, fields);
    static struct mr_head head;
    struct mr_fault fault = {0};
    assert_int_equal(mr_head_scan(&head, text, strlen(text), &fault), MR_EHEAD);
    assert_string_equal(fault.limit_name, "max-fields");
    assert_int_equal(fault.limit, MR_HEADERS_MAX);
}

static void host_is_there_once_and_is_a_host(void **state)
{
    (void)state;
    static const struct refused table[] = {
        REFUSED(MR_EREQUEST, LINE END),
        REFUSED(MR_EREQUEST, LINE "Host:\r\n" END),
        REFUSED(MR_EREQUEST, LINE "Host: \t\r\n" END),
        REFUSED(MR_EREQUEST, "GET / HTTP/1.0\r\nHost:\r\n" END),
        REFUSED(MR_EREQUEST, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n" END),
        REFUSED(MR_EREQUEST, LINE "Host: a\r\nHost: a\r\n" END),
        REFUSED(MR_EREQUEST, LINE "Host: a\r\nhOST: b\r\n" END),
        REFUSED(MR_EREQUEST, LINE "Host: a, b\r\n" END),
        REFUSED(MR_EREQUEST, LINE "Host: a b\r\n" END),
        REFUSED(MR_EREQUEST, LINE "Host: a/b\r\n" END),
        REFUSED(MR_EREQUEST, LINE "Host: u@a\r\n" END),
        REFUSED(MR_EREQUEST, LINE "Host: a:b\r\n" END),
        REFUSED(MR_EREQUEST, LINE "Host: :80\r\n" END),
        REFUSED(MR_EREQUEST, LINE "Hosts: a\r\n" END),
    };
    check_slice(scanned(LINE "hOsT:a:80\r\n" END).host, "a:80");
    check_slice(scanned(LINE "Host: [::1]:80\r\n" END).host, "[::1]:80");
    CHECK_ALL_REFUSED(table);
}

static void content_length_is_one_number(void **state)
{
    (void)state;
    static const struct refused table[] = {
        REFUSED(MR_EREQUEST, START "Content-Length:\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: +5\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: -5\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 0x5\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 5 5\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 5, 5\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 5:\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 5/\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 5,\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 5.0\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: \"5\"\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 5\r\nContent-Length: 5\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 0\r\ncontent-length: 5\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 9223372036854775808\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 18446744073709551616\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 18446744073709551621\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 99999999999999999999999999\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: \xb2\r\n" END),
    };
    struct mr_head head = scanned(START END);
    assert_true(!head.has_length && head.content_length == 0);
    head = scanned(START "Content-Length: 0\r\n" END);
    assert_true(head.has_length && head.content_length == 0);
    head = scanned(START "Content-Length:\t0017 \t\r\n" END);
    assert_true(head.has_length && head.content_length == 17);
    head = scanned(START "Content-Length: 9223372036854775807\r\n" END);
    assert_true(head.content_length == INT64_MAX);
    CHECK_ALL_REFUSED(table);
}

static void transfer_encoding_is_chunked_and_alone(void **state)
{
    (void)state;
    static const struct refused table[] = {
        REFUSED(MR_ETRANSFER, START "Transfer-Encoding: gzip, chunked\r\n" END),
        REFUSED(MR_ETRANSFER, START "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n" END),
        REFUSED(MR_ETRANSFER, START "Transfer-Encoding: identity, chunked\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: gzip\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: identity\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: xchunked\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: chunkedx\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: chunked, gzip\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: chunked, identity\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: chunked, chunked\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: chunked;a=b\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: chunked,\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: ,chunked\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: \"chunked\"\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: chunked chunked\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: \x0b"
                                   "chunked\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding:\r\n" END),
        REFUSED(MR_EREQUEST, START "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END),
        REFUSED(MR_EREQUEST, START "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n" END),
        REFUSED(MR_EREQUEST, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END),
    };
    assert_true(scanned(START "Transfer-Encoding: chunked\r\n" END).chunked);
    assert_true(scanned(START "tRANSFER-eNCODING:\t CHunked \r\n" END).chunked);
    assert_false(scanned(START "Transfer_Encoding: chunked\r\n" END).chunked);
    CHECK_ALL_REFUSED(table);
}

static void connection_is_kept_by_version_and_option(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep_alive;
    } table[] = {
        {START END, true},
        {START "Connection: close\r\n" END, false},
        {START "Connection: keep-alive\r\n" END, true},
        {START "Connection: CLOSE\r\n" END, false},
        {START "Connection: te, ,close ,\r\n" END, false},
        {START "Connection:\tclose \t\r\n" END, false}, /* llhttp does not see it */
        {START "Connection: keep-alive, close\r\n" END, false},
        {START "Connection: keep-alive\r\nConnection: close\r\n" END, false},
        {START "Connection: closed\r\n" END, true},
        {START "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" END, true},
        {START "Connection:\r\n" END, true},
        {START "Proxy-Connection: close\r\n" END, true},
        {"GET / HTTP/1.0\r\n" END, false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n" END, true},
        {"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n" END, false},
    };
    static const struct refused refused[] = {
        REFUSED(MR_EREQUEST, START "Connection: close;x\r\n" END),
        REFUSED(MR_EREQUEST, START "Connection: close keep-alive\r\n" END),
        REFUSED(MR_EREQUEST, START "Connection: \"close\"\r\n" END),
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++)
        if (scanned(table[i].text).keep_alive != table[i].keep_alive)
            fail_msg("keep_alive is not %d: %s", table[i].keep_alive, table[i].text);
    CHECK_ALL_REFUSED(refused);
}

static void expectations_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool expect_continue, expect_other;
    } table[] = {
        {START END, false, false},
        {START "Expect: 100-continue\r\n" END, true, false},
        {START "expect: 100-CONTINUE\r\n" END, true, false},
        {START "Expect: a=b\r\n" END, false, true},
        {START "Expect: 100-continue, a=b\r\n" END, true, true},
        {START "Expect:\r\n" END, false, false},
        {START "Expect: 100-continue;q=1\r\n" END, false, true},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\n" END, false, false},
        {"POST / HTTP/1.0\r\nExpect: a\r\n" END, false, false},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_head head = scanned(table[i].text);
        assert_int_equal(head.expect_continue, table[i].expect_continue);
        assert_int_equal(head.expect_other, table[i].expect_other);
    }
}

static void trailers_are_welcome_when_te_says_so(void **state)
{
    (void)state;
    assert_true(scanned(START "TE: trailers\r\n" END).te_trailers);
    assert_true(scanned(START "te: gzip;q=0.5,\tTrailers\r\n" END).te_trailers);
    assert_false(scanned(START "TE: gzip\r\n" END).te_trailers);
    assert_false(scanned(START "TE: trailers;q=0\r\n" END).te_trailers);
    assert_false(scanned(START "Trailer: trailers\r\n" END).te_trailers);
}

static void fields_are_found_by_name(void **state)
{
    (void)state;
    static const char text[] = START "Accept: a/b;q=0.1, c/d\r\nEmpty:\r\nACCEPT:e,, f \r\n" END;
    struct mr_head head = scanned(text);
    check_slice(mr_head_find(&head, "accept"), "a/b;q=0.1, c/d");
    check_slice(mr_head_find(&head, "HOST"), "a");
    assert_non_null(mr_head_find(&head, "empty").at);
    assert_null(mr_head_find(&head, "accep").at);

    assert_true(mr_head_list_has(&head, "accept", "C/D"));
    assert_true(mr_head_list_has(&head, "Accept", "e"));
    assert_true(mr_head_list_has(&head, "accept", "f"));
    assert_false(mr_head_list_has(&head, "accept", "a/b"));
    assert_false(mr_head_list_has(&head, "accept", ""));
    assert_false(mr_head_list_has(&head, "empty", "a"));
    assert_false(mr_head_list_has(&head, "nothing", "a"));
}

static void refused_head_keeps_what_was_read(void **state)
{
    (void)state;
    static const char text[] = "GET /secret HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n";
    struct mr_head head;
    assert_int_equal(mr_head_scan(&head, text, sizeof(text) - 1, NULL), MR_EREQUEST);
    assert_int_equal(head.method, MR_METHOD_GET);
    check_slice(head.path, "/secret");
    assert_int_equal(head.header_count, 1);
}

/* Whether it comes in one piece or byte by byte. */
static void check_length(const char *text, size_t expected)
{
    size_t len = strlen(text), searched = 0;
    assert_int_equal(mr_head_length(text, len, &searched), expected);
    searched = 0;
    size_t found = 0, fed = 0;
    while (found == 0 && fed <= len)
        found = mr_head_length(text, fed++, &searched);
    assert_int_equal(found, expected);
    if (expected != 0)
        assert_int_equal(fed - 1, expected);
}

static void end_of_head_is_found_in_any_pieces(void **state)
{
    (void)state;
    check_length("", 0);
    check_length(START, 0);
    check_length(START END, sizeof(START END) - 1);
    check_length(START END "body", sizeof(START END) - 1);
    check_length("GET / HTTP/1.1\nHost: a\n\nbody", 24);
    check_length("GET / HTTP/1.1\r\nHost: a\n\r\nbody", 26);
    check_length("GET / HTTP/1.1\r\nHost: a\r\n\nbody", 26);
    check_length("GET / HTTP/1.1\r\nHost: a\r\n\r", 0);
    check_length("GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n", 31);
    check_length("GET / HTTP/1.1\r\r\rHost: a\r\r", 0);
    check_length("\r\n" START END, 2 + sizeof(START END) - 1);
    check_length("\r\n\r\n", 4);
    check_length("\n\n", 2);
}

static void searching_goes_on_where_it_stopped(void **state)
{
    (void)state;
    size_t searched = 0;
    assert_int_equal(mr_head_length(LINE, sizeof(LINE) - 1, &searched), 0);
    assert_int_equal(searched, sizeof(LINE) - 2); /* at the LF, which may belong to the end */
    assert_int_equal(mr_head_length(LINE "Ho", sizeof(LINE) + 1, &searched), 0);
    assert_int_equal(searched, sizeof(LINE) + 1);
}

static void impossible_beginning_is_refused_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
    } table[] = {
        {"", MR_OK},
        {"\r", MR_OK},
        {"\r\n", MR_OK},
        {"\r\nG", MR_OK},
        {"GET", MR_OK},
        {"GET ", MR_OK},
        {"GET /a", MR_OK},
        {"GET /a ", MR_OK},
        {"GET /a HTT", MR_OK},
        {LINE, MR_OK},
        {LINE "\x01", MR_OK},          /* behind the request line the scan decides */
        {"\x16\x03\x01", MR_EREQUEST}, /* TLS */
        {"\x05\x01", MR_EREQUEST},     /* SOCKS */
        {"SSH-2.0-OpenSSH_9.2p1\r\n", MR_EREQUEST},
        {"PRI * HTTP/2.0\r\n", MR_EVERSION},
        {"\n", MR_EREQUEST},
        {"\r\r", MR_EREQUEST},
        {"\r\n\r", MR_EREQUEST},
        {"GET\r", MR_EREQUEST},
        {"GET  ", MR_EREQUEST},
        {"GET /\n", MR_EREQUEST},
        {"GET /\r", MR_OK},
        {"GET /\r\n", MR_EVERSION},
        {"GET / HTTP/1.1\n", MR_EREQUEST},
        {"GET / HTTP/1.1 ", MR_EREQUEST},
        {"GET / HTTP/1.1HTTP/1.1.", MR_EREQUEST},
        {"123456789012345678901234567890123", MR_EHTTPMETHOD},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_fault fault = {0};
        int err = mr_head_check_prefix(table[i].text, strlen(table[i].text), &fault);
        if (err != table[i].error || (int)fault.error != err)
            fail_msg("%s instead of %s: %s", mr_error_name(err), mr_error_name(table[i].error), table[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_becomes_slices_of_its_bytes),
        cmocka_unit_test(every_method_is_known_by_its_exact_name),
        cmocka_unit_test(malformed_method_is_refused),
        cmocka_unit_test(one_empty_line_may_come_first),
        cmocka_unit_test(request_line_has_single_spaces_and_ends_in_crlf),
        cmocka_unit_test(version_is_http_1_0_or_1_1),
        cmocka_unit_test(target_is_a_path_a_url_or_an_asterisk),
        cmocka_unit_test(malformed_target_is_refused),
        cmocka_unit_test(target_may_have_8000_octets),
        cmocka_unit_test(malformed_field_is_refused),
        cmocka_unit_test(head_ends_in_one_empty_line),
        cmocka_unit_test(hundred_fields_are_enough),
        cmocka_unit_test(host_is_there_once_and_is_a_host),
        cmocka_unit_test(content_length_is_one_number),
        cmocka_unit_test(transfer_encoding_is_chunked_and_alone),
        cmocka_unit_test(connection_is_kept_by_version_and_option),
        cmocka_unit_test(expectations_are_told_apart),
        cmocka_unit_test(trailers_are_welcome_when_te_says_so),
        cmocka_unit_test(fields_are_found_by_name),
        cmocka_unit_test(refused_head_keeps_what_was_read),
        cmocka_unit_test(end_of_head_is_found_in_any_pieces),
        cmocka_unit_test(searching_goes_on_where_it_stopped),
        cmocka_unit_test(impossible_beginning_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
