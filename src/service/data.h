/* data.h -- the data directory of the server, opened once for all its processes: before the fork, where there are
 * several. On the main thread. */
#ifndef MR_SERVICE_DATA_H
#define MR_SERVICE_DATA_H

#include "service/config.h"
#include "store/store.h"
#include "variants/variant_home.h"

struct mr_data {
    struct mr_store_home *home;       /* NULL: there is no --data */
    void *shared;                     /* owned: what all processes map */
    struct mr_variant_home *variants; /* NULL: no images are kept on the disk */
};

/* may_wait: sockets were passed, so that the server before us may still be at its end (--lock-wait). MR_OK; or the
 * fault's detail is for a person, and nothing is to be closed. */
int mr_data_open(struct mr_data *data, const struct mr_config *config, bool may_wait, struct mr_fault *fault);
void mr_data_close(struct mr_data *data);
/* A process has died: what it had under way for others is given up. In the supervisor. */
void mr_data_process_ended(const struct mr_data *data, unsigned process);

#endif
