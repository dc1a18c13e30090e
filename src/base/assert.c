#include "base/assert.h"
#include "base/log.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void mr_assert_failed(const char *expression, const char *file, int line, const char *function)
{
    dprintf(STDERR_FILENO, "%s:%d: %s: assertion failed: %s\n", file, line, function, expression);
    /* What was logged before tells how it came to this. Once only: the log has assertions of its own. */
    static atomic_flag flushed = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&flushed))
        mr_log_flush();
    abort();
}
