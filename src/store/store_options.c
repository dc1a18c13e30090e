#include "store/store_options.h"
#include "base/macros.h"

// clang-format off
static const char *const durabilities[] = {"full", "none", NULL};

const struct mr_option mr_store_options[] = {
    MR_OPTION_ROW(mr_store_settings,    "data",       TEXT, 0, 1000, "DIR", NULL, data,                        "keep files in this directory (none: no /files)"),
    MR_OPTION_CHOICE(mr_store_settings, "durability", durabilities, "MODE", "full", durability,           "none: a file may be lost with the machine's power"),
    MR_OPTION_ROW(mr_store_settings,    "min-free",   TEXT, 0, 40, "SIZE|N%", "1%", min_free,                  "room on the disk that uploads leave free"),
    MR_OPTION_ROW(mr_store_settings,    "lock-wait",  TIME, 0, 86400, "TIME", "30s", lock_wait,               "with passed sockets: wait for the directory's last user"),
    MR_OPTION_ROW(mr_store_settings,    "scrub-rate", SIZE, 0, 0, "SIZE", "8MiB", scrub_rate,              "look for damage, bytes/s that are read; 0: do not"),
    MR_OPTION_END,
};
// clang-format on

static int refuse_min_free(struct mr_fault *fault)
{
    return mr_fault_set(fault, MR_EPARAM, "must be a size such as 512MiB, or a share such as 2%% (0%% to 99%%)");
}

int mr_store_min_free(struct mr_store_min_free *out, const char *text, struct mr_fault *fault)
{
    static const struct mr_param_spec size = {.name = "min-free", .type = MR_PARAM_SIZE};
    static const struct mr_param_spec percent = {.name = "min-free", .type = MR_PARAM_INT, .min = 0, .max = 99};
    struct mr_slice given = mr_slice_of(text);
    struct mr_param_value value;
    bool is_percent = given.len > 0 && given.at[given.len - 1] == '%';
    given.len -= is_percent;
    if (mr_param_parse(is_percent ? &percent : &size, given, &value, fault) != MR_OK)
        return refuse_min_free(fault);
    *out = (struct mr_store_min_free){.is_percent = is_percent, .amount = (uint64_t)value.integer};
    return MR_OK;
}

int mr_store_settings_check(const struct mr_store_settings *settings, const char **option, struct mr_fault *fault)
{
    struct mr_store_min_free min_free;
    *option = "min-free";
    return mr_store_min_free(&min_free, settings->min_free, fault);
}
