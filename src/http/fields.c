#include "http/fields.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/number.h"
#include "http/chars.h"
#include "http/disposition.h"
#include "http/router.h"

void mr_fields_init(struct mr_fields *fields, struct mr_arena *arena)
{
    *fields = (struct mr_fields){.arena = arena};
}

/* The first letter tells most names apart, without a call. */
static bool is_named(const struct mr_field *field, const char *name)
{
    return ((field->name[0] ^ name[0]) & 0xdf) == 0 && strcasecmp(field->name, name) == 0;
}

/* The field of that name, or the end of the list. */
static struct mr_field **place_of(struct mr_fields *fields, const char *name)
{
    struct mr_field **at = &fields->first;
    while (*at != NULL && !is_named(*at, name))
        at = &(*at)->next;
    return at;
}

static struct mr_field *get_or_append(struct mr_fields *fields, const char *name)
{
    struct mr_field **at = place_of(fields, name);
    MR_ASSERT(mr_chars_are(mr_slice_of(name), MR_CHAR_TOKEN));
    if (*at == NULL) {
        *at = mr_arena_zalloc(fields->arena, sizeof(**at));
        (*at)->name = name;
    }
    return *at;
}

void mr_fields_set(struct mr_fields *fields, const char *name, struct mr_slice value)
{
    get_or_append(fields, name)->value = (struct mr_slice){mr_arena_copy(fields->arena, value), value.len};
}

void mr_fields_set_text(struct mr_fields *fields, const char *name, const char *value)
{
    mr_fields_set(fields, name, mr_slice_of(value));
}

/* Values are put together by hand, since they may hold a NUL, at which printf would stop. */
static char *put(char *out, struct mr_slice text)
{
    memcpy(out, text.at, text.len);
    return out + text.len;
}

void mr_fields_add(struct mr_fields *fields, const char *name, struct mr_slice value)
{
    struct mr_slice before = mr_fields_find(fields, name);
    const struct mr_slice parts[] = {before, MR_SLICE(", "), value};
    if (before.len > 0 && value.len > 0)
        get_or_append(fields, name)->value = mr_arena_join(fields->arena, parts, MR_ARRAY_SIZE(parts));
    else if (before.len == 0)
        mr_fields_set(fields, name, value);
}

struct mr_slice mr_fields_find(const struct mr_fields *fields, const char *name)
{
    for (const struct mr_field *field = fields->first; field != NULL; field = field->next)
        if (is_named(field, name))
            return field->value;
    return (struct mr_slice){NULL, 0};
}

/* ---- typed ---- */

void mr_fields_vary(struct mr_fields *fields, const char *name)
{
    struct mr_slice rest = mr_fields_find(fields, "Vary");
    while (rest.at != NULL)
        if (mr_slice_is_nocase(mr_slice_trim(mr_slice_cut(&rest, ',')), name))
            return;
    mr_fields_add(fields, "Vary", mr_slice_of(name));
}

void mr_fields_last_modified(struct mr_fields *fields, int64_t seconds)
{
    char text[30];
    mr_clock_http_date(text, seconds);
    mr_fields_set_text(fields, "Last-Modified", text);
}

/* etagc (RFC 9110, section 8.8.3) */
static bool is_opaque(struct mr_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!mr_char_is(text.at[i], MR_CHAR_FIELD) || strchr("\" \t", text.at[i]) != NULL)
            return false;
    return true;
}

void mr_fields_etag(struct mr_fields *fields, struct mr_slice opaque, bool is_weak)
{
    MR_ASSERT(is_opaque(opaque));
    const struct mr_slice parts[] = {mr_slice_of(is_weak ? "W/\"" : "\""), opaque, MR_SLICE("\"")};
    mr_fields_set(fields, "ETag", mr_arena_join(fields->arena, parts, MR_ARRAY_SIZE(parts)));
}

/* ---- Content-Disposition ---- */

static char *put_percent(char *out, char octet)
{
    *out++ = '%';
    *out++ = mr_number_hex_upper((uint8_t)octet >> 4);
    *out++ = mr_number_hex_upper((uint8_t)octet);
    return out;
}

/* A separator of directories is '_', as what no name should have. */
static struct mr_slice next_of_name(struct mr_slice *rest)
{
    struct mr_slice character = mr_disposition_next_character(rest);
    return character.at[0] == '/' || character.at[0] == '\\' ? MR_SLICE("_") : character;
}

/* Between quotes, and read alike by all: some clients decode '%', and few know the backslash (RFC 6266, appendix D). */
static bool is_plain(struct mr_slice character)
{
    return character.len == 1 && mr_char_is(character.at[0], MR_CHAR_QUOTED) && character.at[0] != '%';
}

/* attr-char (RFC 8187, section 3.2.1) */
static bool is_attr_char(char c)
{
    return mr_char_is(c, MR_CHAR_TOKEN) && strchr("*'%", c) == NULL;
}

static char *put_quoted_name(char *out, struct mr_slice name, bool *is_exact)
{
    *is_exact = true;
    out = put(out, MR_SLICE("; filename=\""));
    while (name.len > 0) {
        struct mr_slice character = next_of_name(&name);
        bool plain = is_plain(character);
        *is_exact = *is_exact && plain;
        out = put(out, plain ? character : MR_SLICE("_"));
    }
    *out++ = '"';
    return out;
}

static char *put_extended_name(char *out, struct mr_slice name)
{
    out = put(out, MR_SLICE("; filename*=UTF-8''"));
    while (name.len > 0) {
        struct mr_slice character = next_of_name(&name);
        for (size_t i = 0; i < character.len; i++) {
            if (is_attr_char(character.at[i]))
                *out++ = character.at[i];
            else
                out = put_percent(out, character.at[i]);
        }
    }
    return out;
}

void mr_fields_content_disposition(struct mr_fields *fields, bool is_attachment, struct mr_slice name)
{
    enum { AROUND = 64 }; /* all but the name, which stands there once as it is and once with three octets for each */
    char *text = mr_arena_alloc(fields->arena, AROUND + 4 * name.len);
    char *end = put(text, is_attachment ? MR_SLICE("attachment") : MR_SLICE("inline"));
    bool is_exact = true;
    if (name.len > 0)
        end = put_quoted_name(end, name, &is_exact);
    if (!is_exact)
        end = put_extended_name(end, name);
    mr_fields_set(fields, "Content-Disposition", (struct mr_slice){text, (size_t)(end - text)});
}

/* ---- the rest of them ---- */

/* What RFC 3986 allows in a reference; '%' too, since the target is one already. */
static bool is_uri_char(char c)
{
    return c == '#' || (mr_char_is(c, MR_CHAR_TARGET) && strchr("\"<>^`{|}", c) == NULL);
}

/* Up to three octets for each. */
static char *put_reference(char *out, struct mr_slice reference)
{
    for (size_t i = 0; i < reference.len; i++) {
        if (is_uri_char(reference.at[i]))
            *out++ = reference.at[i];
        else
            out = put_percent(out, reference.at[i]);
    }
    return out;
}

void mr_fields_location(struct mr_fields *fields, struct mr_slice base, struct mr_slice path)
{
    char *text = mr_arena_alloc(fields->arena, base.len + 3 * path.len + 1);
    char *end = put_reference(base.len > 0 ? put(text, base) : text, path);
    mr_fields_set(fields, "Location", (struct mr_slice){text, (size_t)(end - text)});
}

void mr_fields_link(struct mr_fields *fields, struct mr_slice target, const char *rel)
{
    char *text = mr_arena_alloc(fields->arena, 3 * target.len + strlen(rel) + sizeof("<>; rel=\"\""));
    char *end = put_reference(put(text, MR_SLICE("<")), target);
    end = put(end, MR_SLICE(">; rel=\""));
    end = put(end, mr_slice_of(rel));
    end = put(end, MR_SLICE("\""));
    mr_fields_add(fields, "Link", (struct mr_slice){text, (size_t)(end - text)});
}

void mr_fields_retry_after(struct mr_fields *fields, uint32_t seconds)
{
    mr_fields_set(fields, "Retry-After", mr_arena_printf(fields->arena, "%u", MR_MAX(seconds, 1u)));
}

void mr_fields_allow(struct mr_fields *fields, unsigned methods)
{
    char text[80];
    mr_router_allow(methods, text, sizeof(text));
    mr_fields_set_text(fields, "Allow", text);
}

/* ---- the writer ---- */

void mr_field_write(struct mr_buf *out, const char *name, struct mr_slice value)
{
    struct mr_slice name_text = mr_slice_of(name);
    MR_ASSERT(mr_chars_are(name_text, MR_CHAR_TOKEN));
    mr_buf_append(out, name_text.at, name_text.len);
    mr_buf_append(out, ": ", 2);
    for (size_t begin = 0, at = 0; at <= value.len; at++) {
        if (at < value.len && mr_char_is(value.at[at], MR_CHAR_FIELD))
            continue;
        mr_buf_append(out, value.at + begin, at - begin);
        if (at < value.len)
            mr_buf_append(out, " ", 1);
        begin = at + 1;
    }
    mr_buf_append(out, "\r\n", 2);
}

void mr_fields_write(const struct mr_fields *fields, struct mr_buf *out)
{
    for (const struct mr_field *field = fields->first; field != NULL; field = field->next)
        mr_field_write(out, field->name, field->value);
}
