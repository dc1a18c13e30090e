/* document.h -- a text that does not change while the server runs: made once, at the start, from what the server says
 * of itself, or embedded in the program. Responses have an ETag, so that a client that has it is told so (304). */
#ifndef MR_ROUTES_DOCUMENT_H
#define MR_ROUTES_DOCUMENT_H

#include "http/request.h"
#include <stdio.h>

#define MR_DOCUMENT_TAG_LEN 32

struct mr_document {
    const char *type; /* media type, static text */
    const char *text;
    char *owned; /* the text that was written; NULL: it is static */
    size_t len;
    char tag[MR_DOCUMENT_TAG_LEN + 1];
};

/* Write into the file; then end the document, whatever was written. MR_OK or MR_EMEMORY. */
FILE *mr_document_begin(struct mr_document *document, const char *type);
int mr_document_end(struct mr_document *document, FILE *file);
/* Of static bytes. */
void mr_document_init(struct mr_document *document, const char *type, const void *bytes, size_t len);
void mr_document_free(struct mr_document *document);

/* fields: further ones, or NULL. */
void mr_document_respond(const struct mr_document *document, struct mr_request *request, struct mr_fields *fields);

#endif
