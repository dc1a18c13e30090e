#include "http/disposition.h"
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

/* ";" name "=" value */
static bool cursor_parameter(struct cursor *text, struct mr_disposition *out)
{
    cursor_skip_blanks(text);
    struct mr_slice value, name = cursor_token(text);
    cursor_skip_blanks(text);
    if (name.len == 0 || !cursor_take(text, '='))
        return false;
    cursor_skip_blanks(text);
    if (cursor_take(text, '"')) {
        if (!cursor_quoted(text, &value))
            return false;
    } else {
        value = cursor_token(text);
        if (value.len == 0)
            return false;
    }
    cursor_skip_blanks(text);
    struct mr_slice *place = mr_slice_is_nocase(name, "name")       ? &out->name
                             : mr_slice_is_nocase(name, "filename") ? &out->filename
                                                                    : NULL;
    if (place == NULL)
        return true;
    bool is_first = place->at == NULL;
    *place = value;
    return is_first;
}

bool mr_disposition_parse(char *value, size_t len, struct mr_disposition *out)
{
    struct cursor text = {.at = value, .end = value + len};
    *out = (struct mr_disposition){.name = {.at = NULL}};
    if (!mr_slice_is_nocase(cursor_token(&text), "form-data"))
        return false;
    cursor_skip_blanks(&text);
    while (cursor_take(&text, ';')) {
        cursor_skip_blanks(&text);
        if (text.at < text.end && !cursor_parameter(&text, out))
            return false;
    }
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
