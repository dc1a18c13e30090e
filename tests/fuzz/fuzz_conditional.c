/* Properties of conditions on any bytes. The first byte names the method, whether something is there, and which
 * validators it has; each line behind it is the value of a field that its first byte names.
 *  - 304 is for reading alone;
 *  - a date that can be written is read as the same second;
 *  - without fields there is no condition. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include "http/conditional.h"
#include "http/date.h"

static const char *const names[] = {"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
                                    "If-Range"};

static void read_fields(struct mr_head *head, struct mr_slice text)
{
    head->header_count = 0;
    while (text.at != NULL && head->header_count < 8) {
        struct mr_slice line = mr_slice_cut(&text, '\n');
        if (line.len == 0)
            continue;
        struct mr_header *header = &head->headers[head->header_count++];
        header->name = mr_slice_of(names[(unsigned char)line.at[0] % MR_ARRAY_SIZE(names)]);
        header->value = mr_slice_trim((struct mr_slice){.at = line.at + 1, .len = line.len - 1});
    }
}

static void check_date(struct mr_slice text)
{
    int64_t date, again, now = 1800000000;
    char written[30];
    if (!mr_date_parse(text, now, &date))
        return;
    mr_clock_http_date(written, date);
    MR_ASSERT(date > 253402300799 || (mr_date_parse(mr_slice_of(written), now, &again) && again == date));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mr_head head;
    struct mr_validators current = {.last_modified = 784111777};
    if (size == 0)
        return 0;
    unsigned bits = data[0];
    current.has_date = bits & 1;
    current.etag = (bits & 2) != 0 ? MR_SLICE("ab") : (struct mr_slice){NULL, 0};
    head.method = (bits >> 3) % MR_METHOD_COUNT;
    read_fields(&head, (struct mr_slice){.at = (const char *)data + 1, .len = size - 1});
    for (unsigned i = 0; i < head.header_count; i++)
        check_date(head.headers[i].value);
    enum mr_condition condition = mr_conditional_evaluate(&head, (bits & 4) != 0 ? NULL : &current);
    bool is_read = head.method == MR_METHOD_GET || head.method == MR_METHOD_HEAD;
    MR_ASSERT(condition != MR_CONDITION_NOT_MODIFIED || (is_read && (bits & 4) == 0));
    MR_ASSERT(condition == MR_CONDITION_PROCEED || head.header_count > 0);
    return 0;
}
