#include "routes/json_response.h"
#include <stdlib.h>

bool mr_json_response_begin(struct mr_json_response *out, struct mr_request *request)
{
    struct mr_fault fault;
    *out = (struct mr_json_response){.text = NULL};
    out->file = open_memstream(&out->text, &out->len);
    if (out->file == NULL) {
        mr_fault_set(&fault, MR_EMEMORY, NULL);
        mr_respond_problem(request, &fault);
        return false;
    }
    mr_json_begin(&out->json, out->file);
    return true;
}

void mr_json_response_end(struct mr_json_response *out, struct mr_request *request, int status,
                          struct mr_fields *fields)
{
    struct mr_fault fault;
    fputc('\n', out->file);
    if (fclose(out->file) == 0) {
        mr_respond(request, status, "application/json", fields, out->text, out->len, free, out->text);
        return;
    }
    free(out->text);
    mr_fault_set(&fault, MR_EMEMORY, NULL);
    mr_respond_problem(request, &fault);
}
