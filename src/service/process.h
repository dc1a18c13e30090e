/* process.h -- what surrounds the service in a process: heaps, log, libvips. On the main thread, once. */
#ifndef MR_SERVICE_PROCESS_H
#define MR_SERVICE_PROCESS_H

#include "service/config.h"

/* 0, or 1: it cannot start, and standard error says why. */
int mr_process_begin(const struct mr_config *config);
/* After the service was destroyed. */
void mr_process_end(void);

#endif
