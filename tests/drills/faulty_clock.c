/* faulty_clock.c -- a wall clock that jumps, for a server that is not built for it: loaded before the C library
 * (LD_PRELOAD), it adds as many seconds to the time as the file says that FAULTY_CLOCK names. Monotonic time goes on as
 * it is. (libfaketime cannot be loaded into a program with jemalloc: each waits for the other to be initialized.) */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t offset(void)
{
    char text[32] = "";
    int fd = open(getenv("FAULTY_CLOCK"), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t got = read(fd, text, sizeof(text) - 1);
        text[got > 0 ? got : 0] = '\0';
        close(fd);
    }
    return strtol(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long status = syscall(SYS_clock_gettime, clock, now);
    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += offset();
    return (int)status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    struct timespec time;
    int status = clock_gettime(CLOCK_REALTIME, &time);
    *now = (struct timeval){.tv_sec = time.tv_sec, .tv_usec = time.tv_nsec / 1000};
    return status;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

/* The kernel's clock has not jumped. */
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    struct timespec real = {.tv_sec = until->tv_sec - offset(), .tv_nsec = until->tv_nsec};
    return sem_clockwait(semaphore, CLOCK_REALTIME, &real);
}
