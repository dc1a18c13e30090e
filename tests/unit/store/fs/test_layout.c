#include "base/macros.h"
#include "store/fs/layout.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID "01ARYZ6S41TSV4RRFFQ69G5FAV"

static void names_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const struct mr_layout_name names[] = {
        {.id = ID, .kind = MR_LAYOUT_META, .process = 0},
        {.id = ID, .kind = MR_LAYOUT_GONE, .process = 63},
        {.id = ID, .kind = MR_LAYOUT_SEGMENT, .segment = 1, .process = 7},
        {.id = ID, .kind = MR_LAYOUT_SEGMENT, .segment = MR_LAYOUT_SEGMENT_MAX, .process = MR_LAYOUT_PROCESS_MAX},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(names); i++) {
        struct mr_layout_name back;
        char text[MR_LAYOUT_NAME_SIZE];
        mr_layout_upload(text, &names[i]);
        assert_true(mr_layout_read_upload(&back, text));
        assert_memory_equal(&back, &names[i], sizeof(back));
        assert_false(mr_layout_read_object(&back, text));
        mr_layout_object(text, ID, names[i].kind, names[i].segment);
        assert_false(mr_layout_read_upload(&back, text));
        assert_int_equal(mr_layout_read_object(&back, text), names[i].kind != MR_LAYOUT_GONE);
    }
}

static void other_names_are_none_of_ours(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        ".",
                                        "..",
                                        "x",
                                        ID,
                                        ID ".",
                                        ID "..p0",
                                        ID ".meta",
                                        ID ".meta.",
                                        ID ".meta.p",
                                        ID ".meta.0",
                                        ID ".meta.p-1",
                                        ID ".meta.p00",
                                        ID ".meta.p10000",
                                        ID ".meta.p0.x",
                                        ID ".meta.p0 ",
                                        ID ".0.p0",
                                        ID ".01.p0",
                                        ID ".-1.p0",
                                        ID ".+1.p0",
                                        ID ".99999999.p0",
                                        ID ".Meta.p0",
                                        ID ".state.p0",
                                        "01aryz6s41tsv4rrffq69g5fav.1.p0",
                                        "81ARYZ6S41TSV4RRFFQ69G5FAV.1.p0",
                                        "01ARYZ6S41TSV4RRFFQ69G5FA.1.p0",
                                        "../" ID ".1.p0"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(names); i++) {
        struct mr_layout_name back;
        if (mr_layout_read_upload(&back, names[i]))
            fail_msg("%s", names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test(other_names_are_none_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
