#include "base/json.h"
#include "base/macros.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct page {
    struct mr_json json;
    FILE *file;
    char *text;
    size_t len;
};

static void begin(struct page *page)
{
    page->file = open_memstream(&page->text, &page->len);
    assert_non_null(page->file);
    mr_json_begin(&page->json, page->file);
}

static void assert_written(struct page *page, const char *wanted)
{
    fclose(page->file);
    assert_string_equal(page->text, wanted);
    free(page->text);
}

static void commas_stand_between_members_and_nowhere_else(void **state)
{
    (void)state;
    struct page page;
    begin(&page);
    mr_json_open(&page.json, NULL, '{');
    mr_json_integer(&page.json, "a", UINT64_MAX);
    mr_json_open(&page.json, "b", '[');
    mr_json_open(&page.json, NULL, '{');
    mr_json_close(&page.json);
    mr_json_text(&page.json, NULL, "x");
    mr_json_close(&page.json);
    mr_json_bool(&page.json, "c", true);
    mr_json_close(&page.json);
    assert_written(&page, "{\"a\":18446744073709551615,\"b\":[{},\"x\"],\"c\":true}");
}

static void members_of_the_upper_levels_may_have_lines_of_their_own(void **state)
{
    (void)state;
    struct page page;
    begin(&page);
    page.json.lines = 1;
    mr_json_open(&page.json, NULL, '{');
    mr_json_integer(&page.json, "a", 1);
    mr_json_open(&page.json, "b", '[');
    mr_json_integer(&page.json, NULL, 2);
    mr_json_integer(&page.json, NULL, 3);
    mr_json_close(&page.json);
    mr_json_close(&page.json);
    assert_written(&page, "{\n  \"a\": 1,\n  \"b\": [2, 3]\n}");
}

static void text_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {{"plain", "\"plain\""},
                 {"", "\"\""},
                 {"\"\\/", "\"\\\"\\\\/\""},
                 {"\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\""},
                 {"\xc3\xa4\xf0\x9f\x98\x80", "\"\xc3\xa4\xf0\x9f\x98\x80\""},
                 {"a\xff\xc3", "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
                 {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
                 {"\xc3\"", "\"\xef\xbf\xbd\\\"\""},
                 {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
                 {NULL, "null"}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct page page;
        begin(&page);
        mr_json_text(&page.json, NULL, cases[i].text);
        assert_written(&page, cases[i].wanted);
    }
}

static void numbers_that_json_does_not_have_are_null(void **state)
{
    (void)state;
    struct page page;
    begin(&page);
    mr_json_open(&page.json, NULL, '[');
    mr_json_number(&page.json, NULL, 0.25);
    mr_json_number(&page.json, NULL, NAN);
    mr_json_decimal(&page.json, NULL, 2, 3);
    mr_json_decimal(&page.json, NULL, -INFINITY, 3);
    mr_json_close(&page.json);
    assert_written(&page, "[0.25,null,2.000,null]");
}

static void what_is_json_already_is_written_as_it_is(void **state)
{
    (void)state;
    struct page page;
    begin(&page);
    mr_json_open(&page.json, NULL, '{');
    mr_json_raw(&page.json, "a", MR_SLICE("{\"b\":[]}"));
    mr_json_raw(&page.json, NULL, MR_SLICE("\"c\":1,\"d\":2"));
    mr_json_bool(&page.json, "e", false);
    mr_json_close(&page.json);
    assert_written(&page, "{\"a\":{\"b\":[]},\"c\":1,\"d\":2,\"e\":false}");
}

/* ---- YAML ---- */

static void begin_yaml(struct page *page)
{
    begin(page);
    mr_json_begin_yaml(&page->json, page->file);
}

static void in_yaml_members_and_elements_have_lines(void **state)
{
    (void)state;
    struct page page;
    begin_yaml(&page);
    mr_json_open(&page.json, NULL, '{');
    mr_json_integer(&page.json, "a", 1);
    mr_json_open(&page.json, "b", '[');
    mr_json_open(&page.json, NULL, '{');
    mr_json_text(&page.json, "c", "word");
    mr_json_bool(&page.json, "d", true);
    mr_json_close(&page.json);
    mr_json_open(&page.json, NULL, '[');
    mr_json_text(&page.json, NULL, "x");
    mr_json_number(&page.json, NULL, 0.5);
    mr_json_close(&page.json);
    mr_json_text(&page.json, NULL, NULL);
    mr_json_close(&page.json);
    mr_json_raw(&page.json, "e", MR_SLICE("{\"f\": 1}"));
    mr_json_close(&page.json);
    assert_written(&page, "a: 1\nb:\n  - c: word\n    d: true\n  - - x\n    - 0.5\n  - null\ne: {\"f\": 1}");
}

static void in_yaml_what_is_empty_says_so(void **state)
{
    (void)state;
    struct page page;
    begin_yaml(&page);
    mr_json_open(&page.json, NULL, '[');
    mr_json_open(&page.json, NULL, '{');
    mr_json_close(&page.json);
    mr_json_open(&page.json, NULL, '{');
    mr_json_open(&page.json, "a", '[');
    mr_json_close(&page.json);
    mr_json_close(&page.json);
    mr_json_close(&page.json);
    assert_written(&page, "- {}\n- a: []");
    begin_yaml(&page);
    mr_json_open(&page.json, NULL, '{');
    mr_json_close(&page.json);
    assert_written(&page, "{}");
}

static void in_yaml_a_container_may_stand_on_one_line(void **state)
{
    (void)state;
    struct page page;
    begin_yaml(&page);
    mr_json_open(&page.json, NULL, '{');
    mr_json_open_line(&page.json, "a", '[');
    mr_json_text(&page.json, NULL, "x");
    mr_json_open(&page.json, NULL, '{');
    mr_json_name(&page.json, MR_SLICE("b"));
    mr_json_text(&page.json, NULL, "y");
    mr_json_integer(&page.json, "c", 2);
    mr_json_integer(&page.json, "{d}", 3);
    mr_json_close(&page.json);
    mr_json_close(&page.json);
    mr_json_text(&page.json, "d", "z");
    mr_json_close(&page.json);
    assert_written(&page, "a: [\"x\", {\"b\": \"y\", c: 2, \"{d}\": 3}]\nd: z");
}

static void in_yaml_only_words_stand_without_quotes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {{"word", "word"},
                 {"application/json", "application/json"},
                 {"$ref", "$ref"},
                 {"/files/{id}", "/files/{id}"},
                 {"fp-x", "fp-x"},
                 {"", "\"\""},
                 {"200", "\"200\""},
                 {"1e3", "\"1e3\""},
                 {"-", "\"-\""},
                 {"{x}", "\"{x}\""},
                 {"no", "\"no\""},
                 {"Null", "\"Null\""},
                 {"y", "\"y\""},
                 {"a b", "\"a b\""},
                 {"a:", "\"a:\""},
                 {"a#", "\"a#\""},
                 {"a\nb\"", "\"a\\nb\\\"\""},
                 {"\xc3\xa4", "\"\xc3\xa4\""}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        char wanted[100];
        struct page page;
        begin_yaml(&page);
        mr_json_open(&page.json, NULL, '{');
        mr_json_name(&page.json, mr_slice_of(cases[i].text));
        mr_json_text(&page.json, NULL, cases[i].text);
        mr_json_close(&page.json);
        snprintf(wanted, sizeof(wanted), "%s: %s", cases[i].wanted, cases[i].wanted);
        assert_written(&page, wanted);
    }
}

/* At one space between two words: more spaces would be lost. */
static void in_yaml_a_long_text_goes_on_in_the_next_line(void **state)
{
    (void)state;
    struct page page;
    char text[200], wanted[220];
    memset(text, 'x', sizeof(text));
    text[199] = '\0';
    text[60] = text[108] = text[110] = ' ';
    text[120] = text[121] = ' ';
    memcpy(wanted, "a: \"", 4);
    memcpy(wanted + 4, text, 108);
    memcpy(wanted + 112, "\n  ", 3);
    memcpy(wanted + 115, text + 109, 91);
    strcpy(wanted + 205, "\"");
    begin_yaml(&page);
    mr_json_open(&page.json, NULL, '{');
    mr_json_text(&page.json, "a", text);
    mr_json_close(&page.json);
    assert_written(&page, wanted);
}

static void in_yaml_a_command_can_be_copied(void **state)
{
    (void)state;
    struct page page;
    begin_yaml(&page);
    mr_json_open(&page.json, NULL, '[');
    mr_json_open(&page.json, NULL, '{');
    mr_json_verbatim(&page.json, "a", "echo \"$A\" # it's");
    mr_json_bool(&page.json, "b", true);
    mr_json_close(&page.json);
    mr_json_open_line(&page.json, NULL, '[');
    mr_json_verbatim(&page.json, NULL, "\"");
    mr_json_close(&page.json);
    mr_json_close(&page.json);
    assert_written(&page, "- a: |-\n    echo \"$A\" # it's\n  b: true\n- [\"\\\"\"]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_between_members_and_nowhere_else),
        cmocka_unit_test(members_of_the_upper_levels_may_have_lines_of_their_own),
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(numbers_that_json_does_not_have_are_null),
        cmocka_unit_test(what_is_json_already_is_written_as_it_is),
        cmocka_unit_test(in_yaml_members_and_elements_have_lines),
        cmocka_unit_test(in_yaml_what_is_empty_says_so),
        cmocka_unit_test(in_yaml_a_container_may_stand_on_one_line),
        cmocka_unit_test(in_yaml_only_words_stand_without_quotes),
        cmocka_unit_test(in_yaml_a_long_text_goes_on_in_the_next_line),
        cmocka_unit_test(in_yaml_a_command_can_be_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
