/* variant_index.h -- which variants lie in which file, and which are being made: one table for all processes of the
 * server, in memory that they share. It is mapped before the fork.
 *
 *      mr_variant_index_look() ----> HERE      at *place
 *                              ----> CLAIMED   the caller makes it, puts it, and ends the claim
 *                              ----> AWAITED   another process makes it, and wakes the caller's when that is over
 *                              ----> UNCLAIMED the caller makes it, and no other process knows
 *
 * The index may forget: it has a bounded number of places, and a variant that finds its places full takes that of the
 * one in the oldest file. What it says of a file may be wrong, so a record tells itself whether it is the one.
 *
 * One mutex guards it, held for a look-up and never over a system call that may wait. A process that dies with the
 * mutex locked leaves it to the next that locks it; what it was writing is then a place that is wrong. Claims and files
 * of a dead process are given up by mr_variant_index_sweep(), which the supervisor calls. Any thread of any process. */
#ifndef MR_VARIANTS_VARIANT_INDEX_H
#define MR_VARIANTS_VARIANT_INDEX_H

#include "variants/variant_file.h"

#define MR_VARIANT_EVICTED_MAX 8 /* files that make room for one */

struct mr_variant_index;

struct mr_variant_index_config {
    uint64_t size_max;  /* of all files together */
    unsigned processes; /* at most MR_STORE_PROCESSES_MAX */
};

/* Bytes to map, shared and zeroed. */
size_t mr_variant_index_size(const struct mr_variant_index_config *config);
void mr_variant_index_init(struct mr_variant_index *index, const struct mr_variant_index_config *config);

/* ---- variants ---- */

enum mr_variant_look { MR_VARIANT_HERE, MR_VARIANT_CLAIMED, MR_VARIANT_AWAITED, MR_VARIANT_UNCLAIMED };

enum mr_variant_look mr_variant_index_look(struct mr_variant_index *index, const struct mr_variant_key *key,
                                           unsigned process, struct mr_variant_place *place);
/* A record was written, or found when the server started. */
void mr_variant_index_put(struct mr_variant_index *index, const struct mr_variant_key *key,
                          const struct mr_variant_place *place);
/* What lies there is not what was looked for. */
void mr_variant_index_forget(struct mr_variant_index *index, const struct mr_variant_key *key,
                             const struct mr_variant_place *place);
/* The claim of that process is over; the processes that wait are woken. */
void mr_variant_index_end_claim(struct mr_variant_index *index, const struct mr_variant_key *key, unsigned process);
/* The process that was told AWAITED does not wait any more. */
void mr_variant_index_unawait(struct mr_variant_index *index, const struct mr_variant_key *key, unsigned process);
/* Does another process wait for what this one has claimed? */
bool mr_variant_index_is_wanted(struct mr_variant_index *index, const struct mr_variant_key *key, unsigned process);
/* Is it (still) being made by another process? */
bool mr_variant_index_is_awaited(struct mr_variant_index *index, const struct mr_variant_key *key, unsigned process);
/* Wait until something that the process waited for may be over, or for mr_variant_index_wake(); is_bounded: for a
 * second at most. */
void mr_variant_index_wait(struct mr_variant_index *index, unsigned process, bool is_bounded);
void mr_variant_index_wake(struct mr_variant_index *index, unsigned process);

/* ---- files ---- */

/* The largest that a file may become, its table included. */
uint64_t mr_variant_index_file_max(const struct mr_variant_index *index);
/* Room for one more file, which the process writes. evicted: those that the caller removes for it, *count of them.
 * *number 0: there is no room, or not yet, if some were evicted. */
void mr_variant_index_open_file(struct mr_variant_index *index, unsigned process, uint32_t *number,
                                uint32_t evicted[MR_VARIANT_EVICTED_MAX], unsigned *count);
/* The oldest file that no process writes is to be removed, by the caller. 0: there is none. */
uint32_t mr_variant_index_evict(struct mr_variant_index *index);
/* False: it was removed, or is about to be. */
bool mr_variant_index_has_file(struct mr_variant_index *index, uint32_t number);
/* It is not written any more. size 0: it is not there. */
void mr_variant_index_close_file(struct mr_variant_index *index, uint32_t number, uint64_t size);
/* One that an earlier server left, in the order of their numbers. False: there is no room, and it is to be removed. */
bool mr_variant_index_add_file(struct mr_variant_index *index, uint32_t number, uint64_t size);

struct mr_variant_index_totals {
    uint64_t bytes, files;
};
void mr_variant_index_totals(struct mr_variant_index *index, struct mr_variant_index_totals *out);

/* The process has died. */
void mr_variant_index_sweep(struct mr_variant_index *index, unsigned process);

#endif
