/* Any text as armor: however it arrives the same is said of it; and what is read is written again as the same text, but
 * for CRs and the whitespace outside. */
#include "base/assert.h"
#include "base/macros.h"
#include "media/age/age.h"
#include "media/age/age_armor.h"
#include <stdlib.h>

enum { OUT = 64 * 1024 };

static const struct mr_cancel no_cancel;

/* All of the text, `step` bytes at a time, with room for `room` bytes of output at a time. */
static int read_text(uint8_t *out, size_t *out_len, struct mr_slice text, size_t step, size_t room)
{
    static const struct mr_stage_env env;
    struct mr_fault fault = {0};
    void *stage;
    MR_ASSERT(mr_stage_dearmor.create(&stage, &env, &fault) == MR_OK);
    *out_len = 0;
    struct mr_stage_piece piece = {.status = MR_STAGE_WANT};
    int err = MR_OK;
    for (size_t used = 0, offered = 0; err == MR_OK && piece.status != MR_STAGE_DONE;) {
        if (piece.status == MR_STAGE_WANT)
            offered += MR_MIN(step, text.len - used - offered);
        piece = (struct mr_stage_piece){.in = (const unsigned char *)text.at + used,
                                        .in_len = offered,
                                        .last = used + offered == text.len,
                                        .out = out + *out_len,
                                        .out_size = MR_MIN(room, OUT - *out_len)};
        err = mr_stage_dearmor.work(stage, &piece, &no_cancel, &fault);
        MR_ASSERT(err == fault.error);
        MR_ASSERT(err != MR_OK || piece.status != MR_STAGE_WANT || !piece.last);
        MR_ASSERT(err != MR_OK || piece.in_used <= offered);
        *out_len += piece.out_len;
        used += piece.in_used;
        offered -= piece.in_used;
    }
    mr_stage_dearmor.destroy(stage);
    return err;
}

static size_t write_text(uint8_t *out, const uint8_t *bytes, size_t len)
{
    struct mr_stage_piece piece = {.out = out, .out_size = OUT * 3};
    mr_stage_armor.open(NULL, &piece, &no_cancel, NULL);
    size_t total = piece.out_len;
    piece = (struct mr_stage_piece){.in = bytes, .in_len = len, .last = true, .out = out + total, .out_size = OUT * 3};
    mr_stage_armor.work(NULL, &piece, &no_cancel, NULL);
    total += piece.out_len;
    piece = (struct mr_stage_piece){.out = out + total, .out_size = 100};
    mr_stage_armor.finish(NULL, &piece, NULL);
    return total + piece.out_len;
}

/* The text without CRs and without whitespace before and behind. */
static size_t strip(char *out, struct mr_slice text)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
        if (c != '\r' && (len > 0 || !is_space))
            out[len++] = c;
    }
    while (len > 0 && (out[len - 1] == ' ' || (out[len - 1] >= '\t' && out[len - 1] <= '\r')))
        len--;
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t once[OUT], again[OUT], written[OUT * 4];
    static char stripped[OUT];
    size_t once_len, again_len;
    if (size < 2 || size > OUT / 2)
        return 0;
    struct mr_slice text = {(const char *)data + 2, size - 2};
    int err = read_text(once, &once_len, text, OUT, OUT);
    MR_ASSERT(err == MR_OK || err == MR_EFORMAT || err == MR_ECORRUPT);
    MR_ASSERT(read_text(again, &again_len, text, (size_t)data[0] + 1, MR_AGE_ARMOR_BYTES + (size_t)data[1]) == err);
    mr_age_armor_sniff((const unsigned char *)text.at, MR_MIN(text.len, (size_t)64));
    if (err != MR_OK)
        return 0;
    MR_ASSERT(once_len == again_len && memcmp(once, again, once_len) == 0);
    MR_ASSERT(mr_age_armor_sniff((const unsigned char *)text.at, text.len) == &mr_stage_dearmor);
    size_t len = write_text(written, once, once_len) - 1; /* without the last line's end */
    MR_ASSERT(len == strip(stripped, text) && memcmp(written, stripped, len) == 0);
    return 0;
}
