#define _GNU_SOURCE
#include "workers/pool.h"

#include "base/log.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    unsigned runs;
    int policy, nice_value;
    bool signals_blocked;
};

static struct seen seen[3];

static void note(void *argument, unsigned index)
{
    struct seen *of_all = argument, *mine = &of_all[index];
    sigset_t blocked;

    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    mine->runs++;
    mine->policy = sched_getscheduler(0);
    mine->nice_value = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
    mine->signals_blocked = sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGHUP) == 1;
}

static void run_pool(enum mr_worker_priority priority)
{
    struct mr_pool *pool = NULL;

    for (int i = 0; i < 3; i++)
        seen[i] = (struct seen){0};
    assert_int_equal(mr_pool_start(&pool, 3, priority, note, seen), 0);
    mr_pool_join(&pool);
    assert_null(pool);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(seen[i].runs, 1);
        assert_true(seen[i].signals_blocked);
    }
}

static void equal_workers_run_as_their_starter(void **state)
{
    (void)state;
    run_pool(MR_PRIORITY_EQUAL);
    assert_int_equal(seen[0].policy, sched_getscheduler(0));
    assert_int_equal(seen[0].nice_value, getpriority(PRIO_PROCESS, 0));
}

static void nice_workers_stand_below_their_starter(void **state)
{
    (void)state;
    run_pool(MR_PRIORITY_NICE);
    int before = getpriority(PRIO_PROCESS, 0);
    assert_int_equal(seen[2].policy, SCHED_BATCH);
    assert_int_equal(seen[2].nice_value, before + 10 < 19 ? before + 10 : 19);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
}

static void idle_workers_run_when_nobody_else_does(void **state)
{
    (void)state;
    run_pool(MR_PRIORITY_IDLE);
    assert_int_equal(seen[1].policy, SCHED_IDLE);
}

/* Let the calling process ask for no other priority, as a unit's SystemCallFilter might. */
static int forbid_priorities(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setpriority, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    const struct sock_fprog program = {.filter = code, .len = sizeof(code) / sizeof(*code)};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) | prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void refused_priority_is_logged(void **state)
{
    char path[] = "/tmp/mr-pool-XXXXXX", text[4096] = "";
    int fd = mkstemp(path), status;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        if (mr_log_open(MR_LOG_WARN, MR_LOG_LOGFMT, path) != 0 || forbid_priorities() != 0)
            _exit(1);
        run_pool(MR_PRIORITY_NICE);
        _exit(seen[0].runs == 1 ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    assert_non_null(strstr(text, "--worker-priority"));
    close(fd);
    unlink(path);
}

static void joining_no_pool_is_no_error(void **state)
{
    struct mr_pool *none = NULL;

    (void)state;
    mr_pool_join(&none);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_workers_run_as_their_starter),
        cmocka_unit_test(nice_workers_stand_below_their_starter),
        cmocka_unit_test(idle_workers_run_when_nobody_else_does),
        cmocka_unit_test(refused_priority_is_logged),
        cmocka_unit_test(joining_no_pool_is_no_error),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
