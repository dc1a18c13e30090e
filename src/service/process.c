#include "service/process.h"
#include "base/console.h"
#include "base/heap.h"
#include "base/log.h"
#include "media/image/image.h"
#include <errno.h>
#include <string.h>

int mr_process_begin(const struct mr_config *config)
{
    mr_heap_start();
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
