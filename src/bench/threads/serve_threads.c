/* DESIGN. The service is the one of `millrace` with --offload=none and up to MR_LOOPS_MAX loops, of which none runs:
 * each is a seat for a connection. The main thread, the acceptor, takes a free seat and starts a thread, which is the
 * loop's as long as its connection lives (blocking.h); so handlers, stages and counters find all that they find under a
 * loop, and each thread computes its own jobs and nobody else's. The acceptor also watches the signals and leads the
 * way out, in the phases of service/drain.h. When no seat is free, connections wait in the kernel; --max-connections is
 * below that, so that one too many is told so. */
#define _GNU_SOURCE 1 /* accept4 */
#include "bench/threads/serve_threads.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/console.h"
#include "base/log.h"
#include "base/macros.h"
#include "bench/threads/blocking.h"
#include "service/process.h"
#include "service/service.h"
#include "supervisor/listeners.h"
#include "supervisor/systemd.h"
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Of the seats: for connections over the limit, which are told so. */
#define SEATS_TO_REFUSE  16
#define CUT_GRACE_NS     (5 * MR_NS_PER_S)   /* what was cut stops at its next checkpoint; then it is left behind */
#define ACCEPT_FAILED_NS (10 * MR_NS_PER_MS) /* a pause, as the listener goes on being ready */

struct acceptor;

struct seat {
    struct acceptor *acceptor; /* borrowed */
    uv_thread_t thread;
    int fd;            /* of its connection */
    bool is_public;    /* which came to a listener that other machines can reach */
    atomic_bool ended; /* set by the thread at its end: it is to be joined, the seat is free then */
};

struct acceptor {                   /* its own thread's, but for what is atomic and `word` */
    const struct mr_config *config; /* borrowed */
    struct mr_service *service;
    const struct mr_app *app; /* the service's */
    struct mr_listeners listeners;
    struct mr_blocking_word word;
    struct seat seats[MR_LOOPS_MAX]; /* by the index of their loop */
    unsigned seat_count, free[MR_LOOPS_MAX], free_count;
    int signal_fd, ended_fd; /* ended_fd: an eventfd that ending threads write to */
    enum mr_phase phase;
    uint64_t phase_ends; /* monotonic ns; UINT64_MAX: by itself */
    atomic_bool was_cut;
    int argc; /* for SIGHUP, which reads the options again */
    char *const *argv, *const *environment;
};

/* ---- threads ---- */

static void serve_connection(void *context)
{
    const uint64_t one = 1;
    struct seat *seat = context;
    struct acceptor *self = seat->acceptor;
    struct mr_loop *loop = self->app->loops[seat - self->seats];
    if (mr_blocking_serve(seat->fd, seat->is_public, self->app->http, loop, &self->word))
        atomic_store(&self->was_cut, true);
    mr_service_thread_end();
    atomic_store(&seat->ended, true);
    ssize_t written = write(self->ended_fd, &one, sizeof(one));
    MR_ASSERT(written == sizeof(one));
}

/* Streams without an end are ended; others go on. */
static void drain_seat_loop(void *context, struct mr_loop *loop)
{
    struct acceptor *self = context;
    mr_app_drain(self->app, loop);
}

static void seat_connection(struct acceptor *self, int fd, bool is_public)
{
    struct seat *seat = &self->seats[self->free[--self->free_count]];
    seat->fd = fd;
    seat->is_public = is_public;
    if (uv_thread_create(&seat->thread, serve_connection, seat) == 0)
        return;
    mr_log(MR_LOG_WARN, "cannot start a thread for a connection");
    close(fd);
    self->free_count++;
}

static void free_ended_seats(struct acceptor *self)
{
    uint64_t count;
    ssize_t got = read(self->ended_fd, &count, sizeof(count));
    MR_ASSERT(got == sizeof(count));
    for (unsigned i = 0; i < self->seat_count; i++) {
        struct seat *seat = &self->seats[i];
        if (!atomic_load(&seat->ended))
            continue;
        uv_thread_join(&seat->thread);
        atomic_store(&seat->ended, false);
        self->free[self->free_count++] = i;
    }
}

static bool is_quiet(const struct acceptor *self)
{
    return self->free_count == self->seat_count;
}

/* ---- accepting ---- */

/* Who has connected, as long as there are seats. */
static void accept_from(struct acceptor *self, const struct mr_listener *listener)
{
    const int on = 1;
    while (self->free_count > 0) {
        int fd = accept4(listener->fds[0], NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            if (!listener->is_unix)
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            seat_connection(self, fd, !listener->is_loopback);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            if (errno == EAGAIN)
                return;
            mr_log(MR_LOG_WARN, "accept: %s", strerror(errno));
            nanosleep(&(struct timespec){.tv_nsec = ACCEPT_FAILED_NS}, NULL);
            return;
        }
    }
}

static void stop_accepting(struct acceptor *self)
{
    for (unsigned i = 0; i < self->listeners.count; i++)
        accept_from(self, &self->listeners.at[i]); /* who had connected before */
    mr_listeners_close(&self->listeners);
}

/* ---- the way out: the phases of service/drain.h ---- */

_Noreturn static void exit_acceptor_now(struct acceptor *self)
{
    mr_listeners_close(&self->listeners);
    mr_log_flush();
    _exit(1);
}

static void enter_phase(struct acceptor *self, enum mr_phase phase, uint64_t length_ns)
{
    self->phase = phase;
    self->phase_ends = mr_clock_now() + length_ns;
}

static void begin_to_leave(struct acceptor *self)
{
    enter_phase(self, MR_PHASE_LEAVING, self->config->drain.delay);
    mr_drain_announce(self->app->http, &self->config->drain);
}

static void end_phase(struct acceptor *self)
{
    switch (self->phase) {
    case MR_PHASE_LEAVING:
        stop_accepting(self);
        mr_blocking_tell(&self->word, MR_BLOCKING_DRAIN);
        enter_phase(self, MR_PHASE_DRAINING, self->config->drain.timeout);
        break;
    case MR_PHASE_DRAINING:
        mr_log(MR_LOG_WARN, "drain-timeout passed: cutting what is in flight");
        mr_blocking_tell(&self->word, MR_BLOCKING_CUT); /* before jobs are stopped: who sees that knows why */
        mr_offload_close(self->app->offload);
        enter_phase(self, MR_PHASE_CUTTING, CUT_GRACE_NS);
        break;
    case MR_PHASE_CUTTING:
        mr_log(MR_LOG_ERROR, "some work did not stop after it was cut");
        exit_acceptor_now(self);
    case MR_PHASE_SERVING:
    case MR_PHASE_OVER:
        break;
    }
}

static void reread_options(struct acceptor *self)
{
    struct mr_config config;
    mr_service_reload(self->service);
    if (mr_config_read(&config, self->argc, self->argv, self->environment, stderr) != MR_OPTIONS_RUN)
        return;
    mr_log_set_level((enum mr_log_level)config.log.level);
    mr_config_free(&config);
}

static void take_signal(struct acceptor *self)
{
    struct signalfd_siginfo info;
    ssize_t got = read(self->signal_fd, &info, sizeof(info));
    MR_ASSERT(got == sizeof(info));
    if (info.ssi_signo == SIGHUP)
        reread_options(self);
    else if (self->phase == MR_PHASE_SERVING)
        begin_to_leave(self);
    else
        exit_acceptor_now(self);
}

/* ---- running ---- */

static int phase_left_ms(const struct acceptor *self)
{
    uint64_t now = mr_clock_now();
    if (self->phase_ends == UINT64_MAX)
        return -1;
    uint64_t left_ns = self->phase_ends > now ? self->phase_ends - now : 0;
    return (int)MR_MIN((left_ns + MR_NS_PER_MS - 1) / MR_NS_PER_MS, (uint64_t)INT_MAX);
}

static void step_acceptor(struct acceptor *self)
{
    struct pollfd fds[2 + MR_LISTENERS_MAX] = {{.fd = self->signal_fd, .events = POLLIN},
                                               {.fd = self->ended_fd, .events = POLLIN}};
    nfds_t count = 2;
    for (unsigned i = 0; i < self->listeners.count && self->free_count > 0; i++)
        fds[count++] = (struct pollfd){.fd = self->listeners.at[i].fds[0], .events = POLLIN};
    if (poll(fds, count, phase_left_ms(self)) < 0)
        return; /* EINTR */
    for (nfds_t i = 2; i < count; i++) {
        if (fds[i].revents != 0)
            accept_from(self, &self->listeners.at[i - 2]);
    }
    if (fds[1].revents != 0)
        free_ended_seats(self);
    if (fds[0].revents != 0)
        take_signal(self);
    if (mr_clock_now() >= self->phase_ends)
        end_phase(self);
}

static int open_acceptor(struct acceptor *self, const sigset_t *signals)
{
    for (unsigned i = self->seat_count; i-- > 0;) { /* the first is taken first */
        self->seats[i].acceptor = self;
        self->free[self->free_count++] = i;
    }
    self->phase_ends = UINT64_MAX;
    self->signal_fd = signalfd(-1, signals, SFD_CLOEXEC);
    self->ended_fd = eventfd(0, EFD_CLOEXEC);
    self->word.on_drain = drain_seat_loop;
    self->word.context = self;
    int err = mr_blocking_word_open(&self->word);
    return self->signal_fd >= 0 && self->ended_fd >= 0 ? err : MR_EIO;
}

static void close_acceptor(struct acceptor *self)
{
    mr_blocking_word_close(&self->word);
    if (self->ended_fd >= 0)
        close(self->ended_fd);
    if (self->signal_fd >= 0)
        close(self->signal_fd);
}

static int run_acceptor(struct acceptor *self)
{
    mr_listeners_announce(&self->listeners);
    while (self->phase < MR_PHASE_DRAINING || !is_quiet(self))
        step_acceptor(self);
    bool was_cut = atomic_load(&self->was_cut);
    mr_log(MR_LOG_INFO, was_cut ? "ended, what was in flight was cut" : "ended, drained");
    return was_cut;
}

/* ---- from options to the end ---- */

static int serve_with(struct acceptor *self, const struct mr_config *config, const sigset_t *signals)
{
    struct mr_fault fault = {0};
    unsigned passed;
    int err = mr_systemd_listen_fds(&passed, &fault);
    if (err == 0 && (err = open_acceptor(self, signals)) != 0)
        mr_fault_set(&fault, err, "cannot open descriptors");
    if (err == 0)
        err = mr_service_create(&self->service, &(struct mr_service_parts){.config = config}, &fault);
    if (err == 0)
        self->app = mr_service_app(self->service);
    if (err == 0)
        err = mr_listeners_open(&self->listeners, &config->listen, 1, passed, &fault); /* the loops do not accept */
    int status = err == MR_EPARAM ? 2 : 1;
    if (err == 0)
        status = run_acceptor(self);
    else
        fprintf(mr_console(), "millrace-bench: %s\n", fault.detail);
    mr_listeners_close(&self->listeners);
    if (self->service != NULL)
        mr_service_destroy(&self->service);
    close_acceptor(self);
    return status;
}

static int run_acceptor_process(struct mr_config *config, struct acceptor *self)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before there are other threads: the acceptor reads them */
    signal(SIGXFSZ, SIG_IGN);                   /* a temporary file over the limit: EFBIG */
    setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 0}); /* it would hold what clients sent */
    config->cluster.processes = 1;
    config->loop.lag_warn = 0; /* only its own connection waits for a loop */
    config->offload.kind = MR_OFFLOAD_NONE;
    config->offload.lab = false;
    config->http.max_connections = MR_MIN(config->http.max_connections, MR_LOOPS_MAX - SEATS_TO_REFUSE);
    config->loop.loops = config->http.max_connections + SEATS_TO_REFUSE;
    self->seat_count = (unsigned)config->loop.loops;
    self->config = config;
    if (mr_process_begin(config) != 0)
        return 1;
    int status = serve_with(self, config, &signals);
    mr_process_end();
    return status;
}

static int start_acceptor(struct mr_config *config, int argc, char *const *argv, char *const *environment)
{
    struct acceptor *self = calloc(1, sizeof(*self));
    if (self == NULL)
        return 1;
    self->argc = argc;
    self->argv = argv;
    self->environment = environment;
    int status = run_acceptor_process(config, self);
    free(self);
    return status;
}

static void write_threads_help(FILE *out)
{
    struct mr_options_program program = *mr_config_program();
    program.name = "millrace-bench serve-threads";
    program.usage =
        "millrace-bench serve-threads: the service of `millrace` with a thread for each connection and\n"
        "blocking I/O, to be measured against it. At most 240 connections. Without effect are --offload,\n"
        "--lab, --workers, --worker-priority, --loops, --processes and --lag-warn: each connection's thread\n"
        "computes, and only for itself.";
    mr_options_help(&program, out);
}

int mr_serve_threads_main(int argc, char *const *argv, char *const *environment)
{
    struct mr_config config;
    enum mr_options_result result = mr_config_read(&config, argc, argv, environment, stderr);
    int status = mr_options_answer(result, "millrace-bench", write_threads_help);
    if (status == MR_OPTIONS_GO_ON)
        status = start_acceptor(&config, argc, argv, environment);
    mr_config_free(&config);
    return status;
}
