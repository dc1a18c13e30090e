#include "app/presets.h"
#include "base/log.h"
#include "base/macros.h"

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

static struct mr_presets presets;
static struct mr_fault fault;

static int parse(const char *text)
{
    memset(&fault, 0, sizeof(fault));
    return mr_presets_parse(&presets, mr_slice_of(text), "presets.txt", &fault);
}

static const char *canonical(size_t index)
{
    static char text[MR_IMAGE_CANONICAL_SIZE];
    mr_image_ops_canonical(&presets.presets[index].ops, text, sizeof(text));
    return text;
}

static void lines_become_presets(void **state)
{
    (void)state;
    assert_int_equal(parse("# name operations\n\ncard w=400&h=300&fit=crop&fm=webp\r\n"
                           "\tbig_1.x-\tfit=crop&crop=focalpoint&fp-x=0%2e25&h=1&w=2  \n  # the end"),
                     MR_OK);
    assert_int_equal(presets.count, 2);
    assert_string_equal(presets.presets[0].name, "card");
    assert_string_equal(canonical(0), "w=400&h=300&fit=crop&fm=webp");
    assert_string_equal(presets.presets[1].name, "big_1.x-");
    assert_string_equal(canonical(1), "w=2&h=1&fit=crop&crop=focalpoint&fp-x=0.25&fp-y=0.5");
}

static void a_file_may_be_empty(void **state)
{
    (void)state;
    assert_int_equal(parse(""), MR_OK);
    assert_int_equal(parse("# nothing\n\n"), MR_OK);
    assert_int_equal(presets.count, 0);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"card", "a name and operations"},
        {"w=300", "a name and operations"},
        {"a/b w=1", "a name has"},
        {"a@b w=1", "a name has"},
        {"\xc3\xa4 w=1", "a name has"},
        {"w=300 card", "a name has"},
        {"01234567890123456789012345678901234567890123456789012345678901234 w=1", "a name has 1 to 64"},
        {"card w=0", "w must be"},
        {"card w=65536", "w must be"},
        {"card w=", "w must be"},
        {"card w", "w must be"},
        {"card width=3", "width is not a parameter"},
        {"card ?w=3", "?w is not a parameter"},
        {"card preset=first", "preset is not a parameter"},
        {"card w=3&sig=x", "sig is not a parameter"},
        {"card fm=bmp", "fm must be"},
        {"card fit=crop", "fit=crop needs w and h"},
        {"card w=1&w=2", "\"w\""},
        {"card w=%zz", "two hex digits"},
        {"card w=1%00", "NUL"},
        {"card bg=%ff", "UTF-8"},
        {"card bg=#fff&w=3", "bg must be"},
        {"card w=3 # as a comment", "\"*\" behind the operations"},
        {"card w=3 h=3", "\"h\" behind the operations"},
        {"card w=3, h=3", "w must be"},
        {"first w=3", "the name stands"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        char text[1000];
        snprintf(text, sizeof(text), "first w=1\n\n%s\nlast w=2\n", rows[i][0]);
        assert_int_equal(parse(text), MR_EPARAM);
        if (strstr(fault.detail, "presets.txt: line 3: ") != fault.detail || strstr(fault.detail, rows[i][1]) == NULL)
            fail_msg("%s: %s", rows[i][0], fault.detail);
    }
}

static void lines_and_their_number_have_bounds(void **state)
{
    (void)state;
    char text[MR_PRESETS_MAX * 20 + 100], *at = text;
    for (int i = 0; i <= MR_PRESETS_MAX; i++) {
        if (i == MR_PRESETS_MAX) {
            assert_int_equal(parse(text), MR_OK);
            assert_int_equal(presets.count, MR_PRESETS_MAX);
        }
        at += sprintf(at, "preset-%d w=%d\n", i, i + 1);
    }
    assert_int_equal(parse(text), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "line 257: a file has at most 256 presets"));
    memset(text, 'a', MR_KEY_LINE_MAX + 1);
    text[MR_KEY_LINE_MAX + 1] = '\0';
    assert_int_equal(parse(text), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "line 1: a line has at most 1024 bytes"));
}

/* ---- the ring ---- */

static char path[] = "/tmp/millrace-presets-XXXXXX";

static void write_file(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void a_file_is_read_again_and_stays_where_it_is_wrong(void **state)
{
    (void)state;
    struct mr_key_ring *ring;
    struct mr_preset preset;
    write_file("card w=1\n", 0644);
    assert_int_equal(mr_key_ring_open(&ring, &mr_preset_kind, path, &fault), MR_OK);
    assert_true(mr_presets_find(ring, MR_SLICE("card"), &preset));
    assert_int_equal(preset.ops.width, 1);
    assert_false(mr_presets_find(ring, MR_SLICE("car"), &preset));
    assert_false(mr_presets_find(ring, MR_SLICE(""), &preset));
    write_file("card w=2\nthumb h=3\n", 0644);
    mr_key_ring_reload(ring);
    assert_true(mr_presets_find(ring, MR_SLICE("card"), &preset));
    assert_int_equal(preset.ops.width, 2);
    write_file("card w=3\nthumb h=none\n", 0644);
    mr_key_ring_reload(ring);
    write_file("card w=3\n", 0664);
    mr_key_ring_reload(ring);
    assert_true(mr_presets_find(ring, MR_SLICE("card"), &preset));
    assert_int_equal(preset.ops.width, 2);
    assert_int_equal(mr_key_ring_count(ring), 2);
    mr_key_ring_close(&ring);
}

static void others_may_read_it_and_not_write_it(void **state)
{
    (void)state;
    static const mode_t bad[] = {0646, 0664, 0622};
    for (size_t i = 0; i < MR_ARRAY_SIZE(bad); i++) {
        write_file("card w=1\n", bad[i]);
        assert_int_equal(mr_key_file_load(&presets, &mr_preset_kind, path, &fault), MR_EPARAM);
        assert_non_null(strstr(fault.detail, "others must not write it"));
    }
    write_file("card w=1\n", 0444);
    assert_int_equal(mr_key_file_load(&presets, &mr_preset_kind, path, &fault), MR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_presets),
        cmocka_unit_test(a_file_may_be_empty),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(lines_and_their_number_have_bounds),
        cmocka_unit_test(a_file_is_read_again_and_stays_where_it_is_wrong),
        cmocka_unit_test(others_may_read_it_and_not_write_it),
    };
    int file = mkstemp(path);
    if (file < 0 || mr_log_start(MR_LOG_ERROR, MR_LOG_LOGFMT, "/dev/null") != 0)
        return 1;
    close(file);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mr_log_stop();
    unlink(path);
    return failed;
}
