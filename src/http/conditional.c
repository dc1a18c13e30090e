#include "http/conditional.h"
#include "base/clock.h"
#include "http/chars.h"
#include "http/date.h"

/* ---- lists of entity tags ---- */

struct entity_tag {
    struct mr_slice opaque;
    bool is_weak;
};

/* etagc (RFC 9110, section 8.8.3): no blank and no quote. There is no escape. */
static bool is_etag_char(char c)
{
    return mr_char_is(c, MR_CHAR_FIELD) && c != '"' && c != ' ' && c != '\t';
}

/* "opaque" or W/"opaque" */
static bool cut_entity_tag(struct mr_slice *text, struct entity_tag *out)
{
    struct mr_slice rest = *text;
    out->is_weak = rest.len >= 2 && memcmp(rest.at, "W/", 2) == 0;
    size_t begin = out->is_weak ? 2 : 0, end = begin + 1;
    if (rest.len <= begin || rest.at[begin] != '"')
        return false;
    while (end < rest.len && is_etag_char(rest.at[end]))
        end++;
    if (end == rest.len || rest.at[end] != '"')
        return false;
    out->opaque = (struct mr_slice){rest.at + begin + 1, end - begin - 1};
    *text = (struct mr_slice){rest.at + end + 1, rest.len - end - 1};
    return true;
}

enum tag_match {
    TAG_ABSENT, /* no such field */
    TAG_NONE,   /* well-formed, and no tag is the current one */
    TAG_MALFORMED,
    TAG_FOUND,
};

/* Weak comparison passes over W/ (section 8.8.3.2); the current tag is strong. */
static bool is_current(const struct entity_tag *tag, const struct mr_validators *current, bool is_weak_enough)
{
    return current != NULL && current->etag.at != NULL && (is_weak_enough || !tag->is_weak) &&
           mr_slice_equal(tag->opaque, current->etag);
}

/* One field line, up to the first tag that matches. */
static enum tag_match match_line(struct mr_slice text, const struct mr_validators *current, bool is_weak_enough)
{
    struct entity_tag tag;
    for (;;) {
        text = mr_slice_trim(text);
        if (text.len > 0 && text.at[0] != ',') {
            if (!cut_entity_tag(&text, &tag))
                return TAG_MALFORMED;
            if (is_current(&tag, current, is_weak_enough))
                return TAG_FOUND;
            text = mr_slice_trim(text);
        }
        if (text.len == 0)
            return TAG_NONE;
        if (text.at[0] != ',')
            return TAG_MALFORMED;
        text = (struct mr_slice){text.at + 1, text.len - 1};
    }
}

/* All lines of the field, which are one list (section 5.3). "*" stands alone. */
static enum tag_match match_field(const struct mr_head *head, const char *name, const struct mr_validators *current,
                                  bool is_weak_enough)
{
    struct mr_slice first = mr_head_find(head, name);
    if (mr_slice_is(first, "*") && !mr_head_is_repeated(head, name))
        return current != NULL ? TAG_FOUND : TAG_NONE;
    enum tag_match match = first.at == NULL ? TAG_ABSENT : TAG_NONE;
    for (unsigned i = 0; i < head->header_count && match <= TAG_NONE; i++)
        if (mr_slice_is_nocase(head->headers[i].name, name))
            match = match_line(head->headers[i].value, current, is_weak_enough);
    return match;
}

/* ---- dates ---- */

static bool parse_date_now(struct mr_slice value, int64_t *out)
{
    return mr_date_parse(value, (int64_t)(mr_clock_wall() / MR_NS_PER_S), out);
}

/* The date of the field, where it is to be heeded. */
static bool read_date_field(const struct mr_head *head, const char *name, const struct mr_validators *current,
                            int64_t *out)
{
    struct mr_slice value = mr_head_find(head, name);
    return value.at != NULL && current != NULL && current->has_date && !mr_head_is_repeated(head, name) &&
           parse_date_now(value, out);
}

/* ---- the conditions ---- */

/* Steps 1 and 2 of section 13.2.2: is the target still what the client knows? */
static bool is_still_that(const struct mr_head *head, const struct mr_validators *current)
{
    enum tag_match match = match_field(head, "if-match", current, false);
    int64_t date;
    if (match != TAG_ABSENT)
        return match == TAG_FOUND;
    return !read_date_field(head, "if-unmodified-since", current, &date) || current->last_modified <= date;
}

/* Steps 3 and 4: is the target other than what the client knows? */
static bool is_other(const struct mr_head *head, const struct mr_validators *current, bool is_read)
{
    enum tag_match match = match_field(head, "if-none-match", current, true);
    int64_t date;
    if (match != TAG_ABSENT)
        return match == TAG_NONE || (match == TAG_MALFORMED && is_read);
    return !is_read || !read_date_field(head, "if-modified-since", current, &date) || current->last_modified > date;
}

/* Step 5: a part fits to what the client has only if the content is the same, octet by octet. */
static bool is_range_of_same(const struct mr_head *head, const struct mr_validators *current)
{
    struct mr_slice value = mr_head_find(head, "if-range");
    struct entity_tag tag;
    int64_t date;
    if (value.at == NULL)
        return true;
    if (mr_head_is_repeated(head, "if-range") || current == NULL)
        return false;
    if (cut_entity_tag(&value, &tag))
        return value.len == 0 && is_current(&tag, current, false);
    return current->has_date && parse_date_now(value, &date) && date == current->last_modified;
}

enum mr_condition mr_conditional_evaluate(const struct mr_head *head, const struct mr_validators *current)
{
    bool is_read = head->method == MR_METHOD_GET || head->method == MR_METHOD_HEAD;
    if (!is_still_that(head, current))
        return MR_CONDITION_FAILED;
    if (!is_other(head, current, is_read))
        return is_read ? MR_CONDITION_NOT_MODIFIED : MR_CONDITION_FAILED;
    return is_range_of_same(head, current) ? MR_CONDITION_PROCEED : MR_CONDITION_IGNORE_RANGE;
}
