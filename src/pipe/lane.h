/* lane.h -- which lane an image job waits in, by what it is expected to cost.
 *
 * Interactive is what takes up to about half a second: nearly all photographs to any thumbnail. Heavy jobs never hold
 * all workers (workers/job.h), so calling a job heavy without need halves the rate of a machine with two. Pure; any
 * thread. */
#ifndef MR_PIPE_LANE_H
#define MR_PIPE_LANE_H

#include "media/image/image.h"
#include "workers/job.h"

#define MR_HEAVY_NS (500 * MR_NS_PER_MS)

/* Heavy also when nothing can be said. */
enum mr_lane mr_lane_of_image(const struct mr_image_info *info, const struct mr_image_ops *ops);

#endif
