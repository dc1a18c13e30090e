#define _GNU_SOURCE 1 /* fopencookie */
#include "base/console.h"

#include <sys/types.h>

static FILE *console;

FILE *mr_console(void)
{
    return console != NULL ? console : stderr;
}

#ifdef __GLIBC__

static ssize_t drop(void *cookie, const char *bytes, size_t len)
{
    (void)cookie, (void)bytes;
    return (ssize_t)len;
}

/* glibc's stderr and stdout are variables that every library reads when it prints. */
void mr_console_mute_libraries(void)
{
    if (console != NULL)
        return;
    FILE *sink = fopencookie(NULL, "w", (cookie_io_functions_t){.write = drop});
    if (sink == NULL)
        return;
    fflush(stdout);
    console = stderr;
    stderr = sink;
    stdout = sink;
}

#else

void mr_console_mute_libraries(void)
{
}

#endif
