/* Any query as the operations on a stored image: however they are spelled, the image has one key. The parameters in any
 * order, percent-encoded, with defaults spelled out and with numbers written differently are the same image, and so is
 * the canonical text. A query that is refused is refused in any order. */
#include "base/assert.h"
#include "base/macros.h"
#include "http/query.h"
#include "routes/read_access.h"
#include "variants/variant_key.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What each of these is when it is not given. */
static const char *const defaults[][2] = {
    {"dpr", "1"},         {"fit", "clip"},
    {"crop", "centre"},   {"trim", "none"},
    {"orient", "0"},      {"flip", "none"},
    {"rot", "0"},         {"pad", "0"},
    {"bri", "0"},         {"con", "0.0"},
    {"gam", "-0"},        {"sat", "0"},
    {"blur", "0"},        {"sharp", "0"},
    {"auto", "compress"}, {"q", "75"},
    {"lossless", "0"},    {"interlace", "no"},
    {"strip", "1"},       {"gps", "false"},
    {"shrink", "fast"},   {"ixlib", "js-3"},
    {"s", "0123"},        {"cs", "strip"},
    {"ixid", "x"},        {"rot-type", "straighten"},
    {"trim-md", "12"},    {"fill", "solid"},
    {"linear", "0"},      {"exp", "0"},
    {"high", "0"},        {"shad", "0"},
    {"invert", "0"},      {"hue", "360"},
    {"sepia", "0"},       {"vib", "0"},
    {"usm", "0"},         {"usmrad", "2.50"},
};

static int read_pairs(struct mr_image_ops *ops, const struct mr_query *query)
{
    struct mr_fault fault = {0};
    mr_image_ops_init(ops);
    for (unsigned i = 0; i < query->count; i++) {
        const struct mr_param_pair *pair = &query->pairs[i];
        if (!mr_read_access_is_param(pair->name) && mr_image_ops_set(ops, pair->name, pair->value, &fault) != MR_OK)
            return MR_EPARAM;
    }
    return mr_image_ops_check(ops, &fault);
}

/* Of an image with a stored focal point, which counts where the query gives none. */
static void write_key(struct mr_variant_key *key, const struct mr_image_ops *ops)
{
    struct mr_image_ops used = *ops;
    if (!used.has_focus) {
        used.focus_x = 0.3;
        used.focus_y = 0.7;
        used.has_focus = true;
    }
    mr_variant_key(key, MR_SLICE("01M8MMF2NAXJFYWDJD7847071C"), &used);
}

static void check_same(const struct mr_image_ops *ops, const struct mr_query *query)
{
    struct mr_image_ops other;
    struct mr_variant_key key, other_key;
    MR_ASSERT(read_pairs(&other, query) == MR_OK);
    write_key(&key, ops);
    write_key(&other_key, &other);
    MR_ASSERT(memcmp(key.bytes, other_key.bytes, MR_VARIANT_KEY_LEN) == 0);
}

static void check_text(const struct mr_image_ops *ops, struct mr_slice text, struct mr_arena *arena)
{
    struct mr_query query;
    MR_ASSERT(mr_query_parse(&query, text, arena, NULL) == MR_OK);
    check_same(ops, &query);
}

/* ---- other spellings */

static void shuffle(struct mr_query *query, uint32_t seed)
{
    for (unsigned i = query->count; i > 1; i--) {
        seed = seed * 1664525 + 1013904223;
        unsigned j = (seed >> 8) % i;
        struct mr_param_pair pair = query->pairs[i - 1];
        query->pairs[i - 1] = query->pairs[j];
        query->pairs[j] = pair;
    }
}

static void write_escaped(FILE *out, struct mr_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        fprintf(out, i % 2 ? "%%%02x" : "%%%02X", (unsigned char)text.at[i]);
}

static void write_as_it_is(FILE *out, const struct mr_param_spec *spec, struct mr_slice value)
{
    (void)spec;
    write_escaped(out, value);
}

/* Zeros in front of a number and at the end of its fraction; other words for a flag. */
static void write_differently(FILE *out, const struct mr_param_spec *spec, struct mr_slice value)
{
    bool is_number = spec != NULL && spec->type == MR_PARAM_NUMBER;
    if (is_number || (spec != NULL && spec->type == MR_PARAM_INT)) {
        bool is_negative = value.len > 0 && value.at[0] == '-';
        fprintf(out, "%s00%.*s", is_negative ? "-" : "", (int)(value.len - is_negative), value.at + is_negative);
        if (is_number)
            fputs(memchr(value.at, '.', value.len) != NULL ? "0" : ".0", out);
    } else if (spec != NULL && spec->type == MR_PARAM_BOOL) {
        struct mr_param_value flag;
        MR_ASSERT(mr_param_parse(spec, value, &flag, NULL) == MR_OK);
        fputs(flag.flag ? "yes" : "off", out);
    } else {
        write_escaped(out, value);
    }
}

static void write_defaults(FILE *out, const struct mr_query *query)
{
    for (size_t i = 0; i < MR_ARRAY_SIZE(defaults); i++)
        if (mr_query_find(query, defaults[i][0]).at == NULL)
            fprintf(out, "%s=%s&", defaults[i][0], defaults[i][1]);
}

static void check_spelling(const struct mr_image_ops *ops, const struct mr_query *query, bool has_defaults,
                           void (*write_value)(FILE *out, const struct mr_param_spec *spec, struct mr_slice value),
                           struct mr_arena *arena)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    MR_ASSERT(out != NULL);
    if (has_defaults)
        write_defaults(out, query);
    for (unsigned i = 0; i < query->count; i++) {
        write_escaped(out, query->pairs[i].name);
        fputc('=', out);
        write_value(out, mr_param_find(mr_image_params, query->pairs[i].name), query->pairs[i].value);
        fputc('&', out);
    }
    fclose(out);
    check_text(ops, (struct mr_slice){.at = text, .len = len}, arena);
    free(text);
}

static void check_spellings(const struct mr_image_ops *ops, struct mr_query *query, struct mr_arena *arena)
{
    char canonical[MR_IMAGE_CANONICAL_SIZE], again[MR_IMAGE_CANONICAL_SIZE];
    struct mr_image_ops other;
    struct mr_query canonical_query;
    size_t len = mr_image_ops_canonical(ops, canonical, sizeof(canonical));
    MR_ASSERT(len < sizeof(canonical));
    check_text(ops, mr_slice_of(canonical), arena);
    MR_ASSERT(mr_query_parse(&canonical_query, mr_slice_of(canonical), arena, NULL) == MR_OK);
    MR_ASSERT(read_pairs(&other, &canonical_query) == MR_OK);
    mr_image_ops_canonical(&other, again, sizeof(again));
    MR_ASSERT(strcmp(canonical, again) == 0);
    check_spelling(ops, query, false, write_as_it_is, arena);
    check_spelling(ops, query, false, write_differently, arena);
    if (query->count + MR_ARRAY_SIZE(defaults) <= MR_QUERY_PAIRS_MAX)
        check_spelling(ops, query, true, write_as_it_is, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_arena arena;
    struct mr_query query;
    struct mr_image_ops ops, other;
    mr_arena_init(&arena);
    if (mr_query_parse(&query, (struct mr_slice){.at = (const char *)data, .len = size}, &arena, NULL) == MR_OK &&
        mr_query_check_once(&query, NULL, NULL) == MR_OK) {
        int err = read_pairs(&ops, &query);
        for (uint32_t seed = 0; seed < 3; seed++) {
            shuffle(&query, seed + (uint32_t)size);
            if (err == MR_OK)
                check_same(&ops, &query);
            else
                MR_ASSERT(read_pairs(&other, &query) == err);
        }
        if (err == MR_OK)
            check_spellings(&ops, &query, &arena);
    }
    mr_arena_reset(&arena);
    return 0;
}
