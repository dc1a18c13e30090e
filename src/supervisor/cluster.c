/* DESIGN. One thread, one poll() on a signalfd and a pipe. Signals are blocked here from before the first fork, and
 * unblocked in each process again; nothing of libuv, libvips or the log's thread exists in the supervisor, so that
 * fork() copies nothing that has to be mended. */
#define _GNU_SOURCE 1 /* pipe2 */
#include "supervisor/cluster.h"
#include "base/clock.h"
#include "base/log.h"
#include "supervisor/systemd.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_MIN_NS (100 * MR_NS_PER_MS)
#define BACKOFF_MAX_NS (10 * MR_NS_PER_S)
#define DRAIN_GRACE_NS (10 * MR_NS_PER_S) /* beyond --drain-timeout: a process needs 5 s for what was cut */
#define END_GRACE_NS   MR_NS_PER_S        /* for SIGUSR1, and for SIGABRT */
#define LOOKS          4                  /* at each process within a timeout; beats of its loops likewise */
#define NEVER          UINT64_MAX

enum phase { STARTING, RUNNING, LEAVING, ENDING };

struct process {
    pid_t pid;           /* 0: it does not run */
    bool is_ready;       /* it serves */
    uint64_t started_at; /* monotonic ns, as all here */
    uint64_t restart_at; /* NEVER: not waited for */
    uint64_t judged_at;  /* its silence counts from here: from its start, its readiness, or a pause of the supervisor */
    uint64_t aborted_at; /* NEVER: it was not */
    bool is_silent;      /* it gives no sign of life: no new connections for it */
    unsigned early_deaths;
};

struct cluster {
    const struct mr_cluster_config *config; /* borrowed */
    mr_child_main *serve;
    void *context; /* serve's */
    struct mr_segment *segment;
    struct mr_listeners listeners;
    int signals, ready[2]; /* a signalfd, a pipe */
    sigset_t mask_before;
    pid_t pid;
    unsigned count;
    struct process processes[MR_PROCESSES_MAX];
    enum phase phase;
    uint64_t close_at, kill_at; /* when to close the listeners, and to kill the processes that are left */
    uint64_t watchdog_ns;       /* how often the manager is to be told that the supervisor lives; 0: it does not ask */
    uint64_t watchdog_at;       /* and when the next time */
    uint64_t look_ns;           /* how often the processes are looked at; 0: never */
    uint64_t looked_at, look_at;
    int status; /* the exit status, if all goes on well */
};

// clang-format off
const struct mr_option mr_cluster_options[] = {
    MR_OPTION_ROW(mr_cluster_settings, "processes", INT, 1, MR_PROCESSES_MAX, "N", "1", processes, "processes that serve; 2 or more: under a supervisor"),
    MR_OPTION_ROW(mr_cluster_settings, "hang-timeout", TIME, 0, 86400, "TIME", "30s", hang_timeout,   NULL),
    MR_OPTION_ROW(mr_cluster_settings, "start-timeout", TIME, 0, 86400, "TIME", "30s", start_timeout, "end a process that is silent; that does not start; 0: none"),
    MR_OPTION_END,
};
// clang-format on

uint64_t mr_cluster_backoff_ns(unsigned early_deaths)
{
    uint64_t pause = early_deaths == 0 ? 0 : BACKOFF_MIN_NS;
    for (unsigned i = 1; i < early_deaths && pause < BACKOFF_MAX_NS; i++)
        pause *= 2;
    return MR_MIN(pause, BACKOFF_MAX_NS);
}

/* ---- starting ---- */

/* In the new process. */
_Noreturn static void be_process(struct cluster *cluster, unsigned index)
{
    close(cluster->signals);
    close(cluster->ready[0]);
    sigset_t mask = cluster->mask_before;
    sigaddset(&mask, SIGHUP); /* one that comes before the process reads signals waits until then */
    sigprocmask(SIG_SETMASK, &mask, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != cluster->pid) /* it died before we asked */
        _exit(1);
    unsetenv("NOTIFY_SOCKET"); /* the supervisor speaks for all */
    mr_log_count_in(NULL);     /* the supervisor's counter is read-only from here on */
    mr_segment_enter(cluster->segment, index);
    struct mr_child child = {
        .index = index,
        .segment = cluster->segment,
        .listeners = &cluster->listeners,
        .ready_fd = cluster->ready[1],
        .beat_ns = cluster->config->hang_timeout_ns / LOOKS,
    };
    exit(cluster->serve(cluster->context, &child));
}

static bool may_accept(const struct process *process)
{
    return process->is_ready && !process->is_silent;
}

/* New connections to those that serve, as long as the listeners are open. */
static void steer_cluster(const struct cluster *cluster)
{
    bool accepts[MR_LISTENER_FDS_MAX];
    unsigned loops = cluster->config->loops;
    for (unsigned i = 0; i < cluster->count * loops; i++)
        accepts[i] = may_accept(&cluster->processes[i / loops]);
    for (unsigned i = 0; i < cluster->listeners.count; i++) {
        if (mr_listener_steer(&cluster->listeners.at[i], accepts) != MR_OK)
            mr_log(MR_LOG_WARN, "cannot steer connections: %s", strerror(errno));
    }
}

static void restart_later(struct process *process)
{
    process->restart_at = mr_clock_now() + mr_cluster_backoff_ns(process->early_deaths);
    process->early_deaths++;
}

static void start_process(struct cluster *cluster, unsigned index)
{
    struct process *process = &cluster->processes[index];
    *process = (struct process){
        .started_at = mr_clock_now(),
        .judged_at = mr_clock_now(),
        .restart_at = NEVER,
        .aborted_at = NEVER,
        .early_deaths = process->early_deaths,
        .pid = fork(),
    };
    if (process->pid == 0)
        be_process(cluster, index);
    if (process->pid > 0) {
        mr_segment_started(cluster->segment, index, process->pid);
        return;
    }
    process->pid = 0;
    mr_log(MR_LOG_ERROR, "cannot fork: %s", strerror(errno));
    restart_later(process);
}

static void restart_due(struct cluster *cluster, uint64_t now)
{
    for (unsigned i = 0; i < cluster->count; i++) {
        if (cluster->processes[i].restart_at > now)
            continue;
        mr_segment_count_restart(cluster->segment);
        start_process(cluster, i);
    }
}

/* The first one alone, so that what is wrong with the configuration is said once. */
static void on_process_ready(struct cluster *cluster, unsigned index)
{
    struct process *process = &cluster->processes[index];
    process->is_ready = process->pid != 0;
    process->judged_at = mr_clock_now();
    if (cluster->phase != STARTING) {
        steer_cluster(cluster);
        return;
    }
    if (index == 0) {
        for (unsigned i = 1; i < cluster->count; i++)
            start_process(cluster, i);
    }
    for (unsigned i = 0; i < cluster->count; i++) {
        if (!cluster->processes[i].is_ready)
            return;
    }
    cluster->phase = RUNNING;
    mr_listeners_announce(&cluster->listeners);
    if (cluster->watchdog_ns > 0)
        cluster->watchdog_at = mr_clock_now(); /* behind READY=1, which the manager waits for first */
}

static void read_ready(struct cluster *cluster)
{
    unsigned char indexes[MR_PROCESSES_MAX];
    ssize_t got = read(cluster->ready[0], indexes, sizeof(indexes));
    for (ssize_t i = 0; i < got; i++) {
        if (indexes[i] < cluster->count)
            on_process_ready(cluster, indexes[i]);
    }
}

/* ---- the end ---- */

static void tell_all(const struct cluster *cluster, int number)
{
    for (unsigned i = 0; i < cluster->count; i++) {
        if (cluster->processes[i].pid != 0)
            kill(cluster->processes[i].pid, number);
    }
}

static void forget_restarts(struct cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++)
        cluster->processes[i].restart_at = NEVER;
}

static void shut_down_cluster(struct cluster *cluster)
{
    uint64_t now = mr_clock_now();
    cluster->phase = LEAVING;
    cluster->close_at = now + cluster->config->drain_delay_ns;
    cluster->kill_at = cluster->close_at + cluster->config->drain_timeout_ns + DRAIN_GRACE_NS;
    forget_restarts(cluster);
    mr_systemd_notify_stopping(cluster->kill_at - now + END_GRACE_NS);
    mr_log(MR_LOG_INFO, "leaving, %u processes", mr_segment_running(cluster->segment));
    tell_all(cluster, SIGTERM);
}

static void end_cluster_now(struct cluster *cluster, int status)
{
    uint64_t now = mr_clock_now();
    cluster->phase = ENDING;
    cluster->status = status;
    cluster->close_at = now;
    cluster->kill_at = now + END_GRACE_NS;
    forget_restarts(cluster);
    tell_all(cluster, SIGUSR1);
}

static void on_cluster_signal(struct cluster *cluster, uint32_t number)
{
    if (number == SIGHUP) {
        mr_log_reopen();
        if (cluster->config->reload != NULL)
            cluster->config->reload(cluster->context);
        tell_all(cluster, SIGHUP);
    } else if (number != SIGCHLD && (cluster->phase == STARTING || cluster->phase == RUNNING)) {
        shut_down_cluster(cluster);
    } else if (number != SIGCHLD) {
        end_cluster_now(cluster, 1);
    }
}

static void read_signals(struct cluster *cluster)
{
    struct signalfd_siginfo info;
    while (read(cluster->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        on_cluster_signal(cluster, info.ssi_signo);
}

/* ---- deaths ---- */

static void log_death(const struct cluster *cluster, unsigned index, pid_t pid, int status)
{
    const struct process *process = &cluster->processes[index];
    uint64_t now = mr_clock_now();
    struct mr_log_line line;
    bool is_end = cluster->phase >= LEAVING && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    mr_log_begin(&line, is_end ? MR_LOG_INFO : MR_LOG_WARN, WIFSIGNALED(status) ? "process killed" : "process ended");
    mr_log_int(&line, "process", index);
    mr_log_int(&line, "pid", pid);
    if (WIFSIGNALED(status)) {
        mr_log_int(&line, "signal", WTERMSIG(status));
        mr_log_text(&line, "means", strsignal(WTERMSIG(status)));
    } else {
        mr_log_int(&line, "status", WEXITSTATUS(status));
    }
    mr_log_seconds(&line, "lived", now - process->started_at);
    if (process->restart_at != NEVER)
        mr_log_seconds(&line, "restart_in", process->restart_at - MR_MIN(now, process->restart_at));
    mr_log_end(&line);
}

static void on_death(struct cluster *cluster, unsigned index, int status)
{
    struct process *process = &cluster->processes[index];
    bool is_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    pid_t pid = process->pid;
    bool was_ready = process->is_ready;
    process->pid = 0;
    process->is_ready = process->is_silent = false;
    steer_cluster(cluster); /* also while it leaves: with --drain-delay clients still come */
    if (cluster->phase == RUNNING) {
        if (mr_clock_now() - process->started_at >= MR_CLUSTER_STEADY_NS)
            process->early_deaths = 0;
        restart_later(process);
    } else if (cluster->phase == STARTING) {
        end_cluster_now(cluster, WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1);
    } else if (!is_well && was_ready && cluster->status == 0) {
        cluster->status = 1; /* (one that did not serve yet had nothing to drain) */
    }
    log_death(cluster, index, pid, status);
}

/* A child that has ended and is still there to be asked; 0: there is none. */
static pid_t ended_child(void)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info.si_pid : 0;
}

/* The place of the process; cluster->count: it is none of ours. */
static unsigned index_of(const struct cluster *cluster, pid_t pid)
{
    unsigned index = 0;
    while (index < cluster->count && cluster->processes[index].pid != pid)
        index++;
    return index;
}

/* All that have ended: a SIGCHLD may stand for several. One that is none of ours was there before us, or was adopted:
 * as the first process of a container the supervisor is the parent of all orphans in it. */
static void reap(struct cluster *cluster)
{
    int status;
    for (pid_t pid; (pid = ended_child()) != 0;) {
        unsigned index = index_of(cluster, pid);
        if (index < cluster->count)
            mr_segment_ended(cluster->segment, index); /* before its processor time is gone with it */
        if (waitpid(pid, &status, 0) != pid || index == cluster->count)
            continue;
        if (cluster->config->ended != NULL)
            cluster->config->ended(cluster->context, index);
        on_death(cluster, index, status);
    }
}

/* ---- hangs ---- */

static void log_silence(const struct cluster *cluster, unsigned index, const char *message, uint64_t silence)
{
    struct mr_log_line line;
    mr_log_begin(&line, MR_LOG_WARN, message);
    mr_log_int(&line, "process", index);
    mr_log_int(&line, "pid", cluster->processes[index].pid);
    mr_log_seconds(&line, "silent", silence);
    mr_log_end(&line);
}

static void abort_process(struct cluster *cluster, unsigned index, uint64_t now, const char *why, uint64_t silence)
{
    log_silence(cluster, index, why, silence);
    cluster->processes[index].aborted_at = now;
    kill(cluster->processes[index].pid, SIGABRT);
}

/* How long it has given no sign of life. */
static uint64_t silence_of(const struct cluster *cluster, unsigned index, uint64_t now)
{
    uint64_t since = MR_MAX(mr_segment_silent_since(cluster->segment, index), cluster->processes[index].judged_at);
    return now - MR_MIN(since, now);
}

/* Returns whether new connections are to be steered in another way. */
static bool look_at_serving(struct cluster *cluster, unsigned index, uint64_t now)
{
    struct process *process = &cluster->processes[index];
    uint64_t timeout = cluster->config->hang_timeout_ns, silence = silence_of(cluster, index, now);
    bool is_silent = timeout != 0 && silence > timeout / 2;
    if (timeout != 0 && silence > timeout && process->aborted_at == NEVER)
        abort_process(cluster, index, now, "process hangs: ending it", silence);
    if (is_silent == process->is_silent)
        return false;
    process->is_silent = is_silent;
    log_silence(cluster, index, is_silent ? "process gives no sign of life" : "process lives again", silence);
    return true;
}

static void look_at_starting(struct cluster *cluster, unsigned index, uint64_t now)
{
    const struct process *process = &cluster->processes[index];
    uint64_t timeout = cluster->config->start_timeout_ns, age = now - MR_MIN(process->judged_at, now);
    if (timeout != 0 && age > timeout && process->aborted_at == NEVER)
        abort_process(cluster, index, now, "process does not begin to serve: ending it", age);
}

/* All of them were silent to a supervisor that was stopped itself. */
static void forgive_silence(struct cluster *cluster, uint64_t now)
{
    if (now - cluster->looked_at <= 2 * cluster->look_ns)
        return;
    for (unsigned i = 0; i < cluster->count; i++)
        cluster->processes[i].judged_at = now;
}

/* SIGABRT leaves a picture of where it hung; a process that is stopped does not even end by it. */
static void kill_after_grace(struct cluster *cluster, const struct process *process, uint64_t now)
{
    uint64_t kill_at = process->aborted_at + END_GRACE_NS;
    if (now >= kill_at)
        kill(process->pid, SIGKILL);
    else
        cluster->look_at = MR_MIN(cluster->look_at, kill_at);
}

/* Not once the listeners are closed: then kill_at ends what does not end itself. */
static void look_at_processes(struct cluster *cluster, uint64_t now)
{
    bool steers = false;
    forgive_silence(cluster, now);
    cluster->looked_at = now;
    cluster->look_at = now + cluster->look_ns;
    for (unsigned i = 0; i < cluster->count && cluster->listeners.count > 0; i++) {
        const struct process *process = &cluster->processes[i];
        if (process->pid == 0)
            continue;
        if (process->is_ready)
            steers |= look_at_serving(cluster, i, now);
        else
            look_at_starting(cluster, i, now);
        if (process->aborted_at != NEVER)
            kill_after_grace(cluster, process, now);
    }
    if (steers)
        steer_cluster(cluster);
}

/* Does one process live, or is none judged yet? */
static bool is_alive(const struct cluster *cluster)
{
    unsigned silent = 0, accepting = 0;
    for (unsigned i = 0; i < cluster->count; i++) {
        silent += cluster->processes[i].is_silent;
        accepting += may_accept(&cluster->processes[i]);
    }
    return accepting > 0 || silent == 0;
}

/* Often enough for the shorter of the timeouts. */
static uint64_t look_ns_of(const struct mr_cluster_config *config)
{
    uint64_t hang = config->hang_timeout_ns, start = config->start_timeout_ns;
    return (hang == 0 || (start != 0 && start < hang) ? start : hang) / LOOKS;
}

/* ---- the loop ---- */

static bool is_over(const struct cluster *cluster)
{
    return cluster->phase >= LEAVING && mr_segment_running(cluster->segment) == 0;
}

static void on_time(struct cluster *cluster, uint64_t now)
{
    restart_due(cluster, now);
    if (cluster->close_at <= now) {
        mr_listeners_close(&cluster->listeners);
        cluster->close_at = NEVER;
    }
    if (cluster->watchdog_at <= now) {
        if (is_alive(cluster))
            mr_systemd_notify("WATCHDOG=1");
        cluster->watchdog_at = now + cluster->watchdog_ns;
    }
    if (cluster->look_at <= now)
        look_at_processes(cluster, now);
    if (cluster->kill_at <= now) {
        mr_log(MR_LOG_ERROR, "some process did not end");
        tell_all(cluster, SIGKILL);
        cluster->kill_at = NEVER;
    }
}

/* Until something is due, as poll() wants it. */
static int pause_ms(const struct cluster *cluster, uint64_t now)
{
    uint64_t due = MR_MIN(MR_MIN(cluster->close_at, cluster->kill_at), MR_MIN(cluster->watchdog_at, cluster->look_at));
    for (unsigned i = 0; i < cluster->count; i++)
        due = MR_MIN(due, cluster->processes[i].restart_at);
    if (due == NEVER)
        return -1;
    return due <= now ? 0 : (int)MR_MIN((due - now) / MR_NS_PER_MS + 1, (uint64_t)INT32_MAX);
}

static int supervise(struct cluster *cluster)
{
    struct pollfd fds[] = {{.fd = cluster->signals, .events = POLLIN}, {.fd = cluster->ready[0], .events = POLLIN}};
    start_process(cluster, 0);
    while (!is_over(cluster)) {
        on_time(cluster, mr_clock_now());
        if (poll(fds, MR_ARRAY_SIZE(fds), pause_ms(cluster, mr_clock_now())) < 0 && errno != EINTR)
            end_cluster_now(cluster, 1);
        read_signals(cluster);
        read_ready(cluster); /* before the deaths, so that a process that was ready and died counts as ready */
        reap(cluster);       /* after the signals: a SIGCHLD that comes later is still there for poll() */
    }
    mr_log(MR_LOG_INFO, cluster->status == 0 ? "ended, all drained" : "ended, not all drained");
    return cluster->status;
}

static int watch_signals(struct cluster *cluster)
{
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGINT);
    sigaddset(&watched, SIGHUP);
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, &cluster->mask_before);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* if our parent ignored it, no child could be waited for */
    cluster->signals = signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC);
    return cluster->signals >= 0 ? MR_OK : MR_EIO;
}

static int open_cluster(struct cluster *cluster, struct mr_fault *fault)
{
    const struct mr_cluster_config *config = cluster->config;
    unsigned loops = cluster->count * config->loops;
    int err = mr_listeners_open(&cluster->listeners, config->listen, loops, config->passed, fault);
    if (err != MR_OK)
        return err;
    if ((err = mr_segment_create(&cluster->segment, cluster->count, config->loops, config->runners)) != MR_OK)
        mr_fault_set(fault, err, "cannot start: %s", mr_error_text(err));
    else
        mr_log_count_in(mr_segment_log_dropped(cluster->segment));
    if (err == MR_OK && (pipe2(cluster->ready, O_NONBLOCK | O_CLOEXEC) != 0 || watch_signals(cluster) != MR_OK))
        err = mr_fault_set(fault, MR_EIO, "cannot start: %s", strerror(errno));
    return err;
}

static void close_cluster(struct cluster *cluster)
{
    mr_listeners_close(&cluster->listeners);
    mr_log_count_in(NULL);
    if (cluster->segment != NULL)
        mr_segment_destroy(&cluster->segment);
    int fds[] = {cluster->signals, cluster->ready[0], cluster->ready[1]};
    for (size_t i = 0; i < MR_ARRAY_SIZE(fds); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    free(cluster);
}

int mr_cluster_run(const struct mr_cluster_config *config, mr_child_main *serve, void *context)
{
    struct cluster *cluster = calloc(1, sizeof(*cluster));
    if (cluster == NULL)
        return 1;
    cluster->config = config;
    cluster->serve = serve;
    cluster->context = context;
    cluster->count = config->processes;
    cluster->pid = getpid();
    cluster->signals = cluster->ready[0] = cluster->ready[1] = -1;
    cluster->close_at = cluster->kill_at = cluster->watchdog_at = NEVER;
    cluster->watchdog_ns = mr_systemd_watchdog_ns();
    cluster->look_ns = look_ns_of(config);
    cluster->looked_at = mr_clock_now();
    cluster->look_at = cluster->look_ns != 0 ? cluster->looked_at + cluster->look_ns : NEVER;
    for (unsigned i = 0; i < cluster->count; i++)
        cluster->processes[i].restart_at = NEVER;

    struct mr_fault fault;
    int err = open_cluster(cluster, &fault);
    if (err != MR_OK)
        fprintf(stderr, "millrace: %s\n", fault.detail);
    int status = err == MR_OK ? supervise(cluster) : err == MR_EPARAM ? 2 : 1;
    close_cluster(cluster);
    return status;
}
