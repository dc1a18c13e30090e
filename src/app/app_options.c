#include "app/app_options.h"

static const char *const readers[] = {
    [MR_APP_READ_PUBLIC] = "public", [MR_APP_READ_KEY] = "key", [MR_APP_READ_SIGNED] = "signed", NULL};

// clang-format off
const struct mr_option mr_app_memory_options[] = {
    MR_OPTION_ROW(mr_app_settings, "memory-budget", SIZE, 1048576, 0, "SIZE", NULL, memory_budget, "bodies and jobs together (half of the machine)"),
    MR_OPTION_END,
};

const struct mr_option mr_app_key_options[] = {
    MR_OPTION_ROW(mr_app_settings, "api-keys", TEXT, 0, 1000, "FILE", NULL, api_keys, "keys of which each request needs one"),
    MR_OPTION_CHOICE(mr_app_settings, "read", readers, "ACCESS", "public", read, "files are read by their ID alone: public; with a key; signed"),
    MR_OPTION_ROW(mr_app_settings, "file-cache-control", TEXT, 1, 200, "TEXT", NULL, file_cache_control, "Cache-Control of files (public, max-age=3600)"),
    MR_OPTION_END,
};

const struct mr_option mr_app_identity_options[] = {
    MR_OPTION_LIST(mr_app_settings, "identity", "FILE", identity, NULL),
    MR_OPTION_ROW(mr_app_settings, "allow-request-identity", BOOL, 0, 0, NULL, NULL, allow_request_identity, "keys to decrypt with, repeatable; and those of requests"),
    MR_OPTION_END,
};
// clang-format on
