#include "pipe/lender.h"

#include <stdlib.h>

/* The bytes of a result that the receiver keeps. */
struct mr_loan {
    struct mr_lender *lender; /* NULL: it has gone */
    struct mr_loan *next;     /* in lender->away */
    struct mr_budget *budget; /* borrowed */
    unsigned char *bytes;     /* owned, once it is away */
    size_t size;
    unsigned parts; /* that the receiver keeps, and one while the result is passed on */
};

static void give_back_spare(struct mr_lender *lender)
{
    mr_chunks_give_back(lender->chunks, lender->spare, lender->spare_size);
    lender->spare = NULL;
    lender->spare_size = 0;
}

/* It is the next spare. False: there is one. */
static bool keep_as_spare(struct mr_lender *lender, struct mr_loan *loan)
{
    struct mr_loan **at = &lender->away;
    while (*at != loan)
        at = &(*at)->next;
    *at = loan->next;
    if (lender->spare != NULL)
        return false;
    lender->spare = loan->bytes;
    lender->spare_size = loan->size;
    mr_chunks_own(lender->chunks, loan->size);
    return true;
}

static void end_loan(struct mr_loan *loan)
{
    if (loan->lender == NULL || !keep_as_spare(loan->lender, loan)) {
        free(loan->bytes);
        mr_budget_give_back(loan->budget, loan->size);
    }
    free(loan);
}

static void release_part(void *owner)
{
    struct mr_loan *loan = owner;
    if (--loan->parts == 0)
        end_loan(loan);
}

/* Few bytes in much memory are not worth it: they are copied. */
static bool begin_lending(struct mr_lender *lender, struct mr_result *result)
{
    if (lender->lending == result)
        return true;
    if (result->passed > 0 || result->len < result->size / 2 || !mr_stream_takes_ref(lender->out))
        return false;
    if (lender->spare_size != result->size) {
        give_back_spare(lender);
        lender->spare = mr_chunks_take(lender->chunks, result->size);
        if (lender->spare == NULL)
            return false;
        lender->spare_size = result->size;
    }
    struct mr_loan *loan = malloc(sizeof(*loan));
    if (loan == NULL)
        return false;
    *loan = (struct mr_loan){.lender = lender, .budget = lender->chunks->budget, .parts = 1};
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
    loan->bytes = result->bytes;
    loan->size = result->size;
    loan->next = lender->away;
    lender->away = loan;
    mr_chunks_disown(lender->chunks, loan->size);
    result->bytes = lender->spare;
    lender->spare = NULL;
    lender->spare_size = 0;
}

enum mr_flow mr_lender_push(struct mr_lender *lender, struct mr_result *result, size_t part)
{
    bool is_lent = begin_lending(lender, result);
    const unsigned char *at = result->bytes + result->passed;
    result->passed += part;
    if (!is_lent)
        return mr_stream_push(lender->out, at, part);
    lender->loan->parts++;
    return mr_stream_push_ref(lender->out, at, part, release_part, lender->loan);
}

void mr_lender_passed(struct mr_lender *lender, const struct mr_result *result)
{
    if (lender->lending == result)
        end_lending(lender);
}

void mr_lender_clear(struct mr_lender *lender)
{
    if (lender->lending != NULL)
        end_lending(lender);
    for (struct mr_loan *loan = lender->away; loan != NULL; loan = loan->next)
        loan->lender = NULL;
    lender->away = NULL;
    give_back_spare(lender);
}
