#include "http/structured.h"
#include "base/error.h"
#include "base/number.h"
#include "http/chars.h"

enum { INTEGER_DIGITS_MAX = 15, DECIMAL_DIGITS_MAX = 12, FRACTION_DIGITS_MAX = 3 };

static bool take_char(struct mr_slice *text, char c)
{
    if (text->len == 0 || text->at[0] != c)
        return false;
    text->at++;
    text->len--;
    return true;
}

static void skip_spaces(struct mr_slice *text)
{
    while (take_char(text, ' '))
        ;
}

static size_t take_digits(struct mr_slice *text)
{
    size_t count = 0;
    for (; text->len > 0 && mr_number_is_digit(text->at[0]); count++) {
        text->at++;
        text->len--;
    }
    return count;
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_key_char(char c)
{
    return is_lower(c) || mr_number_is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
}

/* Section 3.1.2 */
static bool take_key(struct mr_slice *text, struct mr_slice *out)
{
    *out = (struct mr_slice){.at = text->at, .len = 0};
    if (text->len == 0 || (!is_lower(text->at[0]) && text->at[0] != '*'))
        return false;
    while (text->len > 0 && is_key_char(text->at[0])) {
        text->at++;
        text->len--;
        out->len++;
    }
    return true;
}

/* ---- bare items (section 3.3) ---- */

/* Sections 3.3.1 and 3.3.2 */
static bool take_number(struct mr_slice *text, bool *is_integer)
{
    take_char(text, '-');
    size_t digits = take_digits(text);
    *is_integer = !take_char(text, '.');
    if (*is_integer)
        return digits > 0 && digits <= INTEGER_DIGITS_MAX;
    size_t fraction = take_digits(text);
    return digits > 0 && digits <= DECIMAL_DIGITS_MAX && fraction > 0 && fraction <= FRACTION_DIGITS_MAX;
}

/* Behind the opening quote. A string escapes a quote and a backslash; a display string has percent-encoding instead. */
static bool take_string(struct mr_slice *text, bool has_escapes)
{
    while (text->len > 0) {
        char c = text->at[0];
        if (take_char(text, '"'))
            return true;
        if (c < 0x20 || c > 0x7e)
            return false;
        text->at++;
        text->len--;
        if (has_escapes && c == '\\' && !take_char(text, '"') && !take_char(text, '\\'))
            return false;
    }
    return false;
}

static bool take_token(struct mr_slice *text)
{
    if (!is_lower((char)(text->at[0] | 0x20)) && text->at[0] != '*')
        return false;
    while (text->len > 0 && (mr_char_is(text->at[0], MR_CHAR_TOKEN) || text->at[0] == ':' || text->at[0] == '/')) {
        text->at++;
        text->len--;
    }
    return true;
}

/* Behind the first colon: as far as behind the second one. */
static bool take_base64(struct mr_slice *text, struct mr_slice *out)
{
    *out = mr_slice_cut(text, ':');
    return text->at != NULL;
}

/* Every item but bytes; its first octet says of which kind. */
static bool take_plain_item(struct mr_slice *text, bool *is_integer)
{
    bool is_whole = false;
    *is_integer = false;
    if (text->len == 0)
        return false;
    if (text->at[0] == '-' || mr_number_is_digit(text->at[0]))
        return take_number(text, is_integer);
    if (take_char(text, '"'))
        return take_string(text, true);
    if (take_char(text, '?'))
        return take_char(text, '0') || take_char(text, '1');
    if (take_char(text, '@'))
        return take_number(text, &is_whole) && is_whole;
    if (take_char(text, '%'))
        return take_char(text, '"') && take_string(text, false);
    return take_token(text);
}

static bool take_item(struct mr_slice *text, struct mr_structured_member *out)
{
    const char *begin = text->at;
    bool is_integer;
    if (take_char(text, ':')) {
        out->kind = MR_STRUCTURED_BYTES;
        return take_base64(text, &out->text);
    }
    if (!take_plain_item(text, &is_integer))
        return false;
    out->kind = is_integer ? MR_STRUCTURED_INTEGER : MR_STRUCTURED_OTHER;
    out->text = (struct mr_slice){begin, (size_t)(text->at - begin)};
    return true;
}

/* Section 3.1.2: they say nothing that is of use here. */
static bool skip_parameters(struct mr_slice *text)
{
    struct mr_structured_member ignored;
    while (take_char(text, ';')) {
        skip_spaces(text);
        if (!take_key(text, &ignored.key) || (take_char(text, '=') && !take_item(text, &ignored)))
            return false;
    }
    return true;
}

/* Behind its opening parenthesis (section 3.1.1). */
static bool skip_inner_list(struct mr_slice *text)
{
    struct mr_structured_member ignored;
    for (;;) {
        skip_spaces(text);
        if (take_char(text, ')'))
            return true;
        if (!take_item(text, &ignored) || !skip_parameters(text))
            return false;
        if (text->len == 0 || (text->at[0] != ' ' && text->at[0] != ')'))
            return false;
    }
}

/* ---- dictionaries ---- */

static bool take_member(struct mr_slice *text, struct mr_structured_member *out)
{
    *out = (struct mr_structured_member){.kind = MR_STRUCTURED_OTHER};
    if (!take_key(text, &out->key))
        return false;
    if (take_char(text, '=')) {
        const char *begin = text->at;
        bool is_list = take_char(text, '(');
        if (is_list ? !skip_inner_list(text) : !take_item(text, out))
            return false;
        if (is_list)
            out->text = (struct mr_slice){begin, (size_t)(text->at - begin)};
    }
    return skip_parameters(text);
}

int mr_structured_dictionary(struct mr_slice line,
                             int (*take)(void *context, const struct mr_structured_member *member), void *context)
{
    struct mr_structured_member member;
    struct mr_slice text = mr_slice_trim(line);
    while (text.len > 0) {
        if (!take_member(&text, &member))
            return MR_EREQUEST;
        int err = take(context, &member);
        if (err != MR_OK)
            return err;
        text = mr_slice_trim(text);
        if (text.len == 0)
            return MR_OK;
        if (!take_char(&text, ','))
            return MR_EREQUEST;
        text = mr_slice_trim(text);
        if (text.len == 0)
            return MR_EREQUEST; /* section 4.2.2: a comma is followed by a member */
    }
    return MR_OK;
}
