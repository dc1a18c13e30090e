#include "store/store_options.h"
#include "base/macros.h"

// clang-format off
static const char *const durabilities[] = {"full", "none", NULL};

const struct mr_option mr_store_options[] = {
    MR_OPTION_ROW(mr_store_settings,    "data",       TEXT, 0, 1000, "DIR", NULL, data,                        "keep files in this directory (none: no /files)"),
    MR_OPTION_CHOICE(mr_store_settings, "durability", durabilities, "full|none", "full", durability,           "none: a file may be lost with the machine's power"),
    MR_OPTION_ROW(mr_store_settings,    "min-free",   TEXT, 0, 40, "SIZE|N%", "1%", min_free,                  "room on the disk that uploads leave free"),
    MR_OPTION_ROW(mr_store_settings,    "lock-wait",  TIME, 0, 86400, "TIME", "30s", lock_wait,               "with passed sockets: wait for the directory's last user"),
    MR_OPTION_END,
};
// clang-format on

static int parse_percent(struct mr_store_min_free *out, struct mr_slice text, struct mr_fault *fault)
{
    static const struct mr_param_spec spec = {.name = "min-free", .type = MR_PARAM_INT, .min = 0, .max = 99};
    struct mr_param_value value;
    int err = mr_param_parse(&spec, text, &value, fault);
    if (err == MR_OK)
        *out = (struct mr_store_min_free){.percent = (unsigned)value.integer};
    return err;
}

int mr_store_min_free(struct mr_store_min_free *out, const char *text, struct mr_fault *fault)
{
    static const struct mr_param_spec spec = {.name = "min-free", .type = MR_PARAM_SIZE};
    struct mr_slice given = mr_slice_of(text);
    struct mr_param_value value;
    if (given.len > 0 && given.at[given.len - 1] == '%')
        return parse_percent(out, (struct mr_slice){given.at, given.len - 1}, fault);
    int err = mr_param_parse(&spec, given, &value, fault);
    if (err == MR_OK)
        *out = (struct mr_store_min_free){.bytes = (uint64_t)value.integer};
    return err;
}

int mr_store_settings_check(const struct mr_store_settings *settings, const char **option, struct mr_fault *fault)
{
    struct mr_store_min_free min_free;
    *option = "min-free";
    return mr_store_min_free(&min_free, settings->min_free, fault);
}
