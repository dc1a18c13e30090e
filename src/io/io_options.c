#include "io/io_options.h"
#include "base/macros.h"
#include "io/temporary.h"

// clang-format off
const struct mr_option mr_io_options[] = {
    MR_OPTION_ROW(mr_io_settings, "disk-budget", SIZE, MR_DISK_BUDGET_MIN, 0, "SIZE", NULL, disk_budget, "temporary files together (half of what is free)"),
    MR_OPTION_END,
};
// clang-format on

uint64_t mr_io_disk_budget(void)
{
    struct mr_disk_room room;
    struct mr_disk_failure failure; /* the service warns of a directory that cannot be used */
    if (mr_temporary_room(&room, &failure) != MR_OK)
        return MR_DISK_BUDGET_MIN;
    return MR_MAX(room.bytes_free / 2, (uint64_t)MR_DISK_BUDGET_MIN);
}
