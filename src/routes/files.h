/* files.h -- /files: uploads (upload.h), downloads (download.h), a list (file_list.h), what is known of a file
 * (file_info.h). Without --data all of them are 404 with the problem type no-data-directory. */
#ifndef MR_ROUTES_FILES_H
#define MR_ROUTES_FILES_H

#include "app/resource.h"

struct mr_about_schema;

extern const struct mr_resource mr_files_resource;
/* Of bodies (about.h); up to a NULL. */
extern const struct mr_about_schema *const mr_file_schemas[];

#endif
