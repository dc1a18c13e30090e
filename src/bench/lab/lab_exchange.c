#include "bench/lab/lab_exchange.h"
#include "base/assert.h"
#include "base/macros.h"
#include "base/number.h"
#include <errno.h>
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
#define STATUS_AT  (sizeof("HTTP/1.1 ") - 1)

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

/* Everything up to the end of the connection, with a NUL behind it. */
static char *receive_all(int fd, size_t *len)
{
    size_t size = 64 * MR_KIB;
    char *bytes = malloc(size);
    MR_ASSERT(bytes != NULL);
    *len = 0;
    for (;;) {
        ssize_t got = recv(fd, bytes + *len, size - *len - 1, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || *len + (size_t)MR_MAX(got, 0) >= ANSWER_MAX) {
            free(bytes);
            return NULL;
        }
        *len += (size_t)got;
        bytes[*len] = '\0';
        if (got == 0)
            return bytes;
        if (*len == size - 1) {
            char *grown = realloc(bytes, size *= 2);
            MR_ASSERT(grown != NULL);
            bytes = grown;
        }
    }
}

static int take_apart(struct mr_lab_answer *answer, size_t len, struct mr_fault *fault)
{
    const char *end = strstr(answer->bytes, "\r\n\r\n");
    if (end == NULL || len < STATUS_AT + 3 || strncmp(answer->bytes, "HTTP/1.", 7) != 0)
        return mr_fault_set(fault, MR_EIO, "the answer is not HTTP/1");
    struct mr_slice rest = mr_slice_of(answer->bytes + STATUS_AT);
    uint64_t status = 0;
    if (!mr_number_cut(&rest, 999, &status))
        return mr_fault_set(fault, MR_EIO, "the response has no status");
    answer->status = (int)status;
    size_t head = (size_t)(end - answer->bytes) + 4;
    answer->body = (struct mr_slice){.at = answer->bytes + head, .len = len - head};
    return MR_OK;
}

static int talk(int fd, const char *head, struct mr_slice body, struct mr_lab_answer *answer, struct mr_fault *fault)
{
    size_t len;
    if (send_all(fd, head, strlen(head)) != 0 || send_all(fd, body.at, body.len) != 0)
        return fail(fault, "sending failed");
    answer->bytes = receive_all(fd, &len);
    if (answer->bytes == NULL)
        return fail(fault, "no whole answer");
    return take_apart(answer, len, fault);
}

int mr_lab_exchange(const struct mr_target *target, const char *method, const char *path, struct mr_slice body,
                    struct mr_lab_answer *answer, struct mr_fault *fault)
{
    char head[HEAD_MAX];
    *answer = (struct mr_lab_answer){0};
    int length = snprintf(head, sizeof(head), "%s %s HTTP/1.0\r\nHost: %s\r\nContent-Length: %zu\r\n\r\n", method, path,
                          target->authority, body.len);
    if (length >= (int)sizeof(head))
        return mr_fault_set(fault, MR_EIO, "the URL is too long");
    int fd = connect_to(target);
    if (fd < 0)
        return fail(fault, "cannot connect");
    int err = talk(fd, head, body, answer, fault);
    close(fd);
    if (err != MR_OK) {
        free(answer->bytes);
        answer->bytes = NULL;
    }
    return err;
}
