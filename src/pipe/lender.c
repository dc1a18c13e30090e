#include "pipe/lender.h"

#include "base/magic.h"
#include <stdlib.h>

#define LOAN_MAGIC 0x6c6f616eu /* "loan" */

/* The bytes of a result that the receiver keeps. */
struct mr_loan {
    uint32_t magic;
    struct mr_lender *lender; /* NULL: it has gone */
    struct mr_loan *next;     /* in lender->away */
    struct mr_budget *budget; /* borrowed */
    struct mr_room room;      /* owned, once it is away */
    size_t touched;
    unsigned parts; /* that the receiver keeps, and one while the result is passed on */
};

/* It is the next spare. False: there is one, or its memory is better given back. */
static bool keep_as_spare(struct mr_lender *lender, struct mr_loan *loan)
{
    struct mr_loan **at = &lender->away;
    while (*at != loan)
        at = &(*at)->next;
    *at = loan->next;
    if (lender->spare.bytes != NULL || lender->is_resting || mr_chunks_are_tight(lender->chunks))
        return false;
    lender->spare = loan->room;
    lender->spare_touched = loan->touched;
    mr_room_return(lender->chunks, &loan->room);
    return true;
}

static void end_loan(struct mr_loan *loan)
{
    if (loan->lender == NULL || !keep_as_spare(loan->lender, loan)) {
        free(loan->room.bytes);
        mr_budget_give_back(loan->budget, loan->room.charged);
    }
    free(loan);
}

static void release_part(void *owner)
{
    struct mr_loan *loan = mr_from_context(owner, struct mr_loan, LOAN_MAGIC);
    if (--loan->parts == 0)
        end_loan(loan);
}

/* Few bytes in much memory are not worth it: they are copied. */
static bool begin_lending(struct mr_lender *lender, struct mr_result *result)
{
    if (lender->lending == result)
        return true;
    if (result->passed > 0 || result->len < result->room.size / 2 || !mr_stream_takes_ref(lender->out))
        return false;
    struct mr_loan *loan = malloc(sizeof(*loan));
    if (loan == NULL)
        return false;
    *loan = (struct mr_loan){.magic = LOAN_MAGIC, .lender = lender, .budget = lender->chunks->budget, .parts = 1};
    lender->lending = result;
    lender->loan = loan;
    return true;
}

/* What the receiver keeps goes away with the loan, and the spare takes its place. */
static void end_lending(struct mr_lender *lender)
{
    struct mr_result *result = lender->lending;
    struct mr_loan *loan = lender->loan;
    lender->lending = NULL;
    lender->loan = NULL;
    if (--loan->parts == 0) {
        free(loan);
        return;
    }
    loan->room = result->room;
    loan->touched = result->touched;
    loan->next = lender->away;
    lender->away = loan;
    mr_room_leave(lender->chunks, &loan->room);
    result->room = lender->spare;
    result->touched = lender->spare_touched;
    lender->spare = (struct mr_room){.bytes = NULL};
    lender->spare_touched = 0;
}

enum mr_flow mr_lender_push(struct mr_lender *lender, struct mr_result *result, size_t part)
{
    MR_ON_LOOP(lender->chunks->loop);
    bool is_lent = begin_lending(lender, result);
    const unsigned char *at = result->room.bytes + result->passed;
    result->passed += part;
    lender->is_resting = false;
    if (!is_lent)
        return mr_stream_push(lender->out, at, part);
    lender->loan->parts++;
    return mr_stream_push_ref(lender->out, at, part, release_part, lender->loan);
}

void mr_lender_passed(struct mr_lender *lender, const struct mr_result *result)
{
    MR_ON_LOOP(lender->chunks->loop);
    if (lender->lending == result)
        end_lending(lender);
}

static void drop_spare(struct mr_lender *lender)
{
    mr_room_close(lender->chunks, &lender->spare);
    lender->spare_touched = 0;
}

void mr_lender_rest(struct mr_lender *lender)
{
    MR_ON_LOOP(lender->chunks->loop);
    lender->is_resting = true;
    drop_spare(lender);
}

void mr_lender_clear(struct mr_lender *lender)
{
    MR_ON_LOOP(lender->chunks->loop);
    if (lender->lending != NULL)
        end_lending(lender);
    for (struct mr_loan *loan = lender->away; loan != NULL; loan = loan->next)
        loan->lender = NULL;
    lender->away = NULL;
    drop_spare(lender);
}
