#include "http/problem.h"
#include "http/chars.h"
#include <inttypes.h>

#define ESCAPE_MAX 6 /* octets that one becomes: \u001f */

/* Write `c`, an ASCII character, escaped as RFC 8259, section 7, asks. Returns the end. */
static char *escape(char *to, char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char from[] = "\"\\\b\f\n\r\t", short_form[] = "\"\\bfnrt";
    const char *found = c != '\0' ? strchr(from, c) : NULL;
    if (found != NULL) {
        *to++ = '\\';
        *to++ = short_form[found - from];
    } else if ((unsigned char)c < 0x20 || c == 0x7f) {
        const char code[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        memcpy(to, code, sizeof(code));
        to += sizeof(code);
    } else {
        *to++ = c;
    }
    return to;
}

struct mr_slice mr_json_escape(struct mr_slice text, struct mr_arena *arena)
{
    char *escaped = mr_arena_alloc(arena, text.len * ESCAPE_MAX + 1);
    char *end = escaped;
    while (text.len > 0) {
        size_t length = mr_utf8_length(text);
        if (length == 1) {
            end = escape(end, *text.at);
        } else if (length > 1) {
            memcpy(end, text.at, length);
            end += length;
        } else {
            memcpy(end, "\xef\xbf\xbd", 3); /* U+FFFD, and go on behind one octet */
            end += 3;
            length = 1;
        }
        text.at += length;
        text.len -= length;
    }
    *end = '\0';
    return (struct mr_slice){.at = escaped, .len = (size_t)(end - escaped)};
}

struct mr_slice mr_problem_json(const struct mr_fault *fault, struct mr_arena *arena)
{
    struct mr_slice detail = {.at = "", .len = 0}, limit = {.at = "", .len = 0};
    if (fault->detail[0] != '\0')
        detail = mr_arena_printf(arena, ",\"detail\":\"%s\"", mr_json_escape(mr_slice_of(fault->detail), arena).at);
    if (fault->limit_name != NULL)
        limit = mr_arena_printf(arena, ",\"limit\":{\"name\":\"%s\",\"value\":%" PRIu64 "},\"value\":%" PRIu64,
                                fault->limit_name, fault->limit, fault->value);
    return mr_arena_printf(arena, "{\"type\":\"urn:millrace:problem:%s\",\"title\":\"%s\",\"status\":%d%s%s}",
                           mr_error_type(fault->error), mr_error_text(fault->error), mr_error_status(fault->error),
                           detail.at, limit.at);
}
