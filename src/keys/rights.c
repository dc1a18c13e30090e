#include "keys/rights.h"
#include "base/assert.h"
#include "keys/word.h"
#include <string.h>

const char *const mr_right_names[] = {"pipe", "upload", "read", "list", "edit", "delete", "metrics", "admin", NULL};

static int parse_right(struct mr_slice word, uint32_t *rights, struct mr_fault *fault)
{
    for (unsigned bit = 0; mr_right_names[bit] != NULL; bit++) {
        if (mr_slice_is(word, mr_right_names[bit])) {
            *rights |= 1u << bit;
            return MR_OK;
        }
    }
    struct mr_slice shown = mr_word_to_show(word);
    return mr_fault_set(fault, MR_EPARAM,
                        "\"%.*s\" is no right (pipe, upload, read, list, edit, delete, metrics, admin)",
                        MR_SLICE_ARG(shown));
}

int mr_rights_parse(struct mr_slice words, uint32_t *out, struct mr_fault *fault)
{
    *out = 0;
    int err = MR_OK;
    do
        err = parse_right(mr_slice_cut(&words, ','), out, fault);
    while (err == MR_OK && words.at != NULL);
    return err;
}

void mr_rights_write(uint32_t rights, char out[MR_RIGHTS_SIZE])
{
    size_t len = 0;
    for (unsigned bit = 0; mr_right_names[bit] != NULL; bit++) {
        size_t word_len = strlen(mr_right_names[bit]);
        if ((rights & 1u << bit) == 0)
            continue;
        MR_ASSERT(len + word_len + 2 <= MR_RIGHTS_SIZE);
        if (len > 0)
            out[len++] = ',';
        memcpy(out + len, mr_right_names[bit], word_len);
        len += word_len;
    }
    out[len] = '\0';
}
