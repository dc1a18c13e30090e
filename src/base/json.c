#include "base/json.h"
#include "base/assert.h"
#include "base/utf8.h"
#include <inttypes.h>
#include <math.h>

void mr_json_begin(struct mr_json *json, FILE *file)
{
    *json = (struct mr_json){.file = file};
}

static void begin_line(const struct mr_json *json)
{
    fprintf(json->file, "\n%*s", (int)(2 * json->depth), "");
}

/* What stands before a value: the comma, the line or a space, the name. */
static void begin_value(struct mr_json *json, const char *name)
{
    if (json->is_named) {
        json->is_named = false;
        return;
    }
    bool has_lines = json->lines > 0; /* it is for people too */
    if (json->has_member)
        fputc(',', json->file);
    if (json->depth > 0 && json->depth <= json->lines)
        begin_line(json);
    else if (json->has_member && has_lines)
        fputc(' ', json->file);
    if (name != NULL)
        fprintf(json->file, has_lines ? "\"%s\": " : "\"%s\":", name);
    json->has_member = true;
}

void mr_json_open(struct mr_json *json, const char *name, char kind)
{
    MR_ASSERT(kind == '{' || kind == '[');
    MR_ASSERT(json->depth < MR_JSON_DEPTH_MAX);
    begin_value(json, name);
    fputc(kind, json->file);
    json->closing[json->depth++] = kind == '{' ? '}' : ']';
    json->has_member = false;
}

void mr_json_close(struct mr_json *json)
{
    MR_ASSERT(json->depth > 0);
    bool was_empty = !json->has_member, has_lines = json->depth <= json->lines;
    json->depth--;
    if (has_lines && !was_empty)
        begin_line(json);
    fputc(json->closing[json->depth], json->file);
    json->has_member = true;
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

static void write_string(FILE *file, struct mr_slice text)
{
    fputc('"', file);
    while (text.len > 0) {
        size_t length = mr_utf8_length(text);
        if (length == 1) {
            write_escaped(file, *text.at);
        } else if (length > 1) {
            fwrite(text.at, 1, length, file);
        } else {
            fputs("\xef\xbf\xbd", file); /* U+FFFD, and go on behind one octet */
            length = 1;
        }
        text.at += length;
        text.len -= length;
    }
    fputc('"', file);
}

void mr_json_slice(struct mr_json *json, const char *name, struct mr_slice text)
{
    begin_value(json, name);
    write_string(json->file, text);
}

void mr_json_name(struct mr_json *json, struct mr_slice name)
{
    begin_value(json, NULL);
    write_string(json->file, name);
    fputs(json->lines > 0 ? ": " : ":", json->file);
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
    begin_value(json, name);
    fprintf(json->file, "%" PRIu64, value);
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
