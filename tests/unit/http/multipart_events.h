/* multipart_events.h -- what a multipart parser said, as a text: shared by its unit tests and its fuzz target. */
#ifndef MULTIPART_EVENTS_H
#define MULTIPART_EVENTS_H

#include "base/assert.h"
#include "base/macros.h"
#include "http/multipart.h"
#include <stdlib.h>
#include <string.h>

struct events {
    char *text; /* of each part: {name|filename|type}content; "-" for what is not given; "." where it ends */
    size_t len, size;
    unsigned pause_every; /* this many calls are followed by a pause; 0: never */
    unsigned calls;
    int fail_with; /* what the call number fail_at returns, if it is not 0 */
    unsigned fail_at;
    bool is_open;
};

static void events_put(struct events *events, struct mr_slice bytes)
{
    if (events->size - events->len < bytes.len) {
        events->size = 2 * (events->len + bytes.len) + 64;
        events->text = realloc(events->text, events->size);
        MR_ASSERT(events->text != NULL);
    }
    if (bytes.len > 0)
        memcpy(events->text + events->len, bytes.at, bytes.len);
    events->len += bytes.len;
}

static int events_called(struct events *events)
{
    events->calls++;
    if (events->fail_with != 0 && events->calls == events->fail_at)
        return events->fail_with;
    return events->pause_every > 0 && events->calls % events->pause_every == 0 ? MR_MULTIPART_PAUSE : MR_OK;
}

static void events_put_or_dash(struct events *events, struct mr_slice bytes)
{
    events_put(events, bytes.at != NULL ? bytes : MR_SLICE("-"));
}

static int events_begin(void *context, const struct mr_multipart_part *part)
{
    struct events *events = context;
    MR_ASSERT(!events->is_open && part->name.at != NULL);
    events->is_open = true;
    events_put(events, MR_SLICE("{"));
    events_put_or_dash(events, part->name);
    events_put(events, MR_SLICE("|"));
    events_put_or_dash(events, part->filename);
    events_put(events, MR_SLICE("|"));
    events_put_or_dash(events, part->type);
    events_put(events, MR_SLICE("}"));
    return events_called(events);
}

static int events_data(void *context, struct mr_slice bytes)
{
    struct events *events = context;
    MR_ASSERT(events->is_open && bytes.len > 0);
    events_put(events, bytes);
    return events_called(events);
}

static int events_end(void *context)
{
    struct events *events = context;
    MR_ASSERT(events->is_open);
    events->is_open = false;
    events_put(events, MR_SLICE("."));
    return events_called(events);
}

static const struct mr_multipart_receiver events_receiver = {events_begin, events_data, events_end};

/* Feed all of it in slices of that length, each on the heap for the sanitizers; what is not consumed is fed again. */
static int events_feed(struct mr_multipart *multipart, struct mr_slice body, size_t slice_len, struct mr_fault *fault)
{
    while (body.len > 0) {
        size_t len = MR_MIN(body.len, slice_len), consumed;
        char *bytes = malloc(len);
        MR_ASSERT(bytes != NULL);
        memcpy(bytes, body.at, len);
        int err = mr_multipart_feed(multipart, (struct mr_slice){bytes, len}, &consumed, fault);
        free(bytes);
        MR_ASSERT(consumed <= len);
        if (err != MR_OK)
            return err;
        body.at += consumed;
        body.len -= consumed;
    }
    return MR_OK;
}

#endif
