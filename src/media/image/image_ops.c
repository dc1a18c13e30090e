/* DESIGN: one table says every parameter: its type, range, unit and text (param.h). A second one, row by row beside it,
 * says where in the operations its value goes and which value is the default; those that are lists or colours are
 * read and written in image_words.c. A new operation is a field, a row in both and a step in image.c. */
#include "media/image/image.h"
#include "media/image/image_words.h"
#include "media/image/plan.h"

#include "base/assert.h"
#include "base/macros.h"
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { QUALITY_DEFAULT = 75, SIDE_MAX = 65535, PAD_MAX = 4096 };

/* Words as a person writes them, in the order of the values they stand for. */
static const char *const fit_words[] = {"clip", "crop", "max", "min", "scale", "fill", "clamp", "fillmax", NULL};
static const char *const flip_words[] = {"none", "h", "v", "hv", NULL};
static const char *const icc_words[] = {"srgb", "keep", NULL};
static const char *const cs_words[] = {"srgb", "tinysrgb", "strip", NULL};
static const char *const fill_words[] = {"solid", "blur", NULL};
static const char *const rot_words[] = {"straighten", "pivot", NULL};
static const char *const trim_words[] = {"none", "auto", "color", "alpha", "colorunlessalpha", NULL};
static const char *const shrink_words[] = {"fast", "careful", NULL};
static const char *const format_words[] = {"jpg", "png",  "webp", "avif",  "gif", "tiff", "jpeg",
                                           "tif", "pjpg", "png8", "png32", "jxl", NULL};
static const enum mr_image_format format_values[] = {MR_IMAGE_JPEG, MR_IMAGE_PNG,  MR_IMAGE_WEBP, MR_IMAGE_AVIF,
                                                     MR_IMAGE_GIF,  MR_IMAGE_TIFF, MR_IMAGE_JPEG, MR_IMAGE_TIFF,
                                                     MR_IMAGE_JPEG, MR_IMAGE_PNG,  MR_IMAGE_PNG,  MR_IMAGE_JXL};
static const char *const chroma_words[] = {"auto", "420", "444", NULL};

enum {
    W,
    H,
    DPR,
    AR,
    MIN_W,
    MIN_H,
    MAX_W,
    MAX_H,
    FIT,
    CROP,
    FP_X,
    FP_Y,
    RECT,
    TRIM,
    TRIM_COLOR,
    TRIM_MD,
    ORIENT,
    FLIP,
    ROT,
    ROT_TYPE,
    PAD,
    PAD_LEFT,
    PAD_RIGHT,
    PAD_TOP,
    PAD_BOTTOM,
    BG,
    FILL,
    FILL_COLOR,
    BORDER,
    EXP,
    BRI,
    CON,
    GAM,
    HIGH,
    SHAD,
    INVERT,
    SAT,
    HUE,
    SEPIA,
    VIB,
    MONO,
    MONOCHROME,
    BLUR,
    SHARP,
    USM,
    USMRAD,
    FRAME,
    PAGE,
    AUTO,
    FM,
    Q,
    EFFORT,
    LOSSLESS,
    INTERLACE,
    CHROMA,
    CHROMASUB,
    PALETTE,
    CS,
    ICC,
    STRIP,
    GPS,
    SHRINK,
    LINEAR,
    IXLIB,
    IXID,
    PARAM_COUNT
};

// clang-format off
#define INT(lowest, highest, what) .type = MR_PARAM_INT, .min = (lowest), .max = (highest), .text = what
#define NUMBER(lowest, highest, what) .type = MR_PARAM_NUMBER, .min = (lowest), .max = (highest), .text = what
#define CHOICE(words, what) .type = MR_PARAM_CHOICE, .choices = (words), .text = what
#define TEXT(longest, what) .type = MR_PARAM_TEXT, .max = (longest), .text = what
#define FLAG(what) .type = MR_PARAM_BOOL, .text = what

const struct mr_param_spec mr_image_params[PARAM_COUNT + 1] = {
    [W] =         {.name = "w", .unit = "px", NUMBER(0.001, SIDE_MAX, "width of the output; below 1 a part of the image's own")},
    [H] =         {.name = "h", .unit = "px", NUMBER(0.001, SIDE_MAX, "height of the output; below 1 a part of the image's own")},
    [DPR] =       {.name = "dpr", NUMBER(0.1, 8, "w and h are multiplied by it")},
    [AR] =        {.name = "ar", TEXT(20, "width:height: with fit=crop, min, scale, fill, fillmax or clamp, what w or h is where it is not given")},
    [MIN_W] =     {.name = "min-w", .unit = "px", INT(1, SIDE_MAX, "width of the output at least; with fit=crop, scale, fill, fillmax or clamp")},
    [MIN_H] =     {.name = "min-h", .unit = "px", INT(1, SIDE_MAX, "height of the output at least; with the same")},
    [MAX_W] =     {.name = "max-w", .unit = "px", INT(1, SIDE_MAX, "width of the output at most")},
    [MAX_H] =     {.name = "max-h", .unit = "px", INT(1, SIDE_MAX, "height of the output at most")},
    [FIT] =       {.name = "fit", CHOICE(fit_words, "clip: inside w x h; crop: exactly w x h, the rest cut away; max: as clip, never enlarged; "
                                                    "min: as crop, never enlarged; scale: exactly w x h, distorted; fill: as clip, then filled up with bg; clamp: as clip, then filled up with its edges; "
                                                    "fillmax: as fill, the image never enlarged")},
    [CROP] =      {.name = "crop", TEXT(80, "what fit=crop keeps: centre, top, bottom, left, right (or two: top,left), entropy, edges, "
                                            "focalpoint (see fp-x), attention; faces is served as attention; of a list the first that is possible")},
    [FP_X] =      {.name = "fp-x", NUMBER(0, 1, "crop=focalpoint: what is to be in the middle, from the left; 0.5 without it")},
    [FP_Y] =      {.name = "fp-y", NUMBER(0, 1, "crop=focalpoint: the same from the top")},
    [RECT] =      {.name = "rect", .unit = "px", TEXT(40, "left,top,width,height of the part of the upright image to begin with; left may be center or right, top middle or bottom, and each below 1 a part of the image")},
    [TRIM] =      {.name = "trim", CHOICE(trim_words, "cut away borders; auto: of the colour of the top left pixel; color: of trim-color; "
                                                     "alpha: that are transparent; colorunlessalpha: alpha where there is transparency, else color")},
    [TRIM_COLOR] = {.name = "trim-color", TEXT(20, "colour that trim=color cuts away, given as for bg; without it that of the top left pixel")},
    [TRIM_MD] =   {.name = "trim-md", INT(0, 255, "levels of a channel by which a border may differ from its colour; 12 without it")},
    [ORIENT] =    {.name = "orient", INT(0, 270, "turn as this EXIF orientation says (1 to 8), or by 90, 180 or 270 degrees, instead of as the image says")},
    [FLIP] =      {.name = "flip", CHOICE(flip_words, "mirror: h left and right, v top and bottom, hv both")},
    [ROT] =       {.name = "rot", .unit = "degrees", NUMBER(0, 359.99, "turn the output counter-clockwise")},
    [ROT_TYPE] =  {.name = "rot-type", CHOICE(rot_words, "by other angles than 90, 180 and 270: straighten zooms until no corner is empty, pivot fills corners with bg")},
    [PAD] =       {.name = "pad", .unit = "px", INT(0, PAD_MAX, "room at each side, within w x h, filled with bg")},
    [PAD_LEFT] =  {.name = "pad-left", .unit = "px", INT(0, PAD_MAX, "the same at the left alone")},
    [PAD_RIGHT] = {.name = "pad-right", .unit = "px", INT(0, PAD_MAX, "the same at the right alone")},
    [PAD_TOP] =   {.name = "pad-top", .unit = "px", INT(0, PAD_MAX, "the same at the top alone")},
    [PAD_BOTTOM] = {.name = "pad-bottom", .unit = "px", INT(0, PAD_MAX, "the same at the bottom alone")},
    [BG] =        {.name = "bg", TEXT(20, "colour behind transparent and filled areas: RGB, ARGB, RRGGBB, AARRGGBB or a name")},
    [FILL] =      {.name = "fill", CHOICE(fill_words, "what fit=fill and fillmax add: solid, a colour; blur, the image itself, blurred")},
    [FILL_COLOR] = {.name = "fill-color", TEXT(20, "colour of fill=solid, given as for bg, which it is without it")},
    [BORDER] =    {.name = "border", TEXT(30, "width,colour: drawn over the edges of the output; px, and a colour as for bg")},
    [EXP] =       {.name = "exp", NUMBER(-100, 100, "exposure: 50 is twice as much light")},
    [BRI] =       {.name = "bri", NUMBER(-100, 100, "brightness: 100 adds half of the range")},
    [CON] =       {.name = "con", NUMBER(-100, 100, "contrast: -100 is plain grey, 100 twice as much")},
    [GAM] =       {.name = "gam", NUMBER(-100, 100, "middle tones: darker below 0, brighter above")},
    [HIGH] =      {.name = "high", NUMBER(-100, 0, "bright tones: -100 halves the brightest")},
    [SHAD] =      {.name = "shad", NUMBER(0, 100, "dark tones: brighter, black stays")},
    [INVERT] =    {.name = "invert", FLAG("the negative")},
    [SAT] =       {.name = "sat", NUMBER(-100, 100, "saturation: -100 is grey, 100 twice as much")},
    [HUE] =       {.name = "hue", .unit = "degrees", NUMBER(0, 360, "turn all hues, keep their luminance")},
    [SEPIA] =     {.name = "sepia", NUMBER(0, 100, "brown tones, mixed in")},
    [VIB] =       {.name = "vib", NUMBER(-100, 100, "saturation of what has little")},
    [MONO] =      {.name = "mono", TEXT(20, "tones of one colour, given as for bg")},
    [MONOCHROME] = {.name = "monochrome", TEXT(20, "the same as mono")},
    [BLUR] =      {.name = "blur", NUMBER(0, 2000, "blur; 20 is a Gaussian of one pixel")},
    [SHARP] =     {.name = "sharp", NUMBER(0, 100, "sharpen")},
    [USM] =       {.name = "usm", NUMBER(-100, 100, "unsharp mask: what differs from its surroundings, added in percent; below 0 taken away")},
    [USMRAD] =    {.name = "usmrad", .unit = "px", NUMBER(0.1, 500, "sigma of the surroundings of usm; 2.5 without it")},
    [FRAME] =     {.name = "frame", INT(1, 65535, "only this frame of an animation")},
    [PAGE] =      {.name = "page", INT(1, 65535, "this page of a TIFF; the same as frame")},
    [AUTO] =      {.name = "auto", TEXT(40, "format: without fm, the format is picked: avif, webp, jpg or png, as fits the image and as the client accepts; compress: no effect")},
    [FM] =        {.name = "fm", CHOICE(format_words, "format of the output; without it that of the input, but of tiff and heif png with alpha and jpg without; pjpg: progressive jpg, png8: png with palette, png32: png without palette")},
    [Q] =         {.name = "q", INT(1, 100, "quality, for jpg, webp, avif and jxl as a jpg of that number looks; 75 without it")},
    [EFFORT] =    {.name = "effort", INT(0, 9, "what the encoder of png, webp, avif, gif and jxl may spend: 0 is fastest")},
    [LOSSLESS] =  {.name = "lossless", FLAG("webp and jxl without loss, avif nearly; png without a palette of its own")},
    [INTERLACE] = {.name = "interlace", FLAG("progressive jpg, interlaced png")},
    [CHROMA] =    {.name = "chroma", CHOICE(chroma_words, "resolution of the colours of jpg and avif: 420 half, 444 full; auto: full from q=90 on, and where coloured edges ask for it")},
    [CHROMASUB] = {.name = "chromasub", CHOICE(chroma_words, "the same as chroma")},
    [PALETTE] =   {.name = "palette", FLAG("png of at most 256 colours; without it where the original had a palette and is not enlarged")},
    [CS] =        {.name = "cs", CHOICE(cs_words, "ignored: all output is sRGB")},
    [ICC] =       {.name = "icc", CHOICE(icc_words, "srgb: the output is sRGB; keep: an RGB profile of the original goes with its colours as they are, but into no gif")},
    [STRIP] =     {.name = "strip", FLAG("0 keeps author, copyright, dates and exposure")},
    [GPS] =       {.name = "gps", FLAG("with strip=0: keep the position and all other metadata too")},
    [SHRINK] =    {.name = "shrink", CHOICE(shrink_words, "fast: the decoder shrinks as far as it can; careful: the resizer does the last factor of two")},
    [LINEAR] =    {.name = "linear", FLAG("resize in linear light, as it mixes in the eye; the decoder does not shrink")},
    [IXLIB] =     {.name = "ixlib", TEXT(100, "ignored")},
    [IXID] =      {.name = "ixid", TEXT(200, "ignored")},
};

/* Where a value goes. WORDS: the next table says how it is read and written; NONE: by hand below. */
enum kind { NONE, INT32, REAL, BOOL, COLOUR, WORDS };
#define AT(member) offsetof(struct mr_image_ops, member)
static const struct field {
    enum kind kind;
    size_t at;
    double initial;
} fields[PARAM_COUNT] = {
    [AR] = {WORDS, 0, 0}, [CROP] = {WORDS, 0, 0}, [RECT] = {WORDS, 0, 0}, [BORDER] = {WORDS, 0, 0}, [AUTO] = {WORDS, 0, 0},
    [BG] = {COLOUR, AT(background), 0},      [FILL_COLOR] = {COLOUR, AT(fill_colour), 0},
    [MONO] = {COLOUR, AT(mono), 0},          [TRIM_COLOR] = {COLOUR, AT(trim_colour), 0},
    [W] = {REAL, AT(width), 0},           [H] = {REAL, AT(height), 0},          [DPR] = {REAL, AT(dpr), 1},
    [MIN_W] = {INT32, AT(min_width), 0},  [MIN_H] = {INT32, AT(min_height), 0},
    [MAX_W] = {INT32, AT(max_width), 0},  [MAX_H] = {INT32, AT(max_height), 0},
    [EXP] = {REAL, AT(exposure), 0},  [HIGH] = {REAL, AT(highlights), 0}, [SHAD] = {REAL, AT(shadows), 0},
    [INVERT] = {BOOL, AT(invert), 0}, [HUE] = {REAL, AT(hue), 0},         [SEPIA] = {REAL, AT(sepia), 0},
    [VIB] = {REAL, AT(vibrance), 0},  [USM] = {REAL, AT(unsharp), 0},     [USMRAD] = {REAL, AT(unsharp_radius), 2.5},
    [FILL] = {INT32, AT(fill), 0},
    [ROT_TYPE] = {INT32, AT(rotation_type), 0},
    [PAD_LEFT] = {INT32, AT(pads[MR_IMAGE_LEFT]), -1},  [PAD_RIGHT] = {INT32, AT(pads[MR_IMAGE_RIGHT]), -1},
    [PAD_TOP] = {INT32, AT(pads[MR_IMAGE_TOP]), -1},    [PAD_BOTTOM] = {INT32, AT(pads[MR_IMAGE_BOTTOM]), -1},
    [FIT] = {INT32, AT(fit), 0},          [FP_X] = {REAL, AT(focus_x), 0.5},    [FP_Y] = {REAL, AT(focus_y), 0.5},
    [TRIM] = {INT32, AT(trim), 0}, [TRIM_MD] = {INT32, AT(trim_difference), 12},         [ORIENT] = {INT32, AT(orient), 0},    [FLIP] = {INT32, AT(flip), 0},
    [ROT] = {REAL, AT(rotation), 0},      [PAD] = {INT32, AT(pad), 0},          [BRI] = {REAL, AT(brightness), 0},
    [CON] = {REAL, AT(contrast), 0},      [GAM] = {REAL, AT(gamma), 0},         [SAT] = {REAL, AT(saturation), 0},
    [BLUR] = {REAL, AT(blur), 0},         [SHARP] = {REAL, AT(sharpness), 0},   [FRAME] = {INT32, AT(frame), 0},
    [Q] = {INT32, AT(quality), QUALITY_DEFAULT},                                [EFFORT] = {INT32, AT(effort), -1},
    [LOSSLESS] = {BOOL, AT(lossless), 0}, [INTERLACE] = {BOOL, AT(interlace), 0}, [STRIP] = {BOOL, AT(strip), 1},
    [CHROMA] = {INT32, AT(chroma), 0}, [CHROMASUB] = {INT32, AT(chroma), 0}, [ICC] = {INT32, AT(icc), 0}, [PALETTE] = {INT32, AT(palette), MR_IMAGE_PALETTE_AUTO},
    [GPS] = {BOOL, AT(gps), 0},           [SHRINK] = {INT32, AT(shrink), 0}, [LINEAR] = {BOOL, AT(linear), 0},
};
// clang-format on

/* Read and written in image_words.c. */
static const struct {
    int (*read)(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault);
    const char *(*write)(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_ops *ops);
} words[PARAM_COUNT] = {
    [AR] = {.read = mr_image_read_ratio, .write = mr_image_write_ratio},
    [CROP] = {.read = mr_image_read_crop, .write = mr_image_write_crop},
    [RECT] = {.read = mr_image_read_rect, .write = mr_image_write_rect},
    [BORDER] = {.read = mr_image_read_border, .write = mr_image_write_border},
    [AUTO] = {.read = mr_image_read_auto, .write = mr_image_write_auto},
};

static double get_field(const struct mr_image_ops *ops, const struct field *field)
{
    const char *at = (const char *)ops + field->at;
    switch (field->kind) {
    case INT32:
        return *(const int32_t *)(const void *)at;
    case REAL:
        return *(const double *)(const void *)at;
    case BOOL:
        return *(const bool *)(const void *)at;
    default:
        return 0;
    }
}

static void set_field(struct mr_image_ops *ops, const struct field *field, double value)
{
    char *at = (char *)ops + field->at;
    if (field->kind == INT32)
        *(int32_t *)(void *)at = (int32_t)value;
    else if (field->kind == REAL)
        *(double *)(void *)at = round(value * 1e6) / 1e6 + 0.0; /* as the canonical text has it; and not -0 */
    else if (field->kind == BOOL)
        *(bool *)(void *)at = value != 0;
}

void mr_image_ops_init(struct mr_image_ops *ops)
{
    memset(ops, 0, sizeof(*ops));
    for (size_t i = 0; i < PARAM_COUNT; i++)
        set_field(ops, &fields[i], fields[i].initial);
}

static int set_orient(struct mr_image_ops *ops, int64_t value, struct mr_fault *fault)
{
    if (value > 8 && value != 90 && value != 180 && value != 270)
        return mr_fault_set(fault, MR_EPARAM, "orient must be 0 to 8, 90, 180 or 270.");
    ops->orient = (int32_t)(value == 90 ? 6 : value == 180 ? 3 : value == 270 ? 8 : value);
    return MR_OK;
}

void mr_image_ops_set_focus(struct mr_image_ops *ops, double x, double y)
{
    set_field(ops, &fields[FP_X], x);
    set_field(ops, &fields[FP_Y], y);
    ops->has_focus = true;
}

/* Two names whose order would decide are refused: parameters may come in any order. */
static int set_frame(struct mr_image_ops *ops, int64_t value, bool is_page, struct mr_fault *fault)
{
    if (ops->frame != 0 && ops->is_frame_a_page != is_page)
        return mr_fault_set(fault, MR_EPARAM, "frame and page are the same: give one of them.");
    ops->frame = (int32_t)value;
    ops->is_frame_a_page = is_page;
    return MR_OK;
}

static int set_chroma(struct mr_image_ops *ops, int32_t value, bool is_long, struct mr_fault *fault)
{
    if (is_long ? ops->is_chroma_short : ops->is_chroma_long)
        return mr_fault_set(fault, MR_EPARAM, "chroma and chromasub are the same: give one of them.");
    ops->chroma = value;
    *(is_long ? &ops->is_chroma_long : &ops->is_chroma_short) = true;
    return MR_OK;
}

/* Below 1 it is a part of the image; of pixels there are whole ones. */
static int check_side(const struct mr_param_spec *spec, double value, struct mr_fault *fault)
{
    if (value < 1 || value == floor(value))
        return MR_OK;
    return mr_fault_set(fault, MR_EPARAM, "%s must be a whole number of px, or a part of the image below 1.",
                        spec->name);
}

static int set_mono(struct mr_image_ops *ops, struct mr_slice value, bool is_long, struct mr_fault *fault)
{
    if (ops->mono.given && ops->is_mono_long != is_long)
        return mr_fault_set(fault, MR_EPARAM, "mono and monochrome are the same: give one of them.");
    ops->is_mono_long = is_long;
    return mr_image_read_colour(&ops->mono, is_long ? "monochrome" : "mono", value, fault);
}

static double number_of(const struct mr_param_spec *spec, const struct mr_param_value *value)
{
    return spec->type == MR_PARAM_NUMBER ? value->number
           : spec->type == MR_PARAM_BOOL ? (double)value->flag
                                         : (double)value->integer;
}

static void set_format(struct mr_image_ops *ops, size_t word)
{
    ops->format = format_values[word];
    ops->is_progressive = strcmp(format_words[word], "pjpg") == 0;
    ops->is_paletted = strcmp(format_words[word], "png8") == 0;
    ops->is_true_colour = strcmp(format_words[word], "png32") == 0;
}

static int set_parsed(struct mr_image_ops *ops, size_t row, const struct mr_param_value *value, struct mr_fault *fault)
{
    const struct mr_param_spec *spec = &mr_image_params[row];
    double number = spec->type == MR_PARAM_TEXT ? 0 : number_of(spec, value);
    int err = MR_OK;
    switch (row) {
    case MONO:
    case MONOCHROME:
        return set_mono(ops, value->text, row == MONOCHROME, fault);
    case ORIENT:
        return set_orient(ops, value->integer, fault);
    case FM:
        set_format(ops, (size_t)value->integer);
        return MR_OK;
    case CHROMA:
    case CHROMASUB:
        return set_chroma(ops, (int32_t)value->integer, row == CHROMASUB, fault);
    case FRAME:
    case PAGE:
        return set_frame(ops, value->integer, row == PAGE, fault);
    case W:
    case H:
        err = check_side(spec, number, fault);
        number = mr_image_round_length(number);
        break;
    case HUE:
        number = fmod(number, 360);
        break;
    case FP_X:
    case FP_Y:
        ops->has_focus = true;
        break;
    default:
        break;
    }
    if (err == MR_OK)
        set_field(ops, &fields[row], number);
    return err;
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
    size_t row = (size_t)(spec - mr_image_params);
    if (fields[row].kind == WORDS)
        return words[row].read(ops, parsed.text, fault);
    if (fields[row].kind == COLOUR && row != MONO)
        return mr_image_read_colour((void *)((char *)ops + fields[row].at), spec->name, parsed.text, fault);
    return set_parsed(ops, row, &parsed, fault);
}

bool mr_image_passes_over(struct mr_slice name)
{
    static const char *const names[] = {"ixlib", "ixid", "s", "expires"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(names); i++)
        if (mr_slice_is(name, names[i]))
            return true;
    return false;
}

/* Is a side given, or bounded? */
static bool is_sized(const struct mr_image_ops *ops)
{
    return ops->width != 0 || ops->height != 0 || mr_plan_is_bounded(ops) || mr_plan_has_ratio(ops);
}

/* Are both sides of what the image is fitted into known? */
static bool has_both_sides(const struct mr_image_ops *ops)
{
    return (ops->width != 0 && ops->height != 0) || mr_plan_is_bounded(ops) || mr_plan_has_ratio(ops);
}

/* Does fit=crop or fit=min have something to cut? */
static bool is_cropped(const struct mr_image_ops *ops)
{
    return (ops->fit == MR_IMAGE_FIT_CROP || ops->fit == MR_IMAGE_FIT_MIN) && has_both_sides(ops);
}

int mr_image_ops_check(const struct mr_image_ops *ops, struct mr_fault *fault)
{
    if (ops->fit == MR_IMAGE_FIT_CROP && !is_sized(ops))
        return mr_fault_set(fault, MR_EPARAM, "fit=crop needs w and h.");
    if ((ops->max_width != 0 && ops->min_width > ops->max_width) ||
        (ops->max_height != 0 && ops->min_height > ops->max_height))
        return mr_fault_set(fault, MR_EPARAM, "min-w and min-h must be at most max-w and max-h.");
    return MR_OK;
}

int mr_image_ops_allow(struct mr_image_ops *ops, uint32_t formats, enum mr_image_format fallback,
                       struct mr_fault *fault)
{
    if (formats != 0 && ops->format != MR_IMAGE_UNKNOWN && (formats & MR_IMAGE_BIT(ops->format)) == 0)
        return mr_fault_set(fault, MR_EPARAM, "fm: \"%s\" is not among the --formats of this server.",
                            mr_image_extension(ops->format));
    ops->formats = formats;
    ops->fallback = fallback;
    if (formats != 0)
        ops->picks &= formats;
    return MR_OK;
}

uint32_t mr_image_ops_picks(const struct mr_image_ops *ops)
{
    return ops->format == MR_IMAGE_UNKNOWN ? ops->picks : 0;
}

/* Does fit=fill or fillmax have something to fill? */
static bool is_filled(const struct mr_image_ops *ops)
{
    return (ops->fit == MR_IMAGE_FIT_FILL || ops->fit == MR_IMAGE_FIT_FILLMAX) && has_both_sides(ops);
}

static bool has_way(const struct mr_image_ops *ops, enum mr_image_crop crop)
{
    return ops->crops[0].crop == crop || ops->crops[1].crop == crop || ops->crops[2].crop == crop;
}

bool mr_image_ops_wants_focus(const struct mr_image_ops *ops)
{
    return has_way(ops, MR_IMAGE_CROP_FOCALPOINT) && !ops->has_focus;
}

/* What `pad` says for sides that have none of their own; 0: there are none. */
static int32_t pad_of_rest(const struct mr_image_ops *ops)
{
    for (int side = 0; side < MR_IMAGE_SIDES; side++)
        if (ops->pads[side] < 0)
            return ops->pad;
    return 0;
}

static bool size_has_effect(const struct mr_image_ops *ops, size_t row)
{
    switch (row) {
    case DPR:
        return ops->width != 0 || ops->height != 0;
    case AR:
        return mr_plan_has_ratio(ops);
    case FIT: /* max needs one side only; with one all others are as clip */
        return ops->fit == MR_IMAGE_FIT_MAX ? is_sized(ops) : has_both_sides(ops);
    case CROP:
        return is_cropped(ops) && ops->crops[0].crop != MR_IMAGE_CROP_CENTRE;
    case FP_X:
    case FP_Y:
        return is_cropped(ops) && has_way(ops, MR_IMAGE_CROP_FOCALPOINT);
    case LINEAR:
        return is_sized(ops);
    case TRIM_COLOR:
        return ops->trim == MR_IMAGE_TRIM_COLOUR || ops->trim == MR_IMAGE_TRIM_COLOUR_UNLESS_ALPHA;
    case TRIM_MD:
        return ops->trim != MR_IMAGE_TRIM_NONE;
    case ROT_TYPE:
        return !mr_plan_is_turned_squarely(ops);
    case PAD:
        return pad_of_rest(ops) == ops->pad;
    case PAD_LEFT:
    case PAD_RIGHT:
    case PAD_TOP:
    case PAD_BOTTOM:
        return ops->pads[row - PAD_LEFT] != pad_of_rest(ops);
    default:
        return true;
    }
}

/* Is that one of these formats? A format that is not given may be any. */
static bool may_be(enum mr_image_format format, uint32_t bits)
{
    return format == MR_IMAGE_UNKNOWN || (bits & MR_IMAGE_BIT(format)) != 0;
}

static bool output_has_effect(const struct mr_image_ops *ops, size_t row)
{
    static const uint32_t jpeg = MR_IMAGE_BIT(MR_IMAGE_JPEG), png = MR_IMAGE_BIT(MR_IMAGE_PNG);
    static const uint32_t webp = MR_IMAGE_BIT(MR_IMAGE_WEBP), avif = MR_IMAGE_BIT(MR_IMAGE_AVIF);
    static const uint32_t gif = MR_IMAGE_BIT(MR_IMAGE_GIF), jxl = MR_IMAGE_BIT(MR_IMAGE_JXL);
    switch (row) {
    case FILL:
        return is_filled(ops);
    case FILL_COLOR:
        return is_filled(ops) && ops->fill == MR_IMAGE_FILL_SOLID;
    case USMRAD:
        return ops->unsharp != 0;
    case Q:
        return may_be(ops->format, jpeg | webp | avif | jxl);
    case EFFORT:
        return may_be(ops->format, png | webp | avif | gif | jxl);
    case LOSSLESS: /* of PNG: no palette by itself */
        return may_be(ops->format, webp | avif | jxl) ||
               (may_be(ops->format, png) && mr_image_ops_palette(ops) == MR_IMAGE_PALETTE_AUTO);
    case INTERLACE:
        return may_be(ops->format, jpeg | png);
    case CHROMASUB:
        return may_be(ops->format, jpeg | avif);
    case CHROMA: /* written as chromasub */
        return false;
    case PALETTE:
        return may_be(ops->format, png);
    case ICC:
        return ops->format != MR_IMAGE_GIF;
    case GPS:
        return !ops->strip;
    default:
        return true;
    }
}

/* What has no effect is not in the canonical text, so that requests for the same bytes have the same one. */
static bool has_effect(const struct mr_image_ops *ops, size_t row)
{
    return size_has_effect(ops, row) && output_has_effect(ops, row);
}

struct text {
    char *out;
    size_t size, len;
};

/* As snprintf does: past the end nothing is written, but the length goes on. */
static void put_text(struct text *text, const char *more)
{
    size_t len = strlen(more);
    if (text->len + 1 < text->size) {
        size_t part = MR_MIN(len, text->size - 1 - text->len);
        memcpy(text->out + text->len, more, part);
        text->out[text->len + part] = '\0';
    }
    text->len += len;
}

/* "&name=value" */
static void append(struct text *text, const char *name, const char *value)
{
    put_text(text, text->len > 0 ? "&" : "");
    put_text(text, name);
    put_text(text, "=");
    put_text(text, value);
}

/* Six decimals at most, without zeros at their end. Most numbers have none, and each request for an image writes some.
 */
static void write_number(char out[32], double value)
{
    if (value >= 0 && value <= INT32_MAX && value == (int32_t)value) {
        out[mr_number_write(out, (uint64_t)value)] = '\0';
        return;
    }
    size_t len = (size_t)snprintf(out, 32, "%.6f", value);
    while (out[len - 1] == '0')
        len--;
    if (out[len - 1] == '.')
        len--;
    out[len] = '\0';
}

/* Is the value what it is without the parameter? The middle is not: a focal point that is stored comes after it. */
static bool is_default(const struct mr_image_ops *ops, size_t row)
{
    bool is_focus = row == FP_X || row == FP_Y;
    return is_focus ? !ops->has_focus : get_field(ops, &fields[row]) == fields[row].initial;
}

static void append_field(struct text *text, const struct mr_image_ops *ops, size_t row)
{
    const struct mr_param_spec *spec = &mr_image_params[row];
    double value = get_field(ops, &fields[row]);
    if (is_default(ops, row))
        return;
    char number[32];
    write_number(number, value);
    append(text, spec->name, spec->type == MR_PARAM_CHOICE ? spec->choices[(int)value] : number);
}

static void append_colour(struct text *text, const struct mr_image_ops *ops, size_t row)
{
    char digits[MR_IMAGE_WORDS_MAX];
    const struct mr_image_colour *colour = (const void *)((const char *)ops + fields[row].at);
    if (colour->given)
        append(text, mr_image_params[row].name, mr_image_write_colour(digits, colour));
}

static void append_words(struct text *text, const struct mr_image_ops *ops, size_t row)
{
    char out[MR_IMAGE_WORDS_MAX];
    const char *list = words[row].write(out, ops);
    if (list != NULL)
        append(text, mr_image_params[row].name, list);
}

/* The first of its names. */
static void append_format(struct text *text, enum mr_image_format format)
{
    size_t i = 0;
    while (i < MR_ARRAY_SIZE(format_values) && format_values[i] != format)
        i++;
    if (i < MR_ARRAY_SIZE(format_values))
        append(text, "fm", format_words[i]);
}

static void append_row(struct text *text, const struct mr_image_ops *ops, size_t row)
{
    switch (fields[row].kind) {
    case COLOUR:
        append_colour(text, ops, row);
        break;
    case WORDS:
        append_words(text, ops, row);
        break;
    case NONE:
        if (row == FM)
            append_format(text, ops->format);
        break;
    default:
        append_field(text, ops, row);
    }
}

size_t mr_image_ops_canonical(const struct mr_image_ops *ops, char *out, size_t size)
{
    struct text text = {.out = out, .size = size};
    struct mr_image_ops plain = *ops;
    plain.interlace = mr_image_ops_interlaces(ops);
    plain.palette = mr_image_ops_palette(ops);
    if (size > 0)
        out[0] = '\0';
    for (size_t row = 0; row < PARAM_COUNT; row++)
        if (has_effect(&plain, row))
            append_row(&text, &plain, row);
    return text.len;
}
