/* json.h -- writes JSON (RFC 8259), or the same as YAML 1.2: commas, quotes and escapes in one place.
 *
 *   struct mr_json json;
 *   mr_json_begin(&json, file);
 *   mr_json_open(&json, NULL, '{');
 *   mr_json_text(&json, "name", "photo.jpg");
 *   mr_json_open(&json, "sizes", '[');
 *   mr_json_integer(&json, NULL, 300);
 *   mr_json_close(&json);
 *   mr_json_close(&json);
 *
 * `name` is NULL for an element of an array and for the outermost value. Names are the program's own and need no
 * escape. What cannot be written shows when the file is closed. One thread at a time.
 *
 * In YAML each member and each element has a line of its own, except in what mr_json_open_line() opened. A text that is
 * one word stands without quotes if no reader takes it for another type. All other text is quoted as in JSON; a long
 * one continues on further lines, and readers join them with a space. */
#ifndef MR_BASE_JSON_H
#define MR_BASE_JSON_H

#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MR_JSON_DEPTH_MAX 16

struct mr_json {
    FILE *file;     /* borrowed */
    unsigned lines; /* for people: members down to this depth have a line each; 0: no space at all. Not of YAML */
    unsigned depth; /* private, as the rest */
    bool is_yaml;
    unsigned line_depth; /* YAML: containers from this depth on stand on one line; 0: none does */
    enum { MR_JSON_AFTER_NOTHING, MR_JSON_AFTER_NAME, MR_JSON_AFTER_DASH } place; /* YAML: of what comes next */
    bool has_member; /* the open object or array has one already */
    bool is_named;   /* by mr_json_name() */
    char closing[MR_JSON_DEPTH_MAX];
};

void mr_json_begin(struct mr_json *json, FILE *file);
void mr_json_begin_yaml(struct mr_json *json, FILE *file);
/* kind: '{' or '['. */
void mr_json_open(struct mr_json *json, const char *name, char kind);
/* The same; in YAML it stands on one line with all that is in it. */
void mr_json_open_line(struct mr_json *json, const char *name, char kind);
void mr_json_close(struct mr_json *json);

/* A name that came from outside, escaped as text is, of the value that is written next, whose `name` is NULL. */
void mr_json_name(struct mr_json *json, struct mr_slice name);

/* Text is escaped; what is not UTF-8 becomes U+FFFD. NULL becomes null. */
void mr_json_text(struct mr_json *json, const char *name, const char *text);
void mr_json_slice(struct mr_json *json, const char *name, struct mr_slice text);
/* The same; in YAML it can be copied as it stands there: on a line of its own, without quotes and escapes. It is one
 * line of printable text that does not begin with a space. */
void mr_json_verbatim(struct mr_json *json, const char *name, const char *text);
void mr_json_integer(struct mr_json *json, const char *name, uint64_t value);
/* To twelve digits; NaN and infinity, which JSON does not have, become null. */
void mr_json_number(struct mr_json *json, const char *name, double value);
/* With that many digits behind the point. */
void mr_json_decimal(struct mr_json *json, const char *name, double value, int digits);
void mr_json_bool(struct mr_json *json, const char *name, bool value);
/* `text` is JSON already and is written as it is: one value; or, with the name NULL in an object and not in YAML,
 * several members. */
void mr_json_raw(struct mr_json *json, const char *name, struct mr_slice text);

#endif
