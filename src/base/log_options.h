/* log_options.h -- what a program can be told of its log (log.h): --log-level, --log-format, --log-file. */
#ifndef MR_BASE_LOG_OPTIONS_H
#define MR_BASE_LOG_OPTIONS_H

#include "base/option_tables.h"

struct mr_log_settings {
    int level;  /* enum mr_log_level */
    int format; /* enum mr_log_format */
    char *file; /* NULL: standard error */
};

extern const struct mr_option mr_log_options[];

#endif
