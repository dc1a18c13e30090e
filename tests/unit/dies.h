/* dies.h -- assert_dies(statement): the statement must stop the program through MR_ASSERT. It runs in a child, so that
 * the test lives on. For tests with one thread. */
#ifndef MR_TESTS_DIES_H
#define MR_TESTS_DIES_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: keep quiet and leave no core file. */
static inline void die_quietly(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGABRT, SIG_DFL); /* cmocka catches it */
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
}

static inline bool died_of_assert(pid_t child)
{
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#define assert_dies(statement)              \
    do {                                    \
        pid_t child = fork();               \
        if (child == 0) {                   \
            die_quietly();                  \
            statement;                      \
            _exit(0);                       \
        }                                   \
        assert_true(died_of_assert(child)); \
    } while (0)

#endif
