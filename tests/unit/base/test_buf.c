#include "base/buf.h"
#include "base/macros.h"
#include "dies.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void count_release(void *context)
{
    ++*(int *)context;
}

/* Everything held, as one text. */
static size_t contents(const struct mr_buf *buf, char *out)
{
    static struct iovec runs[4096];
    int count = mr_buf_peek(buf, runs, (int)MR_ARRAY_SIZE(runs));
    size_t len = 0;
    for (int i = 0; i < count; i++) {
        memcpy(out + len, runs[i].iov_base, runs[i].iov_len);
        len += runs[i].iov_len;
    }
    return len;
}

static void assert_holds(const struct mr_buf *buf, const char *text)
{
    char held[4096];
    assert_int_equal(contents(buf, held), strlen(text));
    assert_memory_equal(held, text, strlen(text));
    assert_int_equal(buf->len, strlen(text));
}

static void copies_and_references_keep_their_order(void **state)
{
    (void)state;
    struct mr_buf buf;
    int released = 0;
    mr_buf_init(&buf, 0, 100);
    mr_buf_append(&buf, "one ", 4);
    mr_buf_append_ref(&buf, "two ", 4, count_release, &released);
    mr_buf_append(&buf, "three ", 6);
    mr_buf_append_ref(&buf, "four", 4, NULL, NULL);
    assert_holds(&buf, "one two three four");
    mr_buf_consume(&buf, 6);
    assert_holds(&buf, "o three four");
    assert_int_equal(released, 0);
    mr_buf_consume(&buf, 2);
    assert_int_equal(released, 1);
    assert_holds(&buf, "three four");
    mr_buf_consume(&buf, 10);
    assert_holds(&buf, "");
    assert_int_equal(released, 1);
}

static void small_appends_share_a_run(void **state)
{
    (void)state;
    struct mr_buf buf;
    struct iovec runs[4];
    mr_buf_init(&buf, 0, 100);
    for (int i = 0; i < 50; i++)
        mr_buf_append(&buf, "0123456789", 10);
    assert_int_equal(mr_buf_peek(&buf, runs, 4), 1);
    assert_int_equal(runs[0].iov_len, 500);
    mr_buf_reset(&buf);
}

static void appending_does_not_move_what_was_peeked(void **state)
{
    (void)state;
    struct mr_buf buf;
    struct iovec before, after;
    char block[3000] = "first";
    mr_buf_init(&buf, 0, 100);
    mr_buf_append(&buf, block, 100);
    mr_buf_peek(&buf, &before, 1);
    for (int i = 0; i < 20; i++)
        mr_buf_append(&buf, block, sizeof(block));
    mr_buf_peek(&buf, &after, 1);
    assert_ptr_equal(before.iov_base, after.iov_base);
    assert_string_equal(after.iov_base, "first");
    mr_buf_reset(&buf);
}

static void peek_fills_no_more_than_it_may(void **state)
{
    (void)state;
    struct mr_buf buf;
    struct iovec runs[3] = {{0}};
    mr_buf_init(&buf, 0, 100);
    assert_int_equal(mr_buf_peek(&buf, runs, 3), 0);
    for (int i = 0; i < 3; i++)
        mr_buf_append_ref(&buf, "x", 1, NULL, NULL);
    assert_int_equal(mr_buf_peek(&buf, runs, 2), 2);
    assert_null(runs[2].iov_base);
    mr_buf_reset(&buf);
}

static void marks_are_apart(void **state)
{
    (void)state;
    struct mr_buf buf;
    mr_buf_init(&buf, 4, 8);
    assert_true(mr_buf_is_low(&buf));
    mr_buf_append(&buf, "1234567", 7);
    assert_false(mr_buf_is_high(&buf));
    assert_false(mr_buf_is_low(&buf));
    mr_buf_append(&buf, "8", 1);
    assert_true(mr_buf_is_high(&buf));
    mr_buf_consume(&buf, 3);
    assert_false(mr_buf_is_high(&buf) || mr_buf_is_low(&buf));
    mr_buf_consume(&buf, 1);
    assert_true(mr_buf_is_low(&buf));
    mr_buf_reset(&buf);
}

static void reset_releases_each_reference_once(void **state)
{
    (void)state;
    struct mr_buf buf;
    int released = 0;
    mr_buf_init(&buf, 0, 8);
    mr_buf_append_ref(&buf, "abc", 3, count_release, &released);
    mr_buf_append_ref(&buf, "def", 3, count_release, &released);
    mr_buf_consume(&buf, 1);
    mr_buf_reset(&buf);
    assert_int_equal(released, 2);
    assert_int_equal(buf.len, 0);
    mr_buf_append(&buf, "again", 5);
    assert_holds(&buf, "again");
    mr_buf_reset(&buf);
}

static void empty_reference_is_released_at_once(void **state)
{
    (void)state;
    struct mr_buf buf;
    int released = 0;
    mr_buf_init(&buf, 0, 8);
    mr_buf_append_ref(&buf, "", 0, count_release, &released);
    assert_int_equal(released, 1);
    assert_int_equal(mr_buf_peek(&buf, &(struct iovec){0}, 1), 0);
}

static void empty_queue_holds_no_memory(void **state)
{
    (void)state;
    struct mr_buf buf;
    mr_buf_init(&buf, 0, 8);
    mr_buf_append(&buf, "abc", 3);
    mr_buf_consume(&buf, 3);
    assert_null(buf.head);
    assert_null(buf.tail);
}

static struct mr_buf *refilled;
static void append_more(void *context)
{
    mr_buf_append(refilled, context, 4);
}

static void release_may_append(void **state)
{
    (void)state;
    struct mr_buf buf;
    refilled = &buf;
    mr_buf_init(&buf, 0, 8);
    mr_buf_append_ref(&buf, "a", 1, append_more, "more");
    mr_buf_append(&buf, "b", 1);
    mr_buf_consume(&buf, 1);
    assert_holds(&buf, "bmore");
    mr_buf_consume(&buf, 5);
    assert_holds(&buf, "");
}

static void consuming_more_than_is_held_is_a_programming_error(void **state)
{
    (void)state;
    struct mr_buf buf;
    mr_buf_init(&buf, 0, 8);
    mr_buf_append(&buf, "abc", 3);
    assert_dies(mr_buf_consume(&buf, 4));
    mr_buf_reset(&buf);
}

/* The same random appends and consumes on the queue and on a plain array. */
static void behaves_like_a_plain_array(void **state)
{
    (void)state;
    enum { TOTAL = 1 << 21 };
    static char reference[TOTAL], held[TOTAL];
    struct mr_buf buf;
    size_t first = 0, end = 0;
    int references = 0, released = 0;
    mr_buf_init(&buf, 0, 8);
    srand(7);
    for (size_t i = 0; i < TOTAL; i++)
        reference[i] = (char)rand();
    while (end < TOTAL) {
        size_t wanted = (size_t)rand() % (rand() % 8 == 0 ? 40000 : 300);
        size_t len = MR_MIN(wanted, TOTAL - end);
        if (rand() % 4 == 0 && len > 0) {
            mr_buf_append_ref(&buf, reference + end, len, count_release, &released);
            references++;
        } else {
            mr_buf_append(&buf, reference + end, len);
        }
        end += len;
        assert_int_equal(buf.len, end - first);
        assert_int_equal(contents(&buf, held), buf.len);
        assert_memory_equal(held, reference + first, buf.len);
        size_t taken = (size_t)rand() % (buf.len + 1);
        mr_buf_consume(&buf, taken);
        first += taken;
    }
    mr_buf_reset(&buf);
    assert_int_equal(references, released);
}

/* ---- parts of files ---- */

static struct {
    int times, error_number;
} freed;

static void on_span_released(void *owner, int error_number)
{
    assert_ptr_equal(owner, &freed);
    freed.times++;
    freed.error_number = error_number;
}

static void append_span(struct mr_buf *buf, uint64_t len)
{
    freed.times = freed.error_number = 0;
    mr_buf_append_file(buf, (struct mr_file_span){.fd = 5, .offset = 1000, .len = len}, on_span_released, &freed);
}

static void file_keeps_its_place_among_the_bytes(void **state)
{
    (void)state;
    struct mr_buf buf;
    struct iovec runs[4];
    struct mr_file_span span;
    mr_buf_init(&buf, 10, 100);
    mr_buf_append(&buf, "head", 4);
    append_span(&buf, 5000);
    mr_buf_append(&buf, "tail", 4);
    assert_int_equal(buf.len, 5008);
    assert_true(mr_buf_is_high(&buf));
    assert_int_equal(mr_buf_peek(&buf, runs, 4), 1);
    assert_null(mr_buf_share_file(&buf, &span)); /* not yet */
    mr_buf_consume(&buf, 4 + 100);
    assert_int_equal(mr_buf_peek(&buf, runs, 4), 0);
    struct mr_buf_segment *file = mr_buf_share_file(&buf, &span);
    assert_int_equal(span.fd, 5);
    assert_int_equal(span.offset, 1100);
    assert_int_equal(span.len, 4900);
    mr_buf_return_file(file, 0);
    mr_buf_consume(&buf, 4899);
    assert_int_equal(freed.times, 0);
    mr_buf_consume(&buf, 1);
    assert_int_equal(freed.times, 1);
    assert_int_equal(freed.error_number, 0);
    assert_holds(&buf, "tail");
    mr_buf_reset(&buf);
}

static void file_that_is_shared_outlives_its_queue(void **state)
{
    (void)state;
    struct mr_buf buf;
    struct mr_file_span span;
    mr_buf_init(&buf, 10, 100);
    append_span(&buf, 5000);
    struct mr_buf_segment *file = mr_buf_share_file(&buf, &span);
    mr_buf_reset(&buf);
    assert_int_equal(buf.len, 0);
    assert_int_equal(freed.times, 0);
    mr_buf_return_file(file, 0);
    assert_int_equal(freed.times, 1);
}

static void owner_of_a_file_hears_why_it_could_not_be_read(void **state)
{
    (void)state;
    struct mr_buf buf;
    struct mr_file_span span;
    mr_buf_init(&buf, 10, 100);
    append_span(&buf, 5000);
    mr_buf_return_file(mr_buf_share_file(&buf, &span), 7);
    assert_int_equal(freed.times, 0);
    mr_buf_reset(&buf);
    assert_int_equal(freed.times, 1);
    assert_int_equal(freed.error_number, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_and_references_keep_their_order),
        cmocka_unit_test(small_appends_share_a_run),
        cmocka_unit_test(appending_does_not_move_what_was_peeked),
        cmocka_unit_test(peek_fills_no_more_than_it_may),
        cmocka_unit_test(marks_are_apart),
        cmocka_unit_test(reset_releases_each_reference_once),
        cmocka_unit_test(empty_reference_is_released_at_once),
        cmocka_unit_test(empty_queue_holds_no_memory),
        cmocka_unit_test(release_may_append),
        cmocka_unit_test(consuming_more_than_is_held_is_a_programming_error),
        cmocka_unit_test(behaves_like_a_plain_array),
        cmocka_unit_test(file_keeps_its_place_among_the_bytes),
        cmocka_unit_test(file_that_is_shared_outlives_its_queue),
        cmocka_unit_test(owner_of_a_file_hears_why_it_could_not_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
