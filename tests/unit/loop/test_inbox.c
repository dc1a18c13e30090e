#include "loop/inbox.h"

#include "base/macros.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct letter {
    struct mr_inbox_node node;
    unsigned sender, number;
    struct mr_inbox *post_again; /* once */
};

static unsigned delivered[64], delivered_count;

static void note(struct mr_inbox_node *node)
{
    struct letter *letter = mr_container_of(node, struct letter, node);

    delivered[delivered_count++ % MR_ARRAY_SIZE(delivered)] = letter->number;
    if (letter->post_again != NULL) {
        struct mr_inbox *inbox = letter->post_again;
        letter->post_again = NULL;
        mr_inbox_post(inbox, &letter->node);
    }
}

static struct letter letter_numbered(unsigned number)
{
    return (struct letter){.node.deliver = note, .number = number};
}

static int reset(void **state)
{
    (void)state;
    delivered_count = 0;
    return 0;
}

static void only_the_first_post_asks_for_a_wake_up(void **state)
{
    struct mr_inbox inbox;
    struct letter a = letter_numbered(1), b = letter_numbered(2);
    bool more;

    (void)state;
    mr_inbox_init(&inbox);
    assert_true(mr_inbox_is_empty(&inbox));
    assert_true(mr_inbox_post(&inbox, &a.node));
    assert_false(mr_inbox_post(&inbox, &b.node));
    assert_false(mr_inbox_is_empty(&inbox));
    assert_int_equal(mr_inbox_drain(&inbox, 8, &more), 2);
    assert_false(more);
    assert_true(mr_inbox_post(&inbox, &a.node));
    assert_int_equal(mr_inbox_drain(&inbox, 8, &more), 1);
}

static void nodes_are_delivered_in_the_order_of_their_posts(void **state)
{
    struct mr_inbox inbox;
    struct letter letters[5];
    bool more;

    (void)state;
    mr_inbox_init(&inbox);
    for (unsigned i = 0; i < 5; i++) {
        letters[i] = letter_numbered(i);
        mr_inbox_post(&inbox, &letters[i].node);
    }
    mr_inbox_drain(&inbox, 8, &more);
    assert_int_equal(delivered_count, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(delivered[i], i);
}

static void a_batch_ends_at_its_bound_and_says_that_more_is_left(void **state)
{
    struct mr_inbox inbox;
    struct letter letters[5];
    bool more;

    (void)state;
    mr_inbox_init(&inbox);
    for (unsigned i = 0; i < 5; i++) {
        letters[i] = letter_numbered(i);
        mr_inbox_post(&inbox, &letters[i].node);
    }
    assert_int_equal(mr_inbox_drain(&inbox, 2, &more), 2);
    assert_true(more);
    struct letter late = letter_numbered(5);
    assert_true(mr_inbox_post(&inbox, &late.node)); /* the rest is the loop's already: this one needs a wake-up */
    assert_int_equal(mr_inbox_drain(&inbox, 3, &more), 3);
    assert_true(more);
    assert_int_equal(mr_inbox_drain(&inbox, 3, &more), 1);
    assert_false(more);
    assert_int_equal(delivered[5], 5);
}

static void a_node_posted_while_delivering_waits_for_the_next_batch(void **state)
{
    struct mr_inbox inbox;
    struct letter again = letter_numbered(7);
    bool more;

    (void)state;
    mr_inbox_init(&inbox);
    again.post_again = &inbox;
    mr_inbox_post(&inbox, &again.node);
    assert_int_equal(mr_inbox_drain(&inbox, 8, &more), 1);
    assert_true(more);
    assert_int_equal(mr_inbox_drain(&inbox, 8, &more), 1);
    assert_false(more);
}

#define SENDERS 3
#define LETTERS 20000
static struct mr_inbox shared_inbox;
static struct letter sent[SENDERS][LETTERS];
static unsigned next_number[SENDERS], received;
static atomic_uint wake_ups;

static void check_order(struct mr_inbox_node *node)
{
    struct letter *letter = mr_container_of(node, struct letter, node);

    assert_int_equal(letter->number, next_number[letter->sender]);
    next_number[letter->sender]++;
    received++;
}

static void *send_letters(void *argument)
{
    unsigned sender = (unsigned)(uintptr_t)argument;

    for (unsigned i = 0; i < LETTERS; i++) {
        sent[sender][i] = (struct letter){.node.deliver = check_order, .sender = sender, .number = i};
        if (mr_inbox_post(&shared_inbox, &sent[sender][i].node))
            atomic_fetch_add(&wake_ups, 1);
    }
    return NULL;
}

/* The receiver looks only when a wake-up is due, as a loop does: a lost one would hang here. */
static void nothing_is_lost_or_reordered_among_many_posters(void **state)
{
    pthread_t threads[SENDERS];
    bool more = false;

    (void)state;
    mr_inbox_init(&shared_inbox);
    for (uintptr_t i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_letters, (void *)i), 0);
    while (received < SENDERS * LETTERS) {
        if (!more && atomic_load(&wake_ups) == 0)
            continue;
        if (!more)
            atomic_fetch_sub(&wake_ups, 1);
        mr_inbox_drain(&shared_inbox, 16, &more);
    }
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(mr_inbox_is_empty(&shared_inbox));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_the_first_post_asks_for_a_wake_up, reset),
        cmocka_unit_test_setup(nodes_are_delivered_in_the_order_of_their_posts, reset),
        cmocka_unit_test_setup(a_batch_ends_at_its_bound_and_says_that_more_is_left, reset),
        cmocka_unit_test_setup(a_node_posted_while_delivering_waits_for_the_next_batch, reset),
        cmocka_unit_test(nothing_is_lost_or_reordered_among_many_posters),
    };
    return cmocka_run_group_tests_name("inbox", tests, NULL, NULL);
}
