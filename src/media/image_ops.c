/* DESIGN: one table says every parameter: its type, range, unit and text (param.h), and beside it how its value goes
 * into the operations and comes out again as canonical text. A new operation is a field, a row here and a step in
 * image.c. */
#include "media/image.h"

#include "base/assert.h"
#include "base/macros.h"

#include <stdio.h>
#include <string.h>

enum { QUALITY_DEFAULT = 80, SIDE_MAX = 65535 };

/* Words as a person writes them, in the order of the values they stand for. */
static const char *const fit_words[] = {"clip", "crop", "max", NULL};
static const char *const format_words[] = {"jpg", "png", "webp", "jpeg", NULL};
static const enum mr_image_format format_values[] = {MR_IMAGE_JPEG, MR_IMAGE_PNG, MR_IMAGE_WEBP, MR_IMAGE_JPEG};

enum { PARAM_WIDTH, PARAM_HEIGHT, PARAM_FIT, PARAM_CROP, PARAM_FORMAT, PARAM_QUALITY, PARAM_COUNT };

const struct mr_param_spec mr_image_params[PARAM_COUNT + 1] = {
    [PARAM_WIDTH] =
        {.name = "w", .type = MR_PARAM_INT, .min = 1, .max = SIDE_MAX, .unit = "px", .text = "width of the output"},
    [PARAM_HEIGHT] =
        {.name = "h", .type = MR_PARAM_INT, .min = 1, .max = SIDE_MAX, .unit = "px", .text = "height of the output"},
    [PARAM_FIT] = {.name = "fit",
                   .type = MR_PARAM_CHOICE,
                   .choices = fit_words,
                   .text = "clip: inside w x h; crop: exactly w x h, the rest cut away; max: as clip, never enlarged"},
    [PARAM_CROP] = {.name = "crop",
                    .type = MR_PARAM_TEXT,
                    .max = 40,
                    .text = "what fit=crop keeps: centre, top, bottom, left, right (or two: top,left), entropy, "
                            "attention"},
    [PARAM_FORMAT] = {.name = "fm",
                      .type = MR_PARAM_CHOICE,
                      .choices = format_words,
                      .text = "format of the output; without it that of the input, or png with alpha and jpg without"},
    [PARAM_QUALITY] =
        {.name = "q", .type = MR_PARAM_INT, .min = 1, .max = 100, .text = "quality of jpg and webp; 80 without it"},
};

void mr_image_ops_init(struct mr_image_ops *ops)
{
    *ops = (struct mr_image_ops){.quality = QUALITY_DEFAULT};
}

static int refuse_crop(struct mr_fault *fault)
{
    return mr_fault_set(fault, MR_EPARAM,
                        "crop must be centre, entropy, attention, or one or two of top, bottom, left, right.");
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
        {"attention", MR_IMAGE_CROP_ATTENTION, 0},
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

static int set_crop(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault)
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

int mr_image_ops_set(struct mr_image_ops *ops, struct mr_slice name, struct mr_slice value, struct mr_fault *fault)
{
    const struct mr_param_spec *spec = mr_param_find(mr_image_params, name);
    if (spec == NULL)
        return mr_fault_set(fault, MR_EPARAM, "%.*s is not a parameter of image.", (int)MR_MIN(name.len, (size_t)32),
                            name.at == NULL ? "" : name.at);
    struct mr_param_value parsed;
    int err = mr_param_parse(spec, value, &parsed, fault);
    if (err != MR_OK)
        return err;

    switch (spec - mr_image_params) {
    case PARAM_WIDTH:
        ops->width = (int32_t)parsed.integer;
        break;
    case PARAM_HEIGHT:
        ops->height = (int32_t)parsed.integer;
        break;
    case PARAM_FIT:
        ops->fit = (enum mr_image_fit)parsed.integer;
        break;
    case PARAM_CROP:
        return set_crop(ops, parsed.text, fault);
    case PARAM_FORMAT:
        ops->format = format_values[parsed.integer];
        break;
    case PARAM_QUALITY:
        ops->quality = (int32_t)parsed.integer;
        break;
    default:
        MR_UNREACHABLE();
    }
    return MR_OK;
}

int mr_image_ops_check(const struct mr_image_ops *ops, struct mr_fault *fault)
{
    if (ops->fit == MR_IMAGE_FIT_CROP && ops->width == 0 && ops->height == 0)
        return mr_fault_set(fault, MR_EPARAM, "fit=crop needs w and h.");
    return MR_OK;
}

/* Append "&name=value" as snprintf does: past the end nothing is written, but the length goes on. */
static size_t append(char *out, size_t size, size_t len, const char *name, const char *value)
{
    int added = snprintf(len < size ? out + len : NULL, len < size ? size - len : 0, "%s%s=%s", len > 0 ? "&" : "",
                         name, value);
    MR_ASSERT(added > 0);
    return len + (size_t)added;
}

static size_t append_number(char *out, size_t size, size_t len, const char *name, int32_t value)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", value);
    return append(out, size, len, name, text);
}

static void write_crop(char out[16], const struct mr_image_ops *ops)
{
    if (ops->crop != MR_IMAGE_CROP_EDGES) {
        snprintf(out, 16, "%s", ops->crop == MR_IMAGE_CROP_ENTROPY ? "entropy" : "attention");
        return;
    }
    const char *vertical = ops->edges & MR_IMAGE_EDGE_TOP ? "top" : ops->edges & MR_IMAGE_EDGE_BOTTOM ? "bottom" : "";
    const char *horizontal = ops->edges & MR_IMAGE_EDGE_LEFT ? "left" : ops->edges & MR_IMAGE_EDGE_RIGHT ? "right" : "";
    snprintf(out, 16, "%s%s%s", vertical, *vertical && *horizontal ? "," : "", horizontal);
}

size_t mr_image_ops_canonical(const struct mr_image_ops *ops, char *out, size_t size)
{
    /* What has no effect is left out, so that requests for the same bytes have the same text. */
    bool sized = ops->width != 0 || ops->height != 0;
    bool cropped = ops->fit == MR_IMAGE_FIT_CROP && ops->width != 0 && ops->height != 0;
    bool lossy = ops->format != MR_IMAGE_PNG;
    size_t len = 0;
    if (size > 0)
        out[0] = '\0';
    if (ops->width != 0)
        len = append_number(out, size, len, "w", ops->width);
    if (ops->height != 0)
        len = append_number(out, size, len, "h", ops->height);
    if (cropped || (sized && ops->fit == MR_IMAGE_FIT_MAX))
        len = append(out, size, len, "fit", fit_words[ops->fit]);
    if (cropped && ops->crop != MR_IMAGE_CROP_CENTRE) {
        char crop[16];
        write_crop(crop, ops);
        len = append(out, size, len, "crop", crop);
    }
    for (size_t i = 0; ops->format != MR_IMAGE_UNKNOWN && i < MR_ARRAY_SIZE(format_values); i++) {
        if (format_values[i] != ops->format)
            continue;
        len = append(out, size, len, "fm", format_words[i]);
        break;
    }
    if (lossy && ops->quality != QUALITY_DEFAULT)
        len = append_number(out, size, len, "q", ops->quality);
    return len;
}
