/* The inbox under every interleaving: threads post, one loop drains. The loop sleeps until it is woken, and is woken
 * only by who found the inbox empty. Properties:
 *  - no completion is lost and no wake-up: with one posted, the loop does not sleep for ever (a deadlock), also when
 * the one that found the inbox empty was the loop, which wakes nobody and only does not sleep;
 *  - each is delivered once per post, those of one thread in the order they were posted;
 *  - the loop sees what the poster wrote before;
 *  - a bounded drain delivers no more than its bound, and says by `more` when some are left: the loop then comes again
 *    without having been woken. */
#include "base/macros.h"
#include "explorer.h"
#include "loop/inbox.h"
#include <sched.h>
#include <stdint.h>
#include <string.h>

#define POSTERS 3
#define POSTS   2 /* at most, of one thread */

struct parcel {
    struct mr_inbox_node node;
    unsigned poster, number, left; /* to be posted so many times again when it is delivered */
};

static struct {
    struct mr_inbox inbox;
    atomic_bool woken;
    bool hurry; /* the loop's: it does not sleep before it has drained again */
    size_t batch;
    unsigned posters, posts, posted_again;
    struct parcel parcels[POSTERS][POSTS];
    struct parcel own; /* of the loop, as if it were the last poster's */
    bool posts_own;
    unsigned delivered[POSTERS + 1];
} it;

/* An eventfd: one system call is ordered with the other by the kernel's lock. */
static void wake_loop(void)
{
    atomic_exchange_explicit(&it.woken, true, memory_order_acq_rel);
}

static void sleep_until_woken(void)
{
    while (!atomic_exchange_explicit(&it.woken, false, memory_order_acq_rel))
        sched_yield();
}

static void post_parcel(struct parcel *parcel)
{
    if (mr_inbox_post(&it.inbox, &parcel->node))
        wake_loop();
}

/* By the loop. */
static void post_to_itself(struct parcel *parcel)
{
    if (mr_inbox_post(&it.inbox, &parcel->node))
        it.hurry = true;
}

static void deliver(struct mr_inbox_node *node)
{
    struct parcel *parcel = mr_container_of(node, struct parcel, node);

    if (parcel->left > 0) {
        parcel->left--;
        it.posted_again--;
        post_to_itself(parcel);
        return;
    }
    EXPLORE_CHECK(parcel->number == it.delivered[parcel->poster]);
    it.delivered[parcel->poster]++;
}

static void post(unsigned self)
{
    for (unsigned i = 0; i < it.posts; i++) {
        struct parcel *parcel = &it.parcels[self][i];
        *parcel = (struct parcel){.node.deliver = deliver, .poster = self, .number = i};
        if (i + 1 == it.posts && self == 0)
            parcel->left = it.posted_again;
        post_parcel(parcel);
    }
}

static void run_loop(unsigned self)
{
    size_t left = it.posters * it.posts + it.posted_again + it.posts_own;

    (void)self;
    if (it.posts_own) /* from a callback that is no delivery */
        post_to_itself(&it.own);
    while (left > 0) {
        if (!it.hurry)
            sleep_until_woken();
        size_t drained = mr_inbox_drain(&it.inbox, it.batch, &it.hurry);
        EXPLORE_CHECK(drained <= left && drained <= it.batch);
        left -= drained;
    }
}

static void start(unsigned posters, unsigned posts, unsigned posted_again, size_t batch)
{
    memset(&it, 0, sizeof(it));
    mr_inbox_init(&it.inbox);
    it.posters = posters;
    it.posts = posts;
    it.posted_again = posted_again;
    it.batch = batch;
    for (unsigned i = 0; i < posters; i++)
        explore_thread(post, i);
    explore_thread(run_loop, 0);
}

static void one_poster(void)
{
    start(1, 2, 0, 64);
}

static void two_posters(void)
{
    start(2, 2, 0, 1);
}

static void three_posters(void)
{
    start(3, 1, 0, 64);
}

static void posted_again(void)
{
    start(2, 1, 1, 64);
}

static void posted_by_the_loop(void)
{
    start(2, 1, 0, 1);
    it.posts_own = true;
    it.own = (struct parcel){.node.deliver = deliver, .poster = POSTERS};
}

static void check(void)
{
    EXPLORE_CHECK(mr_inbox_is_empty(&it.inbox));
    for (unsigned i = 0; i < it.posters; i++)
        EXPLORE_CHECK(it.delivered[i] == it.posts);
    EXPLORE_CHECK(it.delivered[POSTERS] == it.posts_own);
}

int main(int argument_count, char **arguments)
{
    static const struct explore_scenario scenarios[] = {
        {"inbox-one-poster", one_poster, check, 0, false},
        {"inbox-two-posters", two_posters, check, 4, false},
        {"inbox-three-posters", three_posters, check, 0, false},
        {"inbox-posted-again", posted_again, check, 0, false},
        {"inbox-posted-by-the-loop", posted_by_the_loop, check, 0, false},
    };
    return explore_main(scenarios, MR_ARRAY_SIZE(scenarios), argument_count, arguments);
}
