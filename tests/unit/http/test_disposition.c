#include "base/macros.h"
#include "http/disposition.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mr_slice or_dash(struct mr_slice slice)
{
    return slice.at != NULL ? slice : MR_SLICE("-");
}

/* "name|filename", "-" for what is not given; NULL: malformed. On the heap, in as many bytes, for the sanitizers. */
static const char *parsed(const char *value)
{
    static char text[300];
    size_t len = strlen(value);
    char *copy = malloc(len > 0 ? len : 1);
    struct mr_disposition out;
    assert_non_null(copy);
    memcpy(copy, value, len);
    bool is_sound = mr_disposition_parse(copy, len, &out);
    if (is_sound)
        snprintf(text, sizeof(text), "%.*s|%.*s", MR_SLICE_ARG(or_dash(out.name)), MR_SLICE_ARG(or_dash(out.filename)));
    free(copy);
    return is_sound ? text : NULL;
}

static void names_are_read_as_clients_mean_them(void **state)
{
    static const char *const rows[][2] = {
        {"form-data; name=\"a\"", "a|-"},
        {"form-data; name=\"a\"; filename=\"b.jpg\"", "a|b.jpg"},
        {"form-data; filename=\"b.jpg\"; name=\"a\"", "a|b.jpg"},
        {"Form-Data;NAME=a;FileName=b.jpg", "a|b.jpg"},
        {"form-data ; name = \"a\" ; filename\t=\t\"b\" ;", "a|b"},
        {"form-data; name=\"\"; filename=\"\"", "|"},
        {"form-data", "-|-"},
        {"form-data; filename=\"b\"", "-|b"},
        {"form-data; name=\"a; filename=x\"", "a; filename=x|-"},
        {"form-data; name=\"a%22b%0D%0Ac%0d%0a\"", "a\"b\r\nc\r\n|-"},          /* browsers */
        {"form-data; name=a; filename=\"100%25 %2 %\"", "a|100%25 %2 %"},       /* nothing else is decoded */
        {"form-data; name=a; filename=\"a%2522\"", "a|a%2522"},                 /* and nothing twice */
        {"form-data; name=a; filename=\"a\\\"b\\\\c\"", "a|a\"b\\c"},           /* curl before 7.81 */
        {"form-data; name=a; filename=\"C:\\dir\\b.jpg\"", "a|C:\\dir\\b.jpg"}, /* Internet Explorer */
        {"form-data; name=a; filename=\"b\\\"", "a|b\\"},                       /* a name that ends in a backslash */
        {"form-data; name=\"\xc3\xa4\"; filename=\"\xf0\x9f\x93\xb7.jpg\"", "\xc3\xa4|\xf0\x9f\x93\xb7.jpg"},
        {"form-data; name=a; filename=\"\xe4.jpg\"", "a|\xe4.jpg"}, /* Latin-1: left to the cleaner */
        {"form-data; name=a; filename=\"=?utf-8?B?w6Q=?=\"; filename*=utf-8''%C3%A4%20b", "a|\xc3\xa4 b"}, /* .NET */
        {"form-data; name=a; filename*=UTF-8'de'%c3%a4; filename=\"b\"", "a|\xc3\xa4"},
        {"form-data; name=a; filename*=UTF-8''c", "a|c"},             /* requests with an old urllib3 */
        {"form-data; name=a; filename*=\"utf-8''c%2522\"", "a|c%22"}, /* nothing is decoded twice */
        {"form-data; name=x; name*=utf-8''%C3%A4; filename=b", "\xc3\xa4|b"},
        {"form-data; name=a; filename=b; filename*=ISO-8859-1''%e4", "a|b"}, /* not known, malformed: passed over */
        {"form-data; name=a; filename=b; filename*=UTF-8''%e", "a|b"},
        {"form-data; name=a; filename=b; filename*=UTF-8'c", "a|b"},
        {"form-data; name=a; filename=b; filename*=UTF-8''", "a|b"},
        {"form-data; name=a; filename*=c", "a|c"}, /* but it is a file */
        {"form-data; name=a; size=3; x=\"\\\"; name=b\"", "a|-"},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        const char *text = parsed(rows[i][0]);
        assert_non_null(text);
        assert_string_equal(text, rows[i][1]);
    }
}

static void what_is_malformed_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "attachment; filename=\"b\"",
        "form-data2; name=a",
        "form-data name=a",
        "form-data, name=a",
        "form-data; name",
        "form-data; name=",
        "form-data; =a",
        "form-data;; name=a",
        "form-data; name=a b",
        "form-data; name=\"a",
        "form-data; name=\"",
        "form-data; name=\"a\\\"; x",
        "form-data; name=\"a\"b",
        "form-data; name=\"a\" filename=\"b\"",
        "form-data; name=a; name=b",
        "form-data; name=a; filename=b; FILENAME=\"c\"",
        "form-data; name=a; filename*=UTF-8''b; filename*=UTF-8''b",
        "form-data; name=a/b",
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++)
        assert_null(parsed(rows[i]));
}

static const char *cleaned(struct mr_slice name)
{
    static char text[MR_DISPOSITION_NAME_MAX + 1];
    memset(text, '#', sizeof(text));
    size_t len = mr_disposition_clean_name(text, name);
    assert_true(len <= MR_DISPOSITION_NAME_MAX);
    text[len] = '\0';
    return text;
}

static void name_is_made_fit_to_be_kept(void **state)
{
    static const struct {
        struct mr_slice name;
        const char *cleaned;
    } rows[] = {
        {MR_SLICE("b.jpg"), "b.jpg"},
        {MR_SLICE(" a b%22\"'<>.jpg"), " a b%22\"'<>.jpg"},
        {MR_SLICE("/etc/passwd"), "passwd"},
        {MR_SLICE("C:\\dir\\b.jpg"), "b.jpg"},
        {MR_SLICE("a/b\\c"), "c"},
        {MR_SLICE("a\\b/c"), "c"},
        {MR_SLICE("../../.."), ""},
        {MR_SLICE(".."), ""},
        {MR_SLICE("."), ""},
        {MR_SLICE(""), ""},
        {MR_SLICE("a/"), ""},
        {MR_SLICE("/"), ""},
        {MR_SLICE("..."), "..."},
        {MR_SLICE(".hidden"), ".hidden"},
        {MR_SLICE("a\0b\r\nc\x7f\xc2\x85"), "a_b__c__"},
        {MR_SLICE("na\xc3\xafve \xf0\x9f\x93\xb7"), "na\xc3\xafve \xf0\x9f\x93\xb7"},
        {MR_SLICE("\xe4.jpg"), "_.jpg"},
        {MR_SLICE("\xf0\x9f\x93"), "___"},
        {MR_SLICE("\xc0\xaf\xed\xa0\x80"), "_____"},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++)
        assert_string_equal(cleaned(rows[i].name), rows[i].cleaned);
    assert_string_equal(cleaned((struct mr_slice){NULL, 0}), "");
}

static void long_name_is_cut_at_a_character(void **state)
{
    (void)state;
    char name[400];
    memset(name, 'a', sizeof(name));
    for (size_t before = 250; before <= MR_DISPOSITION_NAME_MAX; before++) {
        memset(name, 'a', sizeof(name));
        memcpy(name + before, "\xf0\x9f\x93\xb7", 4);
        size_t expected = before <= MR_DISPOSITION_NAME_MAX - 4 ? MR_MIN(before + 4 + 10, 255u) : before;
        const char *text = cleaned((struct mr_slice){name, before + 4 + 10});
        assert_int_equal(strlen(text), expected);
        assert_memory_equal(text, name, expected);
    }
    assert_int_equal(strlen(cleaned((struct mr_slice){name, sizeof(name)})), MR_DISPOSITION_NAME_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_as_clients_mean_them),
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(name_is_made_fit_to_be_kept),
        cmocka_unit_test(long_name_is_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
