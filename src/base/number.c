#include "base/number.h"

bool mr_number_cut(struct mr_slice *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    size_t len = 0;
    for (; len < text->len && mr_number_is_digit(text->at[len]); len++) {
        uint64_t digit = (uint64_t)(text->at[len] - '0');
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value) || value > max)
            return false;
    }
    if (len == 0)
        return false;
    text->at += len;
    text->len -= len;
    *out = value;
    return true;
}

bool mr_number_parse(struct mr_slice text, uint64_t max, uint64_t *out)
{
    uint64_t value;
    if (!mr_number_cut(&text, max, &value) || text.len > 0)
        return false;
    *out = value;
    return true;
}

bool mr_number_next(struct mr_slice *text, uint64_t max, uint64_t *out)
{
    struct mr_slice rest = *text;
    while (rest.len > 0 && (rest.at[0] == ' ' || rest.at[0] == '\t')) {
        rest.at++;
        rest.len--;
    }
    if (!mr_number_cut(&rest, max, out))
        return false;
    *text = rest;
    return true;
}

bool mr_number_is_digits(struct mr_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!mr_number_is_digit(text.at[i]))
            return false;
    return text.len > 0;
}

size_t mr_number_write(char out[MR_NUMBER_SIZE], uint64_t value)
{
    char digits[MR_NUMBER_SIZE]; /* from the end */
    size_t len = 0;
    do {
        digits[MR_NUMBER_SIZE - ++len] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(out, digits + MR_NUMBER_SIZE - len, len);
    out[len] = '\0';
    return len;
}

void mr_number_write_padded(char *out, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
}

void mr_number_write_hex(char *out, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i-- > 0; value >>= 4)
        out[i] = "0123456789abcdef"[value & 15];
}
