/* perf_bystander -- a loop that does nothing, beside a server under load: its lag is what the machine does to any
 * thread of this priority, and the floor of what the server's can be.
 *
 *      perf_bystander MILLISECONDS     prints {"p50":...,"p90":...,"p99":...} in seconds */
#include "base/error.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include <stdio.h>
#include <stdlib.h>

static struct mr_loop *loop;

static void on_end(struct mr_timer *timer)
{
    (void)timer;
    mr_loop_request_end(loop);
    mr_loop_stop(loop);
}

static void print(const struct mr_histogram *lag)
{
    static struct mr_histogram_view view;

    mr_histogram_read(lag, &view);
    printf("{\"p50\":%.9f,\"p90\":%.9f,\"p99\":%.9f}\n", (double)mr_histogram_percentile(&view, 50) / 1e9,
           (double)mr_histogram_percentile(&view, 90) / 1e9, (double)mr_histogram_percentile(&view, 99) / 1e9);
}

int main(int argc, char **argv)
{
    struct mr_timer_list list;
    struct mr_timer timer = {0};
    long milliseconds = argc == 2 ? strtol(argv[1], NULL, 10) : 0;

    if (milliseconds <= 0 || mr_loop_create(&loop, 0) != 0)
        return 2;
    mr_timer_list_open(&list, loop, (uint64_t)milliseconds * MR_NS_PER_MS, on_end);
    mr_timer_set(&list, &timer);
    mr_loop_request_begin(loop); /* arms the probe */
    mr_loop_run(loop);
    print(&mr_loop_stats(loop)->lag);
    mr_timer_list_close(&list);
    mr_loop_destroy(&loop);
    return 0;
}
