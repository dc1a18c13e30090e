/* console.h -- standard output and standard error belong to this program and not to the libraries in it. Decoders print
 * complaints about their input with fprintf(stderr) and printf; a hostile client could write lines between those of the
 * log, or bytes into the output of `millrace pipe`. */
#ifndef MR_BASE_CONSOLE_H
#define MR_BASE_CONSOLE_H

#include <stdio.h>

/* What anything prints to `stderr` and `stdout` from here on is dropped (with glibc; elsewhere no effect). What writes
 * to the descriptors themselves is not: the log, mr_console(), MR_ASSERT, the reports of the sanitizers. The text of a
 * failed assert() in a library is dropped too, as glibc prints it to `stderr`; the process still ends by SIGABRT. Call
 * once, at the start, while there is one thread. */
void mr_console_mute_libraries(void);

/* Write a line, which ends with a newline, to standard error itself, unless there is no room for it within so long (0:
 * now): its reader may have stopped, and this program goes on. Any thread. */
void mr_console_say(const char *line, int patience_ms);

/* Standard error for this program's own words; any thread. Use it wherever libraries may have been muted. */
FILE *mr_console(void);

#endif
