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

/* Each list is one image, in many spellings; tests/fuzz/fuzz_image_key.c makes more of them. */
static const char *const spellings[][8] = {
    {"w=300 h=200 fit=crop fm=webp", "fm=webp fit=crop h=200 w=300", "w=300 h=200 fit=crop fm=webp q=75",
     "h=200 dpr=1 w=300 fm=webp rot=0 fit=crop ixlib=js-3.8", "w=0300 h=200 fit=crop fm=webp crop=center"},
    {"", "q=75", "fit=clip bri=-0 con=0.0 flip=none trim=none strip=yes shrink=fast auto=compress", "dpr=2 fit=fill"},
    {"dpr=1.5 w=10", "w=10 dpr=1.50", "w=10 dpr=01.5 fit=scale", "w=10 dpr=1.5 crop=top fp-x=0.3 gps=1"},
    {"bg=f00", "bg=ff0000", "bg=Red", "bg=ffff0000", "bg=F00"},
    {"fm=jpg", "fm=jpeg", "fm=jpg lossless=1 effort=3", "auto=format fm=jpg", "fm=jpg lossless=on"},
    {"fm=png interlace=1", "interlace= fm=png", "interlace=yes fm=png q=7", "fm=png interlace=true chroma=444"},
    {"auto=format", "auto=format,compress", "auto=compress,format"},
    {"frame=3", "page=3", "page=03"},
    {"orient=90", "orient=6"},
    {"w=5 h=6 fit=crop crop=left,top", "w=5 h=6 fit=crop crop=top,left", "crop=top,left fit=crop h=6 w=5 fp-x=1"},
    {"w=5 h=6 fit=crop crop=focalpoint fp-x=0.5", "w=5 h=6 fit=crop crop=focalpoint fp-y=.5",
     "w=5 h=6 fit=crop crop=focalpoint fp-x=0.5 fp-y=0.500"},
    {"w=5 h=6 fit=crop crop=faces", "w=5 h=6 fit=crop crop=attention"},
};

static void every_spelling_of_an_image_has_one_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(spellings); i++) {
        struct mr_variant_key key = key_of(ID, spellings[i][0]);
        for (size_t j = 1; j < MR_ARRAY_SIZE(spellings[i]) && spellings[i][j] != NULL; j++)
            if (!are_same(key, key_of(ID, spellings[i][j])))
                fail_msg("%s and %s", spellings[i][0], spellings[i][j]);
        for (size_t j = 0; j < i; j++)
            assert_false(are_same(key, key_of(ID, spellings[j][0])));
    }
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
