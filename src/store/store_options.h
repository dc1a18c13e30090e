/* store_options.h -- what a program can be told of its store: --data, --durability, --min-free, --lock-wait,
 * --scrub-rate. */
#ifndef MR_STORE_STORE_OPTIONS_H
#define MR_STORE_STORE_OPTIONS_H

#include "base/error.h"
#include "base/option_tables.h"

enum mr_store_durability {
    MR_STORE_FULL, /* what is acknowledged survives a loss of power */
    MR_STORE_NONE  /* ... the end of the process, but not a loss of power */
};

struct mr_store_settings {
    char *data;          /* the directory; NULL: no store */
    int durability;      /* enum mr_store_durability */
    char *min_free;      /* as it was given: see mr_store_min_free() */
    uint64_t lock_wait;  /* ns */
    uint64_t scrub_rate; /* bytes a second; 0: nothing is scrubbed */
};

extern const struct mr_option mr_store_options[];

/* What is to stay free of a file system: of its bytes, and the same share of its inodes. */
struct mr_store_min_free {
    bool is_percent;
    uint64_t amount; /* percent, or bytes */
};

/* Read "512MiB" or "2%". MR_OK, or MR_EPARAM with a detail. */
int mr_store_min_free(struct mr_store_min_free *out, const char *text, struct mr_fault *fault);
/* What no option row checks: MR_OK or MR_EPARAM, and *option names it. */
int mr_store_settings_check(const struct mr_store_settings *settings, const char **option, struct mr_fault *fault);

#endif
