#include "keys/signing_options.h"

// clang-format off
const struct mr_option mr_signing_options[] = {
    MR_OPTION_ROW(mr_signing_settings, "signing-keys", TEXT, 0, 1000,             "FILE", NULL, keys,  "keys that sign addresses of images"),
    MR_OPTION_ROW(mr_signing_settings, "sign-life",    TIME, 1, MR_SIGN_LIFE_MAX, "TIME", "24h", life, "of addresses that the server signs"),
    MR_OPTION_END,
};
// clang-format on
