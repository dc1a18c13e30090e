#include "store/fs/locks.h"
#include <fcntl.h>

int mr_locks_open(int *fd, const struct mr_store_home *home, struct mr_disk_failure *failure)
{
    return mr_disk_open(fd, NULL, home->data, "locks", O_RDWR, 0, failure);
}

int mr_locks_take(int fd, const char *id, bool may_wait, struct mr_disk_failure *failure)
{
    return mr_disk_lock_byte(fd, mr_home_hash(id), may_wait, failure);
}

void mr_locks_release(int fd, const char *id)
{
    mr_disk_unlock_byte(fd, mr_home_hash(id));
}
