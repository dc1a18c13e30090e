#include "pipe/lane.h"

enum mr_lane mr_lane_of_image(const struct mr_image_info *info, const struct mr_image_ops *ops)
{
    uint64_t expected = mr_image_cost_ns(info, ops);
    return expected == 0 || expected > MR_HEAVY_NS ? MR_LANE_HEAVY : MR_LANE_INTERACTIVE;
}
