#include "routes/files.h"
#include "keys/rights.h"
#include "routes/download.h"
#include "routes/file_info.h"
#include "routes/file_list.h"
#include "routes/upload.h"
#include "store/object.h"

#define UPLOAD_ROUTE                                                                  \
    .rights = MR_RIGHT_UPLOAD, .cache_control = "no-store", .start = mr_upload_start, \
    .on_disconnect = mr_upload_on_disconnect
/* It needs no key, unless --read=key: then the handler asks for one. */
#define DOWNLOAD_ROUTE \
    .site = MR_SITE_ANY, .is_open = true, .start = mr_download_start, .on_disconnect = mr_download_on_disconnect
#define INFO_ROUTE .cache_control = "no-store", .on_disconnect = mr_file_info_on_disconnect

/* Rows of one pattern stand together: metrics show them as one. */
static const struct mr_route routes[] = {
    {UPLOAD_ROUTE, .method = MR_METHOD_POST, .pattern = "/files"},
    {UPLOAD_ROUTE, .method = MR_METHOD_PUT, .pattern = "/files"},
    {.method = MR_METHOD_GET,
     .pattern = "/files",
     .rights = MR_RIGHT_LIST,
     .cache_control = "no-store",
     .start = mr_file_list_start},
    {UPLOAD_ROUTE, .method = MR_METHOD_POST, .pattern = "/files/"},
    {UPLOAD_ROUTE, .method = MR_METHOD_PUT, .pattern = "/files/"},
    {UPLOAD_ROUTE, .method = MR_METHOD_PUT, .pattern = "/files/{name}"}, /* as curl -T FILE .../files/ sends it */
    {DOWNLOAD_ROUTE, .method = MR_METHOD_GET, .pattern = "/files/{id}"},
    {.method = MR_METHOD_DELETE,
     .pattern = "/files/{id}",
     .rights = MR_RIGHT_DELETE,
     .cache_control = "no-store",
     .start = mr_file_delete_start},
    {INFO_ROUTE, .method = MR_METHOD_GET, .pattern = "/files/{id}/info", .rights = MR_RIGHT_LIST,
     .start = mr_file_info_start},
    {INFO_ROUTE, .method = MR_METHOD_PATCH, .pattern = "/files/{id}/info", .rights = MR_RIGHT_EDIT,
     .body_max = MR_OBJECT_PATCH_MAX, .start = mr_file_patch_start},
    {.pattern = NULL},
};

const struct mr_resource mr_files_resource = {.routes = routes};
