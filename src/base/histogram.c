#include "base/histogram.h"
#include "base/assert.h"
#include "base/macros.h"
#include <math.h>

#define SUB_CELLS  (1u << MR_HISTOGRAM_SUB_BITS)
#define LAST_CELL  (MR_HISTOGRAM_CELLS - 1)
#define MISSED_MAX 10000

static unsigned cell_of(uint64_t value)
{
    if (value < SUB_CELLS)
        return (unsigned)value;
    unsigned top_bit = 63 - (unsigned)__builtin_clzll(value);
    if (top_bit >= MR_HISTOGRAM_MAX_BITS)
        return LAST_CELL;
    unsigned shift = top_bit - MR_HISTOGRAM_SUB_BITS;
    return ((shift + 1) << MR_HISTOGRAM_SUB_BITS) + ((unsigned)(value >> shift) & (SUB_CELLS - 1));
}

uint64_t mr_histogram_cell_lowest(unsigned cell)
{
    MR_ASSERT(cell < MR_HISTOGRAM_CELLS);
    if (cell < SUB_CELLS)
        return cell;
    unsigned shift = (cell >> MR_HISTOGRAM_SUB_BITS) - 1;
    return (uint64_t)(SUB_CELLS + (cell & (SUB_CELLS - 1))) << shift;
}

uint64_t mr_histogram_cell_highest(unsigned cell)
{
    return cell == LAST_CELL ? UINT64_MAX : mr_histogram_cell_lowest(cell + 1) - 1;
}

/* There is one writer, so a load and a store are an increment that nobody loses, without a locked instruction.
 * Relaxed: the numbers stand for themselves and publish nothing. */
static void add(_Atomic uint64_t *number, uint64_t amount)
{
    uint64_t old = atomic_load_explicit(number, memory_order_relaxed);
    atomic_store_explicit(number, old + amount, memory_order_relaxed);
}

void mr_histogram_record(struct mr_histogram *histogram, uint64_t value)
{
    add(&histogram->cells[cell_of(value)], 1);
    add(&histogram->sum, value);
    if (value > atomic_load_explicit(&histogram->max, memory_order_relaxed))
        atomic_store_explicit(&histogram->max, value, memory_order_relaxed);
}

void mr_histogram_record_missed(struct mr_histogram *histogram, uint64_t value, uint64_t interval)
{
    mr_histogram_record(histogram, value);
    if (interval == 0)
        return;
    for (unsigned missed = 0; missed < MISSED_MAX && value > interval; missed++) {
        value -= interval;
        mr_histogram_record(histogram, value);
    }
}

void mr_histogram_read(const struct mr_histogram *histogram, struct mr_histogram_view *view)
{
    for (unsigned cell = 0; cell < MR_HISTOGRAM_CELLS; cell++) {
        uint64_t count = atomic_load_explicit(&histogram->cells[cell], memory_order_relaxed);
        view->cells[cell] += count;
        view->count += count; /* counted here and not by the writer, so that the ranks fit the cells just read */
    }
    view->sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    view->max = MR_MAX(view->max, max);
}

void mr_histogram_add(struct mr_histogram_view *view, const struct mr_histogram_view *other)
{
    for (unsigned cell = 0; cell < MR_HISTOGRAM_CELLS; cell++)
        view->cells[cell] += other->cells[cell];
    view->count += other->count;
    view->sum += other->sum;
    view->max = MR_MAX(view->max, other->max);
}

void mr_histogram_since(struct mr_histogram_view *view, const struct mr_histogram_view *earlier)
{
    unsigned highest = 0;
    for (unsigned cell = 0; cell < MR_HISTOGRAM_CELLS; cell++) {
        view->cells[cell] -= earlier->cells[cell];
        if (view->cells[cell] > 0)
            highest = cell;
    }
    view->count -= earlier->count;
    view->sum -= earlier->sum;
    view->max = view->count > 0 ? MR_MIN(mr_histogram_cell_highest(highest), view->max) : 0;
}

/* How many values must lie at or below the percentile: at least one. The small term takes back what binary fractions
 * add (99.9 % of 1000 is 999, and not the 1000 that rounding up 999.0000000000001 gives). */
static uint64_t rank_of(const struct mr_histogram_view *view, double percent)
{
    MR_ASSERT(percent >= 0 && percent <= 100);
    double rank = ceil(percent * (double)view->count / 100 - 1e-6);
    return rank < 1 ? MR_MIN((uint64_t)1, view->count) : MR_MIN((uint64_t)rank, view->count);
}

uint64_t mr_histogram_percentile(const struct mr_histogram_view *view, double percent)
{
    uint64_t rank = rank_of(view, percent), seen = 0;
    if (rank == 0)
        return 0;
    for (unsigned cell = 0; cell < MR_HISTOGRAM_CELLS; cell++) {
        seen += view->cells[cell];
        if (seen >= rank)
            return MR_MIN(mr_histogram_cell_highest(cell), view->max);
    }
    MR_UNREACHABLE();
}

uint64_t mr_histogram_samples_above(const struct mr_histogram_view *view, double percent)
{
    return view->count - rank_of(view, percent);
}

uint64_t mr_histogram_count_at_or_below(const struct mr_histogram_view *view, uint64_t value)
{
    uint64_t count = 0;
    unsigned last = cell_of(value);
    for (unsigned cell = 0; cell <= last; cell++)
        count += view->cells[cell];
    return count;
}
