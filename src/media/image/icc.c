#include "media/image/icc.h"

#include "base/macros.h"

#include <string.h>

enum {
    PROFILE_MAX = 4 * MR_MIB,
    TAGS_MAX = 100, /* more than any profile that is used, and what lcms2 takes */
    ELEMENTS_MAX = 16,
    CHANNELS_MAX = 16,
    TABLE_INPUTS_MAX = 4,
    SEGMENTS_MAX = 256, /* lcms2 searches them one by one */
    TAGS_AT = 128,
    TAG = 12,      /* signature, offset, length */
    POSITION = 8,  /* offset, length */
    HEAD = 12,     /* of an element: signature, 0, inputs, outputs */
    LIST_HEAD = 16 /* of a tag of elements: the same, and their number */
};

static bool is(struct mr_view at, const char *signature)
{
    return mr_view_has(at, 0, 4) && memcmp(at.at, signature, 4) == 0;
}

/* What starts at `offset` of it, up to the end of the profile: offsets of parts may point behind the end of a tag. */
static struct mr_view from(struct mr_view view, size_t offset)
{
    size_t start = MR_MIN(offset, view.len);
    return mr_view_part(view, start, view.len - start);
}

static bool has_few_segments(struct mr_view element, uint32_t channels)
{
    uint32_t segments = 0;
    if (!mr_view_has(element, HEAD, (size_t)channels * POSITION))
        return false;
    for (uint32_t i = 0; i < channels; i++) {
        struct mr_view curve = from(element, mr_read_be32(element.at + HEAD + (size_t)i * POSITION));
        if (!mr_view_has(curve, 0, 10))
            return false;
        segments += mr_read_be16(curve.at + 8);
    }
    return segments <= SEGMENTS_MAX;
}

static bool is_cheap_element(struct mr_view element)
{
    if (!mr_view_has(element, 0, HEAD))
        return false;
    uint32_t inputs = mr_read_be16(element.at + 8), outputs = mr_read_be16(element.at + 10);
    if (inputs > CHANNELS_MAX || outputs > CHANNELS_MAX)
        return false;
    if (is(element, "clut"))
        return inputs <= TABLE_INPUTS_MAX;
    return !is(element, "cvst") || has_few_segments(element, inputs);
}

static bool is_cheap_list(struct mr_view list)
{
    if (!mr_view_has(list, 0, LIST_HEAD))
        return false;
    uint32_t count = mr_read_be32(list.at + 12);
    if (count > ELEMENTS_MAX || !mr_view_has(list, LIST_HEAD, (size_t)count * POSITION))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!is_cheap_element(from(list, mr_read_be32(list.at + LIST_HEAD + (size_t)i * POSITION))))
            return false;
    return true;
}

bool mr_icc_is_cheap(struct mr_view profile)
{
    if (profile.len > PROFILE_MAX || !mr_view_has(profile, TAGS_AT, 4))
        return false;
    uint32_t tags = mr_read_be32(profile.at + TAGS_AT);
    if (tags > TAGS_MAX || !mr_view_has(profile, TAGS_AT + 4, (size_t)tags * TAG))
        return false;
    for (uint32_t i = 0; i < tags; i++) {
        struct mr_view tag = from(profile, mr_read_be32(profile.at + TAGS_AT + 4 + (size_t)i * TAG + 4));
        if (is(tag, "mpet") && !is_cheap_list(tag))
            return false;
    }
    return true;
}
