#include "http/head.h"

static const char *const method_names[MR_METHOD_COUNT] = {
    [MR_METHOD_OTHER] = "OTHER",   [MR_METHOD_GET] = "GET",         [MR_METHOD_HEAD] = "HEAD",
    [MR_METHOD_POST] = "POST",     [MR_METHOD_PUT] = "PUT",         [MR_METHOD_PATCH] = "PATCH",
    [MR_METHOD_DELETE] = "DELETE", [MR_METHOD_OPTIONS] = "OPTIONS",
};

const char *mr_method_name(enum mr_method method)
{
    return method_names[method];
}

enum mr_method mr_method_of(struct mr_slice text)
{
    for (enum mr_method method = MR_METHOD_GET; method < MR_METHOD_COUNT; method++)
        if (mr_slice_is(text, method_names[method]))
            return method;
    return MR_METHOD_OTHER;
}

bool mr_list_next(struct mr_slice *rest, struct mr_slice *out)
{
    while (rest->at != NULL) {
        *out = mr_slice_trim(mr_slice_cut(rest, ','));
        if (out->len > 0)
            return true;
    }
    return false;
}

struct mr_slice mr_head_find(const struct mr_head *head, const char *name)
{
    for (unsigned i = 0; i < head->header_count; i++)
        if (mr_slice_is_nocase(head->headers[i].name, name))
            return head->headers[i].value;
    return (struct mr_slice){.at = NULL, .len = 0};
}

bool mr_head_is_repeated(const struct mr_head *head, const char *name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < head->header_count; i++)
        count += mr_slice_is_nocase(head->headers[i].name, name);
    return count > 1;
}

bool mr_head_list_has(const struct mr_head *head, const char *name, const char *token)
{
    for (unsigned i = 0; i < head->header_count; i++) {
        if (!mr_slice_is_nocase(head->headers[i].name, name))
            continue;
        struct mr_slice element, rest = head->headers[i].value;
        while (mr_list_next(&rest, &element))
            if (mr_slice_is_nocase(element, token))
                return true;
    }
    return false;
}
