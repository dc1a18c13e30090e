#include "http/negotiation.h"
#include "http/chars.h"

bool mr_negotiation_is_zero(struct mr_slice weight)
{
    for (size_t i = 0; i < weight.len; i++) {
        if (weight.at[i] != '0' && weight.at[i] != '.')
            return false;
    }
    return weight.len > 0;
}

/* Is there a weight of zero among the parameters of a media range? */
static bool is_refused(struct mr_slice parameters)
{
    while (parameters.at != NULL) {
        struct mr_slice value = mr_cut_unquoted(&parameters, ';'), name = mr_slice_trim(mr_slice_cut(&value, '='));
        if (mr_slice_is_nocase(name, "q") && mr_negotiation_is_zero(mr_slice_trim(value)))
            return true;
    }
    return false;
}

/* In a list of such elements; one that is refused is not named. */
static bool is_in_list(const struct mr_head *head, const char *field, const char *word)
{
    bool is_named = false;
    for (unsigned i = 0; i < head->header_count; i++) {
        struct mr_slice rest = head->headers[i].value;
        if (!mr_slice_is_nocase(head->headers[i].name, field))
            continue;
        while (rest.at != NULL) {
            struct mr_slice range = mr_cut_unquoted(&rest, ',');
            if (!mr_slice_is_nocase(mr_slice_trim(mr_slice_cut(&range, ';')), word))
                continue;
            if (is_refused(range))
                return false;
            is_named = true;
        }
    }
    return is_named;
}

bool mr_negotiation_names(const struct mr_head *head, const char *type)
{
    return is_in_list(head, "accept", type);
}

bool mr_negotiation_takes_coding(const struct mr_head *head, const char *coding)
{
    return is_in_list(head, "accept-encoding", coding);
}
