#include "routes/routes.h"
#include "routes/events.h"
#include "routes/files.h"
#include "routes/health.h"
#include "routes/images.h"
#include "routes/lab.h"
#include "routes/metrics.h"
#include "routes/openapi.h"
#include "routes/page.h"
#include "routes/pipe.h"

/* What is registered first is matched first. */
const struct mr_resource *const mr_routes[] = {
    &mr_pipe_resource,   &mr_files_resource, &mr_images_resource,  &mr_health_resource, &mr_metrics_resource,
    &mr_events_resource, &mr_lab_resource,   &mr_openapi_resource, &mr_page_resource,   NULL,
};
