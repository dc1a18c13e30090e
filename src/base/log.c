#include "base/log.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log_writer.h"
#include "base/macros.h"
#include "base/number.h"
#include "base/utf8.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#define VALUE_MAX 1024 /* octets of one value, so that a long path leaves room for the status */
#define TAIL_ROOM 4    /* kept free for what closes a line: quote, brace, newline */

static atomic_int log_level = MR_LOG_INFO;
static atomic_int log_format = MR_LOG_LOGFMT;

static size_t room_of(const struct mr_log_line *line)
{
    size_t end = sizeof(line->text) - TAIL_ROOM;
    return line->len < end ? end - line->len : 0;
}

/* All of it or nothing. */
static bool put(struct mr_log_line *line, const char *bytes, size_t len)
{
    if (len > room_of(line))
        return false;
    memcpy(line->text + line->len, bytes, len);
    line->len += len;
    return true;
}

static bool is_json(void)
{
    return atomic_load_explicit(&log_format, memory_order_relaxed) == MR_LOG_JSON;
}

/* Controls (also those above ASCII), line separators and what turns the direction of text around: with them a value
 * could look like something else on a terminal. */
static bool is_hidden(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

/* One character, escaped as JSON does; logfmt's readers understand the same. */
static bool put_character(struct mr_log_line *line, const char *at, size_t len, uint32_t point)
{
    char escape[8];
    switch (point) {
    case '"':
        return put(line, "\\\"", 2);
    case '\\':
        return put(line, "\\\\", 2);
    case '\n':
        return put(line, "\\n", 2);
    case '\r':
        return put(line, "\\r", 2);
    case '\t':
        return put(line, "\\t", 2);
    default:
        if (!is_hidden(point))
            return put(line, at, len);
        snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)point & 0xffffu);
        return put(line, escape, 6);
    }
}

static void put_escaped(struct mr_log_line *line, struct mr_slice value)
{
    while (value.len > 0) {
        uint32_t point = 0;
        size_t len = mr_utf8_decode(value, &point);
        bool fits = len > 0 ? put_character(line, value.at, len, point) : put(line, "\\ufffd", 6);
        if (!fits)
            return;
        len = MR_MAX(len, (size_t)1);
        value.at += len;
        value.len -= len;
    }
}

/* Is the value readable as logfmt without quotes? */
static bool is_plain(struct mr_slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return value.len > 0;
}

/* ` key=` or `,"key":`. False when the line has no room for the key and a little of a value. */
static bool put_key(struct mr_log_line *line, const char *key)
{
    size_t len = strlen(key);
    if (room_of(line) < len + 32)
        return false;
    bool first = line->len == 0;
    if (is_json())
        return put(line, first ? "{\"" : ",\"", 2) && put(line, key, len) && put(line, "\":", 2);
    return (first || put(line, " ", 1)) && put(line, key, len) && put(line, "=", 1);
}

static void put_value(struct mr_log_line *line, const char *key, struct mr_slice value, bool quoted)
{
    if (!line->active || !put_key(line, key))
        return;
    bool cut = value.len > VALUE_MAX;
    value.len = MR_MIN(value.len, (size_t)VALUE_MAX);
    if (quoted)
        put(line, "\"", 1);
    put_escaped(line, value);
    if (cut)
        put(line, "...", 3);
    if (quoted)
        line->text[line->len++] = '"'; /* out of the tail's room if need be */
}

void mr_log_begin(struct mr_log_line *line, enum mr_log_level level, const char *message)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    line->len = 0;
    line->level = level;
    line->active = mr_log_enabled(level);
    if (!line->active)
        return;
    char time[25];
    mr_clock_iso_date(time, mr_clock_wall());
    mr_log_text(line, "time", time);
    mr_log_text(line, "level", names[level]);
    put_value(line, "msg", mr_slice_of(message), true);
}

void mr_log_slice(struct mr_log_line *line, const char *key, struct mr_slice value)
{
    put_value(line, key, value, is_json() || !is_plain(value));
}

void mr_log_text(struct mr_log_line *line, const char *key, const char *value)
{
    if (value != NULL)
        mr_log_slice(line, key, mr_slice_of(value));
}

void mr_log_int(struct mr_log_line *line, const char *key, int64_t value)
{
    char text[1 + MR_NUMBER_SIZE] = "-";
    bool is_negative = value < 0;
    size_t len = mr_number_write(text + 1, is_negative ? 0 - (uint64_t)value : (uint64_t)value);
    put_value(line, key, (struct mr_slice){.at = text + !is_negative, .len = len + is_negative}, false);
}

void mr_log_seconds(struct mr_log_line *line, const char *key, uint64_t nanoseconds)
{
    char text[MR_NUMBER_SIZE + 7];
    size_t len = mr_number_write(text, nanoseconds / MR_NS_PER_S);
    text[len++] = '.';
    mr_number_write_padded(text + len, nanoseconds / MR_NS_PER_US, 6);
    put_value(line, key, (struct mr_slice){.at = text, .len = len + 6}, false);
}

/* Relaxed: a line more or less is no matter. */
bool mr_log_is_due(_Atomic uint64_t *last)
{
    uint64_t now = mr_clock_now(), before = atomic_load_explicit(last, memory_order_relaxed);
    return (before == 0 || now - before >= MR_NS_PER_S) &&
           atomic_compare_exchange_strong_explicit(last, &before, now, memory_order_relaxed, memory_order_relaxed);
}

void mr_log_end(struct mr_log_line *line)
{
    if (!line->active)
        return;
    line->active = false;
    if (is_json())
        line->text[line->len++] = '}';
    line->text[line->len++] = '\n';
    MR_ASSERT(line->len <= sizeof(line->text));
    mr_log_write(line->text, line->len);
}

void mr_log(enum mr_log_level level, const char *format, ...)
{
    if (!mr_log_enabled(level))
        return;
    char message[VALUE_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    struct mr_log_line line;
    mr_log_begin(&line, level, message);
    mr_log_end(&line);
}

void mr_log_set_level(enum mr_log_level level)
{
    atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

bool mr_log_enabled(enum mr_log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

static void set_form(enum mr_log_level level, enum mr_log_format format)
{
    mr_log_set_level(level);
    atomic_store_explicit(&log_format, (int)format, memory_order_relaxed);
}

int mr_log_open(enum mr_log_level level, enum mr_log_format format, const char *path)
{
    set_form(level, format);
    return mr_log_writer_open(path);
}

int mr_log_start(enum mr_log_level level, enum mr_log_format format, const char *path)
{
    set_form(level, format);
    return mr_log_writer_start(path);
}
