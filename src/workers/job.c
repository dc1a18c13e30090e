#include "workers/job.h"

#include "base/assert.h"

const char *mr_lane_name(enum mr_lane lane)
{
    static const char *const names[MR_LANE_COUNT] = {
        [MR_LANE_INTERACTIVE] = "interactive",
        [MR_LANE_BULK] = "bulk",
        [MR_LANE_HEAVY] = "heavy",
    };

    MR_ASSERT(lane < MR_LANE_COUNT);
    return names[lane];
}

void mr_job_cancel(struct mr_job *job)
{
    MR_ON_LOOP(job->loop);
    mr_cancel_request(&job->cancel);
}
