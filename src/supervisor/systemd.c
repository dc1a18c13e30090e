#include "supervisor/systemd.h"
#include "base/number.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WATCHDOG_USEC_MAX (UINT64_C(365) * 86400 * 1000000)

static int send_to(const char *place, const char *state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(place);
    if ((place[0] != '/' && place[0] != '@') || len >= sizeof(at.sun_path))
        return MR_EIO;
    memcpy(at.sun_path, place, len);
    if (at.sun_path[0] == '@') /* abstract (unix(7)): a NUL in front, and the length counts */
        at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return MR_EIO;
    socklen_t at_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&at, at_len);
    close(fd);
    return sent == (ssize_t)strlen(state) ? MR_OK : MR_EIO;
}

int mr_systemd_notify(const char *state)
{
    const char *place = getenv("NOTIFY_SOCKET");
    return place == NULL || place[0] == '\0' ? MR_OK : send_to(place, state);
}

int mr_systemd_notify_stopping(uint64_t longest_ns)
{
    char state[64];
    snprintf(state, sizeof(state), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu", (unsigned long long)(longest_ns / 1000));
    return mr_systemd_notify(state);
}

static bool is_our_pid(const char *text)
{
    uint64_t pid;
    return mr_number_parse(mr_slice_of(text), INT32_MAX, &pid) && pid == (uint64_t)getpid();
}

int mr_systemd_listen_fds(unsigned *out, struct mr_fault *fault)
{
    const char *count = getenv("LISTEN_FDS");
    uint64_t fds = 0;
    int err = MR_OK;
    if (count != NULL && is_our_pid(getenv("LISTEN_PID")) &&
        !mr_number_parse(mr_slice_of(count), MR_SYSTEMD_FDS_MAX, &fds))
        err = mr_fault_set(fault, MR_EPARAM, "LISTEN_FDS=%.40s is not a number of passed sockets of at most %d", count,
                           MR_SYSTEMD_FDS_MAX);
    *out = err == MR_OK ? (unsigned)fds : 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return err;
}

uint64_t mr_systemd_watchdog_ns(void)
{
    const char *pid = getenv("WATCHDOG_PID"), *usec = getenv("WATCHDOG_USEC");
    uint64_t limit_us = 0;
    bool is_ours = pid == NULL || is_our_pid(pid);
    if (usec == NULL || !is_ours || !mr_number_parse(mr_slice_of(usec), WATCHDOG_USEC_MAX, &limit_us))
        limit_us = 0;
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    return limit_us * 1000 / 2;
}
