/* health.h -- what the server says of itself: GET /healthz, /readyz, /version, /pipe and /. */
#ifndef MR_SERVICE_HEALTH_H
#define MR_SERVICE_HEALTH_H

#include "http/request.h"
#include "service/service.h"

/* 200 as long as the loop turns. */
void mr_healthz_start(struct mr_request *request);
/* 200, or 503 with the reason: on the way out, the queue is full, the memory budget is used up. */
void mr_readyz_start(struct mr_request *request);
/* Versions of the server and its libraries, image formats, how it computes: JSON. */
void mr_version_start(struct mr_request *request);
/* The stages of /pipe with their parameters: JSON. */
void mr_stages_start(struct mr_request *request);
/* Where to find what: text. */
void mr_root_start(struct mr_request *request);

/* MR_OK: new work is welcome. Else the fault that /readyz answers with. The request's loop. */
int mr_health_check(struct mr_service *service, struct mr_loop *loop, struct mr_fault *fault);

/* Make the texts that never change. MR_OK or MR_EMEMORY; the caller frees them. */
int mr_health_version_json(char **out, const struct mr_service *service);
int mr_health_stages_json(char **out);

#endif
