#define _GNU_SOURCE 1 /* O_TMPFILE, O_PATH */
#include "io/temporary.h"
#include "base/log.h"
#include "io/disk_calls.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void mr_temporary_init(struct mr_temporary *temporary, struct mr_budget *budget)
{
    *temporary = (struct mr_temporary){.fd = -1, .budget = budget};
}

int mr_temporary_reserve(struct mr_temporary *temporary, uint64_t size, struct mr_fault *fault)
{
    struct mr_budget *budget = temporary->budget;
    if (budget == NULL || size <= temporary->reserved)
        return MR_OK;
    uint64_t wanted = size - temporary->reserved;
    if (!mr_budget_try_take(budget, wanted))
        return mr_fault_limit(fault, MR_EDISK, "disk-budget", budget->limit, mr_budget_used(budget) + wanted);
    temporary->reserved = size;
    return MR_OK;
}

bool mr_temporary_is_open(const struct mr_temporary *temporary)
{
    return temporary->fd >= 0;
}

const char *mr_temporary_directory(void)
{
    const char *directory = getenv("TMPDIR");
    return directory != NULL && directory[0] != '\0' ? directory : "/tmp";
}

/* A descriptor, or -1 with errno. */
static int open_unlinked(void)
{
    char path[4096]; /* for file systems without O_TMPFILE */
    const char *directory = mr_temporary_directory();
    int fd = mr_disk_calls.open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    if ((size_t)snprintf(path, sizeof(path), "%s/millrace-XXXXXX", directory) >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mr_disk_calls.mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int fail_with(struct mr_disk_failure *failure, enum mr_disk_operation operation, int error_number)
{
    *failure = (struct mr_disk_failure){.operation = operation, .error_number = error_number};
    return mr_disk_error(error_number);
}

int mr_temporary_write(struct mr_temporary *temporary, const void *bytes, size_t len, uint64_t offset,
                       struct mr_disk_failure *failure)
{
    if (temporary->fd < 0)
        temporary->fd = open_unlinked();
    if (temporary->fd < 0)
        return fail_with(failure, MR_DISK_OPEN, errno);
    return mr_disk_write(temporary->fd, bytes, len, offset, failure);
}

int mr_temporary_read(struct mr_temporary *temporary, void *bytes, size_t len, uint64_t offset,
                      struct mr_disk_failure *failure)
{
    size_t got;
    int err = mr_disk_read(temporary->fd, bytes, len, offset, &got, failure);
    if (err == MR_OK && got < len)
        return fail_with(failure, MR_DISK_READ, EIO); /* shorter than what was written */
    return err;
}

void mr_temporary_close(struct mr_temporary *temporary)
{
    struct mr_disk_failure failure; /* of no interest: the bytes are thrown away */
    if (temporary->fd >= 0)
        mr_disk_close(&temporary->fd, &failure);
    if (temporary->budget != NULL)
        mr_budget_give_back(temporary->budget, temporary->reserved);
    temporary->reserved = 0;
}

int mr_temporary_fault(struct mr_fault *fault, const struct mr_disk_failure *failure, const char *what)
{
    static _Atomic uint64_t reported_at;
    int err = mr_disk_fault(fault, failure, what);
    if (mr_log_is_due(&reported_at))
        mr_log(MR_LOG_WARN, "temporary files in %s: %s", mr_temporary_directory(), fault->detail);
    return err;
}

int mr_temporary_check(struct mr_disk_failure *failure)
{
    struct mr_temporary trial;
    mr_temporary_init(&trial, NULL);
    int err = mr_temporary_write(&trial, "", 1, 0, failure);
    mr_temporary_close(&trial);
    return err;
}

int mr_temporary_room(struct mr_disk_room *room, struct mr_disk_failure *failure)
{
    int fd = mr_disk_calls.open(mr_temporary_directory(), O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return fail_with(failure, MR_DISK_OPEN, errno);
    int err = mr_disk_room(room, fd, failure);
    close(fd);
    return err;
}
