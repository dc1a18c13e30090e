#include "loop/blocked.h"
#include <string.h>

static bool is_same(const struct mr_loop_note *a, const struct mr_loop_note *b)
{
    return memcmp(a->id, b->id, sizeof(a->id)) == 0;
}

/* From the last callback until now libuv was at work, unless that was too long. */
static void add_gap(struct mr_blocked *blocked, uint64_t now)
{
    if (blocked->left_at != 0 && now - blocked->left_at <= MR_BLOCKED_GAP_NS)
        blocked->busy_ns += now - blocked->left_at;
}

void mr_blocked_enter(struct mr_blocked *blocked, uint64_t now)
{
    add_gap(blocked, now);
    blocked->noted = (struct mr_loop_note){.id = ""};
    blocked->noted_at = now;
    blocked->most_ns = 0;
}

/* Until now the callback worked for blocked->noted. */
static void close_note(struct mr_blocked *blocked, uint64_t now)
{
    uint64_t length = now - blocked->noted_at;
    if (length >= blocked->most_ns) {
        blocked->most_ns = length;
        blocked->most = blocked->noted;
    }
    blocked->noted_at = now;
}

void mr_blocked_note(struct mr_blocked *blocked, const struct mr_loop_note *note)
{
    if (blocked->noted.id[0] != '\0' && !is_same(&blocked->noted, note))
        close_note(blocked, mr_clock_now());
    blocked->noted = *note;
}

void mr_blocked_leave(struct mr_blocked *blocked, enum mr_label label, uint64_t length, uint64_t now)
{
    blocked->busy_ns += length;
    blocked->left_at = now;
    if (blocked->has_worked && length <= blocked->longest_ns)
        return;
    close_note(blocked, now);
    blocked->has_worked = true;
    blocked->label = label;
    blocked->longest_ns = length;
    blocked->whose = blocked->most;
}

bool mr_blocked_has_worked(const struct mr_blocked *blocked)
{
    return blocked->has_worked;
}

uint64_t mr_blocked_finish(struct mr_blocked *blocked, uint64_t now)
{
    add_gap(blocked, now);
    return blocked->busy_ns;
}

void mr_blocked_reset(struct mr_blocked *blocked)
{
    blocked->has_worked = false;
    blocked->longest_ns = 0;
    blocked->busy_ns = blocked->left_at = 0;
}

bool mr_blocked_may_log(struct mr_blocked *blocked, uint64_t now, uint64_t *held_back)
{
    if (blocked->said_at != 0 && now - blocked->said_at < MR_BLOCKED_LOG_NS) {
        blocked->held_back++;
        return false;
    }
    *held_back = blocked->held_back;
    blocked->held_back = 0;
    blocked->said_at = now;
    return true;
}
