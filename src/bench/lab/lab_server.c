#define _GNU_SOURCE 1 /* environ */
#include "bench/lab/lab_server.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/number.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_NS  (20 * MR_NS_PER_S)
#define STOP_NS   (10 * MR_NS_PER_S)
#define LOOK_NS   (5 * MR_NS_PER_MS) /* between two looks at a child that starts or stops */
#define FAMILY    64                 /* processes that are looked at */
#define LISTENING "listening on "

static void pause_between_looks(void)
{
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
}

/* ---- starting ---- */

/* What is set for some other server would be measured along, or refused. */
static void forget_options(void)
{
    char **to = environ;
    for (char **from = environ; *from != NULL; from++)
        if (strncmp(*from, "MILLRACE_", strlen("MILLRACE_")) != 0)
            *to++ = *from;
    *to = NULL;
}

static void become_server(char *const *words, const char *log)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
        _exit(126);
    forget_options();
    execv(words[0], words);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", words[0], strerror(errno));
    _exit(127);
}

/* The text of a small file; "" when there is none. */
static void read_text(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t len = file != NULL ? fread(out, 1, size - 1, file) : 0;
    out[len] = '\0';
    if (file != NULL)
        fclose(file);
}

/* The address in the server's first line, once the whole line is there. */
static bool find_url(struct mr_lab_server *server)
{
    char text[4096];
    read_text(server->log, text, sizeof(text));
    const char *line = strstr(text, LISTENING);
    if (line == NULL || strchr(line, '\n') == NULL)
        return false;
    return sscanf(line + strlen(LISTENING), "%127s", server->url) == 1;
}

static int fail_with_log(struct mr_lab_server *server, const char *what, struct mr_fault *fault)
{
    char text[128];
    read_text(server->log, text, sizeof(text));
    text[strcspn(text, "\n")] = '\0';
    return mr_fault_set(fault, MR_EIO, "the server %s: %s", what, text[0] != '\0' ? text : "it said nothing");
}

int mr_lab_server_start(struct mr_lab_server *server, char *const *words, const char *log, struct mr_fault *fault)
{
    *server = (struct mr_lab_server){0};
    snprintf(server->log, sizeof(server->log), "%s", log);
    unlink(log);
    server->pid = fork();
    if (server->pid < 0)
        return mr_fault_set(fault, MR_EIO, "cannot start a process: %s", strerror(errno));
    if (server->pid == 0)
        become_server(words, log);
    for (uint64_t until = mr_clock_now() + START_NS; mr_clock_now() < until; pause_between_looks()) {
        if (find_url(server))
            return MR_OK;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return fail_with_log(server, "did not start", fault);
        }
    }
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
    return fail_with_log(server, "did not get ready in time", fault);
}

/* ---- watching ---- */

/* The server and its children. */
static unsigned find_family(const struct mr_lab_server *server, pid_t *pids)
{
    char path[64], text[1024];
    unsigned count = 0;
    pids[count++] = server->pid;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", server->pid, server->pid);
    read_text(path, text, sizeof(text));
    struct mr_slice rest = mr_slice_of(text);
    uint64_t pid;
    while (count < FAMILY && mr_number_next(&rest, INT32_MAX, &pid))
        pids[count++] = (pid_t)pid;
    return count;
}

static uint64_t find_number(const char *status, const char *name)
{
    const char *line = strstr(status, name);
    uint64_t number = 0;
    struct mr_slice rest = mr_slice_of(line != NULL ? line + strlen(name) : NULL);
    return mr_number_next(&rest, UINT64_MAX, &number) ? number : 0;
}

void mr_lab_server_sample(const struct mr_lab_server *server, struct mr_lab_usage *usage)
{
    pid_t pids[FAMILY];
    uint64_t rss = 0, threads = 0;
    unsigned count = find_family(server, pids);
    for (unsigned i = 0; i < count; i++) {
        char path[64], text[4096];
        snprintf(path, sizeof(path), "/proc/%d/status", pids[i]);
        read_text(path, text, sizeof(text));
        rss += find_number(text, "\nVmRSS:") * 1024;
        threads += find_number(text, "\nThreads:");
    }
    usage->rss_bytes = MR_MAX(usage->rss_bytes, rss);
    usage->threads = MR_MAX(usage->threads, threads);
}

/* utime + stime of proc(5)'s stat: fields 14 and 15; a space goes before each, and the name before them may hold any.
 */
static uint64_t find_ticks(const char *stat)
{
    const char *at = strrchr(stat, ')'); /* the end of field 2 */
    for (int field = 2; at != NULL && field < 14; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        return 0;
    struct mr_slice rest = mr_slice_of(at);
    uint64_t user = 0, system = 0;
    bool is_there = mr_number_next(&rest, UINT32_MAX, &user) && mr_number_next(&rest, UINT32_MAX, &system);
    return is_there ? user + system : 0;
}

double mr_lab_server_cpu(const struct mr_lab_server *server)
{
    pid_t pids[FAMILY];
    unsigned long ticks = 0;
    unsigned count = find_family(server, pids);
    for (unsigned i = 0; i < count; i++) {
        char path[64], text[1024];
        snprintf(path, sizeof(path), "/proc/%d/stat", pids[i]);
        read_text(path, text, sizeof(text));
        ticks += find_ticks(text);
    }
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* ---- stopping ---- */

int mr_lab_server_stop(struct mr_lab_server *server, struct mr_lab_usage *usage, struct mr_fault *fault)
{
    struct rusage used = {0};
    int status = 0;
    bool was_killed = false;
    if (server->pid == 0)
        return MR_OK;
    kill(server->pid, SIGTERM);
    uint64_t until = mr_clock_now() + STOP_NS;
    while (wait4(server->pid, &status, WNOHANG, &used) == 0) {
        if (mr_clock_now() > until && !was_killed) {
            was_killed = true;
            kill(server->pid, SIGKILL);
        }
        pause_between_looks();
    }
    server->pid = 0;
    usage->switches_voluntary = (uint64_t)used.ru_nvcsw;
    usage->switches_involuntary = (uint64_t)used.ru_nivcsw;
    if (was_killed)
        return fail_with_log(server, "did not end within 10 s", fault);
    if (WIFSIGNALED(status))
        return mr_fault_set(fault, MR_EIO, "the server died of signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return fail_with_log(server, "did not end well", fault);
    return MR_OK;
}
