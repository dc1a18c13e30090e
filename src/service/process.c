#include "service/process.h"
#include "base/console.h"
#include "base/log.h"
#include "base/macros.h"
#include "media/image/image.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { HEAP_KEPT = 16 * MR_MIB };

/* glibc gives each thread a heap of its own, up to eight for a core, and each keeps what its largest jobs needed.
 * libvips computes on threads of its own, many more than workers, and on another one each time: all heaps grow to the
 * size of the largest images. One heap for two workers is enough, since small pieces come from a cache of each thread;
 * an operator who knows better says so in the environment. */
static void bound_heaps(const struct mr_config *config)
{
#ifdef __GLIBC__
    if (getenv("MALLOC_ARENA_MAX") == NULL)
        mallopt(M_ARENA_MAX, (int)MR_MAX(config->offload.workers / 2, 1));
#else
    (void)config;
#endif
}

/* Pieces of streams come and go by the megabyte. glibc gives the free end of a heap back to the system when it is twice
 * as long as the largest block that was ever freed (mallopt(3), M_MMAP_THRESHOLD): at first after each few pieces, and
 * then faults every page of the next ones in again. Free a larger block once; it is never touched. */
static void keep_freed_memory(void)
{
    void *volatile block = malloc(HEAP_KEPT / 2);
    free(block);
}

int mr_process_begin(const struct mr_config *config)
{
    bound_heaps(config);
    keep_freed_memory();
    if (mr_log_start((enum mr_log_level)config->log.level, (enum mr_log_format)config->log.format, config->log.file) !=
        0) {
        fprintf(stderr, "millrace: --log-file: %s: %s\n", config->log.file, strerror(errno));
        return 1;
    }
    if (mr_image_setup() == 0) {
        mr_console_mute_libraries();
        return 0;
    }
    fprintf(stderr, "millrace: libvips cannot be started\n");
    mr_log_stop();
    return 1;
}

void mr_process_end(void)
{
    mr_image_teardown();
    mr_log_stop();
}
