#include "routes/page.h"
#include "app/app.h"
#include "base/asset.h"
#include "base/base64.h"
#include "http/negotiation.h"
#include "routes/about.h"
#include "routes/document.h"
#include "routes/openapi.h"
#include <sodium.h>
#include <stdio.h>

extern const struct mr_asset mr_page_assets[]; /* CMakeLists.txt lists them */

enum { PAGE_ASSETS_MAX = 32, DIGEST_TEXT = 44 /* SHA-256 in base64 */ };

/* The page asks no other host, and nothing runs in it that is not a file of the server. Its own style is known by its
 * digest (CSP level 3, section 8.3). */
#define PAGE_POLICY                                                                                       \
    "default-src 'self'; style-src 'self' 'sha256-%.*s'; img-src 'self' blob: data:; object-src 'none'; " \
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

/* An asset, as it is and compressed. Their tags differ: they are other bytes. */
struct page_file {
    struct mr_document plain, gzip;
};

struct page {
    char policy[sizeof(PAGE_POLICY) + DIGEST_TEXT];
    unsigned count;
    struct page_file files[PAGE_ASSETS_MAX]; /* in the order of mr_page_assets */
};

static const char root_text[] =
    "Millrace " MILLRACE_VERSION ", a media service\n"
    "\n"
    "POST /pipe/image?w=300  an image in the body, the resized one back\n"
    "POST /pipe/gzip, gunzip, zstd, unzstd, encrypt, decrypt, or several: /pipe/image/gzip\n"
    "PUT  /files/NAME        keep the body; GET /files lists, GET /files/ID reads (with --data)\n"
    "GET  /images/ID?w=300   an image of a file, in any size\n"
    "GET  /pipe              stages and their parameters (JSON)\n"
    "GET  /openapi.yaml      all addresses, with examples (OpenAPI 3.1)\n"
    "GET  /version           versions and image formats (JSON)\n"
    "GET  /healthz           is it alive?\n"
    "GET  /readyz            does it take new work?\n"
    "GET  /metrics           numbers (Prometheus)\n"
    "GET  /events            the same live, once a second (server-sent events)\n"
    "\n"
    "A browser gets a page here.\n";

static void respond_file(struct mr_request *request, const struct page_file *file, struct mr_fields *fields)
{
    bool is_gzip = mr_negotiation_takes_coding(&request->head, "gzip");
    mr_fields_vary(fields, "Accept-Encoding");
    if (is_gzip)
        mr_fields_set_text(fields, "Content-Encoding", "gzip");
    mr_document_respond(is_gzip ? &file->gzip : &file->plain, request, fields);
}

static const struct page *page_of(const struct mr_request *request)
{
    return mr_app_state(mr_app_of(request), &mr_page_resource);
}

static void start_root(struct mr_request *request)
{
    struct mr_fields fields = mr_openapi_link(request);
    mr_fields_vary(&fields, "Accept");
    if (!mr_negotiation_names(&request->head, "text/html")) {
        mr_respond(request, 200, "text/plain; charset=utf-8", &fields, root_text, strlen(root_text), NULL, NULL);
        return;
    }
    mr_fields_set_text(&fields, "Content-Security-Policy", page_of(request)->policy);
    mr_fields_set_text(&fields, "Referrer-Policy", "same-origin"); /* without one its form has the Origin "null" */
    respond_file(request, &page_of(request)->files[0], &fields);
}

static void start_asset(struct mr_request *request)
{
    const struct page *page = page_of(request);
    struct mr_slice name = mr_request_param(request, "name");
    struct mr_fields fields;
    struct mr_fault fault;
    mr_fields_init(&fields, &request->arena);
    for (unsigned i = 0; i < page->count; i++) {
        if (mr_slice_is(name, mr_page_assets[i].name)) {
            respond_file(request, &page->files[i], &fields);
            return;
        }
    }
    mr_fault_set(&fault, MR_ENOTFOUND, NULL);
    mr_respond_problem(request, &fault);
}

/* ---- what is told of the routes ---- */

#define PAGE_FIELDS "ETag Vary Content-Encoding"

static const struct mr_route_about about_root = {
    .group = "server",
    .text = "The page for people, or, for clients that do not ask for HTML, where to find what",
    .fields = "If-None-Match",
    .responses = (const struct mr_about_response[]){{200,
                                                     "the page, or a few lines",
                                                     {"text/html; charset=utf-8, text/plain; charset=utf-8", {NULL}},
                                                     PAGE_FIELDS " Link Content-Security-Policy"},
                                                    {304, "the client has it", {.types = NULL}, "ETag Vary"},
                                                    {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(MR_EPRECONDITION)},
    .examples =
        (const struct mr_about_example[]){{.text = "where to begin", .target = "/", .status = 200}, {.text = NULL}},
};

static const struct mr_param_spec name_path = {.name = "name", .type = MR_PARAM_TEXT, .text = "a file of the page"};

static const struct mr_route_about about_asset = {
    .group = "server",
    .text = "What the page is made of",
    .path = &name_path,
    .fields = "If-None-Match",
    .responses =
        (const struct mr_about_response[]){
            {200, "the file", {"text/javascript; charset=utf-8, image/svg+xml", {NULL}}, PAGE_FIELDS},
            {304, "the client has it", {.types = NULL}, "ETag Vary"},
            {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(MR_ENOTFOUND, MR_EPRECONDITION)},
    .examples =
        (const struct mr_about_example[]){{.text = "what runs in it", .target = "/assets/page.js", .status = 200},
                                          {.text = NULL}},
};

static const struct mr_route routes[] = {
    {.method = MR_METHOD_GET,
     .pattern = "/",
     .is_open = true,
     .site = MR_SITE_LINK,
     .cache_control = "no-cache",
     .start = start_root,
     .about = &about_root},
    {.method = MR_METHOD_GET,
     .pattern = "/assets/{name}",
     .is_open = true,
     .site = MR_SITE_LINK,
     .cache_control = "no-cache",
     .start = start_asset,
     .about = &about_asset},
    {.pattern = NULL},
};

/* `html` has one style element (cmake/embed.cmake). */
static void write_policy(char *policy, size_t size, const char *html)
{
    const char *style = strstr(html, "<style>"), *end = style != NULL ? strstr(style, "</style>") : NULL;
    MR_ASSERT(end != NULL);
    style += strlen("<style>");
    uint8_t digest[crypto_hash_sha256_BYTES];
    char text[DIGEST_TEXT];
    crypto_hash_sha256(digest, (const unsigned char *)style, (size_t)(end - style));
    size_t len = mr_base64_encode(text, digest, sizeof(digest), MR_BASE64_PADDED);
    snprintf(policy, size, PAGE_POLICY, (int)len, text);
}

static int open_page(void *state, const struct mr_app *app)
{
    (void)app;
    struct page *page = state;
    write_policy(page->policy, sizeof(page->policy), (const char *)mr_page_assets[0].bytes);
    for (const struct mr_asset *asset = mr_page_assets; asset->name != NULL; asset++) {
        MR_ASSERT(page->count < PAGE_ASSETS_MAX);
        struct page_file *file = &page->files[page->count++];
        mr_document_init(&file->plain, asset->type, asset->bytes, asset->len);
        mr_document_init(&file->gzip, asset->type, asset->gzip, asset->gzip_len);
    }
    return MR_OK;
}

const struct mr_resource mr_page_resource = {.routes = routes, .size = sizeof(struct page), .open = open_page};
