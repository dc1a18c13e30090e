#include "base/macros.h"
#include "store/object.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static int patch(struct mr_object *object, const char *text, struct mr_fault *fault)
{
    return mr_object_patch(object, mr_slice_of(text), fault);
}

static void make(struct mr_object *object)
{
    assert_int_equal(mr_object_init(object), MR_OK);
    memcpy(object->id, "01M8K7ZZZZ0123456789ABCDEF", sizeof(object->id));
    object->rev = 3;
    object->size = 5;
    assert_int_equal(patch(object, "{\"name\":\"a.jpg\",\"meta\":{\"a\":1},\"focal\":{\"x\":0.25,\"y\":1}}", NULL),
                     MR_OK);
}

static void assert_made(const struct mr_object *object)
{
    assert_string_equal(object->name, "a.jpg");
    assert_string_equal(object->meta, "{\"a\":1}");
    assert_true(object->has_focal && object->focal_x == 0.25 && object->focal_y == 1);
}

static void what_is_not_named_stays(void **state)
{
    (void)state;
    struct mr_object object;
    make(&object);
    assert_made(&object);
    assert_int_equal(patch(&object, " {} ", NULL), MR_OK);
    assert_made(&object);
    assert_int_equal(object.rev, 3);
    assert_int_equal(object.size, 5);
    assert_string_equal(object.type, "application/octet-stream");
    assert_int_equal(patch(&object, "{\"name\":\"b\\u0009\"}", NULL), MR_OK);
    assert_string_equal(object.name, "b_");
    assert_string_equal(object.meta, "{\"a\":1}");
    mr_object_free(&object);
}

static void null_removes(void **state)
{
    (void)state;
    struct mr_object object;
    make(&object);
    assert_int_equal(patch(&object, "{\"name\":null,\"meta\":null,\"focal\":null}", NULL), MR_OK);
    assert_string_equal(object.name, "");
    assert_string_equal(object.meta, "{}");
    assert_false(object.has_focal);
    mr_object_free(&object);
}

/* The examples of RFC 7396, appendix A, whose outermost value is an object, as members of `meta`. */
static void meta_is_merged_as_the_rfc_has_it(void **state)
{
    (void)state;
    static const struct {
        const char *before, *patch, *after;
    } table[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"{\"a\":\"foo\"}", "{\"a\":{\"b\":null,\"c\":1}}", "{\"a\":{\"c\":1}}"},
        {"{}", "{\"a\":[null,{\"b\":null}]}", "{\"a\":[null,{\"b\":null}]}"}, /* arrays are taken as they are */
        {"{\"z\":0.1,\"a\":true}", "{\"z\":0.2,\"m\":-1.5}", "{\"z\":0.2,\"a\":true,\"m\":-1.5}"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_object object;
        char text[256];
        assert_int_equal(mr_object_init(&object), MR_OK);
        snprintf(text, sizeof(text), "{\"meta\":%s}", table[i].before);
        assert_int_equal(patch(&object, text, NULL), MR_OK);
        snprintf(text, sizeof(text), "{\"meta\":%s}", table[i].patch);
        for (int twice = 0; twice < 2; twice++) {
            assert_int_equal(patch(&object, text, NULL), MR_OK);
            assert_string_equal(object.meta, table[i].after);
        }
        mr_object_free(&object);
    }
}

static void focal_is_two_numbers_from_0_to_1(void **state)
{
    (void)state;
    struct mr_object object;
    make(&object);
    assert_int_equal(patch(&object, "{\"focal\":{\"x\":1}}", NULL), MR_OK); /* merged, too */
    assert_true(object.focal_x == 1 && object.focal_y == 1);
    assert_int_equal(patch(&object, "{\"focal\":{\"x\":0,\"y\":0.1}}", NULL), MR_OK);
    assert_true(object.focal_x == 0 && object.focal_y == 0.1);
    assert_int_equal(patch(&object, "{\"focal\":null}", NULL), MR_OK);
    assert_int_equal(patch(&object, "{\"focal\":{\"x\":1}}", NULL), MR_EPARAM);
    assert_false(object.has_focal);
    mr_object_free(&object);
}

static void what_is_refused_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mr_error error;
        const char *says;
    } table[] = {
        {"", MR_EREQUEST, "JSON"},
        {"[]", MR_EREQUEST, "not an object"},
        {"null", MR_EREQUEST, "not an object"},
        {"{\"name\":\"x\"", MR_EREQUEST, "JSON"},
        {"{\"name\":\"x\",\"name\":\"y\"}", MR_EREQUEST, "two members"},
        {"{\"meta\":{\"x\":1,\"x\":2}}", MR_EREQUEST, "two members"},
        {"{\"name\":\"x\",\"rev\":9}", MR_EPARAM, "\"rev\""},
        {"{\"name\":\"x\",\"Name\":\"y\"}", MR_EPARAM, "\"Name\""},
        {"{\"name\":\"x\",\"\":1}", MR_EPARAM, "\"\""},
        {"{\"name\":\"x\",\"size\":null}", MR_EPARAM, "\"size\""},
        {"{\"a-name-that-is-longer-than-any-member-of-ours\":1}", MR_EPARAM, "\"*\""},
        {"{\"meta\":{},\"name\":1}", MR_EPARAM, "\"name\""},
        {"{\"meta\":{},\"name\":{}}", MR_EPARAM, "\"name\""},
        {"{\"meta\":{},\"name\":\"a/b\"}", MR_EPARAM, "\"/\""},
        {"{\"name\":\"x\",\"meta\":[]}", MR_EPARAM, "\"meta\""},
        {"{\"name\":\"x\",\"meta\":\"{}\"}", MR_EPARAM, "\"meta\""},
        {"{\"name\":\"x\",\"focal\":1}", MR_EPARAM, "\"focal\""},
        {"{\"name\":\"x\",\"focal\":[0.5,0.5]}", MR_EPARAM, "\"focal\""},
        {"{\"name\":\"x\",\"focal\":{\"x\":null}}", MR_EPARAM, "\"focal\""},
        {"{\"name\":\"x\",\"focal\":{\"x\":\"0.5\"}}", MR_EPARAM, "\"focal\""},
        {"{\"name\":\"x\",\"focal\":{\"z\":0.5}}", MR_EPARAM, "\"focal\""},
        {"{\"name\":\"x\",\"focal\":{\"x\":1.0000001}}", MR_EPARAM, "\"focal\""},
        {"{\"name\":\"x\",\"focal\":{\"y\":-0.0000001}}", MR_EPARAM, "\"focal\""},
    };
    struct mr_object object;
    make(&object);
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_fault fault;
        assert_int_equal(patch(&object, table[i].text, &fault), table[i].error);
        assert_int_equal(fault.error, table[i].error);
        if (strstr(fault.detail, table[i].says) == NULL)
            fail_msg("case %zu: \"%s\" does not say %s", i, fault.detail, table[i].says);
        assert_made(&object);
    }
    mr_object_free(&object);
}

/* `before`, that many times 'x', `behind`. */
static char *long_text(const char *before, size_t count, const char *behind)
{
    size_t before_len = strlen(before), behind_len = strlen(behind);
    char *text = malloc(before_len + count + behind_len + 1);
    memcpy(text, before, before_len);
    memset(text + before_len, 'x', count);
    memcpy(text + before_len + count, behind, behind_len + 1);
    return text;
}

static int patch_long(struct mr_object *object, const char *before, size_t count, const char *behind,
                      struct mr_fault *fault)
{
    char *text = long_text(before, count, behind);
    int err = patch(object, text, fault);
    free(text);
    return err;
}

static void bounds_are_named(void **state)
{
    (void)state;
    struct mr_object object;
    struct mr_fault fault;
    make(&object);
    assert_int_equal(patch_long(&object, "{\"name\":\"", 255, "\"}", &fault), MR_OK);
    assert_int_equal(patch_long(&object, "{\"name\":\"", 256, "\"}", &fault), MR_EPARAM);
    assert_string_equal(fault.limit_name, "name");
    size_t rest = MR_OBJECT_META_MAX - strlen("{\"a\":\"\"}");
    assert_int_equal(patch_long(&object, "{\"meta\":{\"a\":\"", rest, "\"}}", &fault), MR_OK);
    assert_int_equal(strlen(object.meta), MR_OBJECT_META_MAX);
    assert_int_equal(patch(&object, "{\"meta\":{\"b\":1}}", &fault), MR_EPARAM); /* what is merged counts */
    assert_string_equal(fault.limit_name, "meta");
    assert_int_equal(fault.limit, MR_OBJECT_META_MAX);
    assert_int_equal(fault.value, MR_OBJECT_META_MAX + strlen(",\"b\":1"));
    assert_int_equal(patch(&object, "{\"meta\":{\"a\":null,\"b\":1}}", &fault), MR_OK);
    rest = MR_OBJECT_PATCH_MAX - strlen("{}");
    char *spaces = long_text("{", rest, "}");
    memset(spaces + 1, ' ', rest);
    assert_int_equal(patch(&object, spaces, &fault), MR_OK);
    free(spaces);
    assert_int_equal(patch_long(&object, "{", rest + 1, "}", &fault), MR_EBODY);
    assert_int_equal(fault.limit, MR_OBJECT_PATCH_MAX);
    assert_int_equal(fault.value, MR_OBJECT_PATCH_MAX + 1);
    mr_object_free(&object);
}

static void deep_patches_are_refused(void **state)
{
    (void)state;
    struct mr_object object;
    struct mr_fault fault;
    make(&object);
    char text[512] = "{\"meta\":";
    for (int i = 0; i < 31; i++)
        strcat(text, "{\"a\":");
    strcat(text, "1");
    for (int i = 0; i < 32; i++)
        strcat(text, "}");
    assert_int_equal(patch(&object, text, NULL), MR_OK);
    assert_int_equal(patch(&object, text, NULL), MR_OK);
    assert_int_equal(patch(&object, "{\"meta\":{\"a\":{\"a\":{\"a\":null}}}}", NULL), MR_OK);
    assert_string_equal(object.meta, "{\"a\":{\"a\":{}}}");
    memmove(text + 8 + 5, text + 8, strlen(text + 8) + 1); /* one more */
    memcpy(text + 8, "{\"a\":", 5);
    strcat(text, "}");
    assert_int_equal(patch(&object, text, &fault), MR_EREQUEST);
    assert_string_equal(fault.limit_name, "json-depth");
    mr_object_free(&object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_named_stays),          cmocka_unit_test(null_removes),
        cmocka_unit_test(meta_is_merged_as_the_rfc_has_it), cmocka_unit_test(focal_is_two_numbers_from_0_to_1),
        cmocka_unit_test(what_is_refused_changes_nothing),  cmocka_unit_test(bounds_are_named),
        cmocka_unit_test(deep_patches_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
