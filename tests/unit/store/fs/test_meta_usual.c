#include "base/assert.h"
#include "store/fs/meta_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID   "01M8K7ZZZZ0123456789ABCDEF"
#define HASH "00ff102030405060708090a0b0c0d0e0f00112233445566778899aabbccddeef"

#define HEAD(id, rev, name, rest) "{\"id\":\"" id "\",\"rev\":" rev ",\"name\":\"" name "\",\"type\":\"a/b\"" rest
#define TIMES(size)               ",\"size\":" size ",\"created_ms\":1796000000123,\"changed_ms\":1796000000456"
#define END(segments)             ",\"is_image\":true,\"tags\":[],\"meta\":{},\"segments\":" segments "}\n"

static void begin(struct mr_meta *meta, size_t payload)
{
    assert_int_equal(mr_meta_init(meta), MR_OK);
    meta->payload.len = payload; /* it is not read */
}

/* The head that says the same. */
static char *text_of(const struct mr_meta *meta)
{
    char *text;
    size_t len;
    assert_int_equal(mr_meta_head_write(meta, &text, &len, NULL), MR_OK);
    return text;
}

/* Is it read as a usual one? What is must be what the general reading makes of it. */
static bool is_usual(struct mr_slice head, size_t payload)
{
    struct mr_meta usual, general;
    char *exact = malloc(head.len + (head.len == 0)); /* the address sanitizer sees the end */
    memcpy(exact, head.at, head.len);
    struct mr_slice text = {exact, head.len};
    begin(&usual, payload);
    begin(&general, payload);
    bool is_read = mr_meta_usual_read(&usual, text);
    if (is_read) {
        assert_int_equal(mr_meta_head_read(&general, text, NULL), MR_OK);
        char *expected = text_of(&general), *found = text_of(&usual);
        assert_string_equal(found, expected);
        free(expected);
        free(found);
    }
    mr_meta_free(&usual);
    mr_meta_free(&general);
    free(exact);
    return is_read;
}

static const struct {
    const char *head;
    size_t payload;
} usual_heads[] = {
    {HEAD(ID, "1", "", TIMES("0") END("[]")), 0},
    {HEAD(ID, "1", "photo 1.jpg", TIMES("10240") ",\"sha256\":\"" HASH "\"" END("[]")), 10240},
    {HEAD(ID, "9223372036854775807", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\x8a", TIMES("5") END("[[1,5,5,0]]")), 0},
    {HEAD(ID, "1", "", TIMES("9223372036854775807") END("[[1,9223372036854775807,9223372036854775807,0]]")), 0},
};

/* Also what is made today: a change of mr_meta_head_write() would otherwise cost time and nothing else. */
static void what_most_objects_say_is_read_as_usual(void **state)
{
    (void)state;
    struct mr_meta meta;
    for (size_t i = 0; i < MR_ARRAY_SIZE(usual_heads); i++)
        assert_true(is_usual(mr_slice_of(usual_heads[i].head), usual_heads[i].payload));
    begin(&meta, 7);
    memcpy(meta.object.id, ID, sizeof(meta.object.id));
    meta.object.rev = 1;
    meta.object.size = 7;
    meta.object.has_sha256 = true;
    assert_int_equal(mr_object_set_name(&meta.object, MR_SLICE("a.txt"), NULL), MR_OK);
    char *text = text_of(&meta);
    assert_true(is_usual(mr_slice_of(text), 7));
    mr_meta_free(&meta);
    free(text);
}

static void what_is_not_so_is_left_to_the_general_reading(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        size_t payload;
    } table[] = {
        {"", 0},
        {"{", 0},
        {"{}\n", 0},
        {HEAD(ID, "1", "a\\\"b", TIMES("0") END("[]")), 0},
        {HEAD(ID, "1", "a\tb", TIMES("0") END("[]")), 0},
        {HEAD(ID, "1", "a\xff", TIMES("0") END("[]")), 0},
        {HEAD(ID, "1", "a/b", TIMES("0") END("[]")), 0},
        {HEAD(ID, "01", "", TIMES("0") END("[]")), 0},
        {HEAD(ID, "0", "", TIMES("0") END("[]")), 0},
        {HEAD(ID, "-1", "", TIMES("0") END("[]")), 0},
        {HEAD(ID, "1.0", "", TIMES("0") END("[]")), 0},
        {HEAD(ID, "9223372036854775808", "", TIMES("0") END("[]")), 0},
        {HEAD("01M8K7ZZZZ0123456789abcdef", "1", "", TIMES("0") END("[]")), 0},
        {HEAD("01M8K7ZZZZ0123456789ABCDEFG", "1", "", TIMES("0") END("[]")), 0},
        {HEAD(ID, "1", "", TIMES("1") END("[]")), 0},
        {HEAD(ID, "1", "", TIMES("0") END("[]") " "), 0},
        {HEAD(ID, "1", "", TIMES("0") ",\"sha256\":\"FF\"" END("[]")), 0},
        {HEAD(ID, "1", "", TIMES("0") ",\"focal\":{\"x\":0.5,\"y\":0.5}" END("[]")), 0},
        {HEAD(ID, "1", "", TIMES("5") END("[[1,5,5,0]]")), 5},
        {HEAD(ID, "1", "", TIMES("5") END("[[1,4,4,0]]")), 0},
        {HEAD(ID, "1", "", TIMES("5") END("[[1,4,5,0]]")), 0},
        {HEAD(ID, "1", "", TIMES("5") END("[[2,5,5,0]]")), 0},
        {HEAD(ID, "1", "", TIMES("5") END("[[1,9,5,4]]")), 0},
        {HEAD(ID, "1", "", TIMES("5") END("[[1,3,3,0],[2,2,2,0]]")), 0},
        {HEAD(ID, "1", "", TIMES("0") ",\"is_image\":true,\"tags\":[\"a\"],\"meta\":{},\"segments\":[]}\n"), 0},
        {HEAD(ID, "1", "", TIMES("0") ",\"is_image\":true,\"tags\":[],\"meta\":{\"a\":1},\"segments\":[]}\n"), 0},
        {HEAD(ID, "1", "", TIMES("0") ",\"is_image\":true,\"tags\":[],\"meta\":{},\"segments\":[],\"new\":1}\n"), 0},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++)
        if (is_usual(mr_slice_of(table[i].head), table[i].payload))
            fail_msg("it was read: %s", table[i].head);
}

static void no_truncation_is_usual(void **state)
{
    (void)state;
    struct mr_slice head = mr_slice_of(usual_heads[1].head);
    for (size_t len = 0; len < head.len; len++)
        assert_false(is_usual((struct mr_slice){head.at, len}, usual_heads[1].payload));
}

/* Each octet replaced by each other one: what is still read, the general reading reads the same. */
static void no_octet_is_read_otherwise(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(usual_heads); i++) {
        struct mr_slice head = mr_slice_of(usual_heads[i].head);
        char *text = strdup(head.at);
        size_t read = 0;
        for (size_t at = 0; at < head.len; at++) {
            for (unsigned octet = 0; octet < 256; octet++) {
                text[at] = (char)octet;
                read += is_usual((struct mr_slice){text, head.len}, usual_heads[i].payload);
            }
            text[at] = head.at[at];
        }
        assert_true(read > head.len); /* itself, each time, and digits and letters */
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_most_objects_say_is_read_as_usual),
        cmocka_unit_test(what_is_not_so_is_left_to_the_general_reading),
        cmocka_unit_test(no_truncation_is_usual),
        cmocka_unit_test(no_octet_is_read_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
