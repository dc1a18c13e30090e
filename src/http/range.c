#include "http/range.h"
#include "base/assert.h"
#include "base/number.h"
#include <inttypes.h>

struct mr_range mr_range_whole(uint64_t size)
{
    return (struct mr_range){.kind = MR_RANGE_WHOLE, .len = size, .size = size};
}

static struct mr_range unsatisfiable(uint64_t size)
{
    return (struct mr_range){.kind = MR_RANGE_UNSATISFIABLE, .size = size};
}

/* A position beyond all numbers is one beyond all content. False: no digits. */
static bool parse_position(struct mr_slice text, uint64_t *out)
{
    if (!mr_number_is_digits(text))
        return false;
    if (!mr_number_parse(text, UINT64_MAX, out))
        *out = UINT64_MAX;
    return true;
}

/* "-500": the last 500 bytes. Those of empty content are all of it, and no Content-Range could name them. */
static struct mr_range suffix_range(struct mr_slice digits, uint64_t size)
{
    uint64_t len;
    if (!parse_position(digits, &len))
        return mr_range_whole(size);
    if (len == 0)
        return unsatisfiable(size);
    if (size == 0)
        return mr_range_whole(size);
    len = len < size ? len : size;
    return (struct mr_range){.kind = MR_RANGE_PART, .first = size - len, .len = len, .size = size};
}

/* "0-499" or "500-" */
static struct mr_range int_range(struct mr_slice first_text, struct mr_slice last_text, uint64_t size)
{
    uint64_t first, last = UINT64_MAX;
    if (!parse_position(first_text, &first) || (last_text.len > 0 && !parse_position(last_text, &last)) || last < first)
        return mr_range_whole(size);
    if (first >= size)
        return unsatisfiable(size);
    last = last < size ? last : size - 1;
    return (struct mr_range){.kind = MR_RANGE_PART, .first = first, .len = last - first + 1, .size = size};
}

static struct mr_range read_range(struct mr_slice value, uint64_t size)
{
    struct mr_slice spec, second, unit = mr_slice_cut(&value, '=');
    if (!mr_slice_is_nocase(unit, "bytes") || !mr_list_next(&value, &spec) || mr_list_next(&value, &second))
        return mr_range_whole(size);
    struct mr_slice first = mr_slice_cut(&spec, '-');
    if (spec.at == NULL)
        return mr_range_whole(size);
    return first.len == 0 ? suffix_range(spec, size) : int_range(first, spec, size);
}

struct mr_range mr_range_select(const struct mr_head *head, uint64_t size)
{
    struct mr_slice value = mr_head_find(head, "range");
    if (head->method != MR_METHOD_GET || value.at == NULL || mr_head_is_repeated(head, "range"))
        return mr_range_whole(size);
    return read_range(value, size);
}

void mr_range_set_field(struct mr_fields *fields, const struct mr_range *range)
{
    if (range->kind == MR_RANGE_UNSATISFIABLE)
        mr_fields_set(fields, "Content-Range", mr_arena_printf(fields->arena, "bytes */%" PRIu64, range->size));
    if (range->kind != MR_RANGE_PART)
        return;
    MR_ASSERT(range->len > 0 && range->first < range->size && range->len <= range->size - range->first);
    mr_fields_set(fields, "Content-Range",
                  mr_arena_printf(fields->arena, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->first,
                                  range->first + range->len - 1, range->size));
}
