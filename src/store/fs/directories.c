#include "store/fs/directories.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PREFIX_LEN 4

void mr_directories_init(struct mr_directories *directories, const struct mr_store_home *home)
{
    *directories = (struct mr_directories){.home = home};
    for (size_t i = 0; i < MR_DIRECTORIES_KEPT; i++)
        directories->kept[i].fd = -1;
}

void mr_directories_forget(struct mr_directories *directories)
{
    for (size_t i = 0; i < MR_DIRECTORIES_KEPT; i++) {
        if (directories->kept[i].fd >= 0)
            close(directories->kept[i].fd);
        directories->kept[i].fd = -1;
    }
}

void mr_directories_close(struct mr_directories *directories)
{
    mr_directories_forget(directories);
}

/* Open `name` in `parent`, and make it first where it is missing; then `parent` goes to the disk. */
static int make_one(const struct mr_store_home *home, int *fd, int parent, const char *name,
                    struct mr_disk_failure *failure)
{
    int err = mr_disk_make_directory(parent, name, 0700, failure);
    if (err != MR_OK && failure->error_number != EEXIST)
        return err;
    err = mr_disk_open(fd, NULL, parent, name, O_RDONLY | O_DIRECTORY, 0, failure);
    if (err != MR_OK || !home->is_durable)
        return err;
    err = mr_disk_sync_directory(parent, failure);
    if (err != MR_OK) {
        close(*fd);
        *fd = -1;
    }
    return err;
}

static int make_time_directory(const struct mr_store_home *home, int *fd, const char *name,
                               struct mr_disk_failure *failure)
{
    char prefix[PREFIX_LEN + 1] = {0};
    int outer;
    memcpy(prefix, name, PREFIX_LEN);
    int err = make_one(home, &outer, home->objects, prefix, failure);
    if (err != MR_OK)
        return err;
    err = make_one(home, fd, outer, name + PREFIX_LEN + 1, failure);
    close(outer);
    return err;
}

static const struct mr_directory *find_directory(const struct mr_directories *directories, const char *name)
{
    for (size_t i = 0; i < MR_DIRECTORIES_KEPT; i++) {
        const struct mr_directory *kept = &directories->kept[i];
        if (kept->fd >= 0 && strcmp(kept->name, name) == 0)
            return kept;
    }
    return NULL;
}

static int duplicate(int *fd, int kept, struct mr_disk_failure *failure)
{
    *fd = fcntl(kept, F_DUPFD_CLOEXEC, 0);
    if (*fd >= 0)
        return MR_OK;
    *failure = (struct mr_disk_failure){.operation = MR_DISK_OPEN, .error_number = errno};
    return mr_disk_error(errno);
}

int mr_directories_make(struct mr_directories *directories, int *fd, const char *id, struct mr_disk_failure *failure)
{
    char name[MR_ULID_DIRECTORY_LEN + 1];
    *fd = -1;
    mr_ulid_directory(name, id);
    const struct mr_directory *known = find_directory(directories, name);
    if (known != NULL)
        return duplicate(fd, known->fd, failure);
    struct mr_directory *place = &directories->kept[directories->next++ % MR_DIRECTORIES_KEPT];
    if (place->fd >= 0)
        close(place->fd);
    place->fd = -1;
    int err = make_time_directory(directories->home, &place->fd, name, failure);
    if (err != MR_OK)
        return err;
    memcpy(place->name, name, sizeof(name));
    return duplicate(fd, place->fd, failure);
}

int mr_directory_open(int *fd, const struct mr_store_home *home, const char *id, struct mr_disk_failure *failure)
{
    char name[MR_ULID_DIRECTORY_LEN + 1];
    mr_ulid_directory(name, id);
    return mr_disk_open(fd, NULL, home->objects, name, O_RDONLY | O_DIRECTORY, 0, failure);
}
