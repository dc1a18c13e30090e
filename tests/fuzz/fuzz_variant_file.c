/* Any bytes as a file of variants. The checksums would stop nearly all of them, so the first octet says how they are
 * meant:
 *  - even: as they are;
 *  - odd: each octet is the length of a record that is written, and the last two say which octet of the file is then
 *    changed, and whether the file was closed.
 * Each place that is read is within the file, and what is taken for a record is one. */
#define _GNU_SOURCE 1 /* memfd_create */
#include "base/assert.h"
#include "variants/variant_file.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NUMBER 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *context, const struct mr_variant_key *key, const struct mr_variant_place *place)
{
    int fd = *(const int *)context;
    struct stat info;
    struct mr_variant_record record;
    struct mr_slice image;
    int returned = fstat(fd, &info);
    MR_ASSERT(returned == 0 && place->file == NUMBER && place->len > MR_VARIANT_HEAD_SIZE);
    MR_ASSERT((uint64_t)place->offset + place->len <= (uint64_t)info.st_size);
    char *bytes = malloc(place->len);
    ssize_t got = pread(fd, bytes, place->len, place->offset);
    MR_ASSERT(got == (ssize_t)place->len);
    if (mr_variant_record_decode(&record, &image, (struct mr_slice){bytes, place->len}, key)) {
        MR_ASSERT(image.len > 0 && image.at + image.len == bytes + place->len);
        MR_ASSERT(mr_ulid_is_valid(mr_slice_of(record.id)) && record.format < MR_IMAGE_FORMAT_COUNT);
    }
    free(bytes);
}

static void check(int fd)
{
    struct mr_disk_failure failure;
    uint64_t end;
    int err = mr_variant_file_read(fd, NUMBER, &end, take, &fd, &failure);
    MR_ASSERT(err == MR_OK || err == MR_EPARAM);
}

static void write_records(struct mr_variant_file *file, const uint8_t *lens, size_t count)
{
    static const char bytes[256] = "image";
    struct mr_variant_record record = {
        .id = "01M8MMF2NAXJFYWDJD7847071C", .format = MR_IMAGE_PNG, .width = 1, .height = 1};
    struct mr_variant_place place;
    struct mr_disk_failure failure;
    for (size_t i = 0; i < count; i++) {
        record.key.bytes[0] = (uint8_t)i;
        int err =
            mr_variant_file_append(file, &place, &record, (struct mr_slice){bytes, (size_t)lens[i] + 1}, &failure);
        MR_ASSERT(err == MR_OK);
    }
}

static void check_changed(int directory, const uint8_t *data, size_t size)
{
    struct mr_variant_file file;
    struct mr_disk_failure failure;
    char name[MR_VARIANT_FILE_NAME_SIZE];
    if (size < 3)
        return;
    mr_variant_file_name(name, NUMBER);
    int err = mr_variant_file_create(&file, directory, NUMBER, &failure);
    MR_ASSERT(err == MR_OK);
    write_records(&file, data, size - 2 < 100 ? size - 2 : 100);
    uint64_t len = data[size - 1] % 2 == 0 ? file.size : mr_variant_file_size(&file);
    int fd = openat(directory, name, O_RDWR | O_CLOEXEC);
    if (data[size - 1] % 2 != 0)
        mr_variant_file_close(&file, &failure);
    uint64_t at = (uint64_t)data[size - 2] * len / 256;
    unsigned char byte;
    ssize_t got = pread(fd, &byte, 1, (off_t)at);
    byte ^= data[size - 1];
    got += pwrite(fd, &byte, 1, (off_t)at);
    MR_ASSERT(got == 2);
    check(fd);
    close(fd);
    mr_variant_file_close(&file, &failure);
    unlinkat(directory, name, 0);
}

static char path[] = "/dev/shm/fuzz-variants-XXXXXX";

static void remove_directory(void)
{
    rmdir(path);
}

static int open_directory(void)
{
    const char *made = mkdtemp(path);
    MR_ASSERT(made != NULL);
    atexit(remove_directory);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int directory = -1;
    if (directory < 0)
        directory = open_directory();
    if (size == 0)
        return 0;
    if (data[0] % 2 != 0) {
        check_changed(directory, data + 1, size - 1);
        return 0;
    }
    int fd = memfd_create("variants", MFD_CLOEXEC);
    ssize_t written = write(fd, data + 1, size - 1);
    MR_ASSERT(written == (ssize_t)size - 1);
    check(fd);
    close(fd);
    return 0;
}
