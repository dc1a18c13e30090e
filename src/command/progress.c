#include "command/progress.h"
#include "base/clock.h"
#include "base/console.h"
#include "base/macros.h"
#include <stdio.h>

#define REDRAW_NS  (200 * MR_NS_PER_MS)
#define CLEAR_LINE "\r\033[K"

static void draw(const struct mr_progress *progress)
{
    const double mega = 1e6;
    double in = (double)mr_source_bytes(progress->source), out = (double)progress->sink->bytes;
    double seconds = (double)(mr_clock_now() - progress->started_at) / (double)MR_NS_PER_S;
    char percent[16] = "";
    if (progress->length > 0)
        snprintf(percent, sizeof(percent), "%3.0f %%, ", MR_MIN(100 * in / (double)progress->length, 100.0));
    fprintf(mr_console(), CLEAR_LINE "%s%.1f MB in, %.1f MB out, %.1f MB/s, %.1f s", percent, in / mega, out / mega,
            seconds > 0 ? in / mega / seconds : 0, seconds);
}

static void on_redraw(struct mr_timer *timer)
{
    struct mr_progress *progress = mr_container_of(timer, struct mr_progress, timer);
    draw(progress);
    mr_timer_set(&progress->list, &progress->timer);
}

void mr_progress_start(struct mr_progress *progress, struct mr_loop *loop, const struct mr_source *source,
                       const struct mr_sink *sink, uint64_t length)
{
    *progress = (struct mr_progress){.source = source, .sink = sink, .length = length, .started_at = mr_clock_now()};
    mr_timer_list_open(&progress->list, loop, REDRAW_NS, on_redraw);
    mr_timer_set(&progress->list, &progress->timer);
}

static void stop(struct mr_progress *progress)
{
    progress->source = NULL;
    mr_timer_clear(&progress->timer);
    mr_timer_list_close(&progress->list);
}

void mr_progress_finish(struct mr_progress *progress)
{
    if (progress->source == NULL)
        return;
    draw(progress);
    fputc('\n', mr_console());
    stop(progress);
}

void mr_progress_clear(struct mr_progress *progress)
{
    if (progress->source == NULL)
        return;
    fputs(CLEAR_LINE, mr_console());
    stop(progress);
}
