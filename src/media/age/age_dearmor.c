#include "base/base64.h"
#include "base/macros.h"
#include "media/age/age.h"
#include "media/age/age_armor.h"
#include <inttypes.h>
#include <stdlib.h>

enum { IN_MAX = 128 * 1024, OUT_MAX = IN_MAX / 4 * 3 };

enum place {
    BEFORE,  /* whitespace, until BEGIN */
    BODY,    /* full lines */
    CLOSING, /* behind a shorter line: END must come */
    AFTER,   /* whitespace, until the end of the input */
};

struct dearmor {
    enum place place;
    uint64_t line; /* number of the one that comes next, from 1 for BEGIN */
};

/* What a step over one line came to. */
enum step { STEP_ON, STEP_STARVED, STEP_FULL, STEP_WRONG, STEP_END };

static const struct mr_param_spec params[] = {{.name = NULL}};

static int create(void **out, const struct mr_stage_env *env, struct mr_fault *fault)
{
    (void)env;
    struct dearmor *stage = malloc(sizeof(*stage));
    if (stage == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    *stage = (struct dearmor){.place = BEFORE, .line = 1};
    *out = stage;
    return MR_OK;
}

static void sizes(const void *self, struct mr_stage_sizes *out)
{
    (void)self;
    *out = (struct mr_stage_sizes){.piece = IN_MAX, .out_max = OUT_MAX};
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t count_spaces(struct mr_slice text)
{
    size_t count = 0;
    while (count < text.len && is_space(text.at[count]))
        count++;
    return count;
}

/* The next line without its end. False: it has not wholly arrived. One that is longer than any may be is cut: wrong it
 * is either way. */
static bool cut_line(struct mr_slice *rest, struct mr_slice *line, bool last)
{
    enum { LONGEST = MR_AGE_ARMOR_COLUMNS + 2 };
    struct mr_slice window = {.at = rest->at, .len = MR_MIN(rest->len, (size_t)LONGEST)};
    *line = mr_slice_cut(&window, '\n');
    bool has_end = window.at != NULL;
    if (!has_end && rest->len < LONGEST && !(last && rest->len > 0))
        return false;
    size_t used = line->len + has_end;
    rest->at += used;
    rest->len -= used;
    if (line->len > 0 && line->at[line->len - 1] == '\r')
        line->len--;
    return true;
}

/* Whitespace, which must end with a line's end, and BEGIN. Nothing is used up before both are there. */
static enum step read_begin(struct dearmor *stage, struct mr_slice *rest, bool last)
{
    size_t spaces = count_spaces(*rest);
    struct mr_slice line, behind = {.at = rest->at + spaces, .len = rest->len - spaces};
    if (spaces > MR_AGE_ARMOR_SPACE_MAX)
        return STEP_WRONG;
    if (!cut_line(&behind, &line, last))
        return STEP_STARVED;
    if (!mr_slice_is(line, MR_AGE_ARMOR_BEGIN) || (spaces > 0 && rest->at[spaces - 1] != '\n'))
        return STEP_WRONG;
    *rest = behind;
    stage->place = BODY;
    return STEP_ON;
}

static enum step read_line(struct dearmor *stage, struct mr_slice *rest, struct mr_stage_piece *piece)
{
    struct mr_slice line;
    size_t len;
    if (piece->out_size - piece->out_len < MR_AGE_ARMOR_BYTES)
        return STEP_FULL;
    if (!cut_line(rest, &line, piece->last))
        return STEP_STARVED;
    if (mr_slice_is(line, MR_AGE_ARMOR_END)) {
        stage->place = AFTER;
        return STEP_ON;
    }
    if (stage->place == CLOSING || line.len == 0 || line.len > MR_AGE_ARMOR_COLUMNS ||
        !mr_base64_decode(piece->out + piece->out_len, &len, line, MR_BASE64_PADDED))
        return STEP_WRONG;
    piece->out_len += len;
    if (len < MR_AGE_ARMOR_BYTES)
        stage->place = CLOSING;
    return STEP_ON;
}

/* Only whitespace; it is not used up before all of it is there, so that it can be measured. */
static enum step read_end(struct mr_slice *rest, bool last)
{
    if (rest->len > MR_AGE_ARMOR_SPACE_MAX || count_spaces(*rest) < rest->len)
        return STEP_WRONG;
    if (!last)
        return STEP_STARVED;
    rest->len = 0;
    return STEP_END;
}

static enum step read_step(struct dearmor *stage, struct mr_slice *rest, struct mr_stage_piece *piece)
{
    enum step step = stage->place == BEFORE  ? read_begin(stage, rest, piece->last)
                     : stage->place == AFTER ? read_end(rest, piece->last)
                                             : read_line(stage, rest, piece);
    if (step == STEP_ON)
        stage->line++;
    return step == STEP_STARVED && piece->last ? STEP_WRONG : step;
}

static int fault_of(const struct dearmor *stage, struct mr_fault *fault)
{
    if (stage->place == BEFORE)
        return mr_fault_set(fault, MR_EFORMAT, "The body does not begin with " MR_AGE_ARMOR_BEGIN);
    if (stage->place == AFTER)
        return mr_fault_set(fault, MR_ECORRUPT, "Something stands behind the armor.");
    return mr_fault_set(fault, MR_ECORRUPT, "Line %" PRIu64 " of the armor is wrong or cut short.", stage->line);
}

static int work(void *self, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    struct dearmor *stage = self;
    struct mr_slice rest = {.at = (const char *)piece->in, .len = piece->in_len};
    enum step step;
    (void)cancel; /* 500 us */
    piece->out_len = 0;
    do
        step = read_step(stage, &rest, piece);
    while (step == STEP_ON);
    if (step == STEP_WRONG)
        return fault_of(stage, fault);
    piece->in_used = piece->in_len - rest.len;
    piece->status = step == STEP_END ? MR_STAGE_DONE : step == STEP_FULL ? MR_STAGE_FULL : MR_STAGE_WANT;
    return MR_OK;
}

const struct mr_stage_ops mr_stage_dearmor = {
    .name = "dearmor",
    .text = "the age file that is written as text (PEM)",
    .media_type = "application/octet-stream",
    .kind = MR_STAGE_SEQUENTIAL,
    .params = params,
    .create = create,
    .sizes = sizes,
    .work = work,
    .destroy = free,
};

const struct mr_stage_ops *mr_age_armor_sniff(const unsigned char *bytes, size_t len)
{
    static const struct mr_slice dashes = MR_SLICE("-----");
    struct mr_slice text = {.at = (const char *)bytes, .len = len};
    size_t spaces = count_spaces(text);
    size_t seen = MR_MIN(len - spaces, dashes.len);
    bool is_armor = len > 0 && (seen == 0 || (seen == dashes.len && memcmp(text.at + spaces, dashes.at, seen) == 0));
    return is_armor ? &mr_stage_dearmor : NULL;
}
