#include "bench/load/hgrm.h"
#include "base/clock.h"
#include "base/macros.h"
#include <math.h>

#define TICKS_PER_HALVING 5

static double ms(double ns)
{
    return ns / (double)MR_NS_PER_MS;
}

/* The next percentile to be shown: equal steps up to 50, steps of half the size up to 75, and so on. */
static double next_level(double level)
{
    double halvings = floor(log2(100 / (100 - level)));
    return level + 100 / (TICKS_PER_HALVING * exp2(halvings + 1));
}

static void write_levels(FILE *out, const struct mr_histogram_view *view)
{
    double level = 0;
    uint64_t seen = 0;
    for (unsigned cell = 0; cell < MR_HISTOGRAM_CELLS && seen < view->count; cell++) {
        uint64_t value = mr_histogram_cell_highest(cell);
        if (view->cells[cell] == 0)
            continue;
        seen += view->cells[cell];
        while (100 * (double)seen / (double)view->count >= level) {
            fprintf(out, "%12.3f %2.12f %10llu %14.2f\n", ms((double)MR_MIN(value, view->max)), level / 100,
                    (unsigned long long)seen, 100 / (100 - level));
            level = next_level(level);
            if (seen == view->count)
                break; /* the line of 100 % follows */
        }
    }
    if (view->count > 0)
        fprintf(out, "%12.3f %2.12f %10llu\n", ms((double)view->max), 1.0, (unsigned long long)view->count);
}

static double standard_deviation(const struct mr_histogram_view *view, double mean)
{
    double squares = 0;
    for (unsigned cell = 0; cell < MR_HISTOGRAM_CELLS; cell++) {
        double lowest = (double)mr_histogram_cell_lowest(cell);
        double middle = lowest + ((double)MR_MIN(mr_histogram_cell_highest(cell), view->max) - lowest) / 2;
        squares += (double)view->cells[cell] * (middle - mean) * (middle - mean);
    }
    return view->count == 0 ? 0 : sqrt(squares / (double)view->count);
}

void mr_hgrm_write(FILE *out, const struct mr_histogram_view *view)
{
    double mean = view->count == 0 ? 0 : (double)view->sum / (double)view->count;
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    write_levels(out, view);
    fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", ms(mean), ms(standard_deviation(view, mean)));
    fprintf(out, "#[Max     = %12.3f, Total count    = %12llu]\n", ms((double)view->max),
            (unsigned long long)view->count);
    /* HdrHistogram's first bucket has twice as many cells that are new as each that follows. */
    fprintf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n", (MR_HISTOGRAM_CELLS >> MR_HISTOGRAM_SUB_BITS) - 1,
            2 << MR_HISTOGRAM_SUB_BITS);
}
