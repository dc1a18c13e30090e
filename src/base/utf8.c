#include "base/utf8.h"
#include "base/macros.h"

/* RFC 3629, section 4: the first octet gives the length and bounds the second; all others are 80-BF. */
static const struct utf8_form {
    uint8_t first_min, first_max, second_min, second_max, length;
} utf8_forms[] = {
    {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static const struct utf8_form *utf8_form_of(uint8_t first)
{
    for (size_t i = 0; i < MR_ARRAY_SIZE(utf8_forms); i++)
        if (first >= utf8_forms[i].first_min && first <= utf8_forms[i].first_max)
            return &utf8_forms[i];
    return NULL;
}

size_t mr_utf8_length(struct mr_slice text)
{
    const uint8_t *at = (const uint8_t *)text.at;
    const struct utf8_form *form = text.len > 0 ? utf8_form_of(at[0]) : NULL;
    if (form == NULL || text.len < form->length)
        return 0;
    if (form->length > 1 && (at[1] < form->second_min || at[1] > form->second_max))
        return 0;
    for (size_t i = 2; i < form->length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return form->length;
}

size_t mr_utf8_decode(struct mr_slice text, uint32_t *point)
{
    size_t length = mr_utf8_length(text);
    if (length == 0)
        return 0;
    const uint8_t *at = (const uint8_t *)text.at;
    uint32_t bits = length == 1 ? at[0] : at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        bits = bits << 6 | (at[i] & 0x3fu);
    *point = bits;
    return length;
}

bool mr_utf8_is_valid(struct mr_slice text)
{
    while (text.len > 0) {
        size_t len = (unsigned char)*text.at < 0x80 ? 1 : mr_utf8_length(text); /* most are ASCII */
        if (len == 0)
            return false;
        text.at += len;
        text.len -= len;
    }
    return true;
}
