#include "http/query.h"
#include "base/number.h"
#include "base/utf8.h"
#include "http/chars.h"

static bool is_utf8(struct mr_slice text)
{
    while (text.len > 0) {
        size_t length = mr_utf8_length(text);
        if (length == 0)
            return false;
        text.at += length;
        text.len -= length;
    }
    return true;
}

/* Decode to `to`, which has room for text.len octets and a NUL. Returns why it cannot be decoded, or NULL. */
static const char *decode(struct mr_slice *out, char *to, struct mr_slice text, bool plus_is_space)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '%') {
            int high = i + 2 < text.len ? mr_number_hex_value(text.at[i + 1]) : -1;
            int low = i + 2 < text.len ? mr_number_hex_value(text.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return "a '%' is not followed by two hex digits";
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0')
            return "a NUL is not allowed";
        to[len++] = c;
    }
    to[len] = '\0';
    *out = (struct mr_slice){.at = to, .len = len};
    return is_utf8(*out) ? NULL : "it is not UTF-8";
}

/* What stands between two '&'. Empty ones count for nothing. */
static bool next_part(struct mr_slice *rest, struct mr_slice *out)
{
    while (rest->at != NULL) {
        *out = mr_slice_cut(rest, '&');
        if (out->len > 0)
            return true;
    }
    return false;
}

/* Decode one name and value to *memory, which moves behind them. */
static int parse_pair(struct mr_param_pair *out, struct mr_slice part, char **memory, struct mr_fault *fault)
{
    struct mr_slice value = part, name = mr_slice_cut(&value, '=');
    const char *why = decode(&out->name, *memory, name, true);
    if (why != NULL)
        return mr_fault_set(fault, MR_EPARAM, "The name of a parameter cannot be read: %s.", why);
    *memory += out->name.len + 1;
    why = decode(&out->value, *memory, value, true);
    if (why != NULL)
        return mr_fault_set(fault, MR_EPARAM, "The value of the parameter \"%.*s\" cannot be read: %s.",
                            MR_SLICE_ARG(mr_param_sent_name(out->name)), why);
    *memory += out->value.len + 1;
    return MR_OK;
}

int mr_query_parse(struct mr_query *out, struct mr_slice text, struct mr_arena *arena, struct mr_fault *fault)
{
    struct mr_slice part, rest = text;
    unsigned count = 0;
    while (next_part(&rest, &part))
        count++;
    *out = (struct mr_query){0};
    if (count > MR_QUERY_PAIRS_MAX)
        return mr_fault_limit(fault, MR_EPARAM, "max-query-pairs", MR_QUERY_PAIRS_MAX, count);

    /* Decoding never lengthens, and a pair needs two NULs. */
    char *memory = mr_arena_alloc(arena, text.len + 2 * (size_t)count);
    struct mr_param_pair *pairs = mr_arena_alloc(arena, count * sizeof(*pairs));
    rest = text;
    for (unsigned i = 0; next_part(&rest, &part); i++) {
        int err = parse_pair(&pairs[i], part, &memory, fault);
        if (err != MR_OK)
            return err;
    }
    *out = (struct mr_query){.count = count, .pairs = pairs};
    return MR_OK;
}

struct mr_slice mr_query_find(const struct mr_query *query, const char *name)
{
    for (unsigned i = 0; i < query->count; i++)
        if (mr_slice_is(query->pairs[i].name, name))
            return query->pairs[i].value;
    return (struct mr_slice){.at = NULL, .len = 0};
}

static bool is_among(const char *const *names, struct mr_slice name)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++)
        if (mr_slice_is(name, names[i]))
            return true;
    return false;
}

struct mr_slice mr_query_duplicate(const struct mr_query *query, const char *const *repeatable)
{
    for (unsigned i = 1; i < query->count; i++)
        for (unsigned j = 0; j < i; j++)
            if (mr_slice_equal(query->pairs[i].name, query->pairs[j].name) &&
                !is_among(repeatable, query->pairs[i].name))
                return query->pairs[i].name;
    return (struct mr_slice){.at = NULL, .len = 0};
}

int mr_query_check_once(const struct mr_query *query, const char *const *repeatable, struct mr_fault *fault)
{
    struct mr_slice twice = mr_query_duplicate(query, repeatable);
    if (twice.at == NULL)
        return MR_OK;
    return mr_fault_set(fault, MR_EPARAM, "\"%.*s\" is given more than once.", MR_SLICE_ARG(mr_param_sent_name(twice)));
}

int mr_query_check_known(const struct mr_query *query, const struct mr_param_spec *params, struct mr_fault *fault)
{
    int err = mr_query_check_once(query, NULL, fault);
    for (unsigned i = 0; i < query->count && err == MR_OK; i++)
        if (mr_param_find(params, query->pairs[i].name) == NULL)
            err = mr_fault_set(fault, MR_EPARAM, "\"%.*s\" is not a parameter of this address.",
                               MR_SLICE_ARG(mr_param_sent_name(query->pairs[i].name)));
    return err;
}

int mr_query_read(const struct mr_query *query, const struct mr_param_spec *spec, struct mr_param_value *value,
                  struct mr_fault *fault)
{
    struct mr_slice text = mr_query_find(query, spec->name);
    return text.at != NULL ? mr_param_parse(spec, text, value, fault) : MR_OK;
}

bool mr_percent_decode(struct mr_slice *out, struct mr_slice text, struct mr_arena *arena)
{
    return decode(out, mr_arena_alloc(arena, text.len + 1), text, false) == NULL;
}

bool mr_path_decode(struct mr_slice *out, struct mr_slice segment, struct mr_arena *arena)
{
    if (!mr_percent_decode(out, segment, arena))
        return false;
    for (size_t i = 0; i < out->len; i++)
        if ((unsigned char)out->at[i] < 0x20 || out->at[i] == 0x7f || out->at[i] == '/')
            return false;
    return true;
}

struct mr_slice mr_query_redact(struct mr_slice target, struct mr_arena *arena)
{
    struct mr_slice query = target, path = mr_slice_cut(&query, '?');
    if (query.at == NULL)
        return path;

    char *text = mr_arena_alloc(arena, target.len + 1); /* nothing becomes longer: an empty value stays as it is */
    char *end = text;
    memcpy(end, target.at, path.len);
    end += path.len;
    for (char separator = '?'; query.at != NULL; separator = '&') {
        struct mr_slice value = mr_slice_cut(&query, '&'), name = mr_slice_cut(&value, '=');
        struct mr_slice shown = mr_param_shown_name(name);
        if (value.at == NULL && name.len > 0) /* what has no name is a value */
            shown = MR_SLICE("*");
        *end++ = separator;
        memcpy(end, shown.at, shown.len);
        end += shown.len;
        if (value.at != NULL)
            *end++ = '=';
        if (value.len > 0)
            *end++ = '*';
    }
    *end = '\0';
    return (struct mr_slice){.at = text, .len = (size_t)(end - text)};
}
