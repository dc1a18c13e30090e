#define _GNU_SOURCE 1 /* SCHED_BATCH, SCHED_IDLE */
#include "base/priority.h"
#include "base/macros.h"
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

bool mr_priority_be_nicer(int by)
{
    id_t self = (id_t)syscall(SYS_gettid); /* 0 would be the same on Linux; this says what is meant */
    return setpriority(PRIO_PROCESS, self, MR_MIN(getpriority(PRIO_PROCESS, self) + by, 19)) == 0;
}

bool mr_priority_be_patient(void)
{
    const struct sched_param none = {.sched_priority = 0};
    if (sched_getscheduler(0) == SCHED_IDLE) /* it gives way to all others */
        return true;
    return sched_setscheduler(0, SCHED_BATCH, &none) == 0;
}
