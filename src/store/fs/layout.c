#include "store/fs/layout.h"
#include "base/number.h"

static char *put_word(char *to, const char *word)
{
    while (*word != '\0')
        *to++ = *word++;
    return to;
}

/* "01ARYZ6S41TSV4RRFFQ69G5FAV.meta", ".gone", ".17": returns its end, where a NUL belongs. */
static char *put_object_name(char *to, const char *id, enum mr_layout_kind kind, unsigned segment)
{
    memcpy(to, id, MR_ULID_LEN);
    to += MR_ULID_LEN;
    *to++ = '.';
    switch (kind) {
    case MR_LAYOUT_META:
        return put_word(to, "meta");
    case MR_LAYOUT_GONE:
        return put_word(to, "gone");
    case MR_LAYOUT_SEGMENT:
        break;
    }
    return to + mr_number_write(to, segment);
}

void mr_layout_object(char out[MR_LAYOUT_NAME_SIZE], const char *id, enum mr_layout_kind kind, unsigned segment)
{
    *put_object_name(out, id, kind, segment) = '\0';
}

void mr_layout_upload(char out[MR_LAYOUT_NAME_SIZE], const struct mr_layout_name *name)
{
    char *end = put_word(put_object_name(out, name->id, name->kind, name->segment), ".p");
    end[mr_number_write(end, name->process)] = '\0';
}

/* Decimal without a sign and a leading zero, so that each number has one spelling. */
static bool read_name_number(unsigned *out, struct mr_slice text, unsigned max)
{
    unsigned value = 0;
    if (text.len == 0 || text.len > 7 || (text.at[0] == '0' && text.len > 1))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.at[i] - '0');
    }
    *out = value;
    return value <= max;
}

static bool read_kind(struct mr_layout_name *out, struct mr_slice word)
{
    if (mr_slice_is(word, "meta")) {
        out->kind = MR_LAYOUT_META;
        return true;
    }
    if (mr_slice_is(word, "gone")) {
        out->kind = MR_LAYOUT_GONE;
        return true;
    }
    out->kind = MR_LAYOUT_SEGMENT;
    return read_name_number(&out->segment, word, MR_LAYOUT_SEGMENT_MAX) && out->segment > 0;
}

/* The ID and the kind; what follows the latter is left in *rest. */
static bool read_id_and_kind(struct mr_layout_name *out, struct mr_slice *rest)
{
    *out = (struct mr_layout_name){.process = 0};
    struct mr_slice id = mr_slice_cut(rest, '.');
    if (!mr_ulid_is_valid(id) || rest->at == NULL)
        return false;
    memcpy(out->id, id.at, MR_ULID_LEN);
    return read_kind(out, mr_slice_cut(rest, '.'));
}

bool mr_layout_read_object(struct mr_layout_name *out, const char *name)
{
    struct mr_slice rest = mr_slice_of(name);
    return read_id_and_kind(out, &rest) && rest.at == NULL && out->kind != MR_LAYOUT_GONE;
}

bool mr_layout_read_upload(struct mr_layout_name *out, const char *name)
{
    struct mr_slice rest = mr_slice_of(name);
    if (!read_id_and_kind(out, &rest) || rest.at == NULL || rest.len < 2 || rest.at[0] != 'p')
        return false;
    return read_name_number(&out->process, (struct mr_slice){rest.at + 1, rest.len - 1}, MR_LAYOUT_PROCESS_MAX);
}
