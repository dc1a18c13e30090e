#include "base/macros.h"
#include "store/json_in.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_reads(const char *text, const char *wanted)
{
    json_t *value;
    assert_int_equal(mr_json_in_read(&value, mr_slice_of(text), NULL), MR_OK);
    char *again = mr_json_in_text(value);
    assert_string_equal(again, wanted);
    free(again);
    json_decref(value);
}

static void what_is_read_is_written_the_same(void **state)
{
    (void)state;
    assert_reads(" {\n} \n", "{}");
    assert_reads("{\"b\": [1, -2, true, false, null], \"a\": {\"\": \"\"}}",
                 "{\"b\":[1,-2,true,false,null],\"a\":{\"\":\"\"}}");
    assert_reads("{\"a\":\"\\u00e4\\ud83d\\ude00\\\"\\\\\\/\\n\\u0001\"}",
                 "{\"a\":\"\xc3\xa4\xf0\x9f\x98\x80\\\"\\\\/\\n\\u0001\"}");
    assert_reads("{\"a\":9223372036854775807,\"b\":-9223372036854775808}",
                 "{\"a\":9223372036854775807,\"b\":-9223372036854775808}");
}

static void real_numbers_have_as_few_digits_as_give_the_same_value(void **state)
{
    (void)state;
    assert_reads("{\"a\":0.1,\"b\":1e300,\"c\":1.0}", "{\"a\":0.1,\"b\":1e300,\"c\":1.0}");
    assert_reads("{\"a\":0.30000000000000004}", "{\"a\":0.30000000000000004}");
}

static void what_is_no_single_object_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct mr_slice text;
        const char *says;
    } table[] = {
        {MR_SLICE(""), "ends too early"},
        {{NULL, 0}, "ends too early"},
        {MR_SLICE("[]"), "not an object"},
        {MR_SLICE("\"secret\""), "not an object"},
        {MR_SLICE("null"), "not an object"},
        {MR_SLICE("{"), "ends too early"},
        {MR_SLICE("{\"secret\":1"), "ends too early"},
        {MR_SLICE("{\"secret\":1,}"), "malformed"},
        {MR_SLICE("{'secret':1}"), "malformed"},
        {MR_SLICE("{\"secret\":01}"), "malformed"},
        {MR_SLICE("{\"secret\":NaN}"), "malformed"},
        {MR_SLICE("{\"secret\":\"\n\"}"), "malformed"},
        {MR_SLICE("{}{}"), "behind its value"},
        {MR_SLICE("{}\0"), "behind its value"},
        {MR_SLICE("\xef\xbb\xbf{}"), "malformed"}, /* a byte order mark */
        {MR_SLICE("{\"secret\":1,\"secret\":2}"), "two members"},
        {MR_SLICE("{\"\\u0061\":1,\"a\":2}"), "two members"},
        {MR_SLICE("{\"a\":\"\xff\"}"), "not UTF-8"},
        {MR_SLICE("{\"a\":\"\xed\xa0\x80\"}"), "not UTF-8"},
        {MR_SLICE("{\"a\":\"\\ud800\"}"), "malformed"},
        {MR_SLICE("{\"a\":\"\\u0000\"}"), "NUL"},
        {MR_SLICE("{\"a\\u0000\":1}"), "NUL"},
        {MR_SLICE("{\"secret\":9223372036854775808}"), "too large"},
        {MR_SLICE("{\"secret\":1e400}"), "too large"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        json_t *value;
        struct mr_fault fault;
        assert_int_equal(mr_json_in_read(&value, table[i].text, &fault), MR_EREQUEST);
        assert_null(value);
        assert_int_equal(fault.error, MR_EREQUEST);
        if (strstr(fault.detail, table[i].says) == NULL)
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, fault.detail, table[i].says);
        assert_null(strstr(fault.detail, "secret"));
    }
}

static void deep_text_is_refused_before_it_is_parsed(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    char *text = malloc(DEEP);
    json_t *value;
    struct mr_fault fault;
    for (size_t depth = MR_JSON_IN_DEPTH_MAX - 1; depth <= MR_JSON_IN_DEPTH_MAX; depth++) {
        size_t len = (size_t)snprintf(text, DEEP, "{\"a\":");
        memset(text + len, '[', depth);
        memset(text + len + depth, ']', depth);
        text[len + 2 * depth] = '}';
        int err = mr_json_in_read(&value, (struct mr_slice){text, len + 2 * depth + 1}, &fault);
        assert_int_equal(err, depth < MR_JSON_IN_DEPTH_MAX ? MR_OK : MR_EREQUEST);
        json_decref(value);
    }
    assert_string_equal(fault.limit_name, "json-depth");
    assert_int_equal(fault.limit, MR_JSON_IN_DEPTH_MAX);
    assert_int_equal(fault.value, MR_JSON_IN_DEPTH_MAX + 1);
    memset(text, '[', DEEP);
    assert_int_equal(mr_json_in_read(&value, (struct mr_slice){text, DEEP}, &fault), MR_EREQUEST);
    free(text);
    assert_reads("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\\\\\"}",
                 "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\\\\\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_the_same),
        cmocka_unit_test(real_numbers_have_as_few_digits_as_give_the_same_value),
        cmocka_unit_test(what_is_no_single_object_is_refused),
        cmocka_unit_test(deep_text_is_refused_before_it_is_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
