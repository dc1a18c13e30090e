/* exemplar.h -- one observation worth showing beside a number: whose it was, how much, and when, so that a person who
 * sees a slow bucket finds the request in the log. (An "exemplar" of OpenMetrics 1.0.)
 *
 * One thread writes; any thread may read at the same time without locks. A reading is whole or refused: a sequence
 * lock, odd while it is written. After H.-J. Boehm, "Can Seqlocks Get Along With Programming Language Memory Models?"
 * (MSPC 2012), with the orders on the operations. */
#ifndef MR_BASE_EXEMPLAR_H
#define MR_BASE_EXEMPLAR_H

#include "base/clock.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* So long a larger value is kept before any newer one takes its place. */
#define MR_EXEMPLAR_KEPT_NS (60 * MR_NS_PER_S)

struct mr_exemplar_value {
    char request_id[72]; /* text, the rest zeros */
    char trace_id[40];   /* the same; "": none */
    uint64_t value;      /* ns */
    uint64_t wall;       /* when, ns since 1970 */
};

#define MR_EXEMPLAR_WORDS (sizeof(struct mr_exemplar_value) / sizeof(uint64_t))

struct mr_exemplar { /* all private; zeroed memory is one that holds nothing */
    _Atomic uint64_t version;
    _Atomic uint64_t words[MR_EXEMPLAR_WORDS];
};

/* The one writer: keep *value, unless a larger one of the last minute is held. */
void mr_exemplar_offer(struct mr_exemplar *exemplar, const struct mr_exemplar_value *value);
/* The one writer: keep *value, whatever is held. */
void mr_exemplar_set(struct mr_exemplar *exemplar, const struct mr_exemplar_value *value);
/* Any reader. False: there is none, or just now it is being written. */
bool mr_exemplar_read(const struct mr_exemplar *exemplar, struct mr_exemplar_value *out);

#endif
