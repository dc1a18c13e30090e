#include "bench/lab/lab_exchange.h"
#include "base/assert.h"
#include "base/macros.h"
#include <errno.h>
#include <llhttp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_S  30
#define ANSWER_MAX (64 * MR_MIB)
#define HEAD_MAX   1024 /* of ours */

/* While it comes. */
struct response {
    llhttp_t parser;
    char *bytes; /* owned: of its body */
    size_t len, size;
    bool is_complete;
};

static int fail(struct mr_fault *fault, const char *what)
{
    return mr_fault_set(fault, MR_EIO, "%s: %s", what, strerror(errno));
}

static int connect_to(const struct mr_target *target)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    const struct sockaddr *address = (const struct sockaddr *)&target->address;
    socklen_t length = target->address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (target->is_unix) {
        snprintf(local.sun_path, sizeof(local.sun_path), "%s", target->unix_path);
        address = (const struct sockaddr *)&local;
        length = sizeof(local);
    }
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 || connect(fd, address, length) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return -1;
        bytes += MR_MAX(sent, 0);
        len -= (size_t)MR_MAX(sent, 0);
    }
    return 0;
}

static int on_response_body(llhttp_t *parser, const char *at, size_t len)
{
    struct response *response = parser->data;
    if (response->len + len >= ANSWER_MAX)
        return -1;
    while (response->len + len >= response->size) {
        char *grown = realloc(response->bytes, response->size *= 2);
        MR_ASSERT(grown != NULL);
        response->bytes = grown;
    }
    memcpy(response->bytes + response->len, at, len);
    response->len += len;
    return 0;
}

static int on_response_complete(llhttp_t *parser)
{
    struct response *response = parser->data;
    response->is_complete = parser->status_code >= 200; /* before that it is interim (RFC 9110, section 15.2) */
    return response->is_complete ? HPE_PAUSED : 0;
}

static const llhttp_settings_t response_settings = {.on_body = on_response_body,
                                                    .on_message_complete = on_response_complete};

/* As long as it says, or up to the end of the connection: a server may leave that open. */
static int receive_response(int fd, struct response *response, struct mr_fault *fault)
{
    char block[64 * MR_KIB];
    enum llhttp_errno parsed = HPE_OK;
    while (!response->is_complete && parsed == HPE_OK) {
        ssize_t got = recv(fd, block, sizeof(block), 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return mr_fault_set(fault, MR_EIO, "no whole response within %d s", TIMEOUT_S);
        if (got < 0)
            return fail(fault, "no whole response");
        parsed = got > 0 ? llhttp_execute(&response->parser, block, (size_t)got) : llhttp_finish(&response->parser);
        if (got == 0 && !response->is_complete)
            return mr_fault_set(fault, MR_EIO, "the connection ended before the response");
    }
    if (!response->is_complete)
        return mr_fault_set(fault, MR_EIO, "the response is not HTTP/1, or too long");
    return MR_OK;
}

static int talk(int fd, const char *head, struct mr_slice body, struct mr_lab_answer *answer, struct mr_fault *fault)
{
    struct response response = {.size = 64 * MR_KIB, .bytes = malloc(64 * MR_KIB)};
    MR_ASSERT(response.bytes != NULL);
    llhttp_init(&response.parser, HTTP_RESPONSE, &response_settings);
    response.parser.data = &response;
    int err = MR_OK;
    if (send_all(fd, head, strlen(head)) != 0 || send_all(fd, body.at, body.len) != 0)
        err = fail(fault, "sending failed");
    else
        err = receive_response(fd, &response, fault);
    if (err != MR_OK) {
        free(response.bytes);
        return err;
    }
    response.bytes[response.len] = '\0';
    *answer = (struct mr_lab_answer){.status = response.parser.status_code,
                                     .body = {.at = response.bytes, .len = response.len},
                                     .bytes = response.bytes};
    return MR_OK;
}

int mr_lab_exchange(const struct mr_target *target, const char *method, const char *path, struct mr_slice body,
                    struct mr_lab_answer *answer, struct mr_fault *fault)
{
    char head[HEAD_MAX];
    *answer = (struct mr_lab_answer){0};
    int length =
        snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                 method, path, target->authority, body.len);
    if (length >= (int)sizeof(head))
        return mr_fault_set(fault, MR_EIO, "the URL is too long");
    int fd = connect_to(target);
    if (fd < 0)
        return fail(fault, "cannot connect");
    int err = talk(fd, head, body, answer, fault);
    close(fd);
    return err;
}
