/* histogram.h -- log-linear (HDR-style) histogram of nanoseconds (or any unsigned values): constant memory, constant
 * time, relative error below 1/32.
 *
 * One thread records; any thread may read at the same time without locks: every cell is a relaxed atomic written by
 * one thread only. A reading is therefore a snapshot of a moment that never quite was, exact once the writer rests.
 * Values below 32 have a cell each; above, every power of two is cut into 32 cells; values above 2^42 (73 minutes in
 * ns) are counted in the last cell. After Gil Tene's HdrHistogram. */
#ifndef MR_BASE_HISTOGRAM_H
#define MR_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define MR_HISTOGRAM_SUB_BITS 5
#define MR_HISTOGRAM_MAX_BITS 42
#define MR_HISTOGRAM_CELLS    ((MR_HISTOGRAM_MAX_BITS - MR_HISTOGRAM_SUB_BITS + 1) << MR_HISTOGRAM_SUB_BITS)

struct mr_histogram { /* all private; zeroed memory is an empty histogram */
    _Atomic uint64_t cells[MR_HISTOGRAM_CELLS];
    _Atomic uint64_t sum, max;
};

/* A plain copy of the counts, for one reader. */
struct mr_histogram_view {
    uint64_t cells[MR_HISTOGRAM_CELLS];
    uint64_t count, sum, max;
};

/* The one writer. */
void mr_histogram_record(struct mr_histogram *histogram, uint64_t value);
/* Record a value that hid others: also value-interval, value-2*interval, ... above 0: the ticks that a late one
 * swallowed (the correction for coordinated omission of HdrHistogram's recordValueWithExpectedInterval). Bounded to
 * 10,000 extra. */
void mr_histogram_record_missed(struct mr_histogram *histogram, uint64_t value, uint64_t interval);

/* Any reader: add the histogram's counts into *view (start with a zeroed one; several histograms may be added). */
void mr_histogram_read(const struct mr_histogram *histogram, struct mr_histogram_view *view);

/* Add the counts of one reading to another. */
void mr_histogram_add(struct mr_histogram_view *view, const struct mr_histogram_view *other);

/* What was recorded between two readings of the same histograms: take the earlier one off *view. Its max is then known
 * to its cell's precision. */
void mr_histogram_since(struct mr_histogram_view *view, const struct mr_histogram_view *earlier);

/* The value at or below which `percent` (0..100) of the recorded values lie: the upper edge of its cell, never above
 * the recorded maximum. 0 for an empty view. */
uint64_t mr_histogram_percentile(const struct mr_histogram_view *view, double percent);
/* How many recorded values lie above that percentile's rank: a percentile with fewer than 10 is not worth printing. */
uint64_t mr_histogram_samples_above(const struct mr_histogram_view *view, double percent);
/* The values that are counted in view->cells[cell]: from lowest to highest. Cells in order hold values in order, so a
 * loop over them walks the recorded values from small to large. The last cell's highest is UINT64_MAX: cut it at
 * view->max. */
uint64_t mr_histogram_cell_lowest(unsigned cell);
uint64_t mr_histogram_cell_highest(unsigned cell);
/* How many values are at or below `value`, to the cell's precision: a bucket of a Prometheus histogram. */
uint64_t mr_histogram_count_at_or_below(const struct mr_histogram_view *view, uint64_t value);

#endif
