#include "base/log.h"
#include "keys/signing_keys.h"

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

/* Bytes 0 to 31, and 255 down to 224. */
#define UP   "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define DOWN "__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA"

static struct mr_signing_keys keys;
static struct mr_fault fault;

static int parse(const char *text)
{
    memset(&fault, 0, sizeof(fault));
    return mr_signing_keys_parse(&keys, mr_slice_of(text), "keys.txt", &fault);
}

/* ---- the text ---- */

static void lines_become_keys(void **state)
{
    (void)state;
    assert_int_equal(parse("# kid key\n\n2026-11 " UP "\r\n\told_one.x\t" DOWN "  \n  # the end"), MR_OK);
    assert_int_equal(keys.count, 2);
    assert_string_equal(keys.keys[0].kid, "2026-11");
    assert_string_equal(keys.keys[1].kid, "old_one.x");
    for (int i = 0; i < MR_SIGNING_SECRET; i++) {
        assert_int_equal(keys.keys[0].secret[i], i);
        assert_int_equal(keys.keys[1].secret[i], 255 - i);
    }
}

static void a_file_without_a_key_is_refused(void **state)
{
    (void)state;
    assert_int_equal(parse(""), MR_EPARAM);
    assert_int_equal(parse("# nothing\n\n"), MR_EPARAM);
    assert_string_equal(fault.detail, "keys.txt: there is no key in it");
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a", "a kid and a key"},
        {UP, "a kid and a key"},
        {"a/b " UP, "a kid has"},
        {"a@b " UP, "a kid has"},
        {"a~b " UP, "a kid has"},
        {"\xc3\xa4 " UP, "a kid has"},
        {"012345678901234567890123456789012 " UP, "a kid has 1 to 32 letters"},
        {UP " a", "a kid has"},
        {"a " UP "A", "43 characters"},
        {"a " UP "=", "43 characters"},
        {"a AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh", "43 characters"},
        {"a AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", "43 characters"}, /* bits that stand for nothing are not 0 */
        {"a //79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA", "43 characters"}, /* the other alphabet */
        {"a AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh*", "43 characters"},
        {"a sha256:" UP, "43 characters"},
        {"a " UP " prefix=/images/x", "\"prefix\" behind the key"},
        {"a " UP " more", "\"more\" behind the key"},
        {"a " UP " # as a comment", "\"*\" behind the key"},
        {"first " UP, "the kid stands"},
        {"a " DOWN, "the key stands"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[1000];
        snprintf(text, sizeof(text), "first " DOWN "\n\n%s\n", rows[i][0]);
        assert_int_equal(parse(text), MR_EPARAM);
        assert_non_null(strstr(fault.detail, "keys.txt: line 3: "));
        assert_non_null(strstr(fault.detail, rows[i][1]));
        assert_null(strstr(fault.detail, "AAECAwQ"));
    }
}

static void the_number_of_keys_has_a_bound(void **state)
{
    (void)state;
    char text[MR_SIGNING_KEYS_MAX * MR_SIGNING_LINE_SIZE + 200], *at = text, line[MR_SIGNING_LINE_SIZE];
    for (int i = 0; i <= MR_SIGNING_KEYS_MAX; i++) {
        char kid[20];
        snprintf(kid, sizeof(kid), "kid-%d", i);
        if (i == MR_SIGNING_KEYS_MAX) {
            assert_int_equal(parse(text), MR_OK);
            assert_int_equal(keys.count, MR_SIGNING_KEYS_MAX);
        }
        assert_int_equal(mr_signing_key_make(line, mr_slice_of(kid)), MR_OK);
        at += sprintf(at, "%s\n", line);
    }
    assert_int_equal(parse(text), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "line 65: a file has at most 64 keys"));
}

static void a_line_that_was_made_is_read(void **state)
{
    (void)state;
    char one[MR_SIGNING_LINE_SIZE], other[MR_SIGNING_LINE_SIZE];
    const struct mr_slice longest = MR_SLICE("abcdefghijklmnopqrstuvwxyz-_.012");
    assert_int_equal(mr_signing_key_make(one, longest), MR_OK);
    assert_int_equal(mr_signing_key_make(other, longest), MR_OK);
    assert_int_equal(strlen(one), MR_SIGNING_LINE_SIZE - 1);
    assert_string_not_equal(one, other);
    assert_int_equal(parse(one), MR_OK);
    assert_int_equal(keys.count, 1);
    assert_true(mr_slice_is(longest, keys.keys[0].kid));
}

/* ---- the ring ---- */

static char path[] = "/tmp/millrace-signing-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    mr_log_set_level(MR_LOG_ERROR);
    int fd = mkstemp(path); /* 0600 */
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static void the_first_key_signs_and_all_are_found(void **state)
{
    (void)state;
    struct mr_key_ring *ring;
    struct mr_signing_key key;
    write_file("new " UP "\nold " DOWN "\n");
    assert_int_equal(mr_key_ring_open(&ring, &mr_signing_key_kind, path, &fault), MR_OK);
    assert_int_equal(mr_key_ring_count(ring), 2);
    mr_signing_keys_first(ring, &key);
    assert_string_equal(key.kid, "new");
    assert_true(mr_signing_keys_find(ring, MR_SLICE("old"), &key));
    assert_string_equal(key.kid, "old");
    assert_int_equal(key.secret[0], 255);
    static const char *const unknown[] = {"", "ol", "olde", "OLD", "new " UP, UP, "old\n"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_false(mr_signing_keys_find(ring, mr_slice_of(unknown[i]), &key));
    assert_false(mr_signing_keys_find(ring, MR_SLICE("old\0"), &key));
    mr_key_ring_close(&ring);
}

static void keys_are_replaced_and_a_broken_file_leaves_them(void **state)
{
    (void)state;
    static const char *const broken[] = {"", "# none\n", "new " UP "\nold\n"};
    struct mr_key_ring *ring;
    struct mr_signing_key key;
    write_file("old " DOWN "\n");
    assert_int_equal(mr_key_ring_open(&ring, &mr_signing_key_kind, path, &fault), MR_OK);
    write_file("new " UP "\n");
    mr_key_ring_reload(ring);
    for (size_t i = 0; i < 1 + sizeof(broken) / sizeof(broken[0]); i++) {
        mr_signing_keys_first(ring, &key);
        assert_string_equal(key.kid, "new");
        assert_false(mr_signing_keys_find(ring, MR_SLICE("old"), &key));
        write_file(broken[i % (sizeof(broken) / sizeof(broken[0]))]);
        mr_key_ring_reload(ring);
    }
    mr_key_ring_close(&ring);
    assert_int_equal(mr_key_ring_open(&ring, &mr_signing_key_kind, path, &fault), MR_EPARAM);
    assert_null(ring);
}

static void a_file_that_others_can_read_is_refused(void **state)
{
    (void)state;
    struct mr_key_ring *ring;
    write_file("a " UP "\n");
    chmod(path, 0644);
    assert_int_equal(mr_key_ring_open(&ring, &mr_signing_key_kind, path, &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "0644"));
    chmod(path, 0640);
    assert_int_equal(mr_key_ring_open(&ring, &mr_signing_key_kind, path, &fault), MR_OK);
    mr_key_ring_close(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_keys),
        cmocka_unit_test(a_file_without_a_key_is_refused),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(the_number_of_keys_has_a_bound),
        cmocka_unit_test(a_line_that_was_made_is_read),
        cmocka_unit_test(the_first_key_signs_and_all_are_found),
        cmocka_unit_test(keys_are_replaced_and_a_broken_file_leaves_them),
        cmocka_unit_test(a_file_that_others_can_read_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
