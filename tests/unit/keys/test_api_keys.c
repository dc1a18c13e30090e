#include "keys/api_keys.h"

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

/* SHA-256 of "abc" and of the empty text, FIPS 180-4. */
#define ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct mr_api_keys keys;
static struct mr_fault fault;

static int parse(const char *text)
{
    memset(&fault, 0, sizeof(fault));
    return mr_api_keys_parse(&keys, mr_slice_of(text), "keys.txt", &fault);
}

static int load(const char *path)
{
    memset(&fault, 0, sizeof(fault));
    return mr_key_file_load(&keys, &mr_api_key_kind, path, &fault);
}

/* ---- the text ---- */

static void lines_become_keys(void **state)
{
    (void)state;
    assert_int_equal(parse("# name hash rights\n"
                           "\n"
                           "shop sha256:" ABC " upload,read\r\n"
                           "  \t \n"
                           "\tgrafana@office-1.x\tsha256:" EMPTY "  metrics \n"
                           "   # the end"),
                     MR_OK);
    assert_int_equal(keys.count, 2);
    assert_string_equal(keys.keys[0].name, "shop");
    assert_int_equal(keys.keys[0].rights, MR_RIGHT_UPLOAD | MR_RIGHT_READ);
    assert_string_equal(keys.keys[1].name, "grafana@office-1.x");
    assert_int_equal(keys.keys[1].rights, MR_RIGHT_METRICS);
}

static void a_file_without_keys_is_read(void **state)
{
    (void)state;
    assert_int_equal(parse(""), MR_OK);
    assert_int_equal(keys.count, 0);
    assert_int_equal(parse("# nothing\n\n"), MR_OK);
    assert_int_equal(keys.count, 0);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a", "a line has"},
        {"a sha256:" ABC, "a line has"},
        {"a/b sha256:" ABC " read", "a name has"},
        {"\"a\" sha256:" ABC " read", "a name has"},
        {"a\x01 sha256:" ABC " read", "a name has"},
        {"\xc3\xa4 sha256:" ABC " read", "a name has"},
        {"0123456789012345678901234567890123456789012345678901234567890123x sha256:" ABC " read", "a name has"},
        {"a " ABC " read", "sha256:"},
        {"a sha1:" ABC " read", "sha256:"},
        {"a sha256:" ABC "0 read", "sha256:"},
        {"a sha256:ba7816bf read", "sha256:"},
        {"a sha256:ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad read", "sha256:"},
        {"a sha256:" ABC " fly", "\"fly\" is no right"},
        {"a sha256:" ABC " read, list", "is no right"},
        {"a sha256:" ABC " read prefix=x", "\"prefix\" behind the rights"},
        {"a sha256:" ABC " read more", "\"more\" behind the rights"},
        {"a sha256:" ABC " read # as a comment", "\"*\" behind the rights"},
        {"first sha256:" ABC " read", "the name"},
        {"a sha256:" EMPTY " read", "the hash"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[1000];
        snprintf(text, sizeof(text), "first sha256:" EMPTY " read\n\n%s\n", rows[i][0]);
        assert_int_equal(parse(text), MR_EPARAM);
        assert_non_null(strstr(fault.detail, "keys.txt: line 3: "));
        assert_non_null(strstr(fault.detail, rows[i][1]));
    }
}

static void a_key_in_a_wrong_place_is_not_shown(void **state)
{
    (void)state;
#define KEY "millrace_S3cretS3cretS3cretS3cretS3cretS3cretS3cretS3c"
    static const char *const rows[] = {
        KEY,
        KEY " sha256:" ABC " read",
        "a " KEY " read",
        "a " KEY,
        "a sha256:" KEY " read",
        "a sha256:" ABC " " KEY,
        "a sha256:" ABC " read," KEY,
        "a sha256:" ABC " read " KEY,
        "a sha256:" ABC " read " KEY "=1",
        "a sha256:" ABC " read key=" KEY,
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(parse(rows[i]), MR_EPARAM);
        assert_null(strstr(fault.detail, "S3cret"));
    }
}

static void the_number_of_keys_has_a_bound(void **state)
{
    (void)state;
    char *text = calloc(1, (size_t)MR_API_KEYS_MAX * 100 + 2000), *at = text;
    for (int i = 0; i < MR_API_KEYS_MAX; i++)
        at += sprintf(at, "name-%d sha256:%064x read\n", i, (unsigned)i);
    assert_int_equal(parse(text), MR_OK);
    assert_int_equal(keys.count, MR_API_KEYS_MAX);
    sprintf(at, "another sha256:%064x read\n", MR_API_KEYS_MAX);
    assert_int_equal(parse(text), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "line 1025: a file has at most 1024 keys"));

    free(text);
}

static void a_line_has_a_bound(void **state)
{
    (void)state;
    char line[MR_KEY_LINE_MAX + 2] = "";
    memset(line, '#', MR_KEY_LINE_MAX);
    assert_int_equal(parse(line), MR_OK);
    memset(line, '#', MR_KEY_LINE_MAX + 1);
    assert_int_equal(parse(line), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "at most 1024 bytes"));
}

static void a_nul_is_no_end(void **state)
{
    (void)state;
    static const char text[] = "a sha256:" ABC " read\0,admin\n";
    assert_int_equal(mr_api_keys_parse(&keys, MR_SLICE(text), "keys.txt", &fault), MR_EPARAM);
}

/* ---- finding ---- */

static void a_key_is_found_by_its_hash(void **state)
{
    (void)state;
    assert_int_equal(parse("other sha256:" EMPTY " read\nshop sha256:" ABC " list\n"), MR_OK);
    const struct mr_api_key *found = mr_api_keys_find(&keys, MR_SLICE("abc"));
    assert_non_null(found);
    assert_string_equal(found->name, "shop");
    assert_null(mr_api_keys_find(&keys, MR_SLICE("abC")));
    assert_null(mr_api_keys_find(&keys, MR_SLICE("abc ")));
    assert_null(mr_api_keys_find(&keys, MR_SLICE(ABC)));
    assert_null(mr_api_keys_find(&keys, MR_SLICE("sha256:" ABC)));
}

/* Its hash is in the file, and yet it is no key. */
static void the_empty_key_is_none(void **state)
{
    (void)state;
    assert_int_equal(parse("other sha256:" EMPTY " read\n"), MR_OK);
    assert_null(mr_api_keys_find(&keys, MR_SLICE("")));
    assert_null(mr_api_keys_find(&keys, (struct mr_slice){.at = NULL}));
}

static void a_long_key_is_unknown(void **state)
{
    (void)state;
    char key[MR_API_KEY_MAX + 1], line[MR_API_KEY_LINE_SIZE];
    memset(key, 'k', sizeof(key));
    const struct mr_slice longest = {.at = key, .len = MR_API_KEY_MAX}, longer = {.at = key, .len = sizeof(key)};
    mr_api_key_line(line, MR_SLICE("a"), longest, MR_RIGHT_READ);
    assert_int_equal(parse(line), MR_OK);
    assert_non_null(mr_api_keys_find(&keys, longest));
    mr_api_key_line(line, MR_SLICE("a"), longer, MR_RIGHT_READ);
    assert_int_equal(parse(line), MR_OK);
    assert_null(mr_api_keys_find(&keys, longer));
}

static void a_key_that_was_made_is_found_by_its_line(void **state)
{
    (void)state;
    char key[MR_API_KEY_SIZE], other[MR_API_KEY_SIZE], line[MR_API_KEY_LINE_SIZE], name[MR_API_KEY_NAME_MAX];
    memset(name, 'n', sizeof(name));
    const struct mr_slice longest = {.at = name, .len = sizeof(name)};
    assert_int_equal(mr_api_key_make(key), MR_OK);
    assert_int_equal(mr_api_key_make(other), MR_OK);
    assert_int_equal(strlen(key), MR_API_KEY_SIZE - 1);
    assert_int_equal(strncmp(key, MR_API_KEY_PREFIX, strlen(MR_API_KEY_PREFIX)), 0);
    assert_string_not_equal(key, other);
    mr_api_key_line(line, longest, mr_slice_of(key), 0xff);
    assert_null(strstr(line, key));
    assert_int_equal(parse(line), MR_OK);
    assert_int_equal(keys.keys[0].rights, 0xff);
    assert_ptr_equal(mr_api_keys_find(&keys, mr_slice_of(key)), &keys.keys[0]);
    assert_null(mr_api_keys_find(&keys, mr_slice_of(other)));
}

/* ---- the file ---- */

static char directory[] = "/tmp/millrace-keys-XXXXXX";
static char path[100], linked[100];

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/keys", directory);
    snprintf(linked, sizeof(linked), "%s/link", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    unlink(linked);
    return rmdir(directory);
}

static void write_file(const char *text, size_t len, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void a_file_is_read_also_through_a_link(void **state)
{
    (void)state;
    static const char text[] = "shop sha256:" ABC " read";
    write_file(text, sizeof(text) - 1, 0440);
    assert_int_equal(load(path), MR_OK);
    assert_int_equal(keys.count, 1);
    assert_int_equal(symlink("keys", linked), 0); /* 0777 by itself: what counts is the file's mode */
    assert_int_equal(load(linked), MR_OK);
    assert_int_equal(keys.count, 1);
    chmod(path, 0444);
    assert_int_equal(load(linked), MR_EPARAM);
}

static void a_file_that_others_can_read_or_change_is_refused(void **state)
{
    (void)state;
    static const mode_t good[] = {0400, 0600, 0640, 0440, 0700, 0750}, bad[] = {0644, 0604, 0602, 0660, 0620, 0666};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        write_file("", 0, good[i]);
        assert_int_equal(load(path), MR_OK);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char mode[8];
        write_file("", 0, bad[i]);
        assert_int_equal(load(path), MR_EPARAM);
        snprintf(mode, sizeof(mode), "%04o", bad[i]);
        assert_non_null(strstr(fault.detail, mode));
        assert_non_null(strstr(fault.detail, path));
        assert_int_equal(fault.detail[strlen(fault.detail) - 1], ')'); /* nothing was cut off */
    }
}

static void what_is_no_file_is_refused_at_once(void **state)
{
    (void)state;
    unlink(path);
    assert_int_equal(load(path), MR_EIO);
    assert_non_null(strstr(fault.detail, "No such file"));
    assert_int_equal(load(""), MR_EIO);
    assert_int_equal(load(directory), MR_EPARAM);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(load(path), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "no regular file"));
}

static void a_file_that_is_too_large_is_refused(void **state)
{
    (void)state;
    char *text = malloc(MR_KEY_FILE_MAX + 1);
    memset(text, '\n', MR_KEY_FILE_MAX + 1);
    write_file(text, MR_KEY_FILE_MAX, 0600);
    assert_int_equal(load(path), MR_OK);
    write_file(text, MR_KEY_FILE_MAX + 1, 0600);
    assert_int_equal(load(path), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "at most"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_keys),
        cmocka_unit_test(a_file_without_keys_is_read),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(a_key_in_a_wrong_place_is_not_shown),
        cmocka_unit_test(the_number_of_keys_has_a_bound),
        cmocka_unit_test(a_line_has_a_bound),
        cmocka_unit_test(a_nul_is_no_end),
        cmocka_unit_test(a_key_is_found_by_its_hash),
        cmocka_unit_test(the_empty_key_is_none),
        cmocka_unit_test(a_long_key_is_unknown),
        cmocka_unit_test(a_key_that_was_made_is_found_by_its_line),
        cmocka_unit_test(a_file_is_read_also_through_a_link),
        cmocka_unit_test(a_file_that_others_can_read_or_change_is_refused),
        cmocka_unit_test(what_is_no_file_is_refused_at_once),
        cmocka_unit_test(a_file_that_is_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
