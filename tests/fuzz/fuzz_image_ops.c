/* Any query as the operations on an image: what is accepted has a canonical text that means the same again. Pairs are
 * separated by &, names end at the first =. */
#include "base/assert.h"
#include "media/image/image.h"
#include <string.h>

static int read_ops(struct mr_image_ops *ops, struct mr_slice query)
{
    struct mr_fault fault = {0};
    mr_image_ops_init(ops);
    for (struct mr_slice rest = query; rest.at != NULL && rest.len > 0;) {
        struct mr_slice value = mr_slice_cut(&rest, '&');
        struct mr_slice name = mr_slice_cut(&value, '=');
        if (value.at == NULL)
            value.at = "";
        int err = mr_image_ops_set(ops, name, value, &fault);
        MR_ASSERT(err == MR_OK || (err == MR_EPARAM && fault.detail[0] != '\0'));
        if (err != MR_OK)
            return err;
    }
    return mr_image_ops_check(ops, &fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_image_ops ops, again;
    if (read_ops(&ops, (struct mr_slice){.at = (const char *)data, .len = size}) != MR_OK)
        return 0;
    char text[MR_IMAGE_CANONICAL_SIZE], text_again[MR_IMAGE_CANONICAL_SIZE];
    size_t len = mr_image_ops_canonical(&ops, text, sizeof(text));
    MR_ASSERT(len < sizeof(text) && len == strlen(text));
    MR_ASSERT(read_ops(&again, mr_slice_of(text)) == MR_OK);
    mr_image_ops_canonical(&again, text_again, sizeof(text_again));
    MR_ASSERT(strcmp(text, text_again) == 0);
    return 0;
}
