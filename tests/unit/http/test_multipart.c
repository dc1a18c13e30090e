#include "http/multipart_events.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define TYPE  "multipart/form-data; boundary=b"
#define A     "Content-Disposition: form-data; name=\"a\"\r\n"
#define WHOLE SIZE_MAX

struct outcome {
    int err;
    char *text; /* freed by the next run */
    struct mr_fault fault;
    uint64_t steps;
};

/* Parse it, split at `split` and then in slices of slice_len. */
static struct outcome parse_split(struct mr_slice body, size_t split, size_t slice_len, struct events *events)
{
    static char *last;
    struct outcome outcome = {.err = MR_OK};
    struct mr_multipart multipart;
    split = MR_MIN(split, body.len);
    assert_int_equal(mr_multipart_init(&multipart, MR_SLICE(TYPE), 20000, &events_receiver, events, &outcome.fault),
                     MR_OK);
    outcome.err = events_feed(&multipart, (struct mr_slice){body.at, split}, slice_len, &outcome.fault);
    if (outcome.err == MR_OK)
        outcome.err =
            events_feed(&multipart, (struct mr_slice){body.at + split, body.len - split}, slice_len, &outcome.fault);
    if (outcome.err == MR_OK)
        outcome.err = mr_multipart_finish(&multipart, &outcome.fault);
    outcome.steps = multipart.steps;
    mr_multipart_free(&multipart);
    events_put(events, (struct mr_slice){"", 1});
    free(last);
    outcome.text = last = events->text;
    return outcome;
}

static struct outcome parse(const char *body)
{
    struct events events = {.len = 0};
    return parse_split(mr_slice_of(body), 0, WHOLE, &events);
}

static void check(const char *body, const char *expected)
{
    struct outcome outcome = parse(body);
    assert_int_equal(outcome.err, MR_OK);
    assert_string_equal(outcome.text, expected);
}

static void parts_come_one_after_the_other(void **state)
{
    (void)state;
    check("--b\r\n" A "\r\nx\r\n--b--\r\n", "{a|-|-}x.");
    check("--b\r\n" A "\r\nx\r\n--b--", "{a|-|-}x.");
    check("--b\r\n" A "Content-Type: text/plain; charset=utf-8\r\n\r\nx y\r\n--b\r\n"
          "content-disposition:form-data;name=f;filename=\"g.jpg\"\r\n\r\nz\r\n--b--\r\n",
          "{a|-|text/plain; charset=utf-8}x y.{f|g.jpg|-}z.");
    check("--b\r\nContent-Disposition: form-data; name=f; filename=\"\"\r\nContent-Type: application/octet-stream"
          "\r\n\r\n\r\n--b--\r\n",
          "{f||application/octet-stream}."); /* a browser's form without a file */
    check("--b\r\nX:\r\nContent-Length: 7\r\n" A "\r\nx\r\n--b--\r\n", "{a|-|-}x.");
}

static void body_may_have_no_part(void **state)
{
    (void)state;
    check("--b--\r\n", ""); /* a browser's FormData of nothing */
    check("--b--", "");
}

static void what_stands_around_the_parts_is_skipped(void **state)
{
    (void)state;
    check("\r\n--b--", "");
    check("This is\na message\r\n-- in\r\n--MIME.\r\n--b\r\n" A "\r\nx\r\n--b--\r\nepilogue\r\n--b\r\n--b--x",
          "{a|-|-}x.");
    check("x--b\r\n\r\n--b\r\n" A "\r\nx\r\n--b--", "{a|-|-}x.");
}

static void blanks_may_follow_a_boundary(void **state)
{
    (void)state;
    check("--b \t \r\n" A "\r\nx\r\n--b  \r\n" A "\r\ny\r\n--b-- \t\r\n", "{a|-|-}x.{a|-|-}y.");
    check("--b\r\n" A "\r\nx\r\n--b--   ", "{a|-|-}x.");
}

static void content_may_look_like_a_delimiter(void **state)
{
    static const char *const contents[] = {
        "",
        "\r",
        "\n",
        "\r\n",
        "\r\n\r\n",
        "\r\r\n",
        "-",
        "--",
        "\r\n-",
        "\r\n--",
        "\r\n--a",
        "\r\n-b",
        "\r\n --b",
        "\n--b",
        "\r--b",
        "\r\n\r--b",
        "\r\n-\r\n--\r\n",
        "x--b",
        "x--b--",
        " --b\r\n",
        "\r\n--\r\n-",
        "--a",
        "-b",
        "b",
        "\r\n--\r\n--",
        "\r\n\n--b--",
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(contents); i++) {
        char body[200], expected[200];
        snprintf(body, sizeof(body), "--b\r\n" A "\r\n%s\r\n--b\r\n" A "\r\ny\r\n--b--", contents[i]);
        snprintf(expected, sizeof(expected), "{a|-|-}%s.{a|-|-}y.", contents[i]);
        check(body, expected);
    }
}

/* RFC 2046 lets the line end of an empty line be that of the delimiter: a part of fields alone. */
static void part_may_have_no_content(void **state)
{
    (void)state;
    check("--b\r\n" A "\r\n--b--", "{a|-|-}.");
    check("--b\r\n" A "\r\n\r\n--b--", "{a|-|-}.");
    check("--b\r\n" A "\r\n--b\r\n" A "\r\n--b--", "{a|-|-}.{a|-|-}.");
}

static void check_refused(const char *body, const char *events)
{
    struct outcome outcome = parse(body);
    assert_int_equal(outcome.err, MR_EMULTIPART);
    assert_int_equal(outcome.fault.error, MR_EMULTIPART);
    assert_true(outcome.fault.detail[0] != '\0' || outcome.fault.limit_name != NULL);
    assert_string_equal(outcome.text, events);
}

static void line_that_begins_with_the_boundary_is_a_delimiter_or_refused(void **state)
{
    static const char *const lines[] = {"--bb",   "--b-",   "--b-x",  "--b.",     "--b x",   "--b -",  "--b-- x",
                                        "--b--x", "--b---", "--b\rx", "--b--\rx", "--b \rx", "--b- -", "--b\xc3\xa4"};
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(lines); i++) {
        char body[200];
        snprintf(body, sizeof(body), "--b\r\n" A "\r\nx\r\n%s\r\n--b--", lines[i]);
        check_refused(body, "{a|-|-}x.");
        snprintf(body, sizeof(body), "%s\r\n" A "\r\nx\r\n--b--", lines[i]);
        check_refused(body, "");
    }
}

static void other_line_ends_are_refused(void **state)
{
    (void)state;
    check_refused("--b\n" A "\r\nx\r\n--b--", "");
    check_refused("--b \n" A "\r\nx\r\n--b--", "");
    check_refused("--b\r\nContent-Disposition: form-data; name=a\n\r\nx\r\n--b--", "");
    check_refused("--b\r\n" A "\nx\r\n--b--", "");
    check_refused("--b\r\n\nx\r\n--b--", "");
    check_refused("--b\r\nX: y\rZ: y\r\n" A "\r\nx\r\n--b--", "");
    check_refused("--b\r\n" A "\r\nx\n--b--\n", "{a|-|-}x\n--b--\n");
    check_refused("--b\r\n" A "\r\nx\r\n--b--\n", "{a|-|-}x.");
    check_refused("--b\n" A "\nx\n--b--\n", "");
}

static void heads_that_say_too_little_or_too_much_are_refused(void **state)
{
    static const char *const heads[] = {
        "",
        "Content-Type: text/plain\r\n",
        "Content-Disposition: form-data\r\n",
        "Content-Disposition: form-data; filename=\"x\"\r\n",
        "Content-Disposition: attachment; name=a\r\n",
        "Content-Disposition: form-data; name=\"a\r\n",
        A A,
        A "Content-Type: a/b\r\nContent-Type: a/b\r\n",
        A "Content-Type: multipart/mixed; boundary=c\r\n",
        A "Content-Type: Multipart/Form-Data\r\n",
        A "Content-Transfer-Encoding: base64\r\n",
        A "Content-Transfer-Encoding: quoted-printable\r\n",
        A "Content-Transfer-Encoding:\r\n",
        A "X\r\n",
        A ": y\r\n",
        A "X : y\r\n",
        A " folded\r\n",
        A "X: y\r\n\tfolded\r\n",
        A "X: \x01\r\n",
        A "X: \x7f\r\n",
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(heads); i++) {
        char body[300];
        snprintf(body, sizeof(body), "--b\r\n%s\r\nx\r\n--b--", heads[i]);
        check_refused(body, "");
    }
    struct events events = {.len = 0};
    assert_int_equal(parse_split(MR_SLICE("--b\r\nX: \0\r\n" A "\r\nx\r\n--b--"), 0, WHOLE, &events).err,
                     MR_EMULTIPART);
}

static void each_of_them_names_its_cause(void **state)
{
    (void)state;
    assert_non_null(
        strstr(parse("--b\r\n" A "Content-Type: multipart/mixed\r\n\r\n").fault.detail, "multipart itself"));
    assert_non_null(strstr(parse("--b\r\n" A "Content-Transfer-Encoding: base64\r\n\r\n").fault.detail,
                           "Content-Transfer-Encoding"));
    assert_non_null(strstr(parse("--b\r\n" A "\r\nx").fault.detail, "closing delimiter"));
    assert_non_null(strstr(parse("--b\n").fault.detail, "CR LF"));
}

static const char sample[] = "preamble\r\n--\0\r\n--b \t\r\n" A "\r\n"
                             "field\r\n--b\r\n"
                             "content-type: image/jpeg\r\n"
                             "X-Other: \xc3\xa4\r\n"
                             "CONTENT-DISPOSITION:form-data; filename=\"c:\\x%22\xc3\xa4.jpg\"; name=f\t\r\n"
                             "Content-Transfer-Encoding: Binary\r\n"
                             "\r\n"
                             "\r\n\r\r\n\r\n-\r\n--\r\r\n--a--b--b--\n--b\r--b\0\r\n"
                             "\r\n--b\r\n" A "\r\n"
                             "\r\n--b\r\n" A "\r\n"
                             "--b-- \t\r\n"
                             "epilogue\r\n--b\r\n";

/* Cut after any octet, a body is refused until its closing delimiter is whole. */
static void truncated_body_is_refused(void **state)
{
    (void)state;
    struct mr_slice body = {sample, sizeof(sample) - 1};
    size_t complete = body.len - strlen(" \t\r\nepilogue\r\n--b\r\n");
    for (size_t len = 0; len <= body.len; len++) {
        struct events events = {.len = 0};
        struct outcome outcome = parse_split((struct mr_slice){sample, len}, 0, WHOLE, &events);
        assert_int_equal(outcome.err, len < complete ? MR_EMULTIPART : MR_OK);
    }
}

/* What one says of a body does not depend on how its bytes came. */
static void check_splits(struct mr_slice body)
{
    struct events whole = {.len = 0};
    struct outcome outcome = parse_split(body, 0, WHOLE, &whole);
    int err = outcome.err;
    char *expected = malloc(whole.len);
    size_t len = whole.len;
    assert_non_null(expected);
    memcpy(expected, whole.text, len);
    for (size_t split = 0; split <= body.len; split++) {
        for (size_t slice_len = 1; slice_len != 0; slice_len = slice_len < 4    ? slice_len + 1
                                                               : slice_len == 4 ? WHOLE
                                                                                : 0) {
            struct events events = {.pause_every = (unsigned)(split % 4)};
            outcome = parse_split(body, split, slice_len, &events);
            assert_int_equal(outcome.err, err);
            assert_int_equal(events.len, len);
            assert_memory_equal(events.text, expected, len);
            if (events.pause_every == 0)
                assert_true(outcome.steps <= 3 * body.len);
        }
    }
    free(expected);
}

static void every_split_gives_the_same_events(void **state)
{
    (void)state;
    check_splits((struct mr_slice){sample, sizeof(sample) - 1});
    check_splits(MR_SLICE("--b--"));
    check_splits(MR_SLICE("--b\r\n" A "\r\nx\r\n--bb\r\n--b--"));
    check_splits(MR_SLICE("\r\n\r\n--b\r\n" A "\r\n--b\r\n" A "\nx\r\n--b--"));
    check_splits(MR_SLICE("--b\r\n" A "\r\nx"));
}

static void longest_boundary_that_is_nearly_there_again_and_again(void **state)
{
    (void)state;
    char type[200], boundary[MR_MULTIPART_BOUNDARY_MAX + 1], body[40000];
    memset(boundary, '-', MR_MULTIPART_BOUNDARY_MAX);
    boundary[MR_MULTIPART_BOUNDARY_MAX] = '\0';
    snprintf(type, sizeof(type), "multipart/form-data; boundary=%s", boundary);
    int len = snprintf(body, sizeof(body), "--%s\r\n" A "\r\n", boundary), begin = len;
    while (len < 39000)
        len += snprintf(body + len, 100, "\r\n--%.*s", MR_MULTIPART_BOUNDARY_MAX - 1, boundary);
    int content = len - begin;
    len += snprintf(body + len, 200, "\r\n--%s--", boundary);
    for (size_t slice_len = 1; slice_len < 100; slice_len += 7) {
        struct events events = {.len = 0};
        struct mr_multipart multipart;
        assert_int_equal(mr_multipart_init(&multipart, mr_slice_of(type), 1, &events_receiver, &events, NULL), MR_OK);
        assert_int_equal(events_feed(&multipart, (struct mr_slice){body, (size_t)len}, slice_len, NULL), MR_OK);
        assert_int_equal(mr_multipart_finish(&multipart, NULL), MR_OK);
        assert_true(multipart.steps <= 3 * (uint64_t)len);
        assert_int_equal(events.len, content + (int)strlen("{a|-|-}."));
        assert_memory_equal(events.text + strlen("{a|-|-}"), body + begin, (size_t)content);
        mr_multipart_free(&multipart);
        free(events.text);
    }
}

static void content_is_handed_over_where_it_lies(void **state)
{
    (void)state;
    static const char body[] = "--b\r\n" A "\r\n0123456789\r\n--b--";
    struct events events = {.pause_every = 1}; /* begin, data, end: each call by itself */
    struct mr_multipart multipart;
    size_t consumed, head = strlen("--b\r\n" A "\r\n");
    assert_int_equal(mr_multipart_init(&multipart, MR_SLICE(TYPE), 1, &events_receiver, &events, NULL), MR_OK);
    assert_int_equal(mr_multipart_feed(&multipart, MR_SLICE(body), &consumed, NULL), MR_OK);
    assert_int_equal(consumed, head);
    assert_int_equal(mr_multipart_feed(&multipart, mr_slice_of(body + head), &consumed, NULL), MR_OK);
    assert_int_equal(consumed, 10);
    assert_int_equal(mr_multipart_feed(&multipart, mr_slice_of(body + head + 10), &consumed, NULL), MR_OK);
    assert_int_equal(consumed, strlen("\r\n--b"));
    assert_int_equal(events.calls, 3);
    assert_int_equal(mr_multipart_feed(&multipart, MR_SLICE("--"), &consumed, NULL), MR_OK);
    assert_int_equal(mr_multipart_finish(&multipart, NULL), MR_OK);
    mr_multipart_free(&multipart);
    free(events.text);
}

static void receivers_error_ends_the_parse(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 3; at++) {
        struct events events = {.fail_with = MR_EDISK, .fail_at = at};
        struct mr_multipart multipart;
        struct mr_fault fault = {0};
        size_t consumed;
        assert_int_equal(mr_multipart_init(&multipart, MR_SLICE(TYPE), 1, &events_receiver, &events, &fault), MR_OK);
        assert_int_equal(mr_multipart_feed(&multipart, MR_SLICE("--b\r\n" A "\r\nx\r\n--b--"), &consumed, &fault),
                         MR_EDISK);
        assert_int_equal(fault.error, MR_OK); /* the receiver has its own */
        assert_int_equal(events.calls, at);
        assert_int_equal(mr_multipart_feed(&multipart, MR_SLICE("x"), &consumed, &fault), MR_EDISK);
        assert_int_equal(consumed, 0);
        assert_int_equal(mr_multipart_finish(&multipart, &fault), MR_EDISK);
        assert_int_equal(events.calls, at);
        mr_multipart_free(&multipart);
        free(events.text);
    }
}

static void heads_have_a_bound(void **state)
{
    (void)state;
    static char body[2 * MR_MULTIPART_HEAD_MAX];
    const char *closing = "\r\n\r\nx\r\n--b--";
    for (size_t more = 0; more <= 1; more++) {
        size_t len = strlen(strcpy(body, "--b\r\n" A "X: ")), head = len - strlen("--b\r\n");
        size_t fill = MR_MULTIPART_HEAD_MAX - head - strlen("\r\n\r\n") + more;
        memset(body + len, 'y', fill);
        strcpy(body + len + fill, closing);
        struct outcome outcome = parse(body);
        assert_int_equal(outcome.err, more == 0 ? MR_OK : MR_EMULTIPART);
        if (more > 0)
            assert_string_equal(outcome.fault.limit_name, "part-head");
    }
    memset(body, 'y', sizeof(body));
    memcpy(body, "--b\r\n", 5);
    struct events events = {.len = 0};
    assert_int_equal(parse_split((struct mr_slice){body, sizeof(body)}, 0, 100, &events).err, MR_EMULTIPART);
}

static void fields_of_a_head_have_a_bound(void **state)
{
    (void)state;
    for (int count = MR_MULTIPART_LINES_MAX; count <= MR_MULTIPART_LINES_MAX + 1; count++) {
        char body[1000] = "--b\r\n" A;
        for (int i = 1; i < count; i++)
            strcat(body, "X: y\r\n");
        strcat(body, "\r\nx\r\n--b--");
        struct outcome outcome = parse(body);
        assert_int_equal(outcome.err, count <= MR_MULTIPART_LINES_MAX ? MR_OK : MR_EMULTIPART);
        if (outcome.err != MR_OK)
            assert_string_equal(outcome.fault.limit_name, "part-fields");
    }
}

static int parse_parts(unsigned count, unsigned parts_max, struct mr_fault *fault, unsigned *ended)
{
    struct events events = {.len = 0};
    struct mr_multipart multipart;
    assert_int_equal(mr_multipart_init(&multipart, MR_SLICE(TYPE), parts_max, &events_receiver, &events, fault), MR_OK);
    int err = events_feed(&multipart, MR_SLICE("--b\r\n"), WHOLE, fault);
    for (unsigned i = 0; i < count && err == MR_OK; i++)
        err = events_feed(&multipart, i + 1 < count ? MR_SLICE(A "\r\nx\r\n--b\r\n") : MR_SLICE(A "\r\nx\r\n--b--"), 16,
                          fault);
    if (err == MR_OK)
        err = mr_multipart_finish(&multipart, fault);
    *ended = 0;
    for (size_t i = 0; i < events.len; i++)
        *ended += events.text[i] == '.';
    mr_multipart_free(&multipart);
    free(events.text);
    return err;
}

static void number_of_parts_has_a_bound(void **state)
{
    (void)state;
    struct mr_fault fault = {0};
    unsigned ended;
    assert_int_equal(parse_parts(10000, 10000, &fault, &ended), MR_OK);
    assert_int_equal(ended, 10000);
    assert_int_equal(parse_parts(10000, MR_MULTIPART_PARTS_DEFAULT, &fault, &ended), MR_EPARTS);
    assert_int_equal(ended, MR_MULTIPART_PARTS_DEFAULT);
    assert_int_equal(fault.error, MR_EPARTS);
    assert_string_equal(fault.limit_name, "max-parts");
    assert_int_equal(fault.limit, MR_MULTIPART_PARTS_DEFAULT);
    assert_int_equal(fault.value, MR_MULTIPART_PARTS_DEFAULT + 1);
    assert_int_equal(parse_parts(1, 0, &fault, &ended), MR_EPARTS);
}

/* The boundary that a Content-Type has; NULL: it is refused. */
static const char *boundary_of(const char *type)
{
    static struct mr_multipart multipart;
    struct mr_fault fault = {0};
    int err = mr_multipart_init(&multipart, mr_slice_of(type), 1, &events_receiver, NULL, &fault);
    mr_multipart_free(&multipart);
    assert_int_equal(err, fault.error);
    assert_true(err == MR_OK || err == MR_EMULTIPART);
    static char text[100];
    snprintf(text, sizeof(text), "%.*s", multipart.delimiter_len - 4, multipart.delimiter + 4);
    return err == MR_OK ? text : NULL;
}

#define TEN "0123456789"

static void boundary_is_that_of_the_content_type(void **state)
{
    static const char *const rows[][2] = {
        {"multipart/form-data; boundary=b", "b"},
        {"Multipart/Form-Data;charset=utf-8 ; BOUNDARY = b ;x=y", "b"},
        {"multipart/form-data; boundary=\"a b:c\"; x=y", "a b:c"},
        {"multipart/form-data; x=\"; boundary=n\"; boundary=----WebKitFormBoundaryAbC", "----WebKitFormBoundaryAbC"},
        {"multipart/form-data; boundary=----=_Part_0_123.456/'()+,?", "----=_Part_0_123.456/'()+,?"},
        {"multipart/form-data; boundary=" TEN TEN TEN TEN TEN TEN TEN, TEN TEN TEN TEN TEN TEN TEN},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        const char *boundary = boundary_of(rows[i][0]);
        assert_non_null(boundary);
        assert_string_equal(boundary, rows[i][1]);
    }
}

static void boundary_that_is_none_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "multipart/form-data",
        "multipart/form-data;",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"",
        "multipart/form-data; boundary=\"b",
        "multipart/form-data; boundary=b\"",
        "multipart/form-data; boundary=\"b \"",
        "multipart/form-data; boundary=\"a;b\"",
        "multipart/form-data; boundary=a b",
        "multipart/form-data; boundary=a\\b",
        "multipart/form-data; boundary=\"a\\b\"",
        "multipart/form-data; boundary=\xc3\xa4",
        "multipart/form-data; boundary=a; boundary=a",
        "multipart/form-data; boundary=a, multipart/form-data; boundary=b",
        "multipart/form-data; boundary=" TEN TEN TEN TEN TEN TEN TEN "0",
        "multipart/mixed; boundary=b",
        "multipart/form-data-2; boundary=b",
        "text/plain; boundary=b",
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++)
        assert_null(boundary_of(rows[i]));
}

static void form_is_known_by_its_type(void **state)
{
    (void)state;
    assert_true(mr_multipart_is_form(MR_SLICE("multipart/form-data")));
    assert_true(mr_multipart_is_form(MR_SLICE("MULTIPART/Form-Data ;boundary=x")));
    assert_false(mr_multipart_is_form(MR_SLICE("multipart/form-datax")));
    assert_false(mr_multipart_is_form(MR_SLICE("multipart/mixed; boundary=x")));
    assert_false(mr_multipart_is_form(MR_SLICE("")));
    assert_false(mr_multipart_is_form((struct mr_slice){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_one_after_the_other),
        cmocka_unit_test(body_may_have_no_part),
        cmocka_unit_test(what_stands_around_the_parts_is_skipped),
        cmocka_unit_test(blanks_may_follow_a_boundary),
        cmocka_unit_test(content_may_look_like_a_delimiter),
        cmocka_unit_test(part_may_have_no_content),
        cmocka_unit_test(line_that_begins_with_the_boundary_is_a_delimiter_or_refused),
        cmocka_unit_test(other_line_ends_are_refused),
        cmocka_unit_test(heads_that_say_too_little_or_too_much_are_refused),
        cmocka_unit_test(each_of_them_names_its_cause),
        cmocka_unit_test(truncated_body_is_refused),
        cmocka_unit_test(every_split_gives_the_same_events),
        cmocka_unit_test(longest_boundary_that_is_nearly_there_again_and_again),
        cmocka_unit_test(content_is_handed_over_where_it_lies),
        cmocka_unit_test(receivers_error_ends_the_parse),
        cmocka_unit_test(heads_have_a_bound),
        cmocka_unit_test(fields_of_a_head_have_a_bound),
        cmocka_unit_test(number_of_parts_has_a_bound),
        cmocka_unit_test(boundary_is_that_of_the_content_type),
        cmocka_unit_test(boundary_that_is_none_is_refused),
        cmocka_unit_test(form_is_known_by_its_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
