#include "base/stream.h"
#include "dies.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Both sides of a stream, with a note of all that they heard: p push, e end, a abort, r resume, c cancel. */
struct sides {
    struct mr_stream stream;
    char heard[64];
    enum mr_flow answer;                   /* of push */
    void (*during_push)(struct sides *);   /* what the receiver does inside push */
    void (*during_resume)(struct sides *); /* what the sender does inside resume */
    char place[16];
    struct mr_fault why;
};

static const struct mr_fault gone = {.error = MR_EGONE};

static void note(struct sides *sides, char event)
{
    size_t len = strlen(sides->heard);
    assert_true(len + 1 < sizeof(sides->heard));
    sides->heard[len] = event;
}

static enum mr_flow on_push(void *context, const void *bytes, size_t len)
{
    struct sides *sides = context;
    assert_true(len > 0 && bytes != NULL);
    note(sides, 'p');
    if (sides->during_push != NULL)
        sides->during_push(sides);
    return sides->answer;
}

static void on_end(void *context)
{
    note(context, 'e');
}

static void on_abort(void *context, const struct mr_fault *why)
{
    struct sides *sides = context;
    note(sides, 'a');
    sides->why = *why;
}

static void *on_space(void *context, size_t *len)
{
    struct sides *sides = context;
    if (*len > sizeof(sides->place))
        return NULL;
    *len = sizeof(sides->place);
    return sides->place;
}

static void on_resume(void *context)
{
    struct sides *sides = context;
    note(sides, 'r');
    if (sides->during_resume != NULL)
        sides->during_resume(sides);
}

static void on_cancel(void *context, const struct mr_fault *why)
{
    struct sides *sides = context;
    note(sides, 'c');
    sides->why = *why;
}

static const struct mr_stream_receiver receiver = {
    .push = on_push, .end = on_end, .abort = on_abort, .get_buffer = on_space};
static const struct mr_stream_receiver placeless = {.push = on_push, .end = on_end, .abort = on_abort};
static const struct mr_stream_sender sender = {.resume = on_resume, .cancel = on_cancel};

static enum mr_flow push(struct sides *sides)
{
    return mr_stream_push(&sides->stream, "bytes", 5);
}

/* Receiver first, so that attaching calls nobody. */
static void join(struct sides *sides)
{
    *sides = (struct sides){.answer = MR_FLOW_MORE};
    mr_stream_attach_receiver(&sides->stream, &receiver, sides);
    mr_stream_attach_sender(&sides->stream, &sender, sides);
    assert_true(mr_stream_is_open(&sides->stream));
    assert_string_equal(sides->heard, "");
}

static void bytes_flow_and_end(void **state)
{
    (void)state;
    struct sides sides;
    join(&sides);
    assert_int_equal(push(&sides), MR_FLOW_MORE);
    assert_int_equal(push(&sides), MR_FLOW_MORE);
    mr_stream_end(&sides.stream);
    assert_string_equal(sides.heard, "ppe");
    assert_true(mr_stream_is_closed(&sides.stream));
}

static void late_receiver_resumes_the_waiting_sender(void **state)
{
    (void)state;
    struct sides sides = {.answer = MR_FLOW_MORE};
    mr_stream_init(&sides.stream);
    mr_stream_attach_sender(&sides.stream, &sender, &sides);
    assert_false(mr_stream_is_open(&sides.stream));
    mr_stream_attach_receiver(&sides.stream, &receiver, &sides);
    assert_string_equal(sides.heard, "r");
    assert_int_equal(push(&sides), MR_FLOW_MORE);
}

static void pause_lasts_until_resume(void **state)
{
    (void)state;
    struct sides sides;
    join(&sides);
    sides.answer = MR_FLOW_PAUSE;
    assert_int_equal(push(&sides), MR_FLOW_PAUSE);
    sides.answer = MR_FLOW_MORE;
    assert_int_equal(push(&sides), MR_FLOW_PAUSE); /* the rest of a read; the receiver still owes a resume */
    mr_stream_resume(&sides.stream);
    assert_int_equal(push(&sides), MR_FLOW_MORE);
    assert_string_equal(sides.heard, "pprp");
}

static void resume_without_a_pause_is_ignored(void **state)
{
    (void)state;
    struct sides sides;
    join(&sides);
    mr_stream_resume(&sides.stream);
    assert_string_equal(sides.heard, "");
}

static void resume_now(struct sides *sides)
{
    mr_stream_resume(&sides->stream);
}

static void answer_of_push_wins_over_a_resume_inside_it(void **state)
{
    (void)state;
    struct sides sides;
    join(&sides);
    sides.during_push = resume_now;
    sides.answer = MR_FLOW_PAUSE;
    assert_int_equal(push(&sides), MR_FLOW_PAUSE);
    assert_int_equal(push(&sides), MR_FLOW_PAUSE);
    sides.answer = MR_FLOW_MORE;
    assert_int_equal(push(&sides), MR_FLOW_MORE); /* here the resume inside ended the pause */
    assert_string_equal(sides.heard, "ppp");      /* and never called the sender in the middle of its push */
}

static void push_and_end(struct sides *sides)
{
    push(sides);
    mr_stream_end(&sides->stream);
}

static void sender_may_push_and_end_inside_resume(void **state)
{
    (void)state;
    struct sides sides;
    join(&sides);
    sides.answer = MR_FLOW_PAUSE;
    push(&sides);
    sides.during_resume = push_and_end;
    mr_stream_resume(&sides.stream);
    assert_string_equal(sides.heard, "prpe");
}

static void cancel_now(struct sides *sides)
{
    mr_stream_cancel(&sides->stream, &gone);
}

static void cancel_inside_push_is_final(void **state)
{
    (void)state;
    struct sides sides;
    join(&sides);
    sides.during_push = cancel_now;
    assert_int_equal(push(&sides), MR_FLOW_PAUSE);
    assert_int_equal(push(&sides), MR_FLOW_PAUSE);
    mr_stream_end(&sides.stream);
    assert_string_equal(sides.heard, "pc");
    assert_int_equal(sides.why.error, MR_EGONE);
}

static void abort_now(struct sides *sides)
{
    mr_stream_abort(&sides->stream, &gone);
}

static void abort_inside_push_is_final(void **state)
{
    (void)state;
    struct sides sides;
    join(&sides);
    sides.during_push = abort_now;
    assert_int_equal(push(&sides), MR_FLOW_PAUSE);
    assert_string_equal(sides.heard, "pa");
}

static void nobody_hears_anything_after_a_final_event(void **state)
{
    (void)state;
    static void (*const finals[])(struct sides *) = {push_and_end, abort_now, cancel_now};
    static const char *const expected[] = {"pe", "a", "c"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(finals); i++) {
        struct sides sides;
        join(&sides);
        finals[i](&sides);
        assert_int_equal(push(&sides), MR_FLOW_PAUSE);
        mr_stream_end(&sides.stream);
        mr_stream_resume(&sides.stream);
        mr_stream_abort(&sides.stream, &gone);
        mr_stream_cancel(&sides.stream, &gone);
        assert_string_equal(sides.heard, expected[i]);
    }
}

static void stream_closed_before_the_other_side_came_stays_silent(void **state)
{
    (void)state;
    struct sides sides = {0};
    mr_stream_attach_sender(&sides.stream, &sender, &sides);
    mr_stream_abort(&sides.stream, &gone);
    mr_stream_attach_receiver(&sides.stream, &receiver, &sides);
    assert_true(mr_stream_is_closed(&sides.stream));
    assert_string_equal(sides.heard, "");
}

static void cancel_of_a_waiting_sender_is_heard(void **state)
{
    (void)state;
    struct sides sides = {0};
    mr_stream_attach_sender(&sides.stream, &sender, &sides);
    mr_stream_cancel(&sides.stream, &gone);
    assert_string_equal(sides.heard, "c");
}

static void space_comes_from_the_receiver_while_open(void **state)
{
    (void)state;
    struct sides sides;
    size_t len = 10;
    join(&sides);
    assert_ptr_equal(mr_stream_space(&sides.stream, &len), sides.place);
    assert_int_equal(len, sizeof(sides.place));
    len = 100;
    assert_null(mr_stream_space(&sides.stream, &len));
    mr_stream_end(&sides.stream);
    len = 10;
    assert_null(mr_stream_space(&sides.stream, &len));

    sides = (struct sides){0};
    assert_null(mr_stream_space(&sides.stream, &len));
    mr_stream_attach_receiver(&sides.stream, &placeless, &sides);
    mr_stream_attach_sender(&sides.stream, &sender, &sides);
    assert_null(mr_stream_space(&sides.stream, &len));
}

static void push_again(struct sides *sides)
{
    push(sides);
}

static void misuse_is_a_programming_error(void **state)
{
    (void)state;
    struct sides sides;
    join(&sides);
    assert_dies(mr_stream_push(&sides.stream, "", 0));
    assert_dies(mr_stream_attach_sender(&sides.stream, &sender, &sides));
    assert_dies(mr_stream_attach_receiver(&sides.stream, &receiver, &sides));
    sides.during_push = push_again;
    assert_dies(push(&sides));
    sides.during_push = push_and_end;
    assert_dies(push(&sides));
    sides = (struct sides){0};
    assert_dies(push(&sides));
    assert_dies(mr_stream_end(&sides.stream));
}

/* ---- bytes by reference ---- */

struct owner {
    struct sides *sides;
    unsigned released;
};

static void on_release(void *context)
{
    ((struct owner *)context)->released++;
}

static struct {
    void (*release)(void *owner);
    void *owner;
} kept;

static enum mr_flow keep_ref(void *context, const void *bytes, size_t len, void (*release)(void *owner), void *owner)
{
    kept.release = release;
    kept.owner = owner;
    return on_push(context, bytes, len);
}

static const struct mr_stream_receiver keeper = {
    .push = on_push, .end = on_end, .abort = on_abort, .push_ref = keep_ref};

static enum mr_flow push_ref(struct sides *sides, struct owner *owner)
{
    return mr_stream_push_ref(&sides->stream, "bytes", 5, on_release, owner);
}

static void receiver_that_copies_releases_a_reference_at_once(void **state)
{
    (void)state;
    struct sides sides;
    struct owner owner = {.sides = &sides};
    join(&sides);
    assert_int_equal(push_ref(&sides, &owner), MR_FLOW_MORE);
    assert_int_equal(owner.released, 1);
    sides.answer = MR_FLOW_PAUSE;
    assert_int_equal(push_ref(&sides, &owner), MR_FLOW_PAUSE);
    assert_int_equal(owner.released, 2);
    assert_string_equal(sides.heard, "pp");
}

static void receiver_keeps_a_reference_until_it_releases_it(void **state)
{
    (void)state;
    struct sides sides = {.answer = MR_FLOW_PAUSE};
    struct owner owner = {.sides = &sides};
    mr_stream_attach_receiver(&sides.stream, &keeper, &sides);
    mr_stream_attach_sender(&sides.stream, &sender, &sides);
    assert_int_equal(push_ref(&sides, &owner), MR_FLOW_PAUSE);
    assert_int_equal(owner.released, 0);
    mr_stream_end(&sides.stream);
    kept.release(kept.owner); /* also when the stream has ended */
    assert_int_equal(owner.released, 1);
    assert_string_equal(sides.heard, "pe");
}

static void reference_into_a_closed_stream_is_released(void **state)
{
    (void)state;
    struct sides sides;
    struct owner owner = {.sides = &sides};
    join(&sides);
    mr_stream_cancel(&sides.stream, &gone);
    assert_int_equal(push_ref(&sides, &owner), MR_FLOW_PAUSE);
    assert_int_equal(owner.released, 1);
    assert_string_equal(sides.heard, "c");
}

/* ---- parts of files ---- */

static void on_span_release(void *context, int error_number)
{
    assert_int_equal(error_number, 0);
    on_release(context);
}

static struct mr_file_span taken;

static enum mr_flow take_span(void *context, struct mr_file_span span, mr_file_span_release *release, void *owner)
{
    (void)release;
    (void)owner;
    taken = span;
    return on_push(context, "bytes", 5);
}

static const struct mr_stream_receiver file_taker = {
    .push = on_push, .end = on_end, .abort = on_abort, .push_file = take_span};

static void receiver_that_takes_files_is_given_one(void **state)
{
    (void)state;
    struct sides sides = {.answer = MR_FLOW_PAUSE};
    struct owner owner = {.sides = &sides};
    struct mr_file_span span = {
        .fd = 3, .offset = 7, .len = MR_STREAM_PUSH_MAX + 1}; /* it may be as long as it likes */
    assert_false(mr_stream_takes_file(&sides.stream));
    mr_stream_attach_receiver(&sides.stream, &file_taker, &sides);
    mr_stream_attach_sender(&sides.stream, &sender, &sides);
    assert_true(mr_stream_takes_file(&sides.stream));
    assert_int_equal(mr_stream_push_file(&sides.stream, span, on_span_release, &owner), MR_FLOW_PAUSE);
    assert_int_equal(taken.len, span.len);
    assert_int_equal(owner.released, 0);
    assert_int_equal(sides.stream.state, MR_STREAM_PAUSED);
    mr_stream_cancel(&sides.stream, &gone);
    assert_int_equal(mr_stream_push_file(&sides.stream, span, on_span_release, &owner), MR_FLOW_PAUSE);
    assert_int_equal(owner.released, 1); /* it is closed */
    assert_string_equal(sides.heard, "pc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_flow_and_end),
        cmocka_unit_test(late_receiver_resumes_the_waiting_sender),
        cmocka_unit_test(pause_lasts_until_resume),
        cmocka_unit_test(resume_without_a_pause_is_ignored),
        cmocka_unit_test(answer_of_push_wins_over_a_resume_inside_it),
        cmocka_unit_test(sender_may_push_and_end_inside_resume),
        cmocka_unit_test(cancel_inside_push_is_final),
        cmocka_unit_test(abort_inside_push_is_final),
        cmocka_unit_test(nobody_hears_anything_after_a_final_event),
        cmocka_unit_test(stream_closed_before_the_other_side_came_stays_silent),
        cmocka_unit_test(cancel_of_a_waiting_sender_is_heard),
        cmocka_unit_test(space_comes_from_the_receiver_while_open),
        cmocka_unit_test(misuse_is_a_programming_error),
        cmocka_unit_test(receiver_that_copies_releases_a_reference_at_once),
        cmocka_unit_test(receiver_keeps_a_reference_until_it_releases_it),
        cmocka_unit_test(reference_into_a_closed_stream_is_released),
        cmocka_unit_test(receiver_that_takes_files_is_given_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
