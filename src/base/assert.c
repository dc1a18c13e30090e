#include "base/assert.h"
#include "base/console.h"
#include "base/log.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_MS \
    1000 /* for standard error: a process that hangs here would be worse than one that ends in silence */

_Noreturn void mr_assert_failed(const char *expression, const char *file, int line, const char *function)
{
    char text[1000];
    snprintf(text, sizeof(text), "%s:%d: %s: assertion failed: %s\n", file, line, function, expression);
    mr_console_say(text, PATIENCE_MS);
    /* What was logged before tells how it came to this. Once only: the log has assertions of its own. */
    static atomic_flag flushed = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&flushed))
        mr_log_flush();
    abort();
}
