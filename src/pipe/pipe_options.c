#include "pipe/pipe_options.h"
#include "media/codec/codec.h"

static const char *const modes[] = {[MR_RESPOND_STREAMING] = "streaming", [MR_RESPOND_AFTER_BODY] = "after-body", NULL};

// clang-format off
const struct mr_option mr_pipe_memory_options[] = {
    MR_OPTION_ROW(mr_pipe_settings, "body-memory",         SIZE, 65536, 0, "SIZE", "16MiB", body_memory, "kept in memory per request, above: a file"),
    MR_OPTION_END,
};

const struct mr_option mr_pipe_options[] = {
    MR_OPTION_CHOICE(mr_pipe_settings, "respond",          modes, "WHEN", "streaming", respond,    "begin a response at once: streaming; or after-body"),
    MR_OPTION_ROW(mr_pipe_settings, "max-spill",           SIZE, 0, 0, "SIZE", "256MiB", max_spill,  "of an answer that waits in a file; 0: none"),
    MR_OPTION_ROW(mr_pipe_settings, "max-expansion",       SIZE, 0, 0, "SIZE", "16GiB", max_expansion, "what a body may expand to; 0: none"),
    MR_OPTION_ROW(mr_pipe_settings, "max-expansion-ratio", INT, 0, 1e9, "N", "250", max_expansion_ratio, "the same, in times its size; 0: none"),
    MR_OPTION_ROW(mr_pipe_settings, "max-zstd-window",     SIZE, 1024, MR_UNZSTD_WINDOW_MAX, "SIZE", NULL, max_zstd_window, NULL),
    MR_OPTION_ROW(mr_pipe_settings, "max-work-factor",     INT, 1, 30, "N", NULL, max_work_factor, "memory of a zstd frame (8MiB); work of an age passphrase (18)"),
    MR_OPTION_END,
};
// clang-format on
