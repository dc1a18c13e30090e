#include "store/json_in.h"
#include <stdlib.h>

/* How deep the text nests. Behind a mistake in the text the count is wrong, but there jansson has stopped. */
static size_t nesting_depth(struct mr_slice text)
{
    size_t depth = 0, deepest = 0;
    bool is_in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '"')
            is_in_string = !is_in_string;
        else if (is_in_string)
            i += c == '\\';
        else if ((c == '{' || c == '[') && ++depth > deepest)
            deepest = depth;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return deepest;
}

/* jansson's own sentences quote the text. */
static const char *what_is_wrong(enum json_error_code code)
{
    switch (code) {
    case json_error_invalid_utf8:
        return "is not UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "has a NUL character";
    case json_error_duplicate_key:
        return "has two members of one name";
    case json_error_numeric_overflow:
        return "has a number that is too large";
    case json_error_premature_end_of_input:
        return "ends too early";
    case json_error_end_of_input_expected:
        return "goes on behind its value";
    default:
        return "is malformed";
    }
}

static int refuse_json(const json_error_t *error, struct mr_fault *fault)
{
    enum json_error_code code = json_error_code(error);
    if (code == json_error_out_of_memory)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    return mr_fault_set(fault, MR_EREQUEST, "The JSON %s, at line %d, column %d.", what_is_wrong(code), error->line,
                        error->column);
}

int mr_json_in_read(json_t **out, struct mr_slice text, struct mr_fault *fault)
{
    json_error_t error;
    *out = NULL;
    size_t depth = nesting_depth(text);
    if (depth > MR_JSON_IN_DEPTH_MAX)
        return mr_fault_limit(fault, MR_EREQUEST, "json-depth", MR_JSON_IN_DEPTH_MAX, depth);
    json_t *value = json_loadb(text.len > 0 ? text.at : "", text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL)
        return refuse_json(&error, fault);
    if (!json_is_object(value)) {
        json_decref(value);
        return mr_fault_set(fault, MR_EREQUEST, "The JSON is not an object.");
    }
    *out = value;
    return MR_OK;
}

static bool reads_back(const char *text, const json_t *value)
{
    json_t *again = json_loads(text, JSON_DECODE_ANY, NULL);
    bool is_equal = again != NULL && json_equal(again, value) != 0;
    json_decref(again);
    return is_equal;
}

/* Depth: bounded by the reading (MR_JSON_IN_DEPTH_MAX). */
static bool has_real(const json_t *value) /* NOLINT(misc-no-recursion) */
{
    size_t size = json_is_array(value) ? json_array_size(value) : 0;
    for (size_t i = 0; i < size; i++) {
        if (has_real(json_array_get(value, i)))
            return true;
    }
    const char *name;
    json_t *member, *object = (json_t *)(uintptr_t)value; /* jansson's iterator is not for const ones */
    json_object_foreach(object, name, member)
    {
        if (has_real(member))
            return true;
    }
    return json_is_real(value);
}

char *mr_json_in_text(const json_t *value)
{
    if (!has_real(value))
        return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    enum { FEW_DIGITS = 15, ALL_DIGITS = 17 }; /* of a double: always as typed; always enough */
    for (size_t digits = FEW_DIGITS; digits < ALL_DIGITS; digits++) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        if (text == NULL || reads_back(text, value))
            return text;
        free(text);
    }
    return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(ALL_DIGITS));
}
