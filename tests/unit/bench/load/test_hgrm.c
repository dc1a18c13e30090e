#include "base/clock.h"
#include "bench/load/hgrm.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mr_histogram histogram;
static char *text;

static int prepare(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof(histogram));
    return 0;
}

static int free_text(void **state)
{
    (void)state;
    free(text);
    text = NULL;
    return 0;
}

static const char *written(void)
{
    static struct mr_histogram_view view;
    size_t len;
    memset(&view, 0, sizeof(view));
    mr_histogram_read(&histogram, &view);
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    mr_hgrm_write(out, &view);
    fclose(out);
    return text;
}

/* By hand: 1 ms is counted in the cell of 999,424 to 1,015,807 ns, 2 ms in one that the maximum cuts at 2,000,000. At
 * 75 % the step goes from 5 to 2.5 %. Deviations of the cells' middles from 1.25 ms: three times -0.2423845, 0.749424.
 */
static void four_values_are_written_as_hdrhistogram_does(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        mr_histogram_record(&histogram, MR_NS_PER_MS);
    mr_histogram_record(&histogram, 2 * MR_NS_PER_MS);
    assert_string_equal(written(), "       Value     Percentile TotalCount 1/(1-Percentile)\n"
                                   "\n"
                                   "       1.016 0.000000000000          3           1.00\n"
                                   "       1.016 0.100000000000          3           1.11\n"
                                   "       1.016 0.200000000000          3           1.25\n"
                                   "       1.016 0.300000000000          3           1.43\n"
                                   "       1.016 0.400000000000          3           1.67\n"
                                   "       1.016 0.500000000000          3           2.00\n"
                                   "       1.016 0.550000000000          3           2.22\n"
                                   "       1.016 0.600000000000          3           2.50\n"
                                   "       1.016 0.650000000000          3           2.86\n"
                                   "       1.016 0.700000000000          3           3.33\n"
                                   "       1.016 0.750000000000          3           4.00\n"
                                   "       2.000 0.775000000000          4           4.44\n"
                                   "       2.000 1.000000000000          4\n"
                                   "#[Mean    =        1.250, StdDeviation   =        0.430]\n"
                                   "#[Max     =        2.000, Total count    =            4]\n"
                                   "#[Buckets =           37, SubBuckets     =           64]\n");
}

static void levels_follow_the_values_to_the_last_one(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 100000; i++)
        mr_histogram_record(&histogram, i * MR_NS_PER_US);
    double value = 0, level = 0, shown = -1;
    unsigned long long count = 0;
    for (const char *line = strstr(written(), "\n\n") + 2; *line != '#'; line = strchr(line, '\n') + 1) {
        double last_value = value;
        assert_int_equal(sscanf(line, "%lf %lf %llu", &value, &level, &count), 3);
        assert_true(value >= last_value && level > shown);
        assert_true((double)count >= level * 100000); /* so many are at or below the value */
        assert_true(value >= level * 100 && value <= (double)count / 1000 * 1.04);
        shown = level;
    }
    assert_true(level == 1 && value == 100 && count == 100000);
}

static void empty_histogram_has_no_levels(void **state)
{
    (void)state;
    assert_non_null(
        strstr(written(), "1/(1-Percentile)\n\n#[Mean    =        0.000, StdDeviation   =        0.000]\n"));
}

#define test(name) cmocka_unit_test_setup_teardown(name, prepare, free_text)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(four_values_are_written_as_hdrhistogram_does),
        test(levels_follow_the_values_to_the_last_one),
        test(empty_histogram_has_no_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
