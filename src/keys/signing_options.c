#include "keys/signing_options.h"

static const char *const sign_words[] = {
    [MR_SIGN_PUBLIC] = "public", [MR_SIGN_REQUIRED] = "required", [MR_SIGN_OPTIONAL] = "optional", NULL};

// clang-format off
const struct mr_option mr_signing_options[] = {
    MR_OPTION_ROW(mr_signing_settings, "signing-keys", TEXT, 0, 1000,             "FILE", NULL, keys,  "keys that sign addresses of images"),
    MR_OPTION_CHOICE(mr_signing_settings, "sign", sign_words, "WHERE", "public", sign, "where images need a signed address: public; required; optional"),
    MR_OPTION_ROW(mr_signing_settings, "sign-life",    TIME, 1, MR_SIGN_LIFE_MAX, "TIME", "24h", life, "of addresses that the server signs"),
    MR_OPTION_END,
};
// clang-format on
