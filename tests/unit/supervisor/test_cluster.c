#include "supervisor/cluster.h"

#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void first_death_is_followed_by_a_start_at_once(void **state)
{
    (void)state;
    assert_int_equal(mr_cluster_backoff_ns(0), 0);
}

static void pause_doubles_up_to_its_bound(void **state)
{
    (void)state;
    uint64_t before = mr_cluster_backoff_ns(1);
    assert_int_equal(before, 100 * MR_NS_PER_MS);
    for (unsigned deaths = 2; deaths < 8; deaths++) {
        assert_int_equal(mr_cluster_backoff_ns(deaths), 2 * before);
        before *= 2;
    }
    assert_int_equal(mr_cluster_backoff_ns(8), 10 * MR_NS_PER_S);
    assert_int_equal(mr_cluster_backoff_ns(UINT32_MAX), 10 * MR_NS_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_death_is_followed_by_a_start_at_once),
        cmocka_unit_test(pause_doubles_up_to_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
