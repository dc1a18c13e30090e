#include "store/ulid.h"
#include "base/assert.h"
#include "base/macros.h"
#include <sodium.h>

enum {
    TIME_LEN = 10, /* characters, 5 bits each: the first has 3, as 48 + 2 = 50 */
    RANDOM_BYTES = 10,
};

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* The value of a digit, or -1. */
static int digit_value(char c)
{
    const char *found = c != '\0' ? strchr(digits, c) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

/* The last `len` digits of the value. */
static void write_digits(char *out, size_t len, uint64_t value)
{
    while (len > 0) {
        out[--len] = digits[value & 31];
        value >>= 5;
    }
}

void mr_ulid_make(char out[MR_ULID_LEN + 1], int64_t now_ms)
{
    uint8_t random[RANDOM_BYTES];
    MR_ASSERT(sodium_init() >= 0);
    randombytes_buf(random, sizeof(random));
    write_digits(out, TIME_LEN, (uint64_t)MR_MIN(MR_MAX(now_ms, 0), MR_ULID_MS_MAX));
    for (size_t half = 0; half < 2; half++) { /* 5 bytes are 8 digits */
        uint64_t bits = 0;
        for (size_t i = 0; i < RANDOM_BYTES / 2; i++)
            bits = bits << 8 | random[half * (RANDOM_BYTES / 2) + i];
        write_digits(out + TIME_LEN + half * 8, 8, bits);
    }
    out[MR_ULID_LEN] = '\0';
}

bool mr_ulid_is_valid(struct mr_slice text)
{
    if (text.len != MR_ULID_LEN || text.at[0] < '0' || text.at[0] > '7')
        return false;
    for (size_t i = 1; i < MR_ULID_LEN; i++)
        if (digit_value(text.at[i]) < 0)
            return false;
    return true;
}

int64_t mr_ulid_ms(const char *id)
{
    int64_t ms = 0;
    for (size_t i = 0; i < TIME_LEN; i++) {
        int value = digit_value(id[i]);
        MR_ASSERT(value >= 0);
        ms = ms << 5 | value;
    }
    return ms;
}

void mr_ulid_directory(char out[MR_ULID_DIRECTORY_LEN + 1], const char *id)
{
    memcpy(out, id, 4);
    out[4] = '/';
    memcpy(out + 5, id + 4, 2);
    out[MR_ULID_DIRECTORY_LEN] = '\0';
}
