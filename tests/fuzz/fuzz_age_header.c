/* Any bytes as an age header: what is said of them does not depend on how much had arrived before, each stanza is
 * walked over again, and those of known types have one text only. */
#include "base/assert.h"
#include "media/age/age_header.h"
#include <stdlib.h>

/* The first length at which an answer is there, reading a prefix of `input` that grows by `step`. */
static int read_growing(struct mr_age_header *header, struct mr_slice input, size_t step)
{
    for (size_t len = 0; len < input.len; len += step) {
        int err = mr_age_header_read(header, (struct mr_slice){input.at, len}, false, NULL);
        if (err != MR_OK || header->len > 0)
            return err;
    }
    return mr_age_header_read(header, input, true, NULL);
}

static void walk(const struct mr_age_header *header)
{
    struct mr_age_stanza stanza;
    const char *start = header->stanzas.at;
    for (struct mr_slice rest = header->stanzas; mr_age_header_next(&rest, &stanza); start = rest.at) {
        char text[MR_AGE_STANZA_TEXT_MAX];
        bool is_known = stanza.type == MR_AGE_X25519 || stanza.type == MR_AGE_SCRYPT;
        if (!is_known || stanza.work_factor == UINT32_MAX)
            continue;
        size_t len = mr_age_stanza_write(text, &stanza);
        MR_ASSERT(mr_slice_equal((struct mr_slice){text, len}, (struct mr_slice){start, (size_t)(rest.at - start)}));
    }
    MR_ASSERT(start == header->stanzas.at + header->stanzas.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_age_header header, again;
    struct mr_fault fault = {0};
    if (size == 0)
        return 0;
    struct mr_slice input = {(const char *)data + 1, size - 1};
    int err = mr_age_header_read(&header, input, true, &fault);
    MR_ASSERT(err == MR_OK || err == MR_EFORMAT || err == MR_ECORRUPT);
    MR_ASSERT(err == fault.error);
    MR_ASSERT(read_growing(&again, input, (size_t)data[0] % 100 + 1) == err);
    if (err != MR_OK)
        return 0;
    MR_ASSERT(header.len > 0 && header.len <= input.len && header.len == again.len);
    MR_ASSERT(header.covered.len < header.len);
    walk(&header);
    return 0;
}
