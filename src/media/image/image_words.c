#include "media/image/image_words.h"

#include "base/macros.h"
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* "16:9"; what it comes to has as many digits as its canonical text, "1.777778:1". */
int mr_image_read_ratio(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault)
{
    static const struct mr_param_spec side = {.name = "ar", .type = MR_PARAM_NUMBER, .min = 0.001, .max = 10000};
    struct mr_param_value width, height;
    struct mr_slice rest = text, first = mr_slice_cut(&rest, ':');
    if (rest.at == NULL || mr_param_parse(&side, first, &width, NULL) != MR_OK ||
        mr_param_parse(&side, rest, &height, NULL) != MR_OK)
        return mr_fault_set(fault, MR_EPARAM, "ar must be width:height, as 16:9.");
    double ratio = round(width.number / height.number * 1e6) / 1e6;
    if (ratio < 0.001 || ratio > 10000)
        return mr_fault_set(fault, MR_EPARAM, "ar must be from 1:1000 to 10000:1.");
    ops->ratio = ratio;
    return MR_OK;
}

static int refuse_crop(struct mr_fault *fault)
{
    return mr_fault_set(
        fault, MR_EPARAM,
        "crop must be centre, entropy, edges, attention, focalpoint, or one or two of top, bottom, left, "
        "right.");
}

/* One word of crop's list: an edge, or a way to choose that then stands alone. */
static bool parse_crop_word(struct mr_slice word, enum mr_image_crop *crop, uint32_t *edges)
{
    static const struct {
        const char *word;
        enum mr_image_crop crop;
        uint32_t edge;
    } words[] = {
        {"centre", MR_IMAGE_CROP_CENTRE, 0},
        {"center", MR_IMAGE_CROP_CENTRE, 0},
        {"entropy", MR_IMAGE_CROP_ENTROPY, 0},
        {"edges", MR_IMAGE_CROP_ENTROPY, 0},
        {"attention", MR_IMAGE_CROP_ATTENTION, 0},
        {"faces", MR_IMAGE_CROP_ATTENTION, 0},
        {"focalpoint", MR_IMAGE_CROP_FOCALPOINT, 0},
        {"top", MR_IMAGE_CROP_EDGES, MR_IMAGE_EDGE_TOP},
        {"bottom", MR_IMAGE_CROP_EDGES, MR_IMAGE_EDGE_BOTTOM},
        {"left", MR_IMAGE_CROP_EDGES, MR_IMAGE_EDGE_LEFT},
        {"right", MR_IMAGE_CROP_EDGES, MR_IMAGE_EDGE_RIGHT},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++) {
        if (!mr_slice_is(word, words[i].word))
            continue;
        *crop = words[i].crop;
        *edges |= words[i].edge;
        return true;
    }
    return false;
}

int mr_image_read_crop(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault)
{
    const uint32_t vertical = MR_IMAGE_EDGE_TOP | MR_IMAGE_EDGE_BOTTOM;
    const uint32_t horizontal = MR_IMAGE_EDGE_LEFT | MR_IMAGE_EDGE_RIGHT;
    enum mr_image_crop crop = MR_IMAGE_CROP_CENTRE;
    uint32_t edges = 0;
    int words = 0;
    for (struct mr_slice rest = text; rest.at != NULL; words++) {
        enum mr_image_crop word_crop;
        if (!parse_crop_word(mr_slice_cut(&rest, ','), &word_crop, &edges))
            return refuse_crop(fault);
        if (words > 0 && (crop != MR_IMAGE_CROP_EDGES || word_crop != MR_IMAGE_CROP_EDGES))
            return refuse_crop(fault);
        crop = word_crop;
    }
    if (words == 0 || (edges & vertical) == vertical || (edges & horizontal) == horizontal)
        return refuse_crop(fault);
    ops->crop = crop;
    ops->edges = edges;
    return MR_OK;
}

static const char *const rect_words[2][3] = {{"left", "center", "right"}, {"top", "middle", "bottom"}};

/* Where a rect begins: px, a part of the image, or a word. */
static bool read_place(double *out, bool is_vertical, struct mr_slice text)
{
    static const struct mr_param_spec place = {.name = "rect", .type = MR_PARAM_NUMBER, .min = 0, .max = 65535};
    struct mr_param_value value;
    for (int i = 0; i < 3; i++) {
        if (!mr_slice_is(text, rect_words[is_vertical][i]))
            continue;
        *out = -i; /* MR_IMAGE_RECT_MIDDLE, MR_IMAGE_RECT_END */
        return true;
    }
    if (mr_param_parse(&place, text, &value, NULL) != MR_OK ||
        (value.number > 1 && value.number != floor(value.number)))
        return false;
    *out = round(value.number * 1e6) / 1e6 + 0.0;
    return true;
}

static bool read_length(int32_t *out, struct mr_slice text)
{
    static const struct mr_param_spec length = {.name = "rect", .type = MR_PARAM_INT, .min = 1, .max = 65535};
    struct mr_param_value value;
    bool is_length = mr_param_parse(&length, text, &value, NULL) == MR_OK;
    if (is_length)
        *out = (int32_t)value.integer;
    return is_length;
}

int mr_image_read_rect(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault)
{
    struct mr_slice rest = text, parts[4];
    for (size_t i = 0; i < MR_ARRAY_SIZE(parts); i++)
        parts[i] = mr_slice_cut(&rest, ',');
    struct mr_image_ops read = *ops;
    bool is_whole = rest.at == NULL && read_place(&read.rect_left, false, parts[0]) &&
                    read_place(&read.rect_top, true, parts[1]) && read_length(&read.rect_width, parts[2]) &&
                    read_length(&read.rect_height, parts[3]);
    if (!is_whole)
        return mr_fault_set(fault, MR_EPARAM,
                            "rect must be left,top,width,height in px; left and top may be words (center,middle) or "
                            "parts of the image below 1.");
    *ops = read;
    return MR_OK;
}

/* imgix knows further words, which change pixels: they are refused, not passed over. */
int mr_image_read_auto(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault)
{
    uint32_t picks = 0;
    for (struct mr_slice rest = text; rest.at != NULL;) {
        struct mr_slice word = mr_slice_cut(&rest, ',');
        if (mr_slice_is(word, "format"))
            picks = MR_IMAGE_BITS_ANYWHERE;
        else if (!mr_slice_is(word, "compress"))
            return mr_fault_set(fault, MR_EPARAM, "auto must be format, compress, or both: auto=format,compress.");
    }
    ops->picks |= picks; /* compress takes nothing away from a preset */
    return MR_OK;
}

static const struct {
    const char *name;
    uint32_t rgb;
} colour_names[] = {
    {"white", 0xFFFFFF},  {"black", 0x000000}, {"gray", 0x808080},    {"grey", 0x808080},    {"silver", 0xC0C0C0},
    {"red", 0xFF0000},    {"green", 0x008000}, {"blue", 0x0000FF},    {"lime", 0x00FF00},    {"yellow", 0xFFFF00},
    {"cyan", 0x00FFFF},   {"aqua", 0x00FFFF},  {"magenta", 0xFF00FF}, {"fuchsia", 0xFF00FF}, {"orange", 0xFFA500},
    {"purple", 0x800080}, {"navy", 0x000080},  {"teal", 0x008080},    {"olive", 0x808000},   {"maroon", 0x800000},
    {"pink", 0xFFC0CB},   {"brown", 0xA52A2A},
};

/* 3, 4, 6 or 8 hexadecimal digits: short ones stand for two of their kind, alpha comes first. */
static bool read_hex(struct mr_slice text, uint32_t *argb)
{
    if (text.len != 3 && text.len != 4 && text.len != 6 && text.len != 8)
        return false;
    bool is_short = text.len < 6;
    *argb = text.len == 3 || text.len == 6 ? 0xFF : 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = mr_number_hex_value(text.at[i]);
        if (digit < 0)
            return false;
        *argb = is_short ? *argb << 8 | (uint32_t)digit * 17 : *argb << 4 | (uint32_t)digit;
    }
    return true;
}

int mr_image_read_colour(struct mr_image_colour *out, const char *name, struct mr_slice text, struct mr_fault *fault)
{
    uint32_t argb = 0;
    bool found = read_hex(text, &argb);
    if (mr_slice_is(text, "transparent"))
        found = true;
    for (size_t i = 0; !found && i < MR_ARRAY_SIZE(colour_names); i++) {
        found = mr_slice_is_nocase(text, colour_names[i].name);
        argb = 0xFF000000 | colour_names[i].rgb;
    }
    if (!found)
        return mr_fault_set(fault, MR_EPARAM, "%s must be 3, 4, 6 or 8 hexadecimal digits or the name of a colour.",
                            name);
    *out = (struct mr_image_colour){.given = true,
                                    .alpha = (uint8_t)(argb >> 24),
                                    .red = (uint8_t)(argb >> 16),
                                    .green = (uint8_t)(argb >> 8),
                                    .blue = (uint8_t)argb};
    return MR_OK;
}

const char *mr_image_write_ratio(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_ops *ops)
{
    int len = snprintf(out, MR_IMAGE_WORDS_MAX - 2, "%.6f", ops->ratio);
    while (out[len - 1] == '0')
        len--;
    len -= out[len - 1] == '.';
    memcpy(out + len, ":1", 3);
    return out;
}

const char *mr_image_write_crop(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_ops *ops)
{
    static const char *const words[] = {[MR_IMAGE_CROP_CENTRE] = "centre",
                                        [MR_IMAGE_CROP_EDGES] = "",
                                        [MR_IMAGE_CROP_ENTROPY] = "entropy",
                                        [MR_IMAGE_CROP_ATTENTION] = "attention",
                                        [MR_IMAGE_CROP_FOCALPOINT] = "focalpoint"};
    if (ops->crop != MR_IMAGE_CROP_EDGES)
        return words[ops->crop];
    const char *vertical = ops->edges & MR_IMAGE_EDGE_TOP ? "top" : ops->edges & MR_IMAGE_EDGE_BOTTOM ? "bottom" : "";
    const char *horizontal = ops->edges & MR_IMAGE_EDGE_LEFT ? "left" : ops->edges & MR_IMAGE_EDGE_RIGHT ? "right" : "";
    snprintf(out, MR_IMAGE_WORDS_MAX, "%s%s%s", vertical, *vertical && *horizontal ? "," : "", horizontal);
    return out;
}

static int write_place(char *out, size_t size, bool is_vertical, double place)
{
    if (place < 0)
        return snprintf(out, size, "%s", rect_words[is_vertical][(int)-place]);
    if (place >= 1 || place == 0)
        return snprintf(out, size, "%d", (int)place);
    int len = snprintf(out, size, "%.6f", place);
    while (out[len - 1] == '0')
        len--;
    return len;
}

const char *mr_image_write_rect(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_ops *ops)
{
    int len = write_place(out, MR_IMAGE_WORDS_MAX, false, ops->rect_left);
    out[len++] = ',';
    len += write_place(out + len, (size_t)(MR_IMAGE_WORDS_MAX - len), true, ops->rect_top);
    snprintf(out + len, (size_t)(MR_IMAGE_WORDS_MAX - len), ",%d,%d", ops->rect_width, ops->rect_height);
    return out;
}

const char *mr_image_write_colour(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_colour *colour)
{
    if (colour->alpha != 255)
        snprintf(out, MR_IMAGE_WORDS_MAX, "%02x%02x%02x%02x", colour->alpha, colour->red, colour->green, colour->blue);
    else
        snprintf(out, MR_IMAGE_WORDS_MAX, "%02x%02x%02x", colour->red, colour->green, colour->blue);
    return out;
}
