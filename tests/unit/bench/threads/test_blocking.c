/* A connection on a thread of its own, which hears of the end of the server at any moment. */
#include "base/error.h"
#include "bench/threads/blocking.h"
#include "http/request.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct mr_loop *loop;
    struct mr_http http;
    struct mr_http_counters *counters;
    struct mr_blocking_word word;
    struct mr_stream *answer;
    bool tells; /* the acceptor's word comes while a piece of the body is taken */
    bool fails; /* that piece fails */
};

static void tell_all(struct fixture *f)
{
    mr_blocking_tell(&f->word, MR_BLOCKING_DRAIN);
    mr_blocking_tell(&f->word, MR_BLOCKING_CUT);
}

static void cancel_answer(void *context, const struct mr_fault *why)
{
    (void)why;
    ((struct fixture *)((struct mr_request *)context)->http->app)->answer = NULL;
}

static void resume_answer(void *context)
{
    (void)context;
}

static enum mr_flow take_piece(void *context, const void *bytes, size_t len)
{
    struct fixture *f = ((struct mr_request *)context)->http->app;
    struct mr_fault fault = {0};
    (void)bytes;
    (void)len;
    if (f->tells)
        tell_all(f);
    if (f->fails) {
        mr_fault_set(&fault, MR_ESHUTDOWN, "%s", "the end");
        mr_stream_abort(f->answer, &fault);
    }
    return MR_FLOW_MORE;
}

static void take_end(void *context)
{
    struct fixture *f = ((struct mr_request *)context)->http->app;
    mr_stream_end(f->answer);
}

static void take_abort(void *context, const struct mr_fault *why)
{
    (void)context;
    (void)why;
}

static const struct mr_stream_receiver receiver = {.push = take_piece, .end = take_end, .abort = take_abort};
static const struct mr_stream_sender sender = {.resume = resume_answer, .cancel = cancel_answer};

static void start(struct mr_request *request)
{
    struct fixture *f = request->http->app;
    mr_request_take_body(request, &receiver, request);
    f->answer = mr_respond_stream(request, 200, "text/plain", NULL, UINT64_MAX, &sender, request);
    mr_stream_push(f->answer, "so far", 6);
}

static const struct mr_route routes[] = {{.method = MR_METHOD_POST, .pattern = "/both", .start = start}, {0}};

static void end_listening(void *context, struct mr_loop *loop)
{
    (void)context;
    (void)loop;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_int_equal(mr_loop_create(&f->loop, 0), 0);
    f->counters = calloc(1, sizeof(*f->counters));
    mr_http_init(&f->http, &f->counters, 1);
    mr_http_register(&f->http, routes);
    f->http.limits = (struct mr_http_limits){.body_max = 100000, .head_max = 16384, .connections_max = 10};
    f->http.app = f;
    assert_int_equal(mr_blocking_word_open(&f->word), 0);
    f->word.on_drain = end_listening;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mr_blocking_word_close(&f->word);
    mr_loop_destroy(&f->loop);
    free(f->counters);
    free(f);
    return 0;
}

/* Serve a client that sends this and closes its side; was anything cut? */
static bool serve(struct fixture *f, const char *sent, bool closes)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(write(ends[0], sent, strlen(sent)), strlen(sent));
    if (closes)
        assert_int_equal(shutdown(ends[0], SHUT_WR), 0);
    bool was_cut = mr_blocking_serve(ends[1], false, &f->http, f->loop, &f->word);
    close(ends[0]);
    return was_cut;
}

#define HEAD "POST /both HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n"

static void test_an_answer_that_goes_on_when_the_end_comes_is_cut(void **state)
{
    struct fixture *f = *state;
    f->tells = true;
    assert_true(serve(f, HEAD "half of it", false));
}

/* The pool is closed, and the job for this piece is refused, before the connection looks at the word. */
static void test_an_answer_that_fails_because_of_the_end_is_cut(void **state)
{
    struct fixture *f = *state;
    f->tells = f->fails = true;
    assert_true(serve(f, HEAD "half of it", false));
}

static void test_an_answer_that_fails_by_itself_is_not_cut_by_the_end(void **state)
{
    struct fixture *f = *state;
    f->fails = true;
    assert_false(serve(f, HEAD "half of it", false));
}

static void test_who_is_idle_when_the_end_comes_is_not_cut(void **state)
{
    struct fixture *f = *state;
    tell_all(f);
    assert_false(serve(f, "", false));
}

static void test_who_was_answered_is_not_cut(void **state)
{
    struct fixture *f = *state;
    f->tells = true;
    assert_false(serve(f, HEAD "all of it, 20 octets", true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_answer_that_goes_on_when_the_end_comes_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_answer_that_fails_because_of_the_end_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_answer_that_fails_by_itself_is_not_cut_by_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_is_idle_when_the_end_comes_is_not_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_was_answered_is_not_cut, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
