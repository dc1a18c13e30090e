/* config.h -- what the server can be told: the settings of all its modules, and the one table of their options.
 *
 * A module declares its options and the struct that they fill (base/option_tables.h); this file puts them together, and
 * sees to what no module knows alone: shares of processes, what depends on the machine, what contradicts itself.
 *
 * Read once at start, read-only afterwards. On SIGHUP it is read a second time, for what can change in a running
 * server. */
#ifndef MR_SERVICE_CONFIG_H
#define MR_SERVICE_CONFIG_H

#include "app/app_options.h"
#include "app/image_fence.h"
#include "base/log_options.h"
#include "http/http_options.h"
#include "io/io_options.h"
#include "keys/signing_options.h"
#include "loop/loop_options.h"
#include "media/image/image_options.h"
#include "pipe/pipe_options.h"
#include "service/drain.h"
#include "store/store_options.h"
#include "supervisor/cluster.h"
#include "supervisor/listeners.h"
#include "variants/variant_options.h"
#include "workers/offload_options.h"

struct mr_config {
    struct mr_listen_settings listen;
    struct mr_cluster_settings cluster;
    struct mr_loop_settings loop;
    struct mr_offload_settings offload;
    struct mr_http_settings http;
    struct mr_app_settings app;
    struct mr_signing_settings signing;
    struct mr_io_settings io;
    struct mr_store_settings store;
    struct mr_image_settings image;
    struct mr_variant_settings variants;
    struct mr_fence_settings fence;
    struct mr_pipe_settings pipe;
    struct mr_drain_settings drain;
    struct mr_log_settings log;
};

/* All options in the order of --help, for --help and the docs. First called before there is a second thread. */
const struct mr_options_program *mr_config_program(void);

/* Fill *out from the command line, the environment, the file of --config and the defaults, complete what depends on the
 * machine (workers, budgets of memory and disk), check what one option alone cannot show, and divide among the
 * processes what is given for the server as a whole (budgets, connections). WRONG: one line on `complaints` names the
 * option; *out is empty. For all but RUN and CHECK nothing is left to free. */
enum mr_options_result mr_config_read(struct mr_config *out, int argc, char *const *argv, char *const *environment,
                                      FILE *complaints);
/* The loops of each process where --loops is not given, on so many cores: one for each MR_WORKERS_PER_LOOP workers that
 * can run at a time. One where jobs run on the loop: more would be another model. Needs the offload, the workers and
 * the processes of the configuration. Pure. */
int64_t mr_config_loops(const struct mr_config *config, unsigned cores);
void mr_config_free(struct mr_config *config);

#endif
