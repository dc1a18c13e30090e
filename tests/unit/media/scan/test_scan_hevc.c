#include "media/coded.h"

static int scan(struct mr_coded *out, const struct writer *config, const struct writer *data)
{
    struct mr_scan scan = {.steps_max = 4096};
    struct mr_fault fault = {0};
    struct mr_chain chain = chain_of(data);
    return mr_scan_hevc(out, &scan, (struct mr_view){config->at, written(config)}, &chain, &fault);
}

/* A picture of one slice, with such a sequence parameter set. */
static int scan_sequence(struct mr_coded *out, const struct writer *sequence)
{
    struct writer config = hevc_config(sequence), data = {0};
    put_slice(&data, true, 0);
    return scan(out, &config, &data);
}

static void size_is_what_the_window_leaves(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height, chroma;
        struct window window;
        uint32_t shown_width, shown_height;
    } cases[] = {
        {512, 512, 1, {0, 0, 0, 0}, 512, 512}, {104, 72, 1, {0, 1, 0, 2}, 102, 68}, {104, 72, 2, {1, 1, 1, 2}, 100, 69},
        {104, 72, 0, {1, 2, 3, 4}, 101, 65},   {64, 64, 1, {0, 31, 31, 0}, 2, 2},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_coded coded = {0};
        struct writer sequence = hevc_sequence(cases[i].width, cases[i].height, cases[i].chroma, cases[i].window);
        assert_int_equal(scan_sequence(&coded, &sequence), MR_OK);
        assert_int_equal(coded.width, cases[i].shown_width);
        assert_int_equal(coded.height, cases[i].shown_height);
        assert_int_equal(coded.bits, 8);
    }
}

static void window_that_leaves_more_than_a_block_out_is_damage(void **state)
{
    (void)state;
    static const struct window windows[] = {{0, 4064, 0, 0}, {0, 33, 0, 0}, {0, 0, 17, 16}, {0, 0, 0, UINT32_MAX - 1}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(windows); i++) {
        struct mr_coded coded;
        struct writer sequence = hevc_sequence(8192, 8192, 1, windows[i]);
        assert_int_equal(scan_sequence(&coded, &sequence), MR_EDAMAGED);
    }
    struct mr_coded coded;
    struct writer sequence = hevc_sequence(16, 16, 1, (struct window){4, 4, 0, 0});
    assert_int_equal(scan_sequence(&coded, &sequence), MR_EDAMAGED);
}

static void sequence_parameter_sets_must_agree_wherever_they_stand(void **state)
{
    (void)state;
    struct writer same = hevc_sequence(64, 64, 1, (struct window){0}),
                  other = hevc_sequence(72, 64, 1, (struct window){0});
    for (int is_other = 0; is_other < 2; is_other++) {
        const struct writer *second = is_other ? &other : &same;
        struct writer config = hevc_config(&same), data = {0};
        struct mr_coded coded;
        put(&data, written(second), 32);
        put_writer(&data, second);
        put_slice(&data, true, 0);
        assert_int_equal(scan(&coded, &config, &data), is_other ? MR_EDAMAGED : MR_OK);
    }
}

static void escapes_are_no_data(void **state)
{
    (void)state;
    /* general_profile_compatibility and constraints of zeros, as encoders write them, are escaped */
    static const uint8_t zeros[] = {0x42, 0x01, 0x01, 0x03, 0x70, 0x00, 0x00, 0x03, 0x00, 0x00,
                                    0x03, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x1E};
    struct writer sequence = {0};
    put_bytes(&sequence, zeros, sizeof(zeros));
    put_golomb(&sequence, 0);
    put_golomb(&sequence, 3); /* 4:4:4, in one plane of samples */
    put(&sequence, 0, 1);
    put_golomb(&sequence, 104);
    put_golomb(&sequence, 72);
    put(&sequence, 1, 1);
    put_golomb(&sequence, 0);
    put_golomb(&sequence, 3);
    put_golomb(&sequence, 0);
    put_golomb(&sequence, 5);
    put_golomb(&sequence, 2);
    put(&sequence, 3, 2);
    struct mr_coded coded;
    assert_int_equal(scan_sequence(&coded, &sequence), MR_OK);
    assert_int_equal(coded.width, 101);
    assert_int_equal(coded.height, 67);
    assert_int_equal(coded.bits, 10);
}

static void item_is_one_picture_with_its_first_slice(void **state)
{
    (void)state;
    struct writer sequence = hevc_sequence(64, 64, 1, (struct window){0}), config = hevc_config(&sequence), data = {0};
    struct mr_coded coded;
    assert_int_equal(scan(&coded, &config, &data), MR_EDAMAGED); /* no slice */
    put_slice(&data, false, 0);
    assert_int_equal(scan(&coded, &config, &data), MR_EDAMAGED); /* not the first */
    memset(&data, 0, sizeof(data));
    put_slice(&data, true, 0);
    put_slice(&data, false, 0);
    put_slice(&data, true, 1); /* of another layer, which is passed over */
    assert_int_equal(scan(&coded, &config, &data), MR_OK);
    put_slice(&data, true, 0);
    assert_int_equal(scan(&coded, &config, &data), MR_ENOTIMAGE); /* a second picture */
}

static void lengths_of_other_than_four_bytes_are_not_read(void **state)
{
    (void)state;
    struct writer sequence = hevc_sequence(64, 64, 1, (struct window){0}), config = hevc_config(&sequence), data = {0};
    struct mr_coded coded;
    put_slice(&data, true, 0);
    config.at[21] = 0x0D;
    assert_int_equal(scan(&coded, &config, &data), MR_ENOTIMAGE);
}

static void what_is_cut_is_damage(void **state)
{
    (void)state;
    struct writer sequence = hevc_sequence(64, 64, 1, (struct window){0}), config = hevc_config(&sequence), data = {0};
    put_slice(&data, true, 0);
    for (size_t config_len = 0; config_len <= written(&config); config_len++) {
        for (size_t data_len = 0; data_len <= written(&data); data_len++) {
            struct writer short_config = {0}, short_data = {0};
            put_bytes(&short_config, config.at, config_len);
            put_bytes(&short_data, data.at, data_len);
            struct mr_coded coded;
            bool is_whole = config_len == written(&config) && data_len == written(&data);
            int err = scan(&coded, &short_config, &short_data);
            assert_int_equal(err, is_whole ? MR_OK : MR_EDAMAGED);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_is_what_the_window_leaves),
        cmocka_unit_test(window_that_leaves_more_than_a_block_out_is_damage),
        cmocka_unit_test(sequence_parameter_sets_must_agree_wherever_they_stand),
        cmocka_unit_test(escapes_are_no_data),
        cmocka_unit_test(item_is_one_picture_with_its_first_slice),
        cmocka_unit_test(lengths_of_other_than_four_bytes_are_not_read),
        cmocka_unit_test(what_is_cut_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
