#include "http/prefer.h"
#include "http/chars.h"

/* Cut at the first `separator` that does not stand between quotes. */
static struct mr_slice cut_unquoted(struct mr_slice *rest, char separator)
{
    bool is_quoted = false;
    for (size_t i = 0; i < rest->len; i++) {
        char c = rest->at[i];
        if (is_quoted && c == '\\')
            i++;
        else if (c == '"')
            is_quoted = !is_quoted;
        else if (c == separator && !is_quoted) {
            struct mr_slice head = {.at = rest->at, .len = i};
            *rest = (struct mr_slice){.at = rest->at + i + 1, .len = rest->len - i - 1};
            return head;
        }
    }
    struct mr_slice all = *rest;
    *rest = (struct mr_slice){.at = NULL, .len = 0};
    return all;
}

/* No preference that is known here needs a backslash between its quotes. */
static struct mr_slice without_quotes(struct mr_slice value)
{
    if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
        return (struct mr_slice){.at = value.at + 1, .len = value.len - 2};
    return value;
}

static bool read_preference(struct mr_slice element, const char *name, struct mr_slice *out)
{
    struct mr_slice value = cut_unquoted(&element, ';'), token = mr_slice_trim(mr_slice_cut(&value, '='));
    if (!mr_slice_is_nocase(token, name))
        return false;
    *out = value.at == NULL ? MR_SLICE("") : without_quotes(mr_slice_trim(value));
    return true;
}

struct mr_slice mr_prefer_find(const struct mr_head *head, const char *name)
{
    struct mr_slice found = {.at = NULL, .len = 0};
    for (unsigned i = 0; i < head->header_count; i++) {
        struct mr_slice rest = head->headers[i].value;
        if (!mr_slice_is_nocase(head->headers[i].name, "prefer"))
            continue;
        while (rest.at != NULL)
            if (read_preference(cut_unquoted(&rest, ','), name, &found))
                return found;
    }
    return found;
}
