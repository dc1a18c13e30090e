/* millrace-bench: the tools that measure. Each subcommand is a file. */
#include "base/program.h"
#include "bench/lab/lab.h"
#include "bench/load/load.h"
#include "bench/threads/serve_threads.h"
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const struct mr_program_command commands[] = {
    {"load", mr_load_main, "send HTTP/1.1 requests, open loop or closed, and report latencies"},
    {"lab", mr_lab_main, "put the same load on each concurrency model and write a report"},
    {"serve-threads", mr_serve_threads_main, "the service with a thread for each connection, to measure against"},
    {.name = NULL},
};

static const struct mr_program program = {.name = "millrace-bench", .commands = commands};

extern char **environ; /* unistd.h has it for GNU programs only */

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a peer that closed is an error of a write */
    return mr_program_run(&program, argc, argv, environ);
}
