/* Properties of digests' fields on any bytes; each line is a line of the field:
 *  - what is refused says why;
 *  - a digest that was read is the same when it is written and read again. */
#include "base/assert.h"
#include "http/digest_fields.h"
#include "http/structured.h"

static int check_member(void *context, const struct mr_structured_member *member)
{
    const struct mr_slice *all = context;
    MR_ASSERT(member->key.len > 0 && member->key.at >= all->at);
    MR_ASSERT(member->text.len <= all->len);
    return MR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mr_head head;
    struct mr_slice all = {(const char *)data, size}, text = all;
    struct mr_fault fault = {0};
    struct mr_digest digest, again;
    bool is_wanted;
    (void)mr_structured_dictionary(all, check_member, &all);
    for (head.header_count = 0; text.at != NULL && head.header_count < 8; head.header_count++)
        head.headers[head.header_count] =
            (struct mr_header){.name = MR_SLICE("Repr-Digest"), .value = mr_slice_trim(mr_slice_cut(&text, '\n'))};
    if (mr_digest_read_want(&head, "Repr-Digest", &is_wanted, &fault) != MR_OK)
        MR_ASSERT(fault.error == MR_EREQUEST && fault.detail[0] != '\0');
    if (mr_digest_read(&head, "Repr-Digest", &digest, NULL) != MR_OK || !digest.is_given)
        return 0;
    struct mr_arena arena = {0};
    struct mr_fields fields;
    mr_fields_init(&fields, &arena);
    mr_digest_set_field(&fields, "Repr-Digest", digest.sha256);
    head.header_count = 1;
    head.headers[0].value = mr_fields_find(&fields, "Repr-Digest");
    MR_ASSERT(mr_digest_read(&head, "Repr-Digest", &again, NULL) == MR_OK && again.is_given);
    MR_ASSERT(memcmp(again.sha256, digest.sha256, sizeof(again.sha256)) == 0);
    mr_arena_reset(&arena);
    return 0;
}
