#include "routes/document.h"
#include "base/assert.h"
#include "http/conditional.h"
#include <sodium.h>
#include <stdlib.h>

FILE *mr_document_begin(struct mr_document *document, const char *type)
{
    *document = (struct mr_document){.type = type};
    return open_memstream(&document->owned, &document->len);
}

static void hash_text(struct mr_document *document)
{
    unsigned char hash[MR_DOCUMENT_TAG_LEN / 2];
    _Static_assert(sizeof(hash) >= crypto_generichash_BYTES_MIN, "it is long enough");
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)document->text, document->len, NULL, 0);
    sodium_bin2hex(document->tag, sizeof(document->tag), hash, sizeof(hash));
}

int mr_document_end(struct mr_document *document, FILE *file)
{
    int failed = fclose(file);
    if (failed != 0) {
        mr_document_free(document);
        return MR_EMEMORY;
    }
    document->text = document->owned;
    hash_text(document);
    return MR_OK;
}

void mr_document_init(struct mr_document *document, const char *type, const void *bytes, size_t len)
{
    *document = (struct mr_document){.type = type, .text = bytes, .len = len};
    hash_text(document);
}

void mr_document_free(struct mr_document *document)
{
    free(document->owned);
    document->text = document->owned = NULL;
}

/* It lives longer than all requests (app/resource.h). */
static void keep_text(void *context)
{
    (void)context;
}

void mr_document_respond(const struct mr_document *document, struct mr_request *request, struct mr_fields *fields)
{
    const struct mr_validators current = {.etag = mr_slice_of(document->tag)};
    struct mr_fields own;
    struct mr_fault fault;
    MR_ASSERT(document->text != NULL);
    if (fields == NULL)
        mr_fields_init(fields = &own, &request->arena);
    mr_fields_etag(fields, current.etag, false);
    switch (mr_conditional_evaluate(&request->head, &current)) {
    case MR_CONDITION_NOT_MODIFIED:
        mr_respond(request, 304, NULL, fields, NULL, 0, NULL, NULL);
        break;
    case MR_CONDITION_FAILED:
        mr_fault_set(&fault, MR_EPRECONDITION, NULL);
        mr_respond_problem(request, &fault);
        break;
    default:
        mr_respond(request, 200, document->type, fields, document->text, document->len, keep_text, NULL);
    }
}
