#include "media/coded.h"

#include "media/scan/scan.h"

/* A file of items, of which each test spoils one thing. */
struct item {
    const char *type;
    struct writer data;
    const char *properties; /* indices + '0', of the table in `properties` below */
    uint32_t in_idat, extents;
};

enum { ITEMS = 8 };
struct file {
    struct item items[ITEMS];
    uint32_t count; /* of items, whose ids are 1, 2, 3 ... ; the first is shown */
    struct writer references;
    uint32_t large, small, config_bits; /* sides of ispe 1 and ispe 2 */
    bool two_lists;                     /* of associations */
};

static void put_size(struct writer *out, uint32_t width, uint32_t height)
{
    size_t at = begin_box(out, "ispe");
    put(out, 0, 32);
    put(out, width, 32);
    put(out, height, 32);
    end_box(out, at);
}

/* 1 ispe large, 2 ispe small, 3 av1C, 4 hvcC, 5 auxC alpha, 6 auxC of a gain map, 7 irot, 8 clap, 9 imir */
static void put_properties(struct writer *out, const struct file *file)
{
    struct writer config = {0}, sequence = hevc_sequence(64, 64, 1, (struct window){0}), hevc = hevc_config(&sequence);
    struct writer turn = {0}, cut = {0}, mirror = {0};
    size_t list = begin_box(out, "ipco");
    put_size(out, file->large, file->large);
    put_size(out, file->small, file->small);
    put(&config, 0x81000C00, 32);
    put_box(out, "av1C", &config);
    put_box(out, "hvcC", &hevc);
    static const char *const types[] = {"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
                                        "urn:com:apple:photo:2020:aux:hdrgainmap"};
    for (int i = 0; i < 2; i++) {
        struct writer type = {0};
        put(&type, 0, 32);
        put_bytes(&type, types[i], strlen(types[i]) + 1);
        put_box(out, "auxC", &type);
    }
    put(&turn, 1, 8);
    put_box(out, "irot", &turn);
    for (int i = 0; i < 8; i++)
        put(&cut, 1, 32);
    put_box(out, "clap", &cut);
    put(&mirror, 0, 8);
    put_box(out, "imir", &mirror);
    end_box(out, list);
}

static void put_associations(struct writer *out, const struct file *file, uint32_t from, uint32_t to)
{
    size_t box = begin_box(out, "ipma");
    put(out, 0, 32);
    put(out, to - from, 32);
    for (uint32_t i = from; i < to; i++) {
        const char *properties = file->items[i].properties;
        put(out, i + 1, 16);
        put(out, strlen(properties), 8);
        for (; *properties != 0; properties++)
            put(out, (uint8_t)(*properties - '0'), 8);
    }
    end_box(out, box);
}

static void put_locations(struct writer *out, const struct file *file, size_t data_at)
{
    size_t box = begin_box(out, "iloc"), in_idat = 0, in_data = data_at;
    put(out, 1u << 24, 32);
    put(out, 0x4400, 16);
    put(out, file->count, 16);
    for (uint32_t i = 0; i < file->count; i++) {
        const struct item *item = &file->items[i];
        size_t *at = item->in_idat ? &in_idat : &in_data, len = written(&item->data);
        put(out, i + 1, 16);
        put(out, item->in_idat, 16);
        put(out, 0, 16);
        uint32_t extents = MR_MAX(item->extents, 1u);
        put(out, extents, 16);
        for (uint32_t k = 0; k < extents; k++) { /* the last has what the others leave */
            size_t part = k + 1 < extents ? 1 : len - k;
            put(out, *at, 32);
            put(out, part, 32);
            *at += part;
        }
    }
    end_box(out, box);
}

static void put_items(struct writer *out, const struct file *file)
{
    size_t list = begin_box(out, "iinf");
    put(out, 0, 32);
    put(out, file->count, 16);
    for (uint32_t i = 0; i < file->count; i++) {
        size_t box = begin_box(out, "infe");
        put(out, 2u << 24, 32);
        put(out, i + 1, 16);
        put(out, 0, 16);
        put_bytes(out, file->items[i].type, 4);
        put(out, 0, 8);
        end_box(out, box);
    }
    end_box(out, list);
}

static void put_meta(struct writer *out, const struct file *file, size_t data_at)
{
    struct writer primary = {0}, held = {0};
    size_t meta = begin_box(out, "meta");
    put(out, 0, 32);
    put(&primary, 1, 48);
    put_box(out, "pitm", &primary);
    put_items(out, file);
    put_locations(out, file, data_at);
    size_t properties = begin_box(out, "iprp");
    put_properties(out, file);
    put_associations(out, file, 0, file->two_lists ? 1 : file->count);
    if (file->two_lists)
        put_associations(out, file, 1, file->count);
    end_box(out, properties);
    size_t references = begin_box(out, "iref");
    put(out, 0, 32);
    put_writer(out, &file->references);
    end_box(out, references);
    for (uint32_t i = 0; i < file->count; i++)
        if (file->items[i].in_idat)
            put_writer(&held, &file->items[i].data);
    put_box(out, "idat", &held);
    end_box(out, meta);
}

static struct writer write_file(const struct file *file)
{
    struct writer out = {0}, trial = {0}, brand = {0}, data = {0};
    put_bytes(&brand, "avif\0\0\0\0mif1", 12);
    put_box(&out, "ftyp", &brand);
    put_meta(&trial, file, 0);
    put_meta(&out, file, written(&out) + written(&trial) + 8);
    for (uint32_t i = 0; i < file->count; i++)
        if (!file->items[i].in_idat)
            put_writer(&data, &file->items[i].data);
    put_box(&out, "mdat", &data);
    return out;
}

static int scan_writer(struct mr_scan *out, const struct writer *file)
{
    struct mr_fault fault = {0};
    return mr_scan_image(out, (struct mr_view){file->at, written(file)}, 0, &generous, &fault);
}

static void scans_as(int wanted, const struct file *file)
{
    struct mr_scan scan;
    struct mr_fault fault = {0};
    struct writer out = write_file(file);
    int err = mr_scan_image(&scan, (struct mr_view){out.at, written(&out)}, 0, &generous, &fault);
    if (err != wanted)
        fail_msg("%s (%s), not %s", mr_error_name((enum mr_error)err), fault.detail,
                 mr_error_name((enum mr_error)wanted));
}

static void refer(struct writer *out, const char *type, uint32_t from, const char *to)
{
    size_t box = begin_box(out, type);
    put(out, from, 16);
    put(out, strlen(to), 16);
    for (; *to != 0; to++)
        put(out, (uint8_t)(*to - '0'), 16);
    end_box(out, box);
}

static struct writer grid_of(uint32_t rows, uint32_t columns, uint32_t width, uint32_t height)
{
    struct writer out = {0};
    put(&out, 0, 16);
    put(&out, rows - 1, 8);
    put(&out, columns - 1, 8);
    put(&out, width, 16);
    put(&out, height, 16);
    return out;
}

/* One image of 64 x 64. */
static struct file single(void)
{
    return (struct file){.items = {{.type = "av01", .data = av1_image(64, 64, 8), .properties = "13"}},
                         .count = 1,
                         .large = 64,
                         .small = 32};
}

/* 100 x 100 out of four of 64 x 64, the list of which stands in idat. */
static struct file grid(void)
{
    struct file file = {.count = 5, .large = 100, .small = 64};
    file.items[0] = (struct item){.type = "grid", .data = grid_of(2, 2, 100, 100), .properties = "1", .in_idat = 1};
    for (uint32_t i = 1; i < 5; i++)
        file.items[i] = (struct item){.type = "av01", .data = av1_image(64, 64, 8), .properties = "23"};
    refer(&file.references, "dimg", 1, "2345");
    return file;
}

static struct file with_alpha(void)
{
    struct file file = single();
    file.items[1] = (struct item){.type = "av01", .data = av1_image(64, 64, 8), .properties = "135"};
    file.count = 2;
    refer(&file.references, "auxl", 2, "1");
    return file;
}

static struct file hevc_in_three_extents(void)
{
    struct file file = single();
    file.items[0] = (struct item){.type = "hvc1", .properties = "14", .extents = 3};
    put_slice(&file.items[0].data, true, 0);
    return file;
}

static struct file with_alpha_in_two_lists(void)
{
    struct file file = with_alpha();
    file.two_lists = true;
    return file;
}

static struct file (*const sound[])(void) = {single, grid, with_alpha, hevc_in_three_extents, with_alpha_in_two_lists};

static void sound_files_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(sound); i++) {
        struct mr_scan scan;
        struct file file = sound[i]();
        struct writer out = write_file(&file);
        scans_as(MR_OK, &file);
        assert_int_equal(scan_writer(&scan, &out), MR_OK);
        assert_int_equal(scan.info.width, i == 1 ? 100 : 64);
        assert_int_equal(scan.info.alpha, i == 2 || i == 4);
        put_bytes(&out, "\0\0\1", 3); /* behind the last box */
        assert_int_equal(scan_writer(&scan, &out), MR_OK);
    }
}

static void bitstream_of_another_size_is_damage(void **state)
{
    (void)state;
    struct file file = single();
    file.items[0].data = av1_image(8000, 8000, 8);
    scans_as(MR_EDAMAGED, &file);
    file = single();
    file.items[0] = (struct item){.type = "hvc1", .properties = "14"};
    put_slice(&file.items[0].data, true, 0);
    file.large = 60;
    scans_as(MR_EDAMAGED, &file);
    for (uint32_t i = 1; i < 5; i++) { /* any tile */
        file = grid();
        file.items[i].data = av1_image(64, 63, 8);
        scans_as(MR_EDAMAGED, &file);
    }
    file = with_alpha();
    file.items[1].data = av1_image(64, 65, 8);
    scans_as(MR_EDAMAGED, &file);
}

static void what_is_neither_coded_nor_a_grid_of_coded_images_is_not_read(void **state)
{
    (void)state;
    static const char *const types[] = {"iovl", "iden", "unci", "jpeg", "tmap", "mime", "Exif", "vvc1", "hvc2"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(types); i++) {
        struct file file = single();
        file.items[0].type = types[i];
        scans_as(MR_ENOTIMAGE, &file);
        file = grid();
        file.items[2].type = types[i];
        scans_as(MR_ENOTIMAGE, &file);
        file = with_alpha();
        file.items[1].type = types[i];
        scans_as(MR_ENOTIMAGE, &file);
    }
    struct file nested = grid();
    nested.items[1].type = "grid";
    scans_as(MR_ENOTIMAGE, &nested);
    struct file itself = grid();
    memset(&itself.references, 0, sizeof(itself.references));
    refer(&itself.references, "dimg", 1, "1111");
    scans_as(MR_ENOTIMAGE, &itself);
}

static void grid_is_covered_by_its_tiles_and_by_no_more(void **state)
{
    (void)state;
    static const struct {
        uint32_t rows, columns, side;
        const char *tiles;
        int wanted;
    } cases[] = {
        {2, 2, 100, "2345", MR_OK},        {2, 2, 128, "2345", MR_OK},      {2, 2, 65, "2222", MR_OK},
        {2, 2, 129, "2345", MR_EDAMAGED},  {2, 2, 64, "2345", MR_EDAMAGED}, {2, 2, 100, "234", MR_EDAMAGED},
        {2, 2, 100, "23455", MR_EDAMAGED}, {1, 1, 100, "2", MR_EDAMAGED},   {2, 2, 100, "2346", MR_EDAMAGED},
        {4, 1, 100, "2345", MR_EDAMAGED},  {2, 2, 100, "", MR_EDAMAGED},    {3, 3, 100, "222222222", MR_EDAMAGED},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct file file = grid();
        file.large = cases[i].side;
        file.items[0].data = grid_of(cases[i].rows, cases[i].columns, cases[i].side, cases[i].side);
        memset(&file.references, 0, sizeof(file.references));
        refer(&file.references, "dimg", 1, cases[i].tiles);
        scans_as(cases[i].wanted, &file);
    }
    struct file file = grid();
    file.items[0].data = grid_of(2, 2, 100, 99); /* ispe says 100 */
    scans_as(MR_EDAMAGED, &file);
    file = grid();
    refer(&file.references, "dimg", 1, "2345");
    scans_as(MR_EDAMAGED, &file);
}

static void tiles_are_alike_and_neither_turned_nor_cut(void **state)
{
    (void)state;
    static const char *const properties[] = {"237", "238", "239"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(properties); i++) {
        struct file file = grid();
        file.items[3].properties = properties[i];
        scans_as(MR_ENOTIMAGE, &file);
    }
    struct file file = grid();
    file.items[4] = (struct item){.type = "av01", .data = av1_image(100, 100, 8), .properties = "13"};
    scans_as(MR_ENOTIMAGE, &file);
    file = grid();
    file.items[4].data = av1_image(64, 64, 10);
    scans_as(MR_ENOTIMAGE, &file);
}

static void alpha_fits_its_image(void **state)
{
    (void)state;
    struct file file = with_alpha();
    file.items[1] = (struct item){.type = "av01", .data = av1_image(32, 32, 8), .properties = "235"};
    scans_as(MR_ENOTIMAGE, &file); /* smaller */
    file = with_alpha();
    file.items[1].data = av1_image(64, 64, 10);
    scans_as(MR_ENOTIMAGE, &file); /* deeper */
    file = with_alpha();
    file.items[1].properties = "1358";
    scans_as(MR_ENOTIMAGE, &file); /* cut */
    file.items[0].properties = "138";
    scans_as(MR_OK, &file); /* as the image is */
    file.items[1].properties = "135";
    scans_as(MR_OK, &file);
    file.items[0].properties = "713";
    scans_as(MR_EDAMAGED, &file); /* turned before its size is said, of which libheif makes another size */
    file = with_alpha();
    refer(&file.references, "auxl", 1, "2");
    file.items[0].properties = "135";
    scans_as(MR_ENOTIMAGE, &file); /* each the other's */
    file = with_alpha();
    refer(&file.references, "auxl", 2, "1");
    scans_as(MR_EDAMAGED, &file); /* two */
}

static void items_that_are_not_shown_may_be_what_they_are(void **state)
{
    (void)state;
    struct file file = single();
    file.items[0].properties = "23";
    file.items[0].data = av1_image(32, 32, 8);
    file.items[1] = (struct item){.type = "av01", .properties = "136"}; /* a larger gain map, and not even one */
    file.items[2] = (struct item){.type = "iovl", .properties = ""};
    file.count = 3;
    refer(&file.references, "auxl", 2, "1");
    refer(&file.references, "thmb", 3, "1");
    put(&file.items[1].data, 1, 8);
    put(&file.items[2].data, 1, 8);
    scans_as(MR_OK, &file);
}

static void box_that_may_stand_once_is_damage_when_it_stands_twice(void **state)
{
    (void)state;
    static const char *const types[] = {"pitm", "iinf", "iloc", "iprp", "iref", "idat"};
    struct file file = grid();
    struct writer whole = write_file(&file);
    for (size_t i = 0; i < MR_ARRAY_SIZE(types); i++) {
        struct writer out = {0}, empty = {0};
        size_t meta = mr_read_be32(whole.at), len = mr_read_be32(whole.at + meta);
        put_bytes(&out, whole.at, meta);
        size_t box = begin_box(&out, "meta");
        put_bytes(&out, whole.at + meta + 8, len - 8);
        put_box(&out, types[i], &empty);
        end_box(&out, box);
        put_bytes(&out, whole.at + meta + len, written(&whole) - meta - len);
        struct mr_scan scan;
        assert_int_equal(scan_writer(&scan, &out), MR_EDAMAGED);
    }
}

static void item_outside_of_file_or_idat_is_damage(void **state)
{
    (void)state;
    struct file file = grid();
    struct writer out = write_file(&file);
    uint8_t *location = NULL;
    for (size_t i = 0; i + 4 < written(&out) && location == NULL; i++)
        if (memcmp(out.at + i, "iloc", 4) == 0)
            location = out.at + i + 12;
    assert_non_null(location);
    struct mr_scan scan;
    location[15] = 9; /* of the grid in idat, which is 8 long */
    assert_int_equal(scan_writer(&scan, &out), MR_EDAMAGED);
    location[15] = 8;
    assert_int_equal(scan_writer(&scan, &out), MR_OK);
    location[16 + 8] = 1; /* the first tile's offset */
    assert_int_equal(scan_writer(&scan, &out), MR_EDAMAGED);
}

/* 24 KB of items with 65535 extents of no bytes each took 1.4 s. */
static void counts_of_nothing_cost_nothing(void **state)
{
    (void)state;
    struct writer out = {0}, brand = {0};
    put_bytes(&brand, "heic\0\0\0\0mif1", 12);
    put_box(&out, "ftyp", &brand);
    struct file file = single();
    size_t meta = begin_box(&out, "meta");
    put(&out, 0, 32);
    struct writer primary = {0};
    put(&primary, 1, 48);
    put_box(&out, "pitm", &primary);
    put_items(&out, &file);
    size_t properties = begin_box(&out, "iprp");
    put_properties(&out, &file);
    put_associations(&out, &file, 0, 1);
    end_box(&out, properties);
    size_t box = begin_box(&out, "iloc");
    put(&out, 0, 48);
    put(&out, 300, 16);
    for (int i = 0; i < 300; i++)
        put(&out, 0x00010000FFFFull + ((uint64_t)i << 32), 48);
    end_box(&out, box);
    end_box(&out, meta);
    struct mr_scan scan;
    assert_int_equal(scan_writer(&scan, &out), MR_EDAMAGED);
    assert_true(scan.steps < 200);
}

/* Every reading of every byte that is cut or changed stays inside, and within the budget. */
static void changed_bytes_never_lead_outside(void **state)
{
    (void)state;
    uint32_t random = 7;
    for (size_t i = 0; i < MR_ARRAY_SIZE(sound); i++) {
        struct file file = sound[i]();
        struct writer out = write_file(&file);
        for (int round = 0; round < 20000; round++) {
            size_t len = written(&out);
            uint8_t *copy = malloc(len);
            memcpy(copy, out.at, len);
            for (int change = 0; change < 2; change++) {
                random = random * 1664525 + 1013904223;
                copy[(random >> 8) % len] = (uint8_t)random;
            }
            struct mr_scan scan;
            int err = mr_scan_image(&scan, (struct mr_view){copy, len}, 0, &generous, NULL);
            assert_true(err != MR_OK || (scan.info.width > 0 && scan.info.height > 0 && scan.steps <= 4096 + len));
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_files_are_read),
        cmocka_unit_test(bitstream_of_another_size_is_damage),
        cmocka_unit_test(what_is_neither_coded_nor_a_grid_of_coded_images_is_not_read),
        cmocka_unit_test(grid_is_covered_by_its_tiles_and_by_no_more),
        cmocka_unit_test(tiles_are_alike_and_neither_turned_nor_cut),
        cmocka_unit_test(alpha_fits_its_image),
        cmocka_unit_test(items_that_are_not_shown_may_be_what_they_are),
        cmocka_unit_test(box_that_may_stand_once_is_damage_when_it_stands_twice),
        cmocka_unit_test(item_outside_of_file_or_idat_is_damage),
        cmocka_unit_test(counts_of_nothing_cost_nothing),
        cmocka_unit_test(changed_bytes_never_lead_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
