#include "media/coded.h"

static int scan_chain(struct mr_coded *out, struct mr_chain chain)
{
    struct mr_scan scan = {.steps_max = 4096};
    struct mr_fault fault = {0};
    return mr_scan_av1(out, &scan, &chain, &fault);
}

static int scan(struct mr_coded *out, const struct writer *data)
{
    return scan_chain(out, chain_of(data));
}

static void size_and_depth_are_those_of_the_sequence_header(void **state)
{
    (void)state;
    static const uint32_t sizes[][3] = {{1, 1, 8}, {101, 67, 10}, {65535, 3, 12}, {7, 65536, 8}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(sizes); i++) {
        struct mr_coded coded;
        struct writer data = av1_image(sizes[i][0], sizes[i][1], sizes[i][2]);
        assert_int_equal(scan(&coded, &data), MR_OK);
        assert_int_equal(coded.width, sizes[i][0]);
        assert_int_equal(coded.height, sizes[i][1]);
        assert_int_equal(coded.bits, sizes[i][2]);
        assert_int_equal(coded.frames, 1);
    }
}

/* Everything that may stand in front of what is wanted. */
static struct writer full_sequence(bool has_ids)
{
    struct writer out = {0};
    put(&out, 0, 5); /* profile 0, no still picture */
    put(&out, 1, 1); /* timing */
    put(&out, 1, 32);
    put(&out, 25, 32);
    put(&out, 0, 1);
    put(&out, 1, 1); /* decoder model: buffer delays of 7 bits, times of 9 */
    put(&out, 6, 5);
    put(&out, 1, 32);
    put(&out, 3, 5);
    put(&out, 8, 5);
    put(&out, 1, 1); /* display delay */
    put(&out, 1, 5); /* two operating points */
    for (int i = 0; i < 2; i++) {
        put(&out, 0x101, 12);
        put(&out, 9, 5);
        put(&out, 0, 1);
        put(&out, 1, 1);
        put(&out, 0x3FFF, 14);
        put(&out, 0, 1);
        put(&out, 1, 1);
        put(&out, 9, 4);
    }
    put(&out, 8, 4);
    put(&out, 7, 4);
    put(&out, 299, 9);
    put(&out, 199, 8);
    put(&out, has_ids, 1);
    if (has_ids)
        put(&out, 0x0B, 7); /* 3 bits of difference, 4 more of the whole */
    put(&out, 0, 3);
    put(&out, 0xF, 4);
    put(&out, 1, 1); /* order hints */
    put(&out, 3, 2);
    put(&out, 1, 1); /* screen content: the frame says */
    put(&out, 1, 1); /* whole vectors: likewise */
    put(&out, 6, 3);
    put(&out, 0, 3);
    put(&out, 1, 1); /* 10 bits */
    put(&out, 0, 8);
    return out;
}

static struct writer full_frame(bool has_ids, uint32_t type, bool shown, bool screen_content, bool has_own_size)
{
    struct writer out = {0};
    put(&out, 0, 1);
    put(&out, type, 2);
    put(&out, shown, 1);
    if (shown)
        put(&out, 0x155, 9);
    else
        put(&out, 1, 1);
    if (type != 3 && !(type == 0 && shown))
        put(&out, 1, 1);
    put(&out, 1, 1);
    put(&out, screen_content, 1);
    if (screen_content)
        put(&out, 1, 1);
    if (has_ids)
        put(&out, 0x7F, 7);
    if (type != 3)
        put(&out, has_own_size, 1);
    put(&out, has_own_size ? 0 : UINT32_MAX, 32);
    return out;
}

static void frame_with_a_size_of_its_own_is_found_behind_all_that_may_stand_in_front(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 64; bits++) {
        bool has_ids = bits & 1, shown = bits & 2, screen_content = bits & 4, has_own_size = bits & 8;
        uint32_t type = bits >> 4;
        struct writer data = {0}, sequence = full_sequence(has_ids);
        struct writer frame = full_frame(has_ids, type, shown, screen_content, has_own_size);
        put_unit(&data, SEQUENCE, &sequence);
        put_unit(&data, FRAME, &frame);
        struct mr_coded coded = {0};
        int err = scan(&coded, &data);
        assert_int_equal(err, has_own_size || type == 3 ? MR_ENOTIMAGE : MR_OK);
        if (err == MR_OK)
            assert_true(coded.width == 300 && coded.height == 200 && coded.bits == 10);
    }
}

static void sequence_headers_must_agree(void **state)
{
    (void)state;
    struct writer same = av1_image(30, 20, 8), other = av1_image(31, 20, 8), data = {0};
    struct mr_coded coded;
    put_writer(&data, &same);
    put_writer(&data, &same);
    assert_int_equal(scan(&coded, &data), MR_OK);
    assert_int_equal(coded.frames, 2);
    put_writer(&data, &other);
    assert_int_equal(scan(&coded, &data), MR_EDAMAGED);
}

static void frame_needs_a_sequence_header_and_an_image_a_frame(void **state)
{
    (void)state;
    struct writer data = {0}, sequence = av1_sequence(30, 20, 8), frame = {0}, nothing = {0};
    struct mr_coded coded;
    assert_int_equal(scan(&coded, &nothing), MR_EDAMAGED);
    put_unit(&data, SEQUENCE, &sequence);
    assert_int_equal(scan(&coded, &data), MR_EDAMAGED);
    memset(&data, 0, sizeof(data));
    put(&frame, 0, 8);
    put_unit(&data, FRAME, &frame);
    put_unit(&data, SEQUENCE, &sequence);
    assert_int_equal(scan(&coded, &data), MR_EDAMAGED);
}

static void frames_are_counted_and_bounded(void **state)
{
    (void)state;
    struct writer data = {0}, image = av1_image(30, 20, 8);
    struct mr_coded coded;
    for (uint32_t i = 1; i <= 17; i++) {
        put_writer(&data, &image);
        assert_int_equal(scan(&coded, &data), i <= 16 ? MR_OK : MR_ENOTIMAGE);
        assert_true(i > 16 || coded.frames == i);
    }
}

/* As libheif puts them together: what stands in av1C, then each extent, with borders anywhere. */
static void pieces_are_read_as_one(void **state)
{
    (void)state;
    struct writer data = av1_image(300, 200, 8);
    size_t len = written(&data);
    for (size_t first = 0; first <= len; first++) {
        for (size_t second = first; second <= len; second++) {
            struct mr_chain chain = {.parts = {{data.at, first},
                                               {data.at + first, second - first},
                                               {data.at, 0},
                                               {data.at + second, len - second}},
                                     .count = 4};
            struct mr_coded coded;
            assert_int_equal(scan_chain(&coded, chain), MR_OK);
            assert_int_equal(coded.width, 300);
        }
    }
}

static void cut_units_are_damage(void **state)
{
    (void)state;
    struct writer data = av1_image(300, 200, 8);
    for (size_t len = 0; len < written(&data); len++) {
        uint8_t *copy = malloc(len + 1);
        memcpy(copy, data.at, len);
        struct mr_chain chain = {.parts = {{copy, len}}, .count = 1};
        struct mr_coded coded;
        assert_int_equal(scan_chain(&coded, chain), MR_EDAMAGED);
        free(copy);
    }
}

static void unit_without_a_length_goes_to_the_end(void **state)
{
    (void)state;
    struct writer data = {0}, sequence = av1_sequence(30, 20, 8);
    struct mr_coded coded;
    put_unit(&data, SEQUENCE, &sequence);
    put(&data, FRAME << 3, 8);
    put(&data, 0x1234, 16);
    assert_int_equal(scan(&coded, &data), MR_OK);
    put(&data, 0, 1); /* whatever follows is of that unit */
    assert_int_equal(scan(&coded, &data), MR_OK);
}

static void units_cost_steps(void **state)
{
    (void)state;
    struct writer data = {0}, nothing = {0}, image = av1_image(30, 20, 8);
    for (int i = 0; i < 1500; i++)
        put_unit(&data, DELIMITER, &nothing);
    put_writer(&data, &image);
    struct mr_scan scan = {.steps_max = 4096};
    struct mr_chain chain = chain_of(&data);
    struct mr_coded coded;
    assert_int_equal(mr_scan_av1(&coded, &scan, &chain, NULL), MR_EDAMAGED);
    assert_true(scan.steps > scan.steps_max && scan.steps < scan.steps_max + 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_and_depth_are_those_of_the_sequence_header),
        cmocka_unit_test(frame_with_a_size_of_its_own_is_found_behind_all_that_may_stand_in_front),
        cmocka_unit_test(sequence_headers_must_agree),
        cmocka_unit_test(frame_needs_a_sequence_header_and_an_image_a_frame),
        cmocka_unit_test(frames_are_counted_and_bounded),
        cmocka_unit_test(pieces_are_read_as_one),
        cmocka_unit_test(cut_units_are_damage),
        cmocka_unit_test(unit_without_a_length_goes_to_the_end),
        cmocka_unit_test(units_cost_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
