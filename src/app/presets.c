#include "app/presets.h"
#include "base/number.h"
#include "http/query.h"
#include "keys/word.h"
#include <string.h>

/* ---- a line ---- */

static bool is_preset_name(struct mr_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !mr_number_is_digit(c) && c != '-' && c != '_' && c != '.')
            return false;
    }
    return name.len > 0 && name.len <= MR_PRESET_NAME_MAX;
}

static int read_query(struct mr_preset *out, const struct mr_query *query, struct mr_fault *fault)
{
    mr_image_ops_init(&out->ops);
    int err = mr_query_check_once(query, NULL, fault);
    for (unsigned i = 0; i < query->count && err == MR_OK; i++)
        err = mr_image_ops_set(&out->ops, query->pairs[i].name, query->pairs[i].value, fault);
    return err == MR_OK ? mr_image_ops_check(&out->ops, fault) : err;
}

static int read_preset_operations(struct mr_preset *out, struct mr_slice text, struct mr_fault *fault)
{
    struct mr_arena arena;
    struct mr_query query;
    mr_arena_init(&arena);
    int err = mr_query_parse(&query, text, &arena, fault);
    if (err == MR_OK)
        err = read_query(out, &query, fault);
    mr_arena_reset(&arena);
    return err;
}

static int parse_preset(struct mr_preset *out, struct mr_slice line, struct mr_fault *fault)
{
    struct mr_slice name = mr_word_next(&line), operations = mr_word_next(&line);
    if (operations.len == 0)
        return mr_fault_set(fault, MR_EPARAM, "a line has a name and operations");
    if (!is_preset_name(name))
        return mr_fault_set(fault, MR_EPARAM, "a name has 1 to %d letters, digits, '-', '_' and '.'",
                            MR_PRESET_NAME_MAX);
    memcpy(out->name, name.at, name.len);
    out->name[name.len] = '\0';
    int err = read_preset_operations(out, operations, fault);
    return err == MR_OK ? mr_word_refuse_rest(line, "the operations", fault) : err;
}

/* ---- a file ---- */

static const struct mr_preset *find_preset(const struct mr_presets *presets, struct mr_slice name)
{
    for (size_t i = 0; i < presets->count; i++)
        if (mr_slice_is(name, presets->presets[i].name))
            return &presets->presets[i];
    return NULL;
}

static int add_preset(void *context, struct mr_slice line, struct mr_fault *fault)
{
    struct mr_presets *presets = context;
    if (presets->count == MR_PRESETS_MAX)
        return mr_fault_set(fault, MR_EPARAM, "a file has at most %d presets", MR_PRESETS_MAX);
    struct mr_preset *preset = &presets->presets[presets->count];
    int err = parse_preset(preset, line, fault);
    if (err == MR_OK && find_preset(presets, mr_slice_of(preset->name)) != NULL)
        err = mr_fault_set(fault, MR_EPARAM, "the name stands in a line above already");
    if (err == MR_OK)
        presets->count++;
    return err;
}

int mr_presets_parse(struct mr_presets *out, struct mr_slice text, const char *name, struct mr_fault *fault)
{
    out->count = 0;
    return mr_key_lines(text, name, add_preset, out, fault);
}

static int parse_presets(void *out, struct mr_slice text, const char *name, struct mr_fault *fault)
{
    return mr_presets_parse(out, text, name, fault);
}

static size_t count_presets(const void *presets)
{
    return ((const struct mr_presets *)presets)->count;
}

const struct mr_key_kind mr_preset_kind = {.label = "presets",
                                           .counted = "presets",
                                           .others_may_read = true,
                                           .size = sizeof(struct mr_presets),
                                           .parse = parse_presets,
                                           .count = count_presets};

bool mr_presets_find(struct mr_key_ring *ring, struct mr_slice name, struct mr_preset *out)
{
    const struct mr_preset *found = find_preset(mr_key_ring_borrow(ring, &mr_preset_kind), name);
    if (found != NULL)
        *out = *found;
    mr_key_ring_return(ring);
    return found != NULL;
}
