#include "base/macros.h"
#include "variants/variant_file.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ID    "01M8MMF2NAXJFYWDJD7847071C"
#define COUNT 20

static struct {
    char path[64];
    int directory;
    struct mr_variant_file file;
    struct mr_disk_failure failure;
    struct mr_variant_place places[COUNT];
    unsigned taken;       /* by the last reading, in order: */
    bool is_found[COUNT]; /* by number */
} rig;

static int open_file(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof(rig));
    snprintf(rig.path, sizeof(rig.path), "/tmp/variants-XXXXXX");
    assert_non_null(mkdtemp(rig.path));
    rig.directory = open(rig.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mr_variant_file_create(&rig.file, rig.directory, 7, &rig.failure), MR_OK);
    return 0;
}

static int close_file(void **state)
{
    (void)state;
    char name[MR_VARIANT_FILE_NAME_SIZE];
    mr_variant_file_close(&rig.file, &rig.failure);
    mr_variant_file_name(name, 7);
    unlinkat(rig.directory, name, 0);
    close(rig.directory);
    rmdir(rig.path);
    return 0;
}

static struct mr_variant_key key_of(unsigned number)
{
    struct mr_variant_key key = {{(uint8_t)number}};
    return key;
}

static size_t len_of(unsigned number)
{
    return 1 + number * 1000u;
}

static void fill(char *bytes, unsigned number)
{
    for (size_t i = 0; i < len_of(number); i++)
        bytes[i] = (char)(number + i * 7);
}

static void append(unsigned number)
{
    char *bytes = malloc(len_of(number));
    struct mr_variant_record record = {
        .key = key_of(number), .id = ID, .format = MR_IMAGE_WEBP, .width = number, .height = 2 * number};
    fill(bytes, number);
    assert_int_equal(mr_variant_file_append(&rig.file, &rig.places[number], &record,
                                            (struct mr_slice){.at = bytes, .len = len_of(number)}, &rig.failure),
                     MR_OK);
    free(bytes);
}

static int open_again(int flags)
{
    char name[MR_VARIANT_FILE_NAME_SIZE];
    mr_variant_file_name(name, 7);
    int fd = openat(rig.directory, name, flags | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void take(void *context, const struct mr_variant_key *key, const struct mr_variant_place *place)
{
    unsigned number = key->bytes[0];
    assert_null(context);
    assert_true(number < COUNT);
    assert_memory_equal(place, &rig.places[number], sizeof(*place));
    rig.is_found[number] = true;
    rig.taken++;
}

static int read_file(void)
{
    uint64_t size;
    int fd = open_again(O_RDONLY);
    rig.taken = 0;
    memset(rig.is_found, 0, sizeof(rig.is_found));
    int err = mr_variant_file_read(fd, 7, &size, take, NULL, &rig.failure);
    close(fd);
    return err;
}

static bool decode(unsigned number, const struct mr_variant_key *key)
{
    const struct mr_variant_place *place = &rig.places[number];
    struct mr_variant_record record;
    struct mr_slice image;
    int fd = open_again(O_RDONLY);
    char *bytes = malloc(place->len), *expected = malloc(len_of(number));
    ssize_t got = pread(fd, bytes, place->len, place->offset);
    bool is_right = mr_variant_record_decode(&record, &image, (struct mr_slice){.at = bytes, .len = (size_t)got}, key);
    if (is_right) {
        fill(expected, number);
        assert_int_equal(image.len, len_of(number));
        assert_memory_equal(image.at, expected, image.len);
        assert_string_equal(record.id, ID);
        assert_int_equal(record.format, MR_IMAGE_WEBP);
        assert_int_equal(record.width, number);
        assert_int_equal(record.height, 2 * number);
    }
    free(bytes);
    free(expected);
    close(fd);
    return is_right;
}

static void flip(uint64_t offset)
{
    unsigned char byte;
    int fd = open_again(O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

static void append_all(void)
{
    for (unsigned i = 1; i < COUNT; i++)
        append(i);
}

static void close_well(void)
{
    uint64_t size = mr_variant_file_size(&rig.file);
    struct stat info;
    assert_int_equal(mr_variant_file_close(&rig.file, &rig.failure), MR_OK);
    int fd = open_again(O_RDONLY);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_size, size);
    close(fd);
}

/* ---- tests ---- */

static void names_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",           "0000000000.cache", "000000007.cache",  "00000000007.cache",
                                        "lost+found", "0000000007.cach",  "000000000x.cache", "4294967294.cache"};
    char name[MR_VARIANT_FILE_NAME_SIZE];
    uint32_t number;
    mr_variant_file_name(name, 2000000000u);
    assert_true(mr_variant_file_number(name, &number));
    assert_int_equal(number, 2000000000u);
    for (size_t i = 0; i < MR_ARRAY_SIZE(wrong); i++)
        assert_false(mr_variant_file_number(wrong[i], &number));
}

static void closed_file_has_a_table_of_its_records(void **state)
{
    (void)state;
    append_all();
    close_well();
    assert_int_equal(read_file(), MR_OK);
    assert_int_equal(rig.taken, COUNT - 1);
    for (unsigned i = 1; i < COUNT; i++) {
        struct mr_variant_key key = key_of(i);
        assert_true(rig.is_found[i]);
        assert_true(decode(i, &key));
    }
}

static void file_that_was_not_closed_is_scanned(void **state)
{
    (void)state;
    append_all();
    assert_int_equal(read_file(), MR_OK);
    assert_int_equal(rig.taken, COUNT - 1);
}

static void wrong_table_is_not_believed(void **state)
{
    (void)state;
    append_all();
    uint64_t table_at = rig.file.size;
    close_well();
    flip(table_at + 3);
    assert_int_equal(read_file(), MR_OK);
    assert_int_equal(rig.taken, COUNT - 1); /* by a scan */
}

/* The last bytes of a file that was not closed are an image's, whose sender chose them. */
static void table_that_the_head_does_not_name_is_not_believed(void **state)
{
    (void)state;
    const uint64_t nowhere = 0;
    append_all();
    close_well();
    int fd = open_again(O_WRONLY);
    assert_int_equal(pwrite(fd, &nowhere, sizeof(nowhere), 24), sizeof(nowhere));
    close(fd);
    flip(rig.places[1].offset + 20); /* so that a scan finds nothing */
    assert_int_equal(read_file(), MR_OK);
    assert_int_equal(rig.taken, 0);
}

static void scan_ends_at_a_wrong_head(void **state)
{
    (void)state;
    append_all();
    flip(rig.places[9].offset + 20);
    assert_int_equal(read_file(), MR_OK);
    assert_int_equal(rig.taken, 8);
    assert_false(rig.is_found[9] || rig.is_found[10]);
}

static void torn_record_is_not_found(void **state)
{
    (void)state;
    append_all();
    for (uint32_t cut = 1; cut <= rig.places[COUNT - 1].len; cut += 997) {
        int fd = open_again(O_RDWR);
        assert_int_equal(ftruncate(fd, (off_t)(rig.file.size - cut)), 0);
        close(fd);
        assert_int_equal(read_file(), MR_OK);
        assert_int_equal(rig.taken, COUNT - 2);
        assert_false(rig.is_found[COUNT - 1]);
    }
}

static void each_flipped_bit_is_noticed(void **state)
{
    (void)state;
    struct mr_variant_key key = key_of(1);
    append(1);
    for (uint32_t i = 0; i < rig.places[1].len; i += i < 120 ? 1 : 37) {
        assert_true(decode(1, &key));
        flip(rig.places[1].offset + i);
        assert_false(decode(1, &key));
        flip(rig.places[1].offset + i);
    }
}

static void record_of_another_key_is_not_taken_for_it(void **state)
{
    (void)state;
    struct mr_variant_key key = key_of(2);
    append(1);
    assert_false(decode(1, &key));
}

static void other_file_is_none_of_variants(void **state)
{
    (void)state;
    append_all();
    flip(3);
    assert_int_equal(read_file(), MR_EPARAM);
    int fd = open_again(O_RDWR);
    assert_int_equal(ftruncate(fd, 3), 0);
    close(fd);
    assert_int_equal(read_file(), MR_EPARAM);
    assert_int_equal(rig.taken, 0);
}

static void empty_file_has_no_records(void **state)
{
    (void)state;
    close_well();
    assert_int_equal(read_file(), MR_OK);
    assert_int_equal(rig.taken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test_setup_teardown(closed_file_has_a_table_of_its_records, open_file, close_file),
        cmocka_unit_test_setup_teardown(file_that_was_not_closed_is_scanned, open_file, close_file),
        cmocka_unit_test_setup_teardown(wrong_table_is_not_believed, open_file, close_file),
        cmocka_unit_test_setup_teardown(table_that_the_head_does_not_name_is_not_believed, open_file, close_file),
        cmocka_unit_test_setup_teardown(scan_ends_at_a_wrong_head, open_file, close_file),
        cmocka_unit_test_setup_teardown(torn_record_is_not_found, open_file, close_file),
        cmocka_unit_test_setup_teardown(each_flipped_bit_is_noticed, open_file, close_file),
        cmocka_unit_test_setup_teardown(record_of_another_key_is_not_taken_for_it, open_file, close_file),
        cmocka_unit_test_setup_teardown(other_file_is_none_of_variants, open_file, close_file),
        cmocka_unit_test_setup_teardown(empty_file_has_no_records, open_file, close_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
