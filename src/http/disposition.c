#include "http/disposition.h"
#include "base/macros.h"
#include "base/number.h"
#include "base/utf8.h"
#include "http/chars.h"

/* ---- the field of a part ---- */

struct cursor {
    char *at, *end;
};

static bool cursor_take(struct cursor *text, char c)
{
    if (text->at == text->end || *text->at != c)
        return false;
    text->at++;
    return true;
}

static void cursor_skip_blanks(struct cursor *text)
{
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t'))
        text->at++;
}

static struct mr_slice cursor_token(struct cursor *text)
{
    struct mr_slice token = {.at = text->at};
    while (text->at < text->end && mr_char_is(*text->at, MR_CHAR_TOKEN))
        text->at++;
    token.len = (size_t)(text->at - token.at);
    return token;
}

/* One octet of a quoted-string, as its client means it; how many octets stand for it. */
static size_t decode_octet(const char *at, size_t left, char *out)
{
    static const struct {
        char text[4], octet;
    } forms[] = {{"%22", '"'}, {"%0D", '\r'}, {"%0A", '\n'}};
    *out = at[0];
    /* A quote that ends the field ends the string: names may end in a backslash, and browsers do not escape it. */
    if (at[0] == '\\' && left >= 3 && (at[1] == '"' || at[1] == '\\')) {
        *out = at[1];
        return 2;
    }
    for (size_t i = 0; at[0] == '%' && left >= 3 && i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strncasecmp(at, forms[i].text, 3) == 0) {
            *out = forms[i].octet;
            return 3;
        }
    }
    return 1;
}

/* Behind the opening quote, as far as behind the closing one. What is decoded is never longer than what stood there. */
static bool cursor_quoted(struct cursor *text, struct mr_slice *out)
{
    char *begin = text->at, *end = begin;
    while (text->at < text->end && *text->at != '"')
        text->at += decode_octet(text->at, (size_t)(text->end - text->at), end++);
    *out = (struct mr_slice){begin, (size_t)(end - begin)};
    return cursor_take(text, '"');
}

/* What is read, in the order in which it counts, wherever it stands: a file with a name that cannot be read is a file.
 */
enum { EXTENDED, PLAIN, UNREADABLE, FORMS };

struct parameter {
    const char *name, *extended_name;
    struct mr_slice forms[FORMS];
};

/* UTF-8'language'text, whose octets may be percent-encoded (RFC 8187, section 3.2.1), in place. False: it is none. */
static bool decode_extended(char *at, struct mr_slice *value)
{
    struct mr_slice rest = *value, charset = mr_slice_cut(&rest, '\'');
    mr_slice_cut(&rest, '\'');
    if (rest.len == 0 || !mr_slice_is_nocase(charset, "UTF-8") || !mr_percent_is_valid(rest))
        return false;
    size_t len = 0;
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.at[i];
        if (c == '%') {
            c = (char)(mr_number_hex_value(rest.at[i + 1]) << 4 | mr_number_hex_value(rest.at[i + 2]));
            i += 2;
        }
        at[len++] = c;
    }
    *value = (struct mr_slice){at, len};
    return true;
}

/* False: it is there twice. */
static bool keep_parameter(struct parameter *of, struct mr_slice name, char *at, struct mr_slice value)
{
    bool is_extended = mr_slice_is_nocase(name, of->extended_name);
    if (!is_extended && !mr_slice_is_nocase(name, of->name))
        return true;
    size_t form = !is_extended ? PLAIN : decode_extended(at, &value) ? EXTENDED : UNREADABLE;
    bool is_first = of->forms[form].at == NULL;
    of->forms[form] = value;
    return is_first;
}

static struct mr_slice parameter_value(const struct parameter *of)
{
    size_t form = 0;
    while (form + 1 < FORMS && of->forms[form].at == NULL)
        form++;
    return of->forms[form];
}

/* ";" name "=" value */
static bool cursor_parameter(struct cursor *text, struct parameter *first, struct parameter *second)
{
    cursor_skip_blanks(text);
    struct mr_slice value, name = cursor_token(text);
    cursor_skip_blanks(text);
    if (name.len == 0 || !cursor_take(text, '='))
        return false;
    cursor_skip_blanks(text);
    char *at = text->at;
    if (cursor_take(text, '"')) {
        if (!cursor_quoted(text, &value))
            return false;
    } else {
        value = cursor_token(text);
        if (value.len == 0)
            return false;
    }
    cursor_skip_blanks(text);
    return keep_parameter(first, name, at, value) && keep_parameter(second, name, at, value);
}

bool mr_disposition_parse(char *value, size_t len, struct mr_disposition *out)
{
    struct cursor text = {.at = value, .end = value + len};
    struct parameter name = {.name = "name", .extended_name = "name*"},
                     filename = {.name = "filename", .extended_name = "filename*"};
    *out = (struct mr_disposition){.name = {.at = NULL}};
    if (!mr_slice_is_nocase(cursor_token(&text), "form-data"))
        return false;
    cursor_skip_blanks(&text);
    while (cursor_take(&text, ';')) {
        cursor_skip_blanks(&text);
        if (text.at < text.end && !cursor_parameter(&text, &name, &filename))
            return false;
    }
    *out = (struct mr_disposition){.name = parameter_value(&name), .filename = parameter_value(&filename)};
    return text.at == text.end;
}

/* ---- a name that is fit to be kept ---- */

static struct mr_slice last_component(struct mr_slice name)
{
    size_t begin = name.len;
    while (begin > 0 && name.at[begin - 1] != '/' && name.at[begin - 1] != '\\')
        begin--;
    return (struct mr_slice){name.at + begin, name.len - begin};
}

struct mr_slice mr_disposition_next_character(struct mr_slice *rest)
{
    uint32_t point = 0;
    size_t len = mr_utf8_decode(*rest, &point);
    bool is_bad = len == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0);
    struct mr_slice character = is_bad ? MR_SLICE("_") : (struct mr_slice){rest->at, len};
    len = len > 0 ? len : 1;
    *rest = (struct mr_slice){rest->at + len, rest->len - len};
    return character;
}

size_t mr_disposition_clean_name(char out[MR_DISPOSITION_NAME_MAX], struct mr_slice name)
{
    size_t len = 0;
    name = last_component(name);
    while (name.len > 0) {
        struct mr_slice character = mr_disposition_next_character(&name);
        if (character.len > MR_DISPOSITION_NAME_MAX - len)
            break;
        memcpy(out + len, character.at, character.len);
        len += character.len;
    }
    struct mr_slice cleaned = {out, len};
    return mr_slice_is(cleaned, ".") || mr_slice_is(cleaned, "..") ? 0 : len;
}
