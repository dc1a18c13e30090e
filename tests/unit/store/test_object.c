#include "base/macros.h"
#include "store/object.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void make(struct mr_object *object)
{
    assert_int_equal(mr_object_init(object), MR_OK);
    memcpy(object->id, "01M8K7ZZZZ0123456789ABCDEF", sizeof(object->id));
    object->rev = 1;
}

static void a_new_object_has_texts(void **state)
{
    (void)state;
    struct mr_object object;
    assert_int_equal(mr_object_init(&object), MR_OK);
    assert_string_equal(object.name, "");
    assert_string_equal(object.type, "application/octet-stream");
    assert_string_equal(object.tags, "[]");
    assert_string_equal(object.meta, "{}");
    mr_object_free(&object);
    mr_object_free(&object);
}

static void a_copy_owns_its_texts(void **state)
{
    (void)state;
    struct mr_object object, copy;
    make(&object);
    object.has_focal = true;
    object.focal_x = 0.25;
    assert_int_equal(mr_object_set_name(&object, MR_SLICE("a.jpg"), NULL), MR_OK);
    assert_int_equal(mr_object_copy(&copy, &object), MR_OK);
    assert_int_equal(mr_object_set_name(&object, MR_SLICE("b.jpg"), NULL), MR_OK);
    mr_object_free(&object);
    assert_string_equal(copy.name, "a.jpg");
    assert_string_equal(copy.id, "01M8K7ZZZZ0123456789ABCDEF");
    assert_true(copy.has_focal && copy.focal_x == 0.25);
    mr_object_free(&copy);
}

static void controls_in_a_name_become_underscores(void **state)
{
    (void)state;
    static const struct {
        struct mr_slice name;
        const char *becomes;
    } table[] = {
        {MR_SLICE("photo 1.jpg"), "photo 1.jpg"},
        {MR_SLICE(""), ""},
        {MR_SLICE("a\r\nb\tc\x7f\x1f"), "a__b_c__"},
        {MR_SLICE("a\0b"), "a_b"},
        {MR_SLICE("\xc2\x80\xc2\x85\xc2\x9f\xc2\xa0"), "___\xc2\xa0"}, /* C1, which are controls too; and no more */
        {MR_SLICE("\xc3\xa4\xf0\x9f\x98\x80.png"), "\xc3\xa4\xf0\x9f\x98\x80.png"},
        {MR_SLICE("..\\\":;"), "..\\\":;"},
    };
    struct mr_object object;
    make(&object);
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        assert_int_equal(mr_object_set_name(&object, table[i].name, NULL), MR_OK);
        assert_string_equal(object.name, table[i].becomes);
    }
    mr_object_free(&object);
}

static void a_name_that_is_refused_changes_nothing(void **state)
{
    (void)state;
    static const struct mr_slice table[] = {MR_SLICE("a/b"),      MR_SLICE("/"),    MR_SLICE("a\xff"),
                                            MR_SLICE("\xc3"),     MR_SLICE("\x80"), MR_SLICE("\xed\xa0\x80"),
                                            MR_SLICE("\xc0\xaf"), /* an overlong slash */};
    struct mr_object object;
    struct mr_fault fault;
    make(&object);
    assert_int_equal(mr_object_set_name(&object, MR_SLICE("before"), NULL), MR_OK);
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        assert_int_equal(mr_object_set_name(&object, table[i], &fault), MR_EPARAM);
        assert_int_equal(fault.error, MR_EPARAM);
        assert_string_equal(object.name, "before");
    }
    mr_object_free(&object);
}

static void names_and_types_have_a_longest_one(void **state)
{
    (void)state;
    struct mr_object object;
    struct mr_fault fault;
    char text[256];
    memset(text, 'x', sizeof(text));
    make(&object);
    assert_int_equal(mr_object_set_name(&object, (struct mr_slice){text, 255}, NULL), MR_OK);
    assert_int_equal(mr_object_set_type(&object, (struct mr_slice){text, 255}, NULL), MR_OK);
    assert_int_equal(mr_object_set_name(&object, (struct mr_slice){text, 256}, &fault), MR_EPARAM);
    assert_string_equal(fault.limit_name, "name");
    assert_int_equal(fault.limit, 255);
    assert_int_equal(fault.value, 256);
    assert_int_equal(mr_object_set_type(&object, (struct mr_slice){text, 256}, &fault), MR_EPARAM);
    assert_string_equal(fault.limit_name, "type");
    assert_int_equal(strlen(object.name), 255);
    assert_int_equal(strlen(object.type), 255);
    mr_object_free(&object);
}

/* It becomes a field of responses. */
static void a_type_is_visible_ascii(void **state)
{
    (void)state;
    static const struct mr_slice table[] = {MR_SLICE(""), MR_SLICE("a/b\r\nX: y"), MR_SLICE("a\0b"), MR_SLICE("a\x7f"),
                                            MR_SLICE("\xc3\xa4/b")};
    struct mr_object object;
    make(&object);
    assert_int_equal(mr_object_set_type(&object, MR_SLICE("text/plain; charset=\"utf-8\""), NULL), MR_OK);
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++)
        assert_int_equal(mr_object_set_type(&object, table[i], NULL), MR_EPARAM);
    assert_string_equal(object.type, "text/plain; charset=\"utf-8\"");
    mr_object_free(&object);
}

static void assert_json(const struct mr_object *object, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    struct mr_json json;
    assert_non_null(file);
    mr_json_begin(&json, file);
    mr_json_open(&json, NULL, '{');
    mr_object_json(object, &json);
    mr_json_close(&json);
    fclose(file);
    assert_string_equal(text, wanted);
    free(text);
}

static void an_object_is_shown_as_json(void **state)
{
    (void)state;
    struct mr_object object;
    make(&object);
    assert_json(&object, "{\"id\":\"01M8K7ZZZZ0123456789ABCDEF\",\"name\":\"\",\"type\":\"application/octet-stream\","
                         "\"size\":0,\"created\":\"1970-01-01T00:00:00.000Z\",\"expires\":null,\"state\":\"released\","
                         "\"tags\":[],\"meta\":{},\"focal\":null,\"digest\":{}}");
    assert_int_equal(mr_object_set_name(&object, MR_SLICE("a\"b.jpg"), NULL), MR_OK);
    assert_int_equal(mr_object_set_type(&object, MR_SLICE("image/jpeg"), NULL), MR_OK);
    object.size = UINT64_MAX;
    object.created_ms = 1796000000123;
    object.has_focal = object.has_sha256 = true;
    object.focal_x = 0.25;
    object.focal_y = 1;
    memset(object.sha256, 0xfb, sizeof(object.sha256));
    assert_json(&object, "{\"id\":\"01M8K7ZZZZ0123456789ABCDEF\",\"name\":\"a\\\"b.jpg\",\"type\":\"image/jpeg\","
                         "\"size\":18446744073709551615,\"created\":\"2026-11-30T00:53:20.123Z\",\"expires\":null,"
                         "\"state\":\"released\",\"tags\":[],\"meta\":{},\"focal\":{\"x\":0.25,\"y\":1},"
                         "\"digest\":{\"sha-256\":\"+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=\"}}");
    mr_object_free(&object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_object_has_texts),
        cmocka_unit_test(a_copy_owns_its_texts),
        cmocka_unit_test(controls_in_a_name_become_underscores),
        cmocka_unit_test(a_name_that_is_refused_changes_nothing),
        cmocka_unit_test(names_and_types_have_a_longest_one),
        cmocka_unit_test(a_type_is_visible_ascii),
        cmocka_unit_test(an_object_is_shown_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
