/* assert.h -- checks that stay on in release.
 *
 * An operating error (bad input, full disk, closed peer) is handled; a programming error stops the program, before
 * it can answer wrongly. MR_ASSERT is for the second kind only. It prints the expression, file, line and function to
 * standard error and aborts; any thread may call it. */
#ifndef MR_BASE_ASSERT_H
#define MR_BASE_ASSERT_H

#define MR_ASSERT(expression)                                            \
    do {                                                                 \
        if (__builtin_expect(!(expression), 0))                          \
            mr_assert_failed(#expression, __FILE__, __LINE__, __func__); \
    } while (0)

/* A place that no execution reaches. */
#define MR_UNREACHABLE() mr_assert_failed("unreachable", __FILE__, __LINE__, __func__)

_Noreturn void mr_assert_failed(const char *expression, const char *file, int line, const char *function);

#endif
