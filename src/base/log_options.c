#include "base/log_options.h"
#include "base/log.h"

static const char *const levels[] = {
    [MR_LOG_ERROR] = "error", [MR_LOG_WARN] = "warn", [MR_LOG_INFO] = "info", [MR_LOG_DEBUG] = "debug", NULL};
static const char *const formats[] = {[MR_LOG_LOGFMT] = "logfmt", [MR_LOG_JSON] = "json", NULL};

// clang-format off
const struct mr_option mr_log_options[] = {
    MR_OPTION_CHOICE(mr_log_settings, "log-level",  levels, "LEVEL", "info", level,    "error, warn, info, debug"),
    MR_OPTION_CHOICE(mr_log_settings, "log-format", formats, "FORM", "logfmt", format, "logfmt, json"),
    MR_OPTION_ROW(mr_log_settings, "log-file", TEXT, 0, 4000, "PATH", NULL, file,      "SIGHUP reopens it (standard error)"),
    MR_OPTION_END,
};
// clang-format on
