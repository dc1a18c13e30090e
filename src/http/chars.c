#include "http/chars.h"
#include "base/macros.h"

#define IS_DIGIT(c)   ((c) >= '0' && (c) <= '9')
#define IS_ALPHA(c)   (((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'z')
#define IS_VISIBLE(c) ((c) > 0x20 && (c) < 0x7f)
#define IS_BLANK(c)   ((c) == ' ' || (c) == '\t')
#define IS_TOKEN(c)                                                                                                   \
    (IS_ALPHA(c) || IS_DIGIT(c) || (c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' || (c) == '&' ||              \
     (c) == '\'' || (c) == '*' || (c) == '+' || (c) == '-' || (c) == '.' || (c) == '^' || (c) == '_' || (c) == '`' || \
     (c) == '|' || (c) == '~')
#define IS_FIELD(c) (IS_VISIBLE(c) || IS_BLANK(c) || (c) >= 0x80)
/* RFC 3986 also leaves out the characters " < > ^ ` { | }, but browsers send some of them as they are (the WHATWG URL
 * standard does not escape '|' in a query), and no two parsers disagree about them. The backslash, which some read as a
 * slash, and '#', behind which some stop, are another matter. */
#define IS_TARGET(c) (IS_VISIBLE(c) && (c) != '#' && (c) != '\\')
#define IS_HOST(c)                                                                                                     \
    (IS_ALPHA(c) || IS_DIGIT(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~' || (c) == '!' || (c) == '$' || \
     (c) == '&' || (c) == '\'' || (c) == '(' || (c) == ')' || (c) == '*' || (c) == '+' || (c) == ',' || (c) == ';' ||  \
     (c) == '=')
#define IS_QUOTED(c) (IS_FIELD(c) && (c) != '"' && (c) != '\\')

#define CLASS(c)                                                                                                   \
    ((IS_TOKEN(c) ? MR_CHAR_TOKEN : 0) | (IS_FIELD(c) ? MR_CHAR_FIELD : 0) | (IS_TARGET(c) ? MR_CHAR_TARGET : 0) | \
     (IS_HOST(c) ? MR_CHAR_HOST : 0) | (IS_QUOTED(c) ? MR_CHAR_QUOTED : 0))
#define CLASS4(c)  CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define CLASS16(c) CLASS4(c), CLASS4((c) + 4), CLASS4((c) + 8), CLASS4((c) + 12)
#define CLASS64(c) CLASS16(c), CLASS16((c) + 16), CLASS16((c) + 32), CLASS16((c) + 48)

const uint8_t mr_char_classes[256] = {CLASS64(0), CLASS64(64), CLASS64(128), CLASS64(192)};

bool mr_chars_are(struct mr_slice text, enum mr_char_class class)
{
    for (size_t i = 0; i < text.len; i++)
        if (!mr_char_is(text.at[i], class))
            return false;
    return text.len > 0;
}

bool mr_percent_is_valid(struct mr_slice text)
{
    for (mr_slice_cut(&text, '%'); text.at != NULL; mr_slice_cut(&text, '%'))
        if (text.len < 2 || mr_char_hex(text.at[0]) < 0 || mr_char_hex(text.at[1]) < 0)
            return false;
    return true;
}

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
