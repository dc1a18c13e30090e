#include "base/macros.h"
#include "base/param.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const fits[] = {"clip", "crop", "max", NULL};
static const struct mr_param_spec flag = {.name = "strip", .type = MR_PARAM_BOOL};
static const struct mr_param_spec width = {.name = "w", .type = MR_PARAM_INT, .min = 1, .max = 8192, .unit = "px"};
static const struct mr_param_spec any_int = {.name = "i", .type = MR_PARAM_INT, .min = -1e19, .max = 1e19};
static const struct mr_param_spec dpr = {.name = "dpr", .type = MR_PARAM_NUMBER, .min = 0.1, .max = 5};
static const struct mr_param_spec any_number = {.name = "n", .type = MR_PARAM_NUMBER, .min = -1e300, .max = 1e300};
static const struct mr_param_spec size = {.name = "max-body", .type = MR_PARAM_SIZE};
static const struct mr_param_spec head = {.name = "max-head", .type = MR_PARAM_SIZE, .min = 1024, .max = 1048576};
static const struct mr_param_spec wait_time = {.name = "job-time", .type = MR_PARAM_TIME};
static const struct mr_param_spec drain = {.name = "drain", .type = MR_PARAM_TIME, .min = 0.001, .max = 3600};
static const struct mr_param_spec fit = {.name = "fit", .type = MR_PARAM_CHOICE, .choices = fits};
static const struct mr_param_spec note = {.name = "note", .type = MR_PARAM_TEXT, .max = 5};

static struct mr_param_value parsed(const struct mr_param_spec *spec, const char *text)
{
    struct mr_param_value value;
    struct mr_fault fault = {0};
    if (mr_param_parse(spec, mr_slice_of(text), &value, &fault) != MR_OK)
        fail_msg("'%s' was refused: %s", text, fault.detail);
    return value;
}

static struct mr_fault refused(const struct mr_param_spec *spec, const char *text)
{
    struct mr_param_value value;
    struct mr_fault fault = {0};
    if (mr_param_parse(spec, mr_slice_of(text), &value, &fault) != MR_EPARAM)
        fail_msg("'%s' was taken for %s", text, spec->name);
    assert_int_equal(fault.error, MR_EPARAM);
    return fault;
}

static void bool_knows_its_words(void **state)
{
    (void)state;
    static const char *const yes[] = {"1", "true", "yes", "on", ""}, *const no[] = {"0", "false", "no", "off"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(yes); i++)
        assert_true(parsed(&flag, yes[i]).flag);
    for (size_t i = 0; i < MR_ARRAY_SIZE(no); i++)
        assert_false(parsed(&flag, no[i]).flag);
    refused(&flag, "2");
    refused(&flag, "TRUE ");
    assert_string_equal(refused(&flag, "maybe").detail, "strip must be true or false");
}

static void integer_is_plain_decimal(void **state)
{
    (void)state;
    assert_int_equal(parsed(&width, "300").integer, 300);
    assert_int_equal(parsed(&width, "0008").integer, 8);
    assert_int_equal(parsed(&any_int, "-42").integer, -42);
    assert_int_equal(parsed(&any_int, "-0").integer, 0);
    assert_int_equal(parsed(&any_int, "9223372036854775807").integer, INT64_MAX);
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "0x10",
                                      "1e3",
                                      "--1",
                                      "1-",
                                      "nan",
                                      "inf",
                                      "1,0",
                                      "١",
                                      "9223372036854775808",
                                      "99999999999999999999999999"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(bad); i++)
        refused(&any_int, bad[i]);
}

static void integer_outside_its_range_names_the_bound(void **state)
{
    (void)state;
    struct mr_fault fault = refused(&width, "9000");
    assert_string_equal(fault.detail, "w must be an integer from 1 to 8192 px");
    assert_string_equal(fault.limit_name, "w");
    assert_int_equal(fault.limit, 8192);
    assert_int_equal(fault.value, 9000);
    fault = refused(&width, "0");
    assert_int_equal(fault.limit, 1);
    assert_int_equal(fault.value, 0);
    assert_int_equal(refused(&width, "-5").value, 0);
    assert_null(refused(&width, "wide").limit_name);
}

static void number_is_plain_decimal(void **state)
{
    (void)state;
    assert_true(parsed(&dpr, "2").number == 2.0);
    assert_true(parsed(&dpr, "1.5").number == 1.5);
    assert_true(parsed(&dpr, ".5").number == 0.5);
    assert_true(parsed(&any_number, "-0.25").number == -0.25);
    assert_true(fabs(parsed(&any_number, "0.66666666666666666666666666").number - 2.0 / 3) < 1e-15);
    assert_true(fabs(parsed(&any_number, "0.333333333333333314829616256247").number - 1.0 / 3) < 1e-15);
    static const char *const bad[] = {"",
                                      "-",
                                      ".",
                                      "-.",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1e3",
                                      "1E3",
                                      "nan",
                                      "NAN",
                                      "inf",
                                      "-inf",
                                      "0x1p3",
                                      "1.2.3",
                                      "infinity",
                                      "1,5",
                                      "1_0",
                                      "999999999999999999999"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(bad); i++)
        refused(&any_number, bad[i]);
    assert_string_equal(refused(&dpr, "7").detail, "dpr must be a number from 0.1 to 5");
}

static void number_agrees_with_strtod(void **state)
{
    (void)state;
    srand(3);
    for (int i = 0; i < 20000; i++) {
        char text[64];
        snprintf(text, sizeof(text), "%s%d.%0*d", rand() % 2 ? "-" : "", rand() % 100000, 1 + rand() % 9, rand());
        double expected = strtod(text, NULL), got = parsed(&any_number, text).number;
        assert_true(fabs(got - expected) <= fabs(expected) * 1e-15);
    }
}

static void size_is_in_powers_of_1024(void **state)
{
    (void)state;
    assert_int_equal(parsed(&size, "0").integer, 0);
    assert_int_equal(parsed(&size, "512").integer, 512);
    assert_int_equal(parsed(&size, "512B").integer, 512);
    assert_int_equal(parsed(&size, "64KiB").integer, 65536);
    assert_int_equal(parsed(&size, "64k").integer, 65536);
    assert_int_equal(parsed(&size, "64K").integer, 65536);
    assert_int_equal(parsed(&size, "8MiB").integer, 8 << 20);
    assert_int_equal(parsed(&size, "8M").integer, 8 << 20);
    assert_int_equal(parsed(&size, "3GiB").integer, (int64_t)3 << 30);
    static const char *const bad[] = {
        "", "k", "KiB", "-1", "+1", "1.5GiB", "1 KiB", "1KB", "1kk", "8589934592GiB", "9223372036854775808"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(bad); i++)
        refused(&size, bad[i]);
    assert_string_equal(refused(&size, "x").detail, "max-body must be a size such as 64KiB");
    struct mr_fault fault = refused(&head, "2MiB");
    assert_string_equal(fault.detail, "max-head must be a size such as 64KiB from 1KiB to 1MiB");
    assert_int_equal(fault.limit, 1 << 20);
    assert_int_equal(fault.value, 2 << 20);
}

static void time_becomes_nanoseconds(void **state)
{
    (void)state;
    assert_int_equal(parsed(&wait_time, "5").integer, 5000000000);
    assert_int_equal(parsed(&wait_time, "5s").integer, 5000000000);
    assert_int_equal(parsed(&wait_time, "500ms").integer, 500000000);
    assert_int_equal(parsed(&wait_time, "20us").integer, 20000);
    assert_int_equal(parsed(&wait_time, "2m").integer, 120000000000);
    assert_int_equal(parsed(&wait_time, "1h").integer, 3600000000000);
    assert_int_equal(parsed(&wait_time, "9223372036s").integer, 9223372036000000000);
    static const char *const bad[] = {"", "s", "-1s", "5 s", "5sec", "1e3", "9223372037s", "2562048h"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(bad); i++)
        refused(&wait_time, bad[i]);
    struct mr_fault fault = refused(&drain, "2h");
    assert_string_equal(fault.detail, "drain must be a time such as 5s or 500ms from 1ms to 1h");
    assert_int_equal(fault.limit, 3600000000000);
    assert_int_equal(fault.value, 7200000000000);
}

static void choice_is_the_index_of_its_word(void **state)
{
    (void)state;
    assert_int_equal(parsed(&fit, "clip").integer, 0);
    assert_int_equal(parsed(&fit, "max").integer, 2);
    refused(&fit, "");
    refused(&fit, "Clip");
    refused(&fit, "cli");
    assert_string_equal(refused(&fit, "fill").detail, "fit must be one of clip, crop, max");
}

static void text_is_borrowed_and_bounded(void **state)
{
    (void)state;
    struct mr_slice text = MR_SLICE("12345");
    struct mr_param_value value;
    assert_int_equal(mr_param_parse(&note, text, &value, NULL), MR_OK);
    assert_ptr_equal(value.text.at, text.at);
    assert_int_equal(value.text.len, 5);
    struct mr_fault fault = refused(&note, "123456");
    assert_string_equal(fault.detail, "note must be text of at most 5 octets");
    assert_int_equal(fault.limit, 5);
    assert_int_equal(fault.value, 6);
}

static void range_without_upper_bound(void **state)
{
    (void)state;
    const struct mr_param_spec spec = {.name = "x", .type = MR_PARAM_INT};
    assert_int_equal(parsed(&spec, "1000000000000").integer, 1000000000000);
    assert_string_equal(refused(&spec, "-1").detail, "x must be an integer of at least 0");
    const struct mr_param_spec negative = {.name = "y", .type = MR_PARAM_INT, .min = -100};
    assert_int_equal(parsed(&negative, "-100").integer, -100);
    assert_string_equal(refused(&negative, "1").detail, "y must be an integer from -100 to 0");
    const struct mr_param_spec big = {.name = "z", .type = MR_PARAM_INT, .min = 1, .max = 1000000};
    assert_string_equal(refused(&big, "0").detail, "z must be an integer from 1 to 1000000");
}

static void fault_never_repeats_the_text(void **state)
{
    (void)state;
    const struct mr_param_spec *const specs[] = {&flag, &width, &dpr, &size, &wait_time, &fit, &note};
    for (size_t i = 0; i < MR_ARRAY_SIZE(specs); i++)
        assert_null(strstr(refused(specs[i], "s3cr3t").detail, "s3cr3t"));
}

static void fault_may_be_null(void **state)
{
    (void)state;
    struct mr_param_value value;
    assert_int_equal(mr_param_parse(&width, MR_SLICE("0"), &value, NULL), MR_EPARAM);
}

static void description_is_cut_to_what_fits(void **state)
{
    (void)state;
    char small[8];
    mr_param_describe(&width, small, sizeof(small));
    assert_string_equal(small, "an inte");
    mr_param_describe(&width, small, 1);
    assert_string_equal(small, "");
}

static void row_is_found_by_its_whole_name(void **state)
{
    (void)state;
    const struct mr_param_spec table[] = {{.name = "w"}, {.name = "width"}, {.name = NULL}};
    assert_ptr_equal(mr_param_find(table, MR_SLICE("width")), &table[1]);
    assert_ptr_equal(mr_param_find(table, MR_SLICE("w")), &table[0]);
    assert_null(mr_param_find(table, MR_SLICE("wid")));
    assert_null(mr_param_find(table, MR_SLICE("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bool_knows_its_words),
        cmocka_unit_test(integer_is_plain_decimal),
        cmocka_unit_test(integer_outside_its_range_names_the_bound),
        cmocka_unit_test(number_is_plain_decimal),
        cmocka_unit_test(number_agrees_with_strtod),
        cmocka_unit_test(size_is_in_powers_of_1024),
        cmocka_unit_test(time_becomes_nanoseconds),
        cmocka_unit_test(choice_is_the_index_of_its_word),
        cmocka_unit_test(text_is_borrowed_and_bounded),
        cmocka_unit_test(range_without_upper_bound),
        cmocka_unit_test(fault_never_repeats_the_text),
        cmocka_unit_test(fault_may_be_null),
        cmocka_unit_test(description_is_cut_to_what_fits),
        cmocka_unit_test(row_is_found_by_its_whole_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
