/* Properties of queries, path segments and JSON texts, on any bytes:
 *  - what is parsed is UTF-8 without NUL, and the same again after it was written with escapes;
 *  - find and duplicate tell what a plain search tells;
 *  - a redacted target grows by nothing and is its own redaction;
 *  - an escaped text is UTF-8 without quotes and controls. */
#include "base/assert.h"
#include "base/json.h"
#include "base/utf8.h"
#include "http/query.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_utf8(struct mr_slice text)
{
    while (text.len > 0) {
        size_t length = mr_utf8_length(text);
        MR_ASSERT(length > 0 && *text.at != '\0');
        text.at += length;
        text.len -= length;
    }
}

/* Every octet as %XX. */
static char *write_escaped(char *to, struct mr_slice text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        *to++ = '%';
        *to++ = hex[(unsigned char)text.at[i] >> 4];
        *to++ = hex[(unsigned char)text.at[i] & 15];
    }
    return to;
}

static void check_round_trip(const struct mr_query *query, size_t size, struct mr_arena *arena)
{
    char *text = mr_arena_alloc(arena, 3 * size + (size_t)2 * MR_QUERY_PAIRS_MAX), *end = text;
    for (unsigned i = 0; i < query->count; i++) {
        end = write_escaped(end, query->pairs[i].name);
        *end++ = '=';
        end = write_escaped(end, query->pairs[i].value);
        *end++ = '&';
    }
    struct mr_query again;
    MR_ASSERT(mr_query_parse(&again, (struct mr_slice){text, (size_t)(end - text)}, arena, NULL) == MR_OK);
    MR_ASSERT(again.count == query->count);
    for (unsigned i = 0; i < query->count; i++) {
        MR_ASSERT(mr_slice_equal(again.pairs[i].name, query->pairs[i].name));
        MR_ASSERT(mr_slice_equal(again.pairs[i].value, query->pairs[i].value));
    }
}

static void check_query(struct mr_slice text, struct mr_arena *arena)
{
    struct mr_query query;
    struct mr_fault fault = {0};
    int err = mr_query_parse(&query, text, arena, &fault);
    MR_ASSERT((int)fault.error == err && (err == MR_OK || (err == MR_EPARAM && query.count == 0)));
    MR_ASSERT(query.count <= MR_QUERY_PAIRS_MAX);
    bool duplicate = false;
    for (unsigned i = 0; i < query.count; i++) {
        const struct mr_param_pair *pair = &query.pairs[i];
        check_utf8(pair->name);
        check_utf8(pair->value);
        MR_ASSERT(pair->name.at[pair->name.len] == '\0' && pair->value.at[pair->value.len] == '\0');
        if (mr_query_find(&query, pair->name.at).at != pair->value.at)
            duplicate = true;
    }
    MR_ASSERT(duplicate == (mr_query_duplicate(&query, NULL).at != NULL));
    check_round_trip(&query, text.len, arena);
}

static void check_segment(struct mr_slice text, struct mr_arena *arena)
{
    struct mr_slice decoded;
    if (!mr_path_decode(&decoded, text, arena))
        return;
    check_utf8(decoded);
    MR_ASSERT(decoded.len <= text.len && decoded.at[decoded.len] == '\0');
    for (size_t i = 0; i < decoded.len; i++)
        MR_ASSERT(decoded.at[i] != '/' && decoded.at[i] != 0x7f && (unsigned char)decoded.at[i] >= 0x20);
}

static void check_redaction(struct mr_slice target, struct mr_arena *arena)
{
    struct mr_slice redacted = mr_query_redact(target, arena);
    MR_ASSERT(redacted.len <= target.len);
    MR_ASSERT(mr_slice_equal(redacted, mr_query_redact(redacted, arena)));
    struct mr_slice query = redacted;
    for (mr_slice_cut(&query, '?'); query.at != NULL;) {
        struct mr_slice value = mr_slice_cut(&query, '&');
        mr_slice_cut(&value, '=');
        MR_ASSERT(value.len == 0 || mr_slice_is(value, "*"));
    }
}

static void check_json(struct mr_slice text)
{
    char *written = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&written, &len);
    struct mr_json json;
    MR_ASSERT(file != NULL);
    mr_json_begin(&json, file);
    mr_json_slice(&json, NULL, text);
    fclose(file);
    MR_ASSERT(len >= 2 && written[0] == '"' && written[len - 1] == '"');
    struct mr_slice escaped = {.at = written + 1, .len = len - 2};
    check_utf8(escaped);
    for (size_t i = 0; i < escaped.len; i++) {
        MR_ASSERT((unsigned char)escaped.at[i] >= 0x20 && escaped.at[i] != '"');
        if (escaped.at[i] == '\\')
            MR_ASSERT(strchr("\"\\bfnrtu", escaped.at[++i]) != NULL);
    }
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_slice text = {.at = (const char *)data, .len = size};
    struct mr_arena arena;
    mr_arena_init(&arena);
    check_query(text, &arena);
    check_segment(text, &arena);
    check_redaction(text, &arena);
    check_json(text);
    mr_arena_reset(&arena);
    return 0;
}
