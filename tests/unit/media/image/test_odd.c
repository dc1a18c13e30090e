/* The files of tests/odd: sound ones that are odd, and damaged ones and such of a kind that is not read beside them.
 * tests/odd/odd.txt says what must come of each: a line is "file | status | pixels of each frame | why". */
#include "media/images.h"

struct odd {
    char file[96];
    int status;
    char *frames; /* "4x4 RRRR/RRRR/RRRR/RRRR", several of them with a blank between; or a size alone */
};

static FILE *open_file(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", ODD_FILES, name);
    FILE *stream = fopen(path, "rb");
    if (stream == NULL)
        fail_msg("no %s", path);
    return stream;
}

static struct bytes read_file(const char *name)
{
    uint8_t bytes[65536];
    FILE *stream = open_file(name);
    size_t len = fread(bytes, 1, sizeof(bytes), stream);
    assert_true(len > 0 && len < sizeof(bytes));
    fclose(stream);
    return copy_of(bytes, len);
}

static void each_file(void (*check)(struct odd *odd, struct bytes file), int status)
{
    char line[1024];
    size_t count = 0;
    FILE *stream = open_file("odd.txt");
    while (fgets(line, sizeof(line), stream) != NULL) {
        struct odd odd = {.status = 0};
        int at = 0;
        assert_int_equal(sscanf(line, "%95s | %d | %n", odd.file, &odd.status, &at), 2);
        odd.frames = line + at;
        *strchr(odd.frames, '|') = '\0';
        if (odd.status == status) {
            check(&odd, read_file(odd.file));
            count++;
        }
        images_end_test(NULL);
    }
    fclose(stream);
    assert_true(count > 0);
}

/* ---- pixels as letters ---- */

static char letter_of(const uint8_t *colour)
{
    static const struct {
        char letter;
        uint8_t colour[4];
    } letters[] = {{'R', {255, 0, 0, 255}},
                   {'G', {0, 255, 0, 255}},
                   {'B', {0, 0, 255, 255}},
                   {'W', {255, 255, 255, 255}},
                   {'K', {0, 0, 0, 255}}};
    if (colour[3] == 0)
        return '.';
    for (size_t i = 0; i < MR_ARRAY_SIZE(letters); i++)
        if (is_close(colour, letters[i].colour, 4, 2))
            return letters[i].letter;
    return '?';
}

static void colour_at(uint8_t *colour, VipsImage *image, int x, int y)
{
    const uint8_t *at = pixel_at(image, x, y);
    bool has_colour = image->Bands >= 3, has_alpha = image->Bands % 2 == 0;
    for (int i = 0; i < 3; i++)
        colour[i] = at[has_colour ? i : 0];
    colour[3] = has_alpha ? at[image->Bands - 1] : 255;
}

/* "2x1 RG" of a PNG. */
static void spell(char *out, size_t size, const struct mr_image_result *png)
{
    VipsImage *image = decode(png->bytes, png->len);
    int len = snprintf(out, size, "%dx%d ", image->Xsize, image->Ysize);
    for (int y = 0; y < image->Ysize && y < 12; y++) {
        for (int x = 0; x < image->Xsize && x < 12; x++) {
            uint8_t colour[4];
            colour_at(colour, image, x, y);
            out[len++] = letter_of(colour);
        }
        out[len++] = '/';
    }
    out[len - 1] = '\0';
    g_object_unref(image);
}

/* Frame `number` of a file, or of a kind that has no frames the picture. */
static int run_frame(struct mr_image_result *out, const struct odd *odd, int number, struct bytes file,
                     struct mr_fault *fault)
{
    char query[32] = "fm=png";
    if (strstr(odd->file, ".gif") != NULL)
        snprintf(query, sizeof(query), "fm=png&frame=%d", number);
    return try_run(out, query, file, fault);
}

static void is_shown(struct odd *odd, struct bytes file)
{
    int number = 0;
    char *rest = odd->frames, *size;
    while ((size = strtok_r(rest, " ", &rest)) != NULL) {
        char have[512], wanted[512];
        struct mr_image_result out;
        struct mr_fault fault = {0};
        int err = run_frame(&out, odd, ++number, file, &fault);
        if (err != MR_OK)
            fail_msg("%s, frame %d: %s", odd->file, number, fault.detail);
        const char *pixels = *rest >= '0' && *rest <= '9' ? NULL : strtok_r(rest, " ", &rest);
        spell(have, sizeof(have), &out);
        snprintf(wanted, sizeof(wanted), "%s %s", size, pixels == NULL ? "" : pixels);
        if (strncmp(have, wanted, pixels == NULL ? strlen(wanted) : sizeof(have)) != 0)
            fail_msg("%s, frame %d: %s, not %s", odd->file, number, have, wanted);
        mr_image_result_free(&out);
    }
    assert_true(number > 0);
}

static void what_browsers_show_whole_is_served(void **state)
{
    (void)state;
    each_file(is_shown, 200);
}

/* With all of its frames. */
static void is_refused(struct odd *odd, struct bytes file)
{
    struct mr_image_result out;
    struct mr_fault fault = {0};
    int err = try_run(&out, "fm=gif", file, &fault);
    if (err != (odd->status == 415 ? MR_ENOTIMAGE : MR_EDAMAGED) || fault.detail[0] == '\0')
        fail_msg("%s: %d %s", odd->file, err, fault.detail);
}

static void what_is_damaged_stays_so(void **state)
{
    (void)state;
    each_file(is_refused, 422);
}

static void what_is_sound_and_not_read_is_told_as_such(void **state)
{
    (void)state;
    each_file(is_refused, 415);
}

static bool are_alike(const struct mr_image_result *a, const struct mr_image_result *b)
{
    VipsImage *one = decode(a->bytes, a->len), *other = decode(b->bytes, b->len);
    bool is_same = one->Xsize == other->Xsize && one->Ysize == other->Ysize;
    for (int i = 0; is_same && i < one->Xsize * one->Ysize; i++) {
        uint8_t colours[2][4];
        colour_at(colours[0], one, i % one->Xsize, i / one->Xsize);
        colour_at(colours[1], other, i % one->Xsize, i / one->Xsize);
        is_same = memcmp(colours[0], colours[1], 4) == 0;
    }
    g_object_unref(one);
    g_object_unref(other);
    return is_same;
}

/* At each length, of larger files at many: the first frame as it is in the whole file, or a refusal. */
static void is_whole_or_nothing(struct odd *odd, struct bytes file)
{
    struct mr_image_result whole, cut;
    struct mr_fault fault = {0};
    assert_int_equal(run_frame(&whole, odd, 1, file, &fault), MR_OK);
    for (size_t len = 12; len<file.len; len += file.len> 600 && file.len - len > 60 ? 23 : 1) {
        struct bytes part = copy_of(file.at, len);
        if (run_frame(&cut, odd, 1, part, &fault) == MR_OK && !are_alike(&cut, &whole))
            fail_msg("%s at %zu of %zu is another picture", odd->file, len, file.len);
        mr_image_result_free(&cut);
        g_free(images_owned[--images_owned_count]);
    }
    mr_image_result_free(&whole);
}

static void odd_file_that_is_cut_is_never_half_an_image(void **state)
{
    (void)state;
    each_file(is_whole_or_nothing, 200);
}

#define ODD_TEST(test) cmocka_unit_test_teardown(test, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ODD_TEST(what_browsers_show_whole_is_served),
        ODD_TEST(what_is_damaged_stays_so),
        ODD_TEST(what_is_sound_and_not_read_is_told_as_such),
        ODD_TEST(odd_file_that_is_cut_is_never_half_an_image),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
