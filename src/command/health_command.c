#include "base/clock.h"
#include "base/macros.h"
#include "base/number.h"
#include "command/command.h"
#include "net/listener.h"
#include "service/config.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define USAGE                                                                                                 \
    "usage: millrace health [--ready] [OPTION...]    ask the server of this machine whether it lives\n"       \
    "\n"                                                                                                      \
    "  --ready    whether it also takes new requests: not while it is overloaded or drains\n"                 \
    "\n"                                                                                                      \
    "It asks at the first address that the server listens on. So it takes the server's own options, as the\n" \
    "server does: on the command line, in the environment (MILLRACE_LISTEN) and in a file (--config).\n"      \
    "Status: 0 yes, 1 no, 2 an option is wrong.\n"

enum { PATIENCE_S = 5, RESPONSE_MAX = 4096 };

static int health_failed(const char *why)
{
    fprintf(stderr, "millrace: health: %s\n", why);
    return 1;
}

/* Send the request and read its response to the end, as a NUL-terminated text of at most RESPONSE_MAX bytes. */
static int exchange(int fd, const char *path, char response[RESPONSE_MAX + 1])
{
    char request[128];
    int request_len =
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    if (send(fd, request, (size_t)request_len, MSG_NOSIGNAL) != request_len)
        return MR_EIO;
    uint64_t deadline = mr_clock_now() + PATIENCE_S * MR_NS_PER_S;
    size_t len = 0;
    ssize_t got = 1;
    while (got > 0 && len < RESPONSE_MAX && mr_clock_now() < deadline) {
        got = recv(fd, response + len, RESPONSE_MAX - len, 0);
        len += got > 0 ? (size_t)got : 0;
    }
    response[len] = '\0';
    return got == 0 || len == RESPONSE_MAX ? MR_OK : MR_EIO;
}

/* The status line and the body, which says why not. */
static int judge_response(const char *response)
{
    struct mr_slice line = mr_slice_of(response);
    uint64_t status = 0;
    mr_slice_cut(&line, ' ');
    if (!mr_number_parse(mr_slice_cut(&line, ' '), 999, &status))
        return health_failed("what listens there does not speak HTTP");
    const char *body = strstr(response, "\r\n\r\n");
    body = body == NULL ? "" : body + 4;
    if (status == 200) {
        fputs(body, stdout);
        return 0;
    }
    fprintf(stderr, "millrace: health: status %llu %s\n", (unsigned long long)status, body);
    return 1;
}

static int ask_health(const char *address, const char *path)
{
    char response[RESPONSE_MAX + 1];
    struct mr_fault fault;
    int fd;
    int err = mr_listener_connect(&fd, address, PATIENCE_S, &fault);
    if (err != MR_OK) {
        health_failed(fault.detail);
        return err == MR_EPARAM ? 2 : 1;
    }
    err = exchange(fd, path, response);
    close(fd);
    return err == MR_OK ? judge_response(response) : health_failed("the server did not respond in time");
}

/* Take --ready out of the arguments; the rest is the server's. `out` has room for all of argv and a NULL. */
static int split_arguments(char **out, bool *is_ready, int argc, char *const *argv)
{
    int count = 0;
    *is_ready = false;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--ready") == 0)
            *is_ready = true;
        else
            out[count++] = argv[i];
    }
    out[count] = NULL;
    return count;
}

static void write_health_help(FILE *out)
{
    fputs(USAGE, out);
}

int mr_health_main(int argc, char *const *argv, char *const *environment)
{
    struct mr_config config = {0};
    bool is_ready;
    char **rest = calloc((size_t)argc + 1, sizeof(*rest));
    if (rest == NULL)
        return health_failed(mr_error_text(MR_EMEMORY));
    int count = split_arguments(rest, &is_ready, argc, argv);
    /* Not mr_config_read(): whether the options go together is the server's matter, which may have further ones. */
    enum mr_options_result result = mr_options_parse(mr_config_program(), &config, count, rest, environment, stderr);
    int status = mr_options_answer(result, "millrace", write_health_help);
    if (status == MR_OPTIONS_GO_ON) {
        const struct mr_option_list *listen = &config.listen.addresses;
        status =
            ask_health(listen->count > 0 ? listen->values[0] : MR_DEFAULT_LISTEN, is_ready ? "/readyz" : "/healthz");
    }
    mr_config_free(&config);
    free(rest);
    return status;
}
