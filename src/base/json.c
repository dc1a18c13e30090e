#include "base/json.h"
#include "base/assert.h"
#include "base/macros.h"
#include "base/number.h"
#include "base/utf8.h"
#include <math.h>
#include <stdio_ext.h>

#define YAML_WIDTH 110 /* of a line that is not a single word */

void mr_json_begin(struct mr_json *json, FILE *file)
{
    *json = (struct mr_json){.file = file};
    __fsetlocking(file, FSETLOCKING_BYCALLER); /* one thread writes it: a lock for each character is the dearest part */
}

void mr_json_begin_yaml(struct mr_json *json, FILE *file)
{
    mr_json_begin(json, file);
    json->is_yaml = true;
}

/* ---- YAML in lines: "name: value" and "- value" ---- */

static bool is_in_lines(const struct mr_json *json)
{
    return json->is_yaml && (json->line_depth == 0 || json->depth < json->line_depth);
}

/* Readers take these for a truth value or for nothing, those of YAML 1.1 among them. */
static bool is_reserved(struct mr_slice text)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
        if (mr_slice_is_nocase(text, words[i]))
            return true;
    return false;
}

/* May it stand without quotes? Not every text that could is found. */
static bool is_plain_yaml(struct mr_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool is_first = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/' || c == '_' || c == '$';
        bool is_other = (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '+' || c == '{' || c == '}';
        if (!is_first && (i == 0 || !is_other))
            return false;
    }
    return text.len > 0 && !is_reserved(text);
}

static void write_string(FILE *file, struct mr_slice text);

static void write_line_name(struct mr_json *json, struct mr_slice name)
{
    if (is_plain_yaml(name))
        fwrite(name.at, 1, name.len, json->file);
    else
        write_string(json->file, name);
    fputc(':', json->file);
    json->place = MR_JSON_AFTER_NAME;
}

/* The first member of an element stands on the element's line, behind the dash. */
static void begin_line_value(struct mr_json *json)
{
    bool is_very_first = json->depth == 1 && !json->has_member;
    if (json->place == MR_JSON_AFTER_DASH)
        fputc(' ', json->file);
    else if (json->depth > 0 && !is_very_first)
        fprintf(json->file, "\n%*s", (int)(2 * (json->depth - 1)), "");
    json->place = MR_JSON_AFTER_NOTHING;
    if (json->depth == 0 || json->closing[json->depth - 1] == '}')
        return;
    fputc('-', json->file);
    json->place = MR_JSON_AFTER_DASH;
}

/* ---- JSON ---- */

static void begin_line(const struct mr_json *json)
{
    fprintf(json->file, "\n%*s", (int)(2 * json->depth), "");
}

/* What stands before a value: the comma, the line or a space, the name. */
static void begin_json_value(struct mr_json *json, const char *name)
{
    bool has_spaces = json->lines > 0 || json->is_yaml; /* it is for people too */
    if (json->has_member)
        fputc(',', json->file);
    if (json->depth > 0 && json->depth <= json->lines)
        begin_line(json);
    else if (json->has_member && has_spaces)
        fputc(' ', json->file);
    if (name != NULL && json->is_yaml && is_plain_yaml(mr_slice_of(name)) && strpbrk(name, "{}") == NULL)
        fprintf(json->file, "%s: ", name);
    else if (name != NULL) {
        fputc('"', json->file);
        fputs(name, json->file);
        fputs(has_spaces ? "\": " : "\":", json->file);
    }
}

/* ---- both ---- */

/* In front of an object or array. */
static void begin_container(struct mr_json *json, const char *name)
{
    if (json->is_named) {
        json->is_named = false;
        return;
    }
    if (is_in_lines(json))
        begin_line_value(json);
    else
        begin_json_value(json, name);
    if (is_in_lines(json) && name != NULL)
        write_line_name(json, mr_slice_of(name));
    json->has_member = true;
}

static void end_place(struct mr_json *json)
{
    if (json->place != MR_JSON_AFTER_NOTHING)
        fputc(' ', json->file);
    json->place = MR_JSON_AFTER_NOTHING;
}

/* In front of a value that stands behind its name. */
static void begin_value(struct mr_json *json, const char *name)
{
    begin_container(json, name);
    end_place(json);
}

static void push_container(struct mr_json *json, char kind)
{
    MR_ASSERT(kind == '{' || kind == '[');
    MR_ASSERT(json->depth < MR_JSON_DEPTH_MAX);
    json->closing[json->depth++] = kind == '{' ? '}' : ']';
    json->has_member = false;
}

void mr_json_open(struct mr_json *json, const char *name, char kind)
{
    begin_container(json, name);
    if (!is_in_lines(json))
        fputc(kind, json->file);
    push_container(json, kind);
}

void mr_json_open_line(struct mr_json *json, const char *name, char kind)
{
    begin_value(json, name);
    fputc(kind, json->file);
    push_container(json, kind);
    if (json->is_yaml && json->line_depth == 0)
        json->line_depth = json->depth;
}

/* Only here is it known that nothing is in it. */
static void close_lines(struct mr_json *json)
{
    json->depth--;
    if (!json->has_member) {
        end_place(json);
        fputs(json->closing[json->depth] == '}' ? "{}" : "[]", json->file);
    }
    json->has_member = true;
}

void mr_json_close(struct mr_json *json)
{
    MR_ASSERT(json->depth > 0);
    if (is_in_lines(json)) {
        close_lines(json);
        return;
    }
    bool was_empty = !json->has_member, has_lines = json->depth <= json->lines;
    json->depth--;
    if (has_lines && !was_empty)
        begin_line(json);
    fputc(json->closing[json->depth], json->file);
    json->has_member = true;
    if (json->depth < json->line_depth)
        json->line_depth = 0;
}

/* An ASCII character, escaped as RFC 8259, section 7, asks. */
static void write_escaped(FILE *file, char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", short_form[] = "\"\\bfnrt";
    const char *found = c != '\0' ? strchr(from, c) : NULL;
    if (found != NULL)
        fprintf(file, "\\%c", short_form[found - from]);
    else if ((unsigned char)c < 0x20 || c == 0x7f)
        fprintf(file, "\\u%04x", (unsigned)c);
    else
        fputc(c, file);
}

/* The first character of the text; its length in octets. */
static size_t write_character(FILE *file, struct mr_slice text)
{
    size_t length = mr_utf8_length(text);
    if (length == 1)
        write_escaped(file, *text.at);
    else if (length > 1)
        fwrite(text.at, 1, length, file);
    else
        fputs("\xef\xbf\xbd", file); /* U+FFFD, and go on behind one octet */
    return length > 0 ? length : 1;
}

/* ASCII that is written as it is. */
static size_t plain_length(struct mr_slice text)
{
    size_t len = 0;
    while (len < text.len && text.at[len] >= 0x20 && text.at[len] < 0x7f && text.at[len] != '"' && text.at[len] != '\\')
        len++;
    return len;
}

static void write_string(FILE *file, struct mr_slice text)
{
    fputc('"', file);
    for (size_t at = 0; at < text.len;) {
        struct mr_slice rest = {.at = text.at + at, .len = text.len - at};
        size_t plain = plain_length(rest);
        if (plain > 0)
            fwrite(rest.at, 1, plain, file);
        at += plain > 0 ? plain : write_character(file, rest);
    }
    fputc('"', file);
}

/* Readers make one space of a line's end and of all spaces around it. */
static bool is_foldable(struct mr_slice text, size_t at)
{
    return text.at[at] == ' ' && at > 0 && at + 1 < text.len && text.at[at - 1] != ' ' && text.at[at + 1] != ' ';
}

static size_t word_length(struct mr_slice text, size_t at)
{
    size_t end = at;
    while (end < text.len && text.at[end] != ' ')
        end++;
    return end - at;
}

static void write_folded(const struct mr_json *json, struct mr_slice text, size_t column)
{
    fputc('"', json->file);
    for (size_t at = 0; at < text.len;) {
        bool is_full = is_foldable(text, at) && column + word_length(text, at + 1) > YAML_WIDTH;
        size_t length = 1;
        if (is_full)
            begin_line(json);
        else
            length = write_character(json->file, (struct mr_slice){.at = text.at + at, .len = text.len - at});
        column = is_full ? 2 * (size_t)json->depth : column + 1;
        at += length;
    }
    fputc('"', json->file);
}

static void write_text_value(struct mr_json *json, const char *name, struct mr_slice text)
{
    if (!is_in_lines(json))
        write_string(json->file, text);
    else if (is_plain_yaml(text))
        fwrite(text.at, 1, text.len, json->file);
    else
        write_folded(json, text, 2 * (size_t)json->depth + (name != NULL ? strlen(name) : 0));
}

void mr_json_slice(struct mr_json *json, const char *name, struct mr_slice text)
{
    begin_value(json, name);
    write_text_value(json, name, text);
}

void mr_json_verbatim(struct mr_json *json, const char *name, const char *text)
{
    begin_value(json, name);
    if (is_in_lines(json))
        fprintf(json->file, "|-\n%*s%s", (int)(2 * json->depth), "", text);
    else
        write_string(json->file, mr_slice_of(text));
}

void mr_json_name(struct mr_json *json, struct mr_slice name)
{
    begin_container(json, NULL);
    if (is_in_lines(json)) {
        write_line_name(json, name);
    } else {
        write_string(json->file, name);
        fputs(json->lines > 0 || json->is_yaml ? ": " : ":", json->file);
    }
    json->is_named = true;
}

static void write_null(struct mr_json *json, const char *name)
{
    begin_value(json, name);
    fputs("null", json->file);
}

void mr_json_text(struct mr_json *json, const char *name, const char *text)
{
    if (text == NULL)
        write_null(json, name);
    else
        mr_json_slice(json, name, mr_slice_of(text));
}

void mr_json_integer(struct mr_json *json, const char *name, uint64_t value)
{
    char digits[MR_NUMBER_SIZE];
    begin_value(json, name);
    mr_number_write(digits, value);
    fputs(digits, json->file);
}

void mr_json_number(struct mr_json *json, const char *name, double value)
{
    if (!isfinite(value)) {
        write_null(json, name);
        return;
    }
    begin_value(json, name);
    fprintf(json->file, "%.12g", value);
}

void mr_json_decimal(struct mr_json *json, const char *name, double value, int digits)
{
    if (!isfinite(value)) {
        write_null(json, name);
        return;
    }
    begin_value(json, name);
    fprintf(json->file, "%.*f", digits, value);
}

void mr_json_bool(struct mr_json *json, const char *name, bool value)
{
    begin_value(json, name);
    fputs(value ? "true" : "false", json->file);
}

void mr_json_raw(struct mr_json *json, const char *name, struct mr_slice text)
{
    begin_value(json, name);
    fwrite(text.at, 1, text.len, json->file);
}
