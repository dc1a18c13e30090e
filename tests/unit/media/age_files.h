/* age_files.h -- keys and little files for the tests of age. */
#ifndef MR_TESTS_AGE_FILES_H
#define MR_TESTS_AGE_FILES_H

#include "media/age/age.h"
#include "media/age/age_keys.h"
#include "media/stages.h"

/* From the specification of age. */
#define IDENTITY  "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
#define TO_US     "recipient=" RECIPIENT

static const struct mr_stage_env nothing_at_hand;
static const struct mr_stage_env our_identity = {.identity = {IDENTITY, sizeof(IDENTITY) - 1}};
static const struct chunking at_once;

static inline struct outcome encrypt(const void *in, size_t len, const char *query)
{
    return run_well(&mr_stage_encrypt, &nothing_at_hand, query, in, len, at_once);
}

static inline struct outcome decrypt(const void *in, size_t len, const struct mr_stage_env *env)
{
    return run_ops(&mr_stage_decrypt, env, "", in, len, at_once);
}

static inline void assert_error(struct outcome out, int expected)
{
    if (out.err != expected)
        fail_msg("%s (%s) instead of %s", mr_error_name(out.err), out.fault.detail, mr_error_name(expected));
}

static inline void assert_plain(struct outcome out, const void *expected, size_t len)
{
    assert_error(out, MR_OK);
    assert_int_equal(out.len, len);
    assert_memory_equal(out.at, expected, len);
}

#endif
