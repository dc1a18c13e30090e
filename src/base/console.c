#define _GNU_SOURCE 1 /* fopencookie */
#include "base/console.h"

#include <poll.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static FILE *console;

FILE *mr_console(void)
{
    return console != NULL ? console : stderr;
}

void mr_console_say(const char *line, int patience_ms)
{
    struct pollfd standard_error = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&standard_error, 1, patience_ms) <= 0)
        return;
    ssize_t written = write(STDERR_FILENO, line, strlen(line));
    (void)written; /* there is no other place to say it */
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
