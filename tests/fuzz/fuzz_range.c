/* Properties of a Range on any bytes, of content whose size is the first eight of them:
 *  - what is selected lies in the content, and is never empty;
 *  - Content-Range is there unless it is the whole. */
#include "base/assert.h"
#include "http/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mr_head head = {.method = MR_METHOD_GET, .header_count = 1};
    uint64_t content;
    if (size < sizeof(content))
        return 0;
    memcpy(&content, data, sizeof(content));
    struct mr_slice value = {(const char *)data + sizeof(content), size - sizeof(content)};
    head.headers[0] = (struct mr_header){.name = MR_SLICE("Range"), .value = value};
    struct mr_range range = mr_range_select(&head, content);
    MR_ASSERT(range.size == content && range.first <= content && range.len <= content - range.first);
    MR_ASSERT(range.kind != MR_RANGE_WHOLE || range.len == content);
    MR_ASSERT((range.kind == MR_RANGE_PART) <= (range.len > 0));
    MR_ASSERT(range.kind != MR_RANGE_UNSATISFIABLE || memchr(value.at, '-', value.len) != NULL);
    struct mr_arena arena = {0};
    struct mr_fields fields;
    mr_fields_init(&fields, &arena);
    mr_range_set_field(&fields, &range);
    MR_ASSERT((mr_fields_find(&fields, "Content-Range").at == NULL) == (range.kind == MR_RANGE_WHOLE));
    mr_arena_reset(&arena);
    return 0;
}
