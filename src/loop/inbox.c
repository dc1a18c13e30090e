#include "loop/inbox.h"

#include "base/assert.h"
#include "base/atomic.h"

void mr_inbox_init(struct mr_inbox *inbox)
{
    mr_store(&inbox->posted, NULL, relaxed);
    inbox->taken = NULL;
}

bool mr_inbox_post(struct mr_inbox *inbox, struct mr_inbox_node *node)
{
    struct mr_inbox_node *head = mr_load(&inbox->posted, relaxed);

    /* Release: pairs with the acquire of take(). The loop that takes this node sees its `next` and all that was written
     * before the post. It sees the same of the nodes below, though they were posted by others: every later swap
     * continues the release sequence of each earlier one. Nothing is read through `head`, so a failed or successful
     * swap need not acquire. */
    do {
        node->next = head;
    } while (!mr_compare_swap(&inbox->posted, &head, node, release, relaxed));
    return head == NULL;
}

/* All that was posted, oldest first. */
static struct mr_inbox_node *take(struct mr_inbox *inbox)
{
    struct mr_inbox_node *node = mr_exchange(&inbox->posted, NULL, acquire), *oldest = NULL;

    while (node != NULL) {
        struct mr_inbox_node *older = node->next;
        node->next = oldest;
        oldest = node;
        node = older;
    }
    return oldest;
}

size_t mr_inbox_drain(struct mr_inbox *inbox, size_t max, bool *more)
{
    size_t delivered = 0;

    MR_ASSERT(max > 0);
    /* Once per call: what is posted from within deliver() waits for the next. */
    if (inbox->taken == NULL && !mr_inbox_is_empty(inbox))
        inbox->taken = take(inbox);
    while (inbox->taken != NULL && delivered < max) {
        struct mr_inbox_node *node = inbox->taken;
        inbox->taken = node->next;
        node->deliver(node);
        delivered++;
    }
    *more = inbox->taken != NULL || !mr_inbox_is_empty(inbox);
    return delivered;
}

bool mr_inbox_is_empty(const struct mr_inbox *inbox)
{
    return mr_load(&inbox->posted, relaxed) == NULL;
}
