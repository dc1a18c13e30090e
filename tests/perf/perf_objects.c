/* perf_objects -- fills a data directory with objects as the store writes them (docs/store.md), without a sync: for
 * benchmarks of what is read.
 *
 *      perf_objects DATA COUNT DAYS        DATA was made by a server, which uses it no more
 *
 * Their times are spread evenly over the last DAYS; each is a small text with its description. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include "store/fs/layout.h"
#include "store/fs/meta.h"
#include "store/ulid.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int objects; /* the directory */

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "perf_objects: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void make_directory(const char *path)
{
    if (mkdirat(objects, path, 0700) != 0 && errno != EEXIST)
        fail(path);
}

/* The last one stays open: the next object is mostly in it, too. */
static int directory_of(const char *id)
{
    static char path[MR_ULID_DIRECTORY_LEN + 1];
    static int fd = -1;
    char wanted[MR_ULID_DIRECTORY_LEN + 1], outer[5] = {0};
    mr_ulid_directory(wanted, id);
    if (fd >= 0 && strcmp(path, wanted) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    memcpy(path, wanted, sizeof(path));
    memcpy(outer, wanted, 4);
    make_directory(outer);
    make_directory(path);
    fd = openat(objects, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail(path);
    return fd;
}

static void write_object(int64_t ms, unsigned long number)
{
    struct mr_meta meta = {.segment_count = 0};
    struct mr_object *object = &meta.object;
    struct mr_fault fault;
    char file_name[MR_LAYOUT_NAME_SIZE], name[48], *bytes;
    size_t len;
    int name_len = snprintf(name, sizeof(name), "photograph %lu.jpg", number);
    MR_ASSERT(mr_object_init(object) == MR_OK &&
              mr_object_set_name(object, (struct mr_slice){name, (size_t)name_len}, &fault) == MR_OK &&
              mr_object_set_type(object, MR_SLICE("image/jpeg"), &fault) == MR_OK);
    mr_ulid_make(object->id, ms);
    object->rev = 1;
    object->created_ms = object->changed_ms = ms;
    object->has_sha256 = object->is_image = true;
    memcpy(object->sha256, object->id, sizeof(object->id));
    meta.payload = (struct mr_slice){name, (size_t)name_len};
    object->size = (uint64_t)name_len;
    MR_ASSERT(mr_meta_encode(&meta, &bytes, &len, &fault) == MR_OK);
    mr_layout_object(file_name, object->id, MR_LAYOUT_META, 0);
    int fd = openat(directory_of(object->id), file_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || close(fd) != 0)
        fail(file_name);
    free(bytes);
    mr_meta_free(&meta);
}

int main(int argc, char **argv)
{
    char path[4096];
    if (argc != 4) {
        fprintf(stderr, "usage: perf_objects DATA COUNT DAYS\n");
        return 2;
    }
    snprintf(path, sizeof(path), "%s/objects", argv[1]);
    objects = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (objects < 0)
        fail(path);
    unsigned long count = strtoul(argv[2], NULL, 10);
    double span = strtod(argv[3], NULL) * 86400e3; /* ms */
    int64_t now = (int64_t)(mr_clock_wall() / MR_NS_PER_MS);
    for (unsigned long i = 0; i < count; i++)
        write_object(now - (int64_t)(span * (1 - (double)(i + 1) / (double)count)), i);
    return 0;
}
