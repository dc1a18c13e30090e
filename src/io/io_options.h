/* io_options.h -- what a program can be told of its temporary files: --disk-budget. */
#ifndef MR_IO_IO_OPTIONS_H
#define MR_IO_IO_OPTIONS_H

#include "base/option_tables.h"

#define MR_DISK_BUDGET_MIN 1048576

struct mr_io_settings {
    uint64_t disk_budget; /* bytes, of each process; 0: not given */
};

extern const struct mr_option mr_io_options[];

/* The budget where none is given: half of what is free for temporary files now, at least MR_DISK_BUDGET_MIN. */
uint64_t mr_io_disk_budget(void);

#endif
