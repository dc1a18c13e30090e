/* label.h -- what the callbacks of a loop are called where it is told how long they took: in the log and in the
 * metrics.
 *
 * A label is a number, so that the numbers of a loop, which lie in memory that processes share (stats/segment.h), hold
 * no pointer: a process whose memory is damaged cannot lead its neighbours astray. A new callback needs a row here. */
#ifndef MR_LOOP_LABEL_H
#define MR_LOOP_LABEL_H

// clang-format off
#define MR_LABELS(X)                             \
    X(MR_LABEL_ACCEPT,           "accept")           \
    X(MR_LABEL_CONNECTION,       "connection")       \
    X(MR_LABEL_CONNECTION_READ,  "connection-read")  \
    X(MR_LABEL_CONNECTION_WRITE, "connection-write") \
    X(MR_LABEL_DEPARTURES,       "departures")       \
    X(MR_LABEL_COMPLETIONS,      "completions")      \
    X(MR_LABEL_TIMERS,           "timers")           \
    X(MR_LABEL_JOB,              "job")              \
    X(MR_LABEL_BODY_WRITTEN,     "body-written")     \
    X(MR_LABEL_SOURCE,           "source")           \
    X(MR_LABEL_SPILL,            "spill")            \
    X(MR_LABEL_STORE_OPEN,       "store-open")       \
    X(MR_LABEL_STORE_LOAD,       "store-load")       \
    X(MR_LABEL_STORE_READ,       "store-read")       \
    X(MR_LABEL_STORE_WRITE,      "store-write")      \
    X(MR_LABEL_STORE_COMMIT,     "store-commit")     \
    X(MR_LABEL_STORE_CHANGE,     "store-change")     \
    X(MR_LABEL_STORE_DELETE,     "store-delete")     \
    X(MR_LABEL_STORE_CLOSE,      "store-close")      \
    X(MR_LABEL_STORE_LIST,       "store-list")       \
    X(MR_LABEL_STORE_SCRUB,      "store-scrub")      \
    X(MR_LABEL_VARIANT_READ,     "variant-read")     \
    X(MR_LABEL_VARIANT_WRITE,    "variant-write")    \
    X(MR_LABEL_TEST,             "test") /* of callbacks in tests */
// clang-format on

#define MR_LABEL_ENUM(label, text) label,
enum mr_label { MR_LABELS(MR_LABEL_ENUM) MR_LABEL_COUNT };
#undef MR_LABEL_ENUM

/* Static text; of a number that is no label "unknown". Any thread. */
const char *mr_label_text(unsigned label);

#endif
