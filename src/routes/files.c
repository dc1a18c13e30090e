#include "routes/files.h"
#include "keys/rights.h"
#include "routes/about.h"
#include "routes/download.h"
#include "routes/file_common.h"
#include "routes/file_info.h"
#include "routes/file_list.h"
#include "routes/pipe.h"
#include "routes/read_access.h"
#include "routes/upload.h"
#include "routes/upload_form.h"
#include "store/object.h"

/* ---- what is told of the routes ---- */

static const struct mr_about_schema focal_schema = {
    .name = "FocalPoint",
    .members = (const struct mr_about_member[]){{"x", "number", "from the left, 0 to 1", false},
                                                {"y", "number", "from the top, 0 to 1", false},
                                                {.name = NULL}},
};
static const struct mr_about_schema digest_schema = {
    .name = "Digest",
    .members = (const struct mr_about_member[]){{"sha-256", "string", "in base64", false}, {.name = NULL}},
};
static const struct mr_about_schema file_schema = {
    .name = "File",
    .members = (const struct mr_about_member[]){{"id", "string", "a ULID: 26 characters", false},
                                                {"name", "string", "at most 255 octets; empty: it has none", false},
                                                {"type", "string", "media type, judged by the bytes", false},
                                                {"size", "integer", "in bytes", false},
                                                {"created", "date-time", NULL, false},
                                                {"expires", "date-time?", NULL, false},
                                                {"state", "string", "released", false},
                                                {"tags", "string[]", NULL, false},
                                                {"meta", "object", "of one's own; see PATCH", false},
                                                {"focal", "FocalPoint?", "what a crop keeps; see PATCH", false},
                                                {"digest", "Digest", NULL, false},
                                                {"url", "string", "path of its bytes", false},
                                                {"image", "string?", "path of its variants, if it is a picture", false},
                                                {.name = NULL}},
};
static const struct mr_about_schema form_file_schema = {
    .name = "FormFile",
    .base = "File",
    .members = (const struct mr_about_member[]){{"field", "string", "name of the form's field", false}, {.name = NULL}},
};
static const struct mr_about_schema form_schema = {
    .name = "Form",
    .members =
        (const struct mr_about_member[]){
            {"files", "FormFile[]", NULL, false},
            {"fields", "object", "other fields: a text, or texts if there are several of a name", false},
            {.name = NULL}},
};
static const struct mr_about_schema list_schema = {
    .name = "FileList",
    .members = (const struct mr_about_member[]){{"files", "File[]", NULL, false},
                                                {"next", "string?", "address of the next page", false},
                                                {.name = NULL}},
};
static const struct mr_about_schema patch_schema = {
    .name = "FilePatch",
    .members = (const struct mr_about_member[]){{"name", "string?", NULL, true},
                                                {"meta", "object?", "members that are null are taken away", true},
                                                {"focal", "FocalPoint?", NULL, true},
                                                {.name = NULL}},
};

const struct mr_about_schema *const mr_file_schemas[] = {
    &focal_schema, &digest_schema, &file_schema, &form_file_schema, &form_schema, &list_schema, &patch_schema, NULL};

static const struct mr_param_spec id_path = {.name = "id", .type = MR_PARAM_TEXT, .text = "a file's id: a ULID"};
static const struct mr_param_spec name_path = {.name = "name", .type = MR_PARAM_TEXT, .text = "a name for the file"};

#define ABOUT_FILES  .group = "files", .needs_store = true
#define STORE_ERRORS MR_ENOTFOUND, MR_EFILES, MR_EIO, MR_EBUDGET, MR_EBUSY, MR_ESHUTDOWN, MR_ECANCELLED
#define JSON(schema)        \
    {                       \
        "application/json", \
        {                   \
            schema          \
        }                   \
    }

#define ABOUT_UPLOAD                                                                                                \
    ABOUT_FILES,                                                                                                    \
        .query = mr_upload_form_params, .has_stage_params = true, .fields = "Content-Digest Repr-Digest",           \
        .bodies =                                                                                                   \
            (const struct mr_about_content[]){{"*/*", {NULL}}, {"multipart/form-data", {NULL}}, {.types = NULL}},   \
        .responses =                                                                                                \
            (const struct mr_about_response[]){                                                                     \
                {201,                                                                                               \
                 "kept: its bytes are on the disk",                                                                 \
                 {"application/json", {&file_schema, &form_schema}},                                                \
                 "Location Repr-Digest"},                                                                           \
                {303, "kept, and the browser that sent a form goes on to a page", {.types = NULL}, "Location"},     \
                {.status = 0}},                                                                                     \
        .errors = {mr_pipe_errors, MR_ABOUT_ERRORS(STORE_ERRORS, MR_ENOSPACE, MR_EWRITE, MR_EDIGEST, MR_EMULTIPART, \
                                                   MR_EPARTS, MR_EMETHOD)}

static const struct mr_route_about about_upload = {
    ABOUT_UPLOAD,
    .text = "Keep the body, or each file of a form",
    .examples =
        (const struct mr_about_example[]){
            {.text = "a photograph", .file = "photo.jpg", .target = "/files", .status = 201},
            {.text = "two files of a form and a field",
             .options = "-F a=@photo.jpg -F b=@letter.txt -F note=hello",
             .target = "/files",
             .status = 201},
            {.text = "compressed before it is kept",
             .file = "letter.txt",
             .target = "/files?through=gzip&level=9",
             .status = 201},
            {.text = NULL}},
};

static const struct mr_route_about about_put = {
    ABOUT_UPLOAD,
    .text = "Keep the body, or each file of a form",
    .examples =
        (const struct mr_about_example[]){{.text = "a text", .file = "letter.txt", .target = "/files", .status = 201},
                                          {.text = NULL}},
};

static const struct mr_route_about about_upload_slash = {
    ABOUT_UPLOAD,
    .text = "The same as at /files",
    .examples =
        (const struct mr_about_example[]){
            {.text = "a photograph", .file = "photo.jpg", .target = "/files/", .status = 201}, {.text = NULL}},
};

static const struct mr_route_about about_upload_named = {
    ABOUT_UPLOAD,
    .text = "Keep the body under a name, which must not look like an id: as curl -T FILE .../files/ sends it",
    .path = &name_path,
    .examples =
        (const struct mr_about_example[]){
            {.text = "with a name", .file = "photo.jpg", .target = "/files/holiday.jpg", .status = 201},
            {.text = NULL}},
};

static const struct mr_route_about about_list = {
    ABOUT_FILES,
    .text = "List files, a page at a time",
    .query = mr_file_list_params,
    .responses =
        (const struct mr_about_response[]){{200, "a page of files", JSON(&list_schema), "Link"}, {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(STORE_ERRORS, MR_EPARAM)},
    .examples =
        (const struct mr_about_example[]){
            {.text = "the newest", .target = "/files", .status = 200},
            {.text = "ten of the oldest", .target = "/files?limit=10&order=old", .status = 200},
            {.text = NULL}},
};

static const struct mr_route_about about_download = {
    ABOUT_FILES,
    .text = "Read a file: all of it, one range, or only if it is new to the client",
    .path = &id_path,
    .query = mr_file_through_params,
    .more_query = mr_read_access_params,
    .has_stage_params = true,
    .is_file = true,
    .fields = "Range If-Range If-Match If-None-Match If-Modified-Since If-Unmodified-Since "
              "Prefer Want-Repr-Digest",
    .responses =
        (const struct mr_about_response[]){
            {200,
             "the file, or what the stages of `through` make of it",
             {"*/*", {NULL}},
             "ETag Last-Modified Accept-Ranges Content-Disposition Content-Security-Policy Repr-Digest"},
            {206,
             "the range",
             {"*/*", {NULL}},
             "ETag Last-Modified Content-Range Content-Disposition Content-Security-Policy Repr-Digest"},
            {304, "the client has it", {.types = NULL}, "ETag Last-Modified"},
            {.status = 0}},
    .errors = {mr_pipe_errors,
               MR_ABOUT_ERRORS(STORE_ERRORS, MR_ERANGE, MR_EPRECONDITION, MR_EPARAM, MR_ESIGNATURE, MR_ESIGEXPIRED)},
    .examples =
        (const struct mr_about_example[]){
            {.text = "all of it", .target = "/files/" MR_ABOUT_ID, .output = "copy", .status = 200},
            {.text = "its first 100 bytes",
             .options = "-r 0-99",
             .target = "/files/" MR_ABOUT_ID,
             .output = "part",
             .status = 206},
            {.text = "compressed on the way",
             .target = "/files/" MR_ABOUT_ID "?through=zstd",
             .output = "copy.zst",
             .status = 200},
            {.text = NULL}},
};

static const struct mr_route_about about_delete = {
    ABOUT_FILES,
    .text = "Delete a file",
    .path = &id_path,
    .responses = (const struct mr_about_response[]){{204, "it is gone, also after a crash", {.types = NULL}, NULL},
                                                    {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(STORE_ERRORS, MR_EPARAM, MR_ENOSPACE, MR_EWRITE)},
    .examples = (const struct mr_about_example[]){{.text = "delete it", .target = "/files/" MR_ABOUT_ID, .status = 204},
                                                  {.text = NULL}},
};

static const struct mr_route_about about_info = {
    ABOUT_FILES,
    .text = "What is known of a file",
    .path = &id_path,
    .fields = "If-Match If-None-Match If-Modified-Since If-Unmodified-Since",
    .responses = (const struct mr_about_response[]){{200, "what is known", JSON(&file_schema), "ETag Last-Modified"},
                                                    {304, "the client has it", {.types = NULL}, "ETag Last-Modified"},
                                                    {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(STORE_ERRORS, MR_EPARAM, MR_EPRECONDITION)},
    .examples =
        (const struct mr_about_example[]){
            {.text = "what is known of it", .target = "/files/" MR_ABOUT_ID "/info", .status = 200}, {.text = NULL}},
};

static const struct mr_route_about about_patch = {
    ABOUT_FILES,
    .text = "Change a file's name, focal point, or metadata of one's own (RFC 7396)",
    .path = &id_path,
    .fields = "If-Match If-None-Match If-Unmodified-Since",
    .bodies = (const struct mr_about_content[]){{"application/merge-patch+json", {&patch_schema}}, {.types = NULL}},
    .responses =
        (const struct mr_about_response[]){{200, "what is known from now on", JSON(&file_schema), "ETag Last-Modified"},
                                           {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(STORE_ERRORS, MR_EPARAM, MR_EPRECONDITION, MR_EFORMAT, MR_EDISK, MR_ENOSPACE,
                               MR_EWRITE)},
    .examples = (const struct mr_about_example[]){{.text = "another name, and a member of its metadata",
                                                   .options = "-H 'Content-Type: application/merge-patch+json' -d "
                                                              "'{\"name\": \"beach.jpg\", \"meta\": {\"year\": 2026}}'",
                                                   .target = "/files/" MR_ABOUT_ID "/info",
                                                   .status = 200},
                                                  {.text = NULL}},
};

/* ---- the routes ---- */

#define UPLOAD_ROUTE                                                                  \
    .rights = MR_RIGHT_UPLOAD, .cache_control = "no-store", .start = mr_upload_start, \
    .on_disconnect = mr_upload_on_disconnect
/* It needs no key, unless --read=key: then the handler asks for one. */
#define DOWNLOAD_ROUTE \
    .site = MR_SITE_ANY, .is_open = true, .start = mr_download_start, .on_disconnect = mr_download_on_disconnect
#define INFO_ROUTE .cache_control = "no-store", .on_disconnect = mr_file_info_on_disconnect

/* Rows of one pattern stand together: metrics show them as one. */
static const struct mr_route routes[] = {
    {UPLOAD_ROUTE, .method = MR_METHOD_POST, .pattern = "/files", .about = &about_upload},
    {UPLOAD_ROUTE, .method = MR_METHOD_PUT, .pattern = "/files", .about = &about_put},
    {.method = MR_METHOD_GET,
     .pattern = "/files",
     .rights = MR_RIGHT_LIST,
     .cache_control = "no-store",
     .start = mr_file_list_start,
     .about = &about_list},
    {UPLOAD_ROUTE, .method = MR_METHOD_POST, .pattern = "/files/", .about = &about_upload_slash},
    {UPLOAD_ROUTE, .method = MR_METHOD_PUT, .pattern = "/files/", .about = &about_upload_slash},
    {UPLOAD_ROUTE, .method = MR_METHOD_PUT, .pattern = "/files/{name}", .about = &about_upload_named},
    {DOWNLOAD_ROUTE, .method = MR_METHOD_GET, .pattern = "/files/{id}", .about = &about_download},
    {.method = MR_METHOD_DELETE,
     .pattern = "/files/{id}",
     .rights = MR_RIGHT_DELETE,
     .cache_control = "no-store",
     .start = mr_file_delete_start,
     .about = &about_delete},
    {INFO_ROUTE, .method = MR_METHOD_GET, .pattern = "/files/{id}/info", .rights = MR_RIGHT_LIST,
     .start = mr_file_info_start, .about = &about_info},
    {INFO_ROUTE, .method = MR_METHOD_PATCH, .pattern = "/files/{id}/info", .rights = MR_RIGHT_EDIT,
     .body_max = MR_OBJECT_PATCH_MAX, .start = mr_file_patch_start, .about = &about_patch},
    {.pattern = NULL},
};

const struct mr_resource mr_files_resource = {.routes = routes};
