/* DESIGN. Nearly all objects have neither tags nor metadata, a focal point or members of a later version, and at most
 * one segment. Their heads differ in a few texts and numbers, and are read here in the order in which
 * mr_meta_head_write() writes them, for a tenth of what the general reading costs: that costs more than to read the
 * file. What is not literally so is not judged here, right or wrong; the general reading does it. */
#include "base/number.h"
#include "base/utf8.h"
#include "store/fs/meta_internal.h"
#include <stdlib.h>

/* What remains of the text, until something is not as usual. */
struct usual {
    struct mr_slice rest;
    bool is_unusual;
};

/* The members, with texts as they stand in the head. */
struct usual_head {
    struct mr_slice id, name, type, sha256; /* sha256.at NULL: it has none */
    uint64_t rev, size, created_ms, changed_ms;
    bool is_image, has_segment;
    uint64_t stored, plain; /* of the segment, which is the first and has no room */
};

static void usual_skip(struct usual *usual, size_t len)
{
    usual->rest.at += len;
    usual->rest.len -= len;
}

static bool usual_has(struct usual *usual, struct mr_slice literal)
{
    if (usual->is_unusual || usual->rest.len < literal.len || memcmp(usual->rest.at, literal.at, literal.len) != 0)
        return false;
    usual_skip(usual, literal.len);
    return true;
}

static void usual_expect(struct usual *usual, struct mr_slice literal)
{
    usual->is_unusual = !usual_has(usual, literal);
}

/* Up to the quotation mark, which follows; nothing in it is escaped. */
static struct mr_slice usual_text(struct usual *usual)
{
    const char *end = usual->is_unusual ? NULL : memchr(usual->rest.at, '"', usual->rest.len);
    if (end == NULL) {
        usual->is_unusual = true;
        return MR_SLICE("");
    }
    struct mr_slice text = {usual->rest.at, (size_t)(end - usual->rest.at)};
    for (size_t i = 0; i < text.len; i++)
        usual->is_unusual |= (unsigned char)text.at[i] < ' ' || text.at[i] == '\\';
    usual->is_unusual |= !mr_utf8_is_valid(text);
    usual_skip(usual, text.len);
    return text;
}

static uint64_t usual_number(struct usual *usual)
{
    uint64_t number = 0;
    bool has_zero = usual->rest.len > 1 && usual->rest.at[0] == '0' && mr_number_is_digit(usual->rest.at[1]);
    if (usual->is_unusual || has_zero || !mr_number_cut(&usual->rest, INT64_MAX, &number))
        usual->is_unusual = true;
    return number;
}

static void usual_segments(struct usual *usual, struct usual_head *head)
{
    head->has_segment = usual_has(usual, MR_SLICE("[[1,"));
    if (!head->has_segment) {
        usual_expect(usual, MR_SLICE("[]"));
        return;
    }
    head->stored = usual_number(usual);
    usual_expect(usual, MR_SLICE(","));
    head->plain = usual_number(usual);
    usual_expect(usual, MR_SLICE(",0]]"));
}

static bool cut_usual_head(struct usual_head *head, struct mr_slice text)
{
    struct usual usual = {.rest = text};
    usual_expect(&usual, MR_SLICE("{\"id\":\""));
    head->id = usual_text(&usual);
    usual_expect(&usual, MR_SLICE("\",\"rev\":"));
    head->rev = usual_number(&usual);
    usual_expect(&usual, MR_SLICE(",\"name\":\""));
    head->name = usual_text(&usual);
    usual_expect(&usual, MR_SLICE("\",\"type\":\""));
    head->type = usual_text(&usual);
    usual_expect(&usual, MR_SLICE("\",\"size\":"));
    head->size = usual_number(&usual);
    usual_expect(&usual, MR_SLICE(",\"created_ms\":"));
    head->created_ms = usual_number(&usual);
    usual_expect(&usual, MR_SLICE(",\"changed_ms\":"));
    head->changed_ms = usual_number(&usual);
    if (usual_has(&usual, MR_SLICE(",\"sha256\":\""))) {
        head->sha256 = usual_text(&usual);
        usual_expect(&usual, MR_SLICE("\""));
    }
    head->is_image = usual_has(&usual, MR_SLICE(",\"is_image\":true"));
    if (!head->is_image)
        usual_expect(&usual, MR_SLICE(",\"is_image\":false"));
    usual_expect(&usual, MR_SLICE(",\"tags\":[],\"meta\":{},\"segments\":"));
    usual_segments(&usual, head);
    usual_expect(&usual, MR_SLICE("}\n"));
    return !usual.is_unusual && usual.rest.len == 0;
}

/* All of the payload lies with the description, or all of it in the segment. */
static bool fits_usual_payload(const struct usual_head *head, size_t payload)
{
    if (!head->has_segment)
        return head->size == payload;
    return payload == 0 && head->plain == head->size && head->stored >= head->plain;
}

static bool keep_usual_segment(struct mr_meta *meta, const struct usual_head *head)
{
    if (!head->has_segment)
        return true;
    meta->segments = malloc(sizeof(*meta->segments));
    if (meta->segments == NULL)
        return false;
    meta->segments[0] = (struct mr_meta_segment){.number = 1, .stored = head->stored, .plain = head->plain};
    meta->segment_count = 1;
    return true;
}

bool mr_meta_usual_read(struct mr_meta *meta, struct mr_slice text)
{
    struct mr_object *object = &meta->object;
    struct usual_head head = {.rev = 0};
    if (!cut_usual_head(&head, text) || !mr_ulid_is_valid(head.id) || head.rev == 0 ||
        !fits_usual_payload(&head, meta->payload.len))
        return false;
    if (head.sha256.at != NULL && !mr_meta_sha256_read(object->sha256, head.sha256))
        return false;
    if (mr_object_set_name(object, head.name, NULL) != MR_OK || mr_object_set_type(object, head.type, NULL) != MR_OK ||
        !keep_usual_segment(meta, &head))
        return false;
    memcpy(object->id, head.id.at, MR_ULID_LEN);
    object->rev = head.rev;
    object->size = head.size;
    object->created_ms = (int64_t)head.created_ms;
    object->changed_ms = (int64_t)head.changed_ms;
    object->has_sha256 = head.sha256.at != NULL;
    object->is_image = head.is_image;
    return true;
}
