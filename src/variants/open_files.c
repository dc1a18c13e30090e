#include "variants/open_files.h"
#include "base/assert.h"
#include "variants/variant_file.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void mr_open_files_init(struct mr_open_files *files, int directory)
{
    memset(files, 0, sizeof(*files));
    files->directory = directory;
    pthread_mutex_init(&files->mutex, NULL);
}

void mr_open_files_close(struct mr_open_files *files)
{
    for (unsigned i = 0; i < MR_VARIANT_OPEN_MAX; i++) {
        MR_ASSERT(files->places[i].users == 0);
        if (files->places[i].number != 0)
            close(files->places[i].fd);
    }
    pthread_mutex_destroy(&files->mutex);
}

/* -1: it is not kept open. */
static int find_open(struct mr_open_files *files, uint32_t number)
{
    struct mr_open_file *file = &files->places[number % MR_VARIANT_OPEN_MAX];
    int fd = -1;
    pthread_mutex_lock(&files->mutex);
    if (file->number == number) {
        file->users++;
        fd = file->fd;
    }
    pthread_mutex_unlock(&files->mutex);
    return fd;
}

/* Keep it open, in place of one that is not being read; else give_back() closes it. */
static void keep_open(struct mr_open_files *files, uint32_t number, int fd)
{
    struct mr_open_file *file = &files->places[number % MR_VARIANT_OPEN_MAX], before = {.number = 0};
    pthread_mutex_lock(&files->mutex);
    if (file->users == 0 && file->number != number) {
        before = *file;
        *file = (struct mr_open_file){.number = number, .fd = fd, .users = 1};
    }
    pthread_mutex_unlock(&files->mutex);
    if (before.number != 0)
        close(before.fd);
}

enum mr_disk_try mr_open_files_try_take(int *fd, struct mr_open_files *files, uint32_t number,
                                        struct mr_disk_failure *failure)
{
    char name[MR_VARIANT_FILE_NAME_SIZE];
    *fd = find_open(files, number);
    if (*fd >= 0)
        return MR_DISK_DONE;
    mr_variant_file_name(name, number);
    enum mr_disk_try tried = mr_disk_try_open(fd, NULL, files->directory, name, O_RDONLY, failure);
    if (tried == MR_DISK_DONE)
        keep_open(files, number, *fd);
    return tried;
}

int mr_open_files_take(int *fd, struct mr_open_files *files, uint32_t number, struct mr_disk_failure *failure)
{
    char name[MR_VARIANT_FILE_NAME_SIZE];
    *fd = find_open(files, number);
    if (*fd >= 0)
        return MR_OK;
    mr_variant_file_name(name, number);
    int err = mr_disk_open(fd, NULL, files->directory, name, O_RDONLY, 0, failure);
    if (err == MR_OK)
        keep_open(files, number, *fd);
    return err;
}

void mr_open_files_give_back(struct mr_open_files *files, uint32_t number, int fd)
{
    struct mr_open_file *file = &files->places[number % MR_VARIANT_OPEN_MAX];
    pthread_mutex_lock(&files->mutex);
    bool is_kept = file->number == number && file->fd == fd;
    if (is_kept)
        file->users--;
    pthread_mutex_unlock(&files->mutex);
    if (!is_kept)
        close(fd);
}

/* The descriptor of a place that is not being read and whose file has no name; the place is free then. Or -1. */
static int take_removed(struct mr_open_files *files, struct mr_open_file *file)
{
    struct stat info;
    int fd = -1;
    pthread_mutex_lock(&files->mutex);
    if (file->number != 0 && file->users == 0 && fstat(file->fd, &info) == 0 && info.st_nlink == 0) {
        fd = file->fd;
        *file = (struct mr_open_file){.number = 0};
    }
    pthread_mutex_unlock(&files->mutex);
    return fd;
}

void mr_open_files_drop_removed(struct mr_open_files *files)
{
    for (unsigned i = 0; i < MR_VARIANT_OPEN_MAX; i++) {
        int fd = take_removed(files, &files->places[i]);
        if (fd >= 0)
            close(fd);
    }
}
