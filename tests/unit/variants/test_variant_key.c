#include "base/macros.h"
#include "variants/variant_key.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ID       "01M8MMF2NAXJFYWDJD7847071C"
#define OTHER_ID "01M8MMF2NAXJFYWDJD7847071D"

/* "w=300 h=200": set in that order. */
static struct mr_image_ops ops_of(const char *text)
{
    struct mr_image_ops ops;
    struct mr_fault fault;
    struct mr_slice rest = mr_slice_of(text);
    mr_image_ops_init(&ops);
    while (rest.at != NULL && rest.len > 0) {
        struct mr_slice value = mr_slice_cut(&rest, ' '), name = mr_slice_cut(&value, '=');
        assert_int_equal(mr_image_ops_set(&ops, name, value, &fault), MR_OK);
    }
    return ops;
}

static struct mr_variant_key key_for(const char *id, const struct mr_image_ops *ops)
{
    struct mr_variant_key key;
    mr_variant_key(&key, mr_slice_of(id), ops);
    return key;
}

static struct mr_variant_key key_of(const char *id, const char *text)
{
    struct mr_image_ops ops = ops_of(text);
    return key_for(id, &ops);
}

static bool are_same(struct mr_variant_key one, struct mr_variant_key other)
{
    return memcmp(one.bytes, other.bytes, MR_VARIANT_KEY_LEN) == 0;
}

static void every_spelling_of_an_image_has_one_key(void **state)
{
    (void)state;
    struct mr_variant_key key = key_of(ID, "w=300 h=200 fit=crop fm=webp");
    static const char *const same[] = {
        "fm=webp fit=crop h=200 w=300",
        "w=300 h=200 fit=crop fm=webp q=80",
        "h=200 dpr=1 w=300 fm=webp rot=0 fit=crop ixlib=js-3.8",
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(same); i++)
        assert_true(are_same(key, key_of(ID, same[i])));
}

static void another_image_has_another_key(void **state)
{
    (void)state;
    static const char *const other[] = {"", "w=300", "w=301", "h=300", "w=300 fm=png", "w=300 q=81", "w=300 dpr=2"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(other); i++) {
        assert_false(are_same(key_of(ID, other[i]), key_of(OTHER_ID, other[i])));
        for (size_t j = 0; j < i; j++)
            assert_false(are_same(key_of(ID, other[i]), key_of(ID, other[j])));
    }
}

/* What the client accepts is a part of it where it decides, and nowhere else. */
static void formats_that_may_be_picked_are_part_of_the_key(void **state)
{
    (void)state;
    const uint32_t more = MR_IMAGE_BITS_ANYWHERE | MR_IMAGE_BIT(MR_IMAGE_WEBP);
    struct mr_image_ops one = ops_of("w=300 auto=format"), other = one;
    other.picks = more;
    assert_false(are_same(key_for(ID, &one), key_for(ID, &other)));
    one = ops_of("w=300 auto=format fm=png");
    other = one;
    other.picks = more;
    assert_true(are_same(key_for(ID, &one), key_for(ID, &other)));
    assert_true(are_same(key_for(ID, &one), key_of(ID, "w=300 fm=png")));
    assert_true(are_same(key_of(ID, "w=300 auto=compress"), key_of(ID, "w=300")));
}

static void tag_is_the_key_as_text(void **state)
{
    (void)state;
    struct mr_variant_key key;
    char tag[MR_VARIANT_TAG_SIZE];
    memset(key.bytes, 0xff, sizeof(key.bytes));
    mr_variant_key_tag(tag, &key);
    assert_int_equal(strlen(tag), 43);
    assert_int_equal(strspn(tag, "_"), 42); /* 256 bits are 42 characters and a rest */
    assert_int_equal(tag[42], '8');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_of_an_image_has_one_key),
        cmocka_unit_test(another_image_has_another_key),
        cmocka_unit_test(formats_that_may_be_picked_are_part_of_the_key),
        cmocka_unit_test(tag_is_the_key_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
