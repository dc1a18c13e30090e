#include "base/base64.h"

enum { KNOWN = 0x80, DIGIT = 0x3f };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The digit of a character, with KNOWN set; 0 for what is none. */
// clang-format off
#define IS(character, digit) [character] = (KNOWN | (digit))
static const uint8_t digits[256] = {
    IS('A', 0),  IS('B', 1),  IS('C', 2),  IS('D', 3),  IS('E', 4),  IS('F', 5),  IS('G', 6),  IS('H', 7),
    IS('I', 8),  IS('J', 9),  IS('K', 10), IS('L', 11), IS('M', 12), IS('N', 13), IS('O', 14), IS('P', 15),
    IS('Q', 16), IS('R', 17), IS('S', 18), IS('T', 19), IS('U', 20), IS('V', 21), IS('W', 22), IS('X', 23),
    IS('Y', 24), IS('Z', 25), IS('a', 26), IS('b', 27), IS('c', 28), IS('d', 29), IS('e', 30), IS('f', 31),
    IS('g', 32), IS('h', 33), IS('i', 34), IS('j', 35), IS('k', 36), IS('l', 37), IS('m', 38), IS('n', 39),
    IS('o', 40), IS('p', 41), IS('q', 42), IS('r', 43), IS('s', 44), IS('t', 45), IS('u', 46), IS('v', 47),
    IS('w', 48), IS('x', 49), IS('y', 50), IS('z', 51), IS('0', 52), IS('1', 53), IS('2', 54), IS('3', 55),
    IS('4', 56), IS('5', 57), IS('6', 58), IS('7', 59), IS('8', 60), IS('9', 61), IS('+', 62), IS('/', 63),
};
// clang-format on

size_t mr_base64_encode(char *out, const uint8_t *in, size_t len, enum mr_base64_padding padding)
{
    char *at = out;
    for (; len >= 3; len -= 3, in += 3) {
        uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *at++ = alphabet[bits >> 18];
        *at++ = alphabet[bits >> 12 & DIGIT];
        *at++ = alphabet[bits >> 6 & DIGIT];
        *at++ = alphabet[bits & DIGIT];
    }
    if (len > 0) {
        uint32_t bits = (uint32_t)in[0] << 16 | (len == 2 ? (uint32_t)in[1] << 8 : 0);
        *at++ = alphabet[bits >> 18];
        *at++ = alphabet[bits >> 12 & DIGIT];
        if (len == 2)
            *at++ = alphabet[bits >> 6 & DIGIT];
        for (; padding == MR_BASE64_PADDED && len < 3; len++)
            *at++ = '=';
    }
    return (size_t)(at - out);
}

/* What is left when the padding is off; false when it is not as long as it must be. */
static bool cut_padding(struct mr_slice *text)
{
    if (text->len % 4 != 0)
        return false;
    for (int i = 0; i < 2 && text->len > 0 && text->at[text->len - 1] == '='; i++)
        text->len--;
    return true;
}

/* The last digits, two or three, as one or two bytes. */
static bool decode_tail(uint8_t *out, const uint8_t *in, size_t len)
{
    uint8_t a = digits[in[0]], b = digits[in[1]], c = len == 3 ? digits[in[2]] : KNOWN;
    if ((a & b & c & KNOWN) == 0)
        return false;
    uint32_t bits = (uint32_t)(a & DIGIT) << 18 | (uint32_t)(b & DIGIT) << 12 | (uint32_t)(c & DIGIT) << 6;
    out[0] = (uint8_t)(bits >> 16);
    if (len == 3)
        out[1] = (uint8_t)(bits >> 8);
    return (bits & (len == 3 ? 0xff : 0xffff)) == 0;
}

bool mr_base64_decode(uint8_t *out, size_t *out_len, struct mr_slice text, enum mr_base64_padding padding)
{
    if (padding == MR_BASE64_PADDED && !cut_padding(&text))
        return false;
    const uint8_t *in = (const uint8_t *)text.at;
    uint8_t *at = out;
    size_t left = text.len;
    for (; left >= 4; left -= 4, in += 4) {
        uint8_t a = digits[in[0]], b = digits[in[1]], c = digits[in[2]], d = digits[in[3]];
        if ((a & b & c & d & KNOWN) == 0)
            return false;
        uint32_t bits = (uint32_t)(a & DIGIT) << 18 | (uint32_t)(b & DIGIT) << 12 | (uint32_t)(c & DIGIT) << 6 |
                        (uint32_t)(d & DIGIT);
        *at++ = (uint8_t)(bits >> 16);
        *at++ = (uint8_t)(bits >> 8);
        *at++ = (uint8_t)bits;
    }
    *out_len = text.len * 3 / 4;
    return left == 0 || (left >= 2 && decode_tail(at, in, left));
}
