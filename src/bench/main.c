/* millrace-bench: the tools that measure. Each subcommand is a file. */
#include "base/macros.h"
#include "bench/lab/lab.h"
#include "bench/load/load.h"
#include "bench/threads/serve_threads.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*main)(int argc, char *const *argv, char *const *environment);
    const char *text;
} commands[] = {
    {"load", mr_load_main, "send HTTP/1.1 requests, open loop or closed, and report latencies"},
    {"lab", mr_lab_main, "put the same load on each concurrency model and write a report"},
    {"serve-threads", mr_serve_threads_main, "the service with a thread for each connection, to measure against"},
};

static void write_usage(FILE *out)
{
    fputs("usage: millrace-bench COMMAND [options]\n\n", out);
    for (size_t i = 0; i < MR_ARRAY_SIZE(commands); i++)
        fprintf(out, "  %-14s %s\n", commands[i].name, commands[i].text);
    fputs("\nmillrace-bench COMMAND --help says more.\n", out);
}

extern char **environ; /* unistd.h has it for GNU programs only */

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a peer that closed is an error of a write */
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("millrace-bench " MILLRACE_VERSION);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        write_usage(stdout);
        return 0;
    }
    for (size_t i = 0; argc > 1 && i < MR_ARRAY_SIZE(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].main(argc - 1, argv + 1, environ);
    }
    write_usage(stderr);
    return 2;
}
