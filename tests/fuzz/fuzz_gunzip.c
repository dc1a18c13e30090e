/* Any bytes through gunzip, cut at random: what comes out is what zlib makes of them in one go, and never more than the
 * bound. Two bytes choose the cuts and how the rest is read: as it is, or as a deflate stream that gets a header and
 * the right trailer, since no mutation finds a CRC. */
#include "media/codec/codec_thread.h"
#include "media/codecs.h"

enum { BOUND = 200000 };

/* One stream at the start of `in`, into `out`, never more than BOUND + 1 bytes of it in all. Returns how much of `in`
 * it took, or 0: no such stream, or too large. */
static size_t expand_stream(struct bytes *out, struct bytes in, int window_bits)
{
    static unsigned char room[BOUND + 1];
    z_stream z = {.next_in = in.at, .avail_in = (uInt)in.len, .next_out = room};
    z.avail_out = (uInt)(sizeof(room) - out->len);
    MR_ASSERT(inflateInit2(&z, window_bits) == Z_OK);
    int code = inflate(&z, Z_FINISH);
    bytes_append(out, room, z.total_out);
    size_t used = code == Z_STREAM_END ? z.total_in : 0;
    inflateEnd(&z);
    return used;
}

static bool expand(struct bytes *out, struct bytes in)
{
    do {
        size_t used = expand_stream(out, in, MAX_WBITS + 16);
        if (used == 0)
            return false;
        in.at += used;
        in.len -= used;
    } while (in.len > 0 && in.at[0] != 0);
    while (in.len > 0 && in.at[in.len - 1] == 0)
        in.len--;
    return in.len == 0;
}

static struct bytes with_trailer(struct bytes in)
{
    static const unsigned char header[10] = {0x1f, 0x8b, 8, [9] = 255};
    struct bytes out = {0}, content = {0};
    size_t used = expand_stream(&content, in, -MAX_WBITS);
    uint32_t trailer[2] = {libdeflate_crc32(0, content.at, content.len), (uint32_t)content.len}; /* little-endian */
    bytes_append(&out, header, sizeof(header));
    bytes_append(&out, in.at, used);
    bytes_append(&out, trailer, sizeof(trailer));
    bytes_append(&out, in.at + used, in.len - used);
    free(content.at);
    return out;
}

static void check(struct bytes in, uint32_t seed)
{
    static const size_t rooms[] = {0, 7, 1000, 40000};
    struct run run = {.seed = seed, .env.expansion_bytes = BOUND, .out_room = rooms[seed % MR_ARRAY_SIZE(rooms)]};
    struct bytes expected = {0};
    bool good = expand(&expected, in);
    int err = run_stage(&run, &mr_stage_gunzip, in.at, in.len);
    MR_ASSERT(run.out.len <= BOUND);
    MR_ASSERT((err == MR_OK) == (good && expected.len <= BOUND));
    if (err == MR_OK)
        MR_ASSERT(run.out.len == expected.len &&
                  (expected.len == 0 || memcmp(run.out.at, expected.at, expected.len) == 0));
    else
        MR_ASSERT(err == MR_EFORMAT || err == MR_ECORRUPT || (err == MR_EEXPANSION && expected.len > BOUND));
    free(expected.at);
    run_end(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned char *copy = copy_of(data + 2, size - 2);
    struct bytes in = {.at = copy, .len = size - 2};
    if (data[1] % 2 == 0)
        in = with_trailer(in);
    check(in, data[0]);
    if (in.at != copy)
        free(in.at);
    free(copy);
    return 0;
}
