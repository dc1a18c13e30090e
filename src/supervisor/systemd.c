#include "supervisor/systemd.h"
#include "base/error.h"
#include "base/number.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX 64 /* no manager passes more */

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

unsigned mr_systemd_listen_fds(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    uint64_t of_pid, fds = 0;
    bool is_ours = mr_number_parse(mr_slice_of(pid), INT32_MAX, &of_pid) && of_pid == (uint64_t)getpid();
    if (!is_ours || !mr_number_parse(mr_slice_of(count), FDS_MAX, &fds))
        fds = 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return (unsigned)fds;
}
