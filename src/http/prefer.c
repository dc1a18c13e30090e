#include "http/prefer.h"
#include "http/chars.h"

/* No preference that is known here needs a backslash between its quotes. */
static struct mr_slice without_quotes(struct mr_slice value)
{
    if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
        return (struct mr_slice){.at = value.at + 1, .len = value.len - 2};
    return value;
}

static bool read_preference(struct mr_slice element, const char *name, struct mr_slice *out)
{
    struct mr_slice value = mr_cut_unquoted(&element, ';'), token = mr_slice_trim(mr_slice_cut(&value, '='));
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
            if (read_preference(mr_cut_unquoted(&rest, ','), name, &found))
                return found;
    }
    return found;
}
