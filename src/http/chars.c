#include "http/chars.h"
#include "base/number.h"

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
        if (text.len < 2 || mr_number_hex_value(text.at[0]) < 0 || mr_number_hex_value(text.at[1]) < 0)
            return false;
    return true;
}

struct mr_slice mr_cut_unquoted(struct mr_slice *rest, char separator)
{
    bool is_quoted = false;
    for (size_t i = 0; i < rest->len; i++) {
        char c = rest->at[i];
        if (is_quoted && c == '\\')
            i++;
        else if (c == '"')
            is_quoted = !is_quoted;
        else if (c == separator && !is_quoted) {
            struct mr_slice head = {.at = rest->at, .len = i};
            *rest = (struct mr_slice){.at = rest->at + i + 1, .len = rest->len - i - 1};
            return head;
        }
    }
    struct mr_slice all = *rest;
    *rest = (struct mr_slice){.at = NULL, .len = 0};
    return all;
}
