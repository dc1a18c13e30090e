#include "media/image/image_words.h"

#include "base/assert.h"
#include "base/macros.h"
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

double mr_image_round_length(double value)
{
    double rounded = round(value * 1e6) / 1e6 + 0.0; /* and not -0 */
    return value < 1 && rounded >= 1 ? 0.999999 : rounded;
}

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

static const struct {
    const char *word;
    enum mr_image_crop crop;
    uint32_t edge;
} crop_words[] = {
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

static bool is_by_content(enum mr_image_crop crop)
{
    return crop == MR_IMAGE_CROP_ENTROPY || crop == MR_IMAGE_CROP_ATTENTION;
}

static bool is_always_possible(enum mr_image_crop crop)
{
    return crop == MR_IMAGE_CROP_CENTRE || crop == MR_IMAGE_CROP_EDGES;
}

/* Can the way be reached behind those before it? What is possible always ends the list, and so does a second way that
 * is possible when the first is. */
static bool is_reached(const struct mr_image_crop_way *ways, int count, enum mr_image_crop crop)
{
    for (int i = 0; i < count; i++)
        if (is_always_possible(ways[i].crop) || ways[i].crop == crop ||
            (is_by_content(ways[i].crop) && is_by_content(crop)))
            return false;
    return true;
}

/* One word of the list. Two edges that stand together are one way. False: it is none, or the edges have no corner. */
static bool add_crop_word(struct mr_image_crop_way *ways, int *count, struct mr_slice word, uint32_t *edges)
{
    const uint32_t vertical = MR_IMAGE_EDGE_TOP | MR_IMAGE_EDGE_BOTTOM;
    const uint32_t horizontal = MR_IMAGE_EDGE_LEFT | MR_IMAGE_EDGE_RIGHT;
    size_t i = 0;
    while (i < MR_ARRAY_SIZE(crop_words) && !mr_slice_is(word, crop_words[i].word))
        i++;
    if (i == MR_ARRAY_SIZE(crop_words))
        return false;
    bool goes_on = *edges != 0 && crop_words[i].edge != 0; /* a corner */
    *edges = crop_words[i].edge | (goes_on ? *edges : 0);
    if ((*edges & vertical) == vertical || (*edges & horizontal) == horizontal)
        return false;
    if (is_reached(ways, *count, crop_words[i].crop)) {
        MR_ASSERT(*count < MR_IMAGE_CROPS);
        ways[(*count)++] = (struct mr_image_crop_way){crop_words[i].crop, crop_words[i].edge};
    } else if (goes_on && ways[*count - 1].crop == MR_IMAGE_CROP_EDGES && (ways[*count - 1].edges & ~*edges) == 0) {
        ways[*count - 1].edges = *edges;
    }
    return true;
}

int mr_image_read_crop(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault)
{
    struct mr_image_crop_way ways[MR_IMAGE_CROPS] = {{.crop = MR_IMAGE_CROP_CENTRE}};
    int count = 0;
    uint32_t edges = 0;
    bool is_list = text.len > 0;
    for (struct mr_slice rest = text; is_list && rest.at != NULL;)
        is_list = add_crop_word(ways, &count, mr_slice_cut(&rest, ','), &edges);
    if (!is_list)
        return mr_fault_set(fault, MR_EPARAM,
                            "crop must be a list of centre, entropy, edges, attention, faces, focalpoint, and of "
                            "top, bottom, left, right or a corner of two.");
    memcpy(ops->crops, ways, sizeof(ways));
    return MR_OK;
}

static const char *const rect_words[2][3] = {{"left", "center", "right"}, {"top", "middle", "bottom"}};

/* Where a rect begins: px, a part of the image, or a word. */
static bool read_rect_place(double *out, bool is_vertical, struct mr_slice text)
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
    *out = mr_image_round_length(value.number);
    return true;
}

static bool read_rect_length(int32_t *out, struct mr_slice text)
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
    bool is_whole = rest.at == NULL && read_rect_place(&read.rect_left, false, parts[0]) &&
                    read_rect_place(&read.rect_top, true, parts[1]) && read_rect_length(&read.rect_width, parts[2]) &&
                    read_rect_length(&read.rect_height, parts[3]);
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

int mr_image_read_border(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault)
{
    static const struct mr_param_spec width = {.name = "border", .type = MR_PARAM_INT, .min = 1, .max = 4096};
    struct mr_slice rest = text, first = mr_slice_cut(&rest, ',');
    struct mr_param_value value;
    if (rest.at == NULL || mr_param_parse(&width, first, &value, NULL) != MR_OK)
        return mr_fault_set(fault, MR_EPARAM, "border must be width,colour with a width of 1 to 4096 px.");
    int err = mr_image_read_colour(&ops->border_colour, "border", rest, fault);
    if (err == MR_OK)
        ops->border = (int32_t)value.integer;
    return err;
}

static const char *name_of_way(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_crop_way *way)
{
    static const char *const words[] = {[MR_IMAGE_CROP_CENTRE] = "centre",
                                        [MR_IMAGE_CROP_EDGES] = "",
                                        [MR_IMAGE_CROP_ENTROPY] = "entropy",
                                        [MR_IMAGE_CROP_ATTENTION] = "attention",
                                        [MR_IMAGE_CROP_FOCALPOINT] = "focalpoint"};
    if (way->crop != MR_IMAGE_CROP_EDGES)
        return words[way->crop];
    const char *vertical = way->edges & MR_IMAGE_EDGE_TOP ? "top" : way->edges & MR_IMAGE_EDGE_BOTTOM ? "bottom" : "";
    const char *horizontal = way->edges & MR_IMAGE_EDGE_LEFT ? "left" : way->edges & MR_IMAGE_EDGE_RIGHT ? "right" : "";
    snprintf(out, MR_IMAGE_WORDS_MAX, "%s%s%s", vertical, *vertical && *horizontal ? "," : "", horizontal);
    return out;
}

/* The centre is what is left when nothing else is possible. A focal point that is there ends the list. */
const char *mr_image_write_crop(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_ops *ops)
{
    char words[MR_IMAGE_WORDS_MAX];
    size_t len = 0;
    for (int i = 0; i < MR_IMAGE_CROPS && ops->crops[i].crop != MR_IMAGE_CROP_CENTRE; i++) {
        len += (size_t)snprintf(out + len, MR_IMAGE_WORDS_MAX - len, "%s%s", i > 0 ? "," : "",
                                name_of_way(words, &ops->crops[i]));
        if (ops->crops[i].crop == MR_IMAGE_CROP_FOCALPOINT && ops->has_focus)
            break;
    }
    return len > 0 ? out : "centre";
}

static int write_rect_place(char *out, size_t size, bool is_vertical, double place)
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
    if (ops->rect_width == 0)
        return NULL;
    int len = write_rect_place(out, MR_IMAGE_WORDS_MAX, false, ops->rect_left);
    out[len++] = ',';
    len += write_rect_place(out + len, (size_t)(MR_IMAGE_WORDS_MAX - len), true, ops->rect_top);
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

const char *mr_image_write_border(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_ops *ops)
{
    char colour[MR_IMAGE_WORDS_MAX];
    if (ops->border == 0)
        return NULL;
    int len = snprintf(out, MR_IMAGE_WORDS_MAX, "%d,", ops->border);
    snprintf(out + len, (size_t)(MR_IMAGE_WORDS_MAX - len), "%.20s",
             mr_image_write_colour(colour, &ops->border_colour));
    return out;
}

const char *mr_image_write_auto(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_ops *ops)
{
    (void)out;
    return mr_image_ops_picks(ops) == 0 ? NULL : "format";
}
