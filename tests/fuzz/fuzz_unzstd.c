/* Any bytes through unzstd, cut at random: what comes out is what libzstd makes of them in one go, and never more than
 * the bound. The first byte chooses the cuts. */
#include "media/codec/codec_thread.h"
#include "media/codecs.h"

enum { BOUND = 200000 };

static void check(struct bytes in, uint32_t seed)
{
    static const size_t rooms[] = {0, 7, 1000, 40000};
    static unsigned char expected[BOUND];
    struct run run = {.seed = seed, .env.expansion_bytes = BOUND, .out_room = rooms[seed % MR_ARRAY_SIZE(rooms)]};
    int err = run_stage(&run, &mr_stage_unzstd, in.at, in.len);
    size_t len = ZSTD_decompress(expected, BOUND, in.at, in.len);
    bool too_large = ZSTD_getErrorCode(len) == ZSTD_error_dstSize_tooSmall;
    MR_ASSERT(run.out.len <= BOUND);
    if (err == MR_OK)
        MR_ASSERT(run.out.len == len && (len == 0 || memcmp(run.out.at, expected, len) == 0));
    else if (err == MR_EEXPANSION) /* or of a window, which in one go needs no memory */
        MR_ASSERT(too_large || strcmp(run.fault.limit_name, "max-zstd-window") == 0);
    else
        MR_ASSERT(err == MR_EFORMAT || err == MR_ECORRUPT);
    run_end(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    unsigned char *copy = copy_of(data + 1, size - 1);
    check((struct bytes){.at = copy, .len = size - 1}, data[0]);
    free(copy);
    return 0;
}
