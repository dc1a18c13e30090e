/* DESIGN. For several loops the kernel spreads connections over sockets that share the port (SO_REUSEPORT). Sharing
 * must not hide a port that is taken: the first socket is bound without it, which fails beside any other listener, and
 * only then told to share with ours; so the port is never free in between. */
#include "net/listener.h"
#include "base/assert.h"
#include "base/macros.h"
#include "base/number.h"
#include "net/localhost.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096 /* the kernel lowers it to net.core.somaxconn */

/* An address in whichever family. */
union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

static const char unix_prefix[] = "unix:";

static bool is_unix_text(const char *text)
{
    return strncmp(text, unix_prefix, sizeof(unix_prefix) - 1) == 0;
}

static int fail(struct mr_fault *fault, const char *address, int error_number)
{
    const char *why = error_number == EADDRINUSE ? "the address is already in use" : strerror(error_number);
    return mr_fault_set(fault, MR_EIO, "cannot listen on %s: %s", address, why);
}

/* HOST:PORT apart, the brackets of an IPv6 literal left out. */
struct parts {
    char host[256];
    uint16_t port;
    bool is_literal;  /* in brackets, dotted, or "*" */
    union address at; /* of a literal, without the port */
};

static bool parse_port(const char *text, uint16_t *out)
{
    uint64_t port;
    if (!mr_number_parse(mr_slice_of(text), UINT16_MAX, &port))
        return false;
    *out = (uint16_t)port;
    return true;
}

static bool parse_literal(struct parts *parts, bool in_brackets)
{
    if (in_brackets) {
        parts->at.v6.sin6_family = AF_INET6;
        return inet_pton(AF_INET6, parts->host, &parts->at.v6.sin6_addr) == 1;
    }
    if (strcmp(parts->host, "*") == 0) {
        parts->at.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
        return true;
    }
    parts->at.v4.sin_family = AF_INET;
    const char *literal = strcmp(parts->host, "localhost") == 0 ? "127.0.0.1" : parts->host;
    return inet_pton(AF_INET, literal, &parts->at.v4.sin_addr) == 1;
}

static int parse(struct parts *out, const char *text, struct mr_fault *fault)
{
    *out = (struct parts){.port = 0};
    const char *colon = strrchr(text, ':');
    size_t len = colon == NULL ? 0 : (size_t)(colon - text);
    bool in_brackets = len >= 2 && text[0] == '[' && colon[-1] == ']';
    bool fits = len > 0 && len < sizeof(out->host);
    if (!fits || !parse_port(colon + 1, &out->port) || (!in_brackets && memchr(text, ':', len) != NULL))
        return mr_fault_set(fault, MR_EPARAM, "%.100s is not an address: HOST:PORT, [IPv6]:PORT or unix:PATH", text);
    memcpy(out->host, text + in_brackets, len - (in_brackets ? 2 : 0));
    out->is_literal = parse_literal(out, in_brackets);
    if (in_brackets && !out->is_literal)
        return mr_fault_set(fault, MR_EPARAM, "%.100s holds no IPv6 address between its brackets", text);
    return MR_OK;
}

static bool is_loopback(const union address *at)
{
    if (at->any.sa_family == AF_INET)
        return ntohl(at->v4.sin_addr.s_addr) >> 24 == 127;
    if (at->any.sa_family == AF_INET6) {
        const struct in6_addr *v6 = &at->v6.sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
    }
    return at->any.sa_family == AF_UNIX;
}

static int check_path(const char *path, struct mr_fault *fault)
{
    size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path);
    if (path[0] != '\0' && strlen(path) < room)
        return MR_OK;
    return mr_fault_set(fault, MR_EPARAM, "the path of a Unix socket must have 1 to %zu octets", room - 1);
}

int mr_listener_check(const char *address, bool *loopback, struct mr_fault *fault)
{
    *loopback = true;
    if (is_unix_text(address))
        return check_path(address + sizeof(unix_prefix) - 1, fault);
    struct parts parts;
    int err = parse(&parts, address, fault);
    if (err == 0)
        *loopback = parts.is_literal ? is_loopback(&parts.at) : mr_localhost_is(mr_slice_of(parts.host));
    return err;
}

/* ---- The socket, bound but not listening yet. Returns the descriptor, or -1 with errno. ---- */

static socklen_t length_of(const union address *at)
{
    return at->any.sa_family == AF_INET    ? sizeof(at->v4)
           : at->any.sa_family == AF_INET6 ? sizeof(at->v6)
                                           : sizeof(at->local);
}

static int bind_to(const union address *at, bool is_dual, bool share)
{
    int fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    const int on = 1, v6_only = !is_dual;
    bool is_internet = at->any.sa_family != AF_UNIX;
    if ((is_internet && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) ||
        (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
        (at->any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) != 0) ||
        bind(fd, &at->any, length_of(at)) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* The first address of a name that can be bound. */
static int bind_name(const struct parts *parts, struct mr_fault *fault, const char *address)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    char port[8];
    snprintf(port, sizeof(port), "%u", parts->port);
    int err = getaddrinfo(parts->host, port, &hints, &found);
    if (err != 0) {
        mr_fault_set(fault, MR_EIO, "cannot listen on %s: %s", address, gai_strerror(err));
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *row = found; row != NULL && fd < 0; row = row->ai_next) {
        union address at = {0};
        memcpy(&at, row->ai_addr, MR_MIN(row->ai_addrlen, sizeof(at)));
        fd = bind_to(&at, false, false);
    }
    if (fd < 0)
        fail(fault, address, errno);
    freeaddrinfo(found);
    return fd;
}

static int bind_text(const char *address, struct mr_fault *fault)
{
    struct parts parts;
    if (parse(&parts, address, fault) != 0)
        return -1;
    if (!parts.is_literal)
        return bind_name(&parts, fault, address);
    bool is_any = strcmp(parts.host, "*") == 0;
    /* sin_port and sin6_port lie at the same place: each is the second 16 bits. */
    parts.at.v4.sin_port = htons(parts.port);
    int fd = bind_to(&parts.at, is_any, false);
    if (fd < 0 && is_any && errno == EAFNOSUPPORT) { /* a machine without IPv6 */
        parts.at.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(parts.port)};
        fd = bind_to(&parts.at, false, false);
    }
    if (fd < 0)
        fail(fault, address, errno);
    return fd;
}

/* Does a socket file lie there that nobody listens on? */
static bool is_stale(const union address *at)
{
    struct stat status;
    if (lstat(at->local.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused = fd >= 0 && connect(fd, &at->any, sizeof(at->local)) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return refused;
}

static int bind_path(const char *path, struct mr_fault *fault)
{
    if (check_path(path, fault) != 0)
        return -1;
    union address at = {.local = {.sun_family = AF_UNIX}};
    memcpy(at.local.sun_path, path, strlen(path) + 1);
    int fd = bind_to(&at, false, false);
    if (fd < 0 && errno == EADDRINUSE) {
        if (is_stale(&at) && unlink(path) == 0)
            fd = bind_to(&at, false, false);
        else
            errno = EADDRINUSE;
    }
    if (fd < 0) {
        char address[sizeof(at.local.sun_path) + sizeof(unix_prefix)];
        snprintf(address, sizeof(address), "%s%s", unix_prefix, path);
        fail(fault, address, errno);
    }
    return fd;
}

/* ---- What the socket turned out to be, and one descriptor per loop. ---- */

static void write_url(struct mr_listener *listener, const union address *at)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (at->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &at->v4.sin_addr, host, sizeof(host));
        snprintf(listener->url, sizeof(listener->url), "http://%s:%u", host, ntohs(at->v4.sin_port));
    } else if (at->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &at->v6.sin6_addr, host, sizeof(host));
        snprintf(listener->url, sizeof(listener->url), "http://[%s]:%u", host, ntohs(at->v6.sin6_port));
    } else if (at->local.sun_path[0] == '\0') {
        snprintf(listener->url, sizeof(listener->url), "%s@%.106s", unix_prefix, at->local.sun_path + 1);
    } else {
        snprintf(listener->url, sizeof(listener->url), "%s%.107s", unix_prefix, at->local.sun_path);
    }
}

/* Fill the listener from its first descriptor; *at becomes the address it is bound to. */
static int describe(struct mr_listener *out, int fd, union address *at)
{
    *out = (struct mr_listener){.fd_count = 1, .fds = {fd}};
    *at = (union address){0};
    socklen_t len = sizeof(*at);
    if (getsockname(fd, &at->any, &len) != 0)
        return MR_EIO;
    out->is_unix = at->any.sa_family == AF_UNIX;
    out->is_loopback = is_loopback(at);
    write_url(out, at);
    return MR_OK;
}

static int add_duplicates(struct mr_listener *listener, unsigned loops)
{
    while (listener->fd_count < loops) {
        int fd = fcntl(listener->fds[0], F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            return MR_EIO;
        listener->fds[listener->fd_count++] = fd;
    }
    return MR_OK;
}

static int add_sharing(struct mr_listener *listener, const union address *at, unsigned loops)
{
    const int on = 1;
    int is_v6_only = 1;
    socklen_t len = sizeof(is_v6_only);
    if (at->any.sa_family == AF_INET6)
        getsockopt(listener->fds[0], IPPROTO_IPV6, IPV6_V6ONLY, &is_v6_only, &len);
    if (loops > 1 && setsockopt(listener->fds[0], SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
        return MR_EIO;
    while (listener->fd_count < loops) {
        int fd = bind_to(at, !is_v6_only, true);
        if (fd < 0)
            return MR_EIO;
        listener->fds[listener->fd_count++] = fd;
    }
    return MR_OK;
}

static int listen_on(struct mr_listener *listener)
{
    for (unsigned i = 0; i < listener->fd_count; i++) {
        if (listen(listener->fds[i], BACKLOG) != 0)
            return MR_EIO;
    }
    return MR_OK;
}

/* Remember which file it is: a successor may bind the same path while we drain. */
static void own_path(struct mr_listener *listener, const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0)
        return;
    memcpy(listener->path, path, strlen(path) + 1);
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
}

int mr_listener_open(struct mr_listener *out, const char *address, unsigned loops, struct mr_fault *fault)
{
    MR_ASSERT(loops > 0 && loops <= MR_ARRAY_SIZE(out->fds));
    bool is_unix = is_unix_text(address);
    const char *path = address + sizeof(unix_prefix) - 1;
    *fault = (struct mr_fault){.error = MR_OK};
    *out = (struct mr_listener){.fd_count = 0};
    int fd = is_unix ? bind_path(path, fault) : bind_text(address, fault);
    if (fd < 0)
        return fault->error;

    union address at;
    int err = describe(out, fd, &at);
    if (is_unix)
        own_path(out, path);
    if (err == 0)
        err = is_unix ? MR_OK : add_sharing(out, &at, loops);
    if (err == 0)
        err = listen_on(out);
    if (err == 0 && is_unix)
        err = add_duplicates(out, loops);
    if (err != 0) {
        fail(fault, address, errno);
        mr_listener_close(out);
    }
    return err;
}

int mr_listener_adopt(struct mr_listener *out, int fd, unsigned loops, struct mr_fault *fault)
{
    MR_ASSERT(loops > 0 && loops <= MR_ARRAY_SIZE(out->fds));
    union address at;
    int type = 0, listening = 0;
    socklen_t len = sizeof(int);
    *out = (struct mr_listener){.fd_count = 0};
    bool fits = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
                getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening != 0;
    if (!fits || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return mr_fault_set(fault, MR_EIO, "descriptor %d that was passed in is not a listening stream socket", fd);
    int err = describe(out, fd, &at);
    if (err == 0)
        err = add_duplicates(out, loops);
    if (err != 0) {
        mr_fault_set(fault, MR_EIO, "cannot use descriptor %d that was passed in: %s", fd, strerror(errno));
        mr_listener_close(out);
    }
    return err;
}

/* A classic BPF program that tells the kernel the index of a socket, in the order in which they began to listen
 * (SO_ATTACH_REUSEPORT_CBPF, socket(7)): a random number modulo the sockets that accept, and for each a comparison and
 * a return. */
static int write_steering(struct sock_filter *code, unsigned fd_count, const bool *accepts)
{
    unsigned accepting = 0, len = 2;
    for (unsigned i = 0; i < fd_count; i++) {
        if (!accepts[i])
            continue;
        code[len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, accepting++, 0, 1);
        code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, i);
    }
    code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0); /* never reached */
    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
    code[1] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, accepting);
    return accepting > 0 ? (int)len : 0;
}

int mr_listener_steer(const struct mr_listener *listener, const bool *accepts)
{
    struct sock_filter code[2 * MR_LISTENER_FDS_MAX + 3];
    int sharing = 0;
    socklen_t len = sizeof(sharing);
    if (getsockopt(listener->fds[0], SOL_SOCKET, SO_REUSEPORT, &sharing, &len) != 0 || !sharing)
        return MR_OK;
    struct sock_fprog program = {.filter = code,
                                 .len = (unsigned short)write_steering(code, listener->fd_count, accepts)};
    if (program.len == 0)
        return MR_OK;
    int err = setsockopt(listener->fds[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, (socklen_t)sizeof(program));
    return err == 0 ? MR_OK : MR_EIO;
}

void mr_listener_unlink(struct mr_listener *listener)
{
    struct stat status;
    if (listener->path[0] != '\0' && lstat(listener->path, &status) == 0 && status.st_dev == listener->device &&
        status.st_ino == listener->inode)
        unlink(listener->path);
    listener->path[0] = '\0';
}

/* ---- The other side. ---- */

static void replace_wildcard(union address *at)
{
    if (at->any.sa_family == AF_INET && at->v4.sin_addr.s_addr == htonl(INADDR_ANY))
        at->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (at->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&at->v6.sin6_addr))
        at->v6.sin6_addr = in6addr_loopback;
}

/* The first address of a name, as bind_name() takes it. */
static int resolve(union address *out, const char *host, const char *address, struct mr_fault *fault)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int err = getaddrinfo(host, NULL, &hints, &found);
    if (err != 0)
        return mr_fault_set(fault, MR_EIO, "cannot connect to %s: %s", address, gai_strerror(err));
    memcpy(out, found->ai_addr, MR_MIN(found->ai_addrlen, sizeof(*out)));
    freeaddrinfo(found);
    return MR_OK;
}

static int find_peer(union address *out, const char *address, struct mr_fault *fault)
{
    *out = (union address){.local = {.sun_family = AF_UNIX}};
    const char *path = address + sizeof(unix_prefix) - 1;
    if (is_unix_text(address)) {
        int err = check_path(path, fault);
        if (err == MR_OK)
            memcpy(out->local.sun_path, path, strlen(path) + 1);
        return err;
    }
    struct parts parts;
    int err = parse(&parts, address, fault);
    if (err != MR_OK)
        return err;
    if (strcmp(parts.host, "*") == 0) /* both families: that of IPv4 is always there */
        out->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    else if (parts.is_literal)
        *out = parts.at;
    else
        err = resolve(out, parts.host, address, fault);
    replace_wildcard(out);
    out->v4.sin_port = htons(parts.port); /* the same place as sin6_port */
    return err;
}

int mr_listener_connect(int *out, const char *address, unsigned timeout_s, struct mr_fault *fault)
{
    const struct timeval patience = {.tv_sec = timeout_s};
    union address at;
    *fault = (struct mr_fault){.error = MR_OK};
    *out = -1;
    int err = find_peer(&at, address, fault);
    if (err != MR_OK)
        return err;
    int fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
        connect(fd, &at.any, length_of(&at)) == 0) {
        *out = fd;
        return MR_OK;
    }
    bool is_late = errno == EINPROGRESS || errno == EAGAIN; /* what a timeout of connect() says */
    err = mr_fault_set(fault, MR_EIO, "cannot connect to %s: %s", address, strerror(is_late ? ETIMEDOUT : errno));
    if (fd >= 0)
        close(fd);
    return err;
}

void mr_listener_close(struct mr_listener *listener)
{
    mr_listener_unlink(listener);
    for (unsigned i = 0; i < listener->fd_count; i++) {
        if (listener->fds[i] >= 0)
            close(listener->fds[i]);
        listener->fds[i] = -1;
    }
    listener->fd_count = 0;
}
