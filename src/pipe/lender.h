/* lender.h -- results of a stage passed on by reference: the receiver may keep their bytes (stream.h, rule 2), while
 * the stage needs memory for the next result as soon as one was passed on. So the memory of a result goes away with its
 * bytes, and what came back from the receiver takes its place. Few bytes in much memory are copied.
 *
 * What is lent stays charged to the budget until the receiver has released it, and outlives the lender if it must.
 * Everything here is called on the loop. */
#ifndef MR_PIPE_LENDER_H
#define MR_PIPE_LENDER_H

#include "base/stream.h"
#include "pipe/chunk.h"

struct mr_loan;

struct mr_lender {             /* all private; zeroed but for the first two */
    struct mr_chunks *chunks;  /* borrowed: the account of the memory */
    struct mr_stream *out;     /* borrowed */
    struct mr_room spare;      /* what came back last */
    size_t spare_touched;      /* bytes of it */
    struct mr_result *lending; /* the result that is being passed on by reference, and its loan; or NULL */
    struct mr_loan *loan;
    struct mr_loan *away; /* the receiver still keeps bytes of results that were passed on */
    bool is_resting;
};

/* Push the next `part` bytes of the result, lent or copied. */
enum mr_flow mr_lender_push(struct mr_lender *lender, struct mr_result *result, size_t part);
/* All of the result was pushed: another room of its size, or none, may have taken the place of its own. */
void mr_lender_passed(struct mr_lender *lender, const struct mr_result *result);
/* No result follows for now: the spare is freed, and until the next push none is kept of what comes back. */
void mr_lender_rest(struct mr_lender *lender);
/* What is away no longer comes back; the spare is freed. Before mr_chunks_clear(). */
void mr_lender_clear(struct mr_lender *lender);

#endif
