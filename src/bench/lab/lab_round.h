/* lab_round.h -- one round of the lab: a server under the light and the heavy load, from its start to its end. Blocks;
 * one thread. */
#ifndef MR_BENCH_LAB_ROUND_H
#define MR_BENCH_LAB_ROUND_H

#include "bench/lab/lab_peer.h"
#include "bench/lab/lab_result.h"
#include "bench/lab/lab_server.h"
#include <signal.h>

struct mr_lab_plan {                  /* all borrowed */
    const struct mr_lab_result *load; /* rates, times and connections are read from it */
    uint64_t warmup_ns;
    const char *directory;                  /* holds data.bin; the server's log goes there */
    const char *photo;                      /* a JPEG file */
    const volatile sig_atomic_t *cancelled; /* set by a signal handler: the round ends soon */
};

/* What is put under load: a server to start (words, ending with NULL), or one that runs (peer; borrowed). */
struct mr_lab_subject {
    char *words[MR_LAB_WORDS_MAX];
    const struct mr_lab_peer *peer;
};

/* Fill *round (zeroed). Whatever goes wrong stands in round->failure. A peer is not asked for a heavy kind that it has
 * no path for, nor, where the paths are not its own, for one that it responds to wrongly: skips[stream] is set. */
void mr_lab_round_run(struct mr_lab_round *round, const struct mr_lab_plan *plan, const struct mr_lab_subject *subject,
                      bool *skips);

#endif
