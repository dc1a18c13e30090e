#include "media/age/age_bech32.h"
#include <sodium.h>

/* A digit has five bits: 32 bytes are 51 of them and one more that has four bits to spare. */
enum { DIGITS = 52, CHECKSUM = 6, SPARE = 4, NO_DIGIT = 0x80 };

static const char lower_alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
static const char upper_alphabet[] = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";

static const char *alphabet_of(const char *prefix)
{
    return prefix[0] >= 'A' && prefix[0] <= 'Z' ? upper_alphabet : lower_alphabet;
}

static uint32_t add_digit(uint32_t sum, uint8_t digit)
{
    static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
    uint32_t top = sum >> 25;
    sum = (sum & 0x1ffffff) << 5 ^ digit;
    for (int i = 0; i < 5; i++)
        sum ^= generator[i] & (0 - (top >> i & 1));
    return sum;
}

/* The checksum's state behind the prefix, which counts in lower case. */
static uint32_t add_prefix(const char *prefix)
{
    uint32_t sum = 1;
    for (const char *at = prefix; *at != '\0'; at++) {
        bool is_upper = *at >= 'A' && *at <= 'Z';
        sum = add_digit(sum, (uint8_t)((is_upper ? *at + 0x20 : *at) >> 5));
    }
    sum = add_digit(sum, 0);
    for (const char *at = prefix; *at != '\0'; at++)
        sum = add_digit(sum, (uint8_t)*at & 31); /* the same in both cases */
    return sum;
}

static void digits_of_key(uint8_t digits[DIGITS], const uint8_t *key)
{
    uint32_t bits = 0;
    int count = 0;
    size_t at = 0;
    for (size_t i = 0; i < DIGITS; i++, count -= 5) {
        if (count < 5) {
            bits = bits << 8 | (at < MR_AGE_BECH32_KEY ? key[at] : 0);
            at++;
            count += 8;
        }
        digits[i] = bits >> (count - 5) & 31;
    }
    sodium_memzero(&bits, sizeof(bits));
}

static void key_of_digits(uint8_t *key, const uint8_t digits[DIGITS])
{
    uint32_t bits = 0;
    int count = 0;
    size_t at = 0;
    for (size_t i = 0; i < DIGITS; i++) {
        bits = bits << 5 | digits[i];
        count += 5;
        if (count >= 8) {
            count -= 8;
            key[at++] = (uint8_t)(bits >> count);
        }
    }
    sodium_memzero(&bits, sizeof(bits));
}

void mr_age_bech32_encode(char *out, const char *prefix, const uint8_t key[MR_AGE_BECH32_KEY])
{
    const char *alphabet = alphabet_of(prefix);
    uint8_t digits[DIGITS];
    digits_of_key(digits, key);
    uint32_t sum = add_prefix(prefix);
    size_t len = strlen(prefix);
    memcpy(out, prefix, len);
    out[len++] = '1';
    for (size_t i = 0; i < DIGITS; i++) {
        sum = add_digit(sum, digits[i]);
        out[len++] = alphabet[digits[i]];
    }
    for (int i = 0; i < CHECKSUM; i++)
        sum = add_digit(sum, 0);
    sum ^= 1;
    for (int i = CHECKSUM - 1; i >= 0; i--)
        out[len++] = alphabet[sum >> 5 * i & 31];
    out[len] = '\0';
    sodium_memzero(digits, sizeof(digits));
}

/* Looks at the whole alphabet, so that the time says nothing about the digit. */
static uint8_t digit_of(const char *alphabet, char character)
{
    uint8_t digit = NO_DIGIT;
    for (uint8_t i = 0; i < 32; i++) {
        uint8_t mask = (uint8_t)(0 - (unsigned)(alphabet[i] == character));
        digit = (uint8_t)((digit & ~mask) | (i & mask));
    }
    return digit;
}

bool mr_age_bech32_decode(uint8_t key[MR_AGE_BECH32_KEY], const char *prefix, struct mr_slice text)
{
    const char *alphabet = alphabet_of(prefix);
    size_t prefix_len = strlen(prefix);
    memset(key, 0, MR_AGE_BECH32_KEY);
    if (text.len != prefix_len + 1 + DIGITS + CHECKSUM || memcmp(text.at, prefix, prefix_len) != 0 ||
        text.at[prefix_len] != '1')
        return false;
    uint8_t digits[DIGITS + CHECKSUM];
    uint8_t seen = 0;
    uint32_t sum = add_prefix(prefix);
    for (size_t i = 0; i < DIGITS + CHECKSUM; i++) {
        digits[i] = digit_of(alphabet, text.at[prefix_len + 1 + i]);
        seen |= digits[i];
        sum = add_digit(sum, digits[i] & 31);
    }
    bool good = (seen & NO_DIGIT) == 0 && sum == 1 && (digits[DIGITS - 1] & ((1 << SPARE) - 1)) == 0;
    if (good)
        key_of_digits(key, digits);
    sodium_memzero(digits, sizeof(digits));
    return good;
}
