/* expanders.h -- what the tests of gunzip and unzstd assert of a packed input, however it is cut. */
#ifndef MR_TESTS_EXPANDERS_H
#define MR_TESTS_EXPANDERS_H

#include "media/codecs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static inline void assert_expands_to(const struct mr_stage_ops *ops, struct bytes packed, struct bytes expected)
{
    static const size_t rooms[] = {0, 10000, 77777};
    for (uint32_t seed = 0; seed < 6; seed++) {
        struct run run = {.seed = seed, .out_room = rooms[seed % MR_ARRAY_SIZE(rooms)]};
        assert_int_equal(run_stage(&run, ops, packed.at, packed.len), MR_OK);
        assert_int_equal(run.out.len, expected.len);
        if (expected.len > 0)
            assert_memory_equal(run.out.at, expected.at, expected.len);
        run_end(&run);
    }
}

static inline void assert_refused(const struct mr_stage_ops *ops, const void *packed, size_t len, enum mr_error error)
{
    for (uint32_t seed = 0; seed < 3; seed++) {
        struct run run = {.seed = seed};
        assert_int_equal(run_stage(&run, ops, packed, len), error);
        assert_true(run.fault.detail[0] != '\0');
        run_end(&run);
    }
}

#endif
