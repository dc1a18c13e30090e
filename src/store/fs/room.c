#include "store/fs/room.h"
#include "base/clock.h"
#include "base/macros.h"

#define OLD_NS MR_NS_PER_S

void mr_room_init(struct mr_room *room, struct mr_store_home *home, struct mr_store_numbers *numbers, unsigned process)
{
    *room = (struct mr_room){.home = home, .numbers = numbers, .process = process};
    /* A process that died has left its own. */
    atomic_store_explicit(&home->shared->reserved[process], 0, memory_order_relaxed);
}

static uint64_t share(uint64_t whole, double of)
{
    return (uint64_t)((double)whole * of);
}

/* Relaxed, all of them: numbers that bound nothing else than themselves. */
int mr_room_ask(struct mr_room *room, struct mr_disk_failure *failure)
{
    const struct mr_store_min_free *min_free = &room->home->min_free;
    struct mr_disk_room found;
    int err = mr_disk_room(&found, room->home->data, failure);
    if (err != MR_OK)
        return err;
    double part = (double)min_free->amount / 100;
    if (!min_free->is_percent)
        part = found.bytes == 0 ? 0 : (double)MR_MIN(min_free->amount, found.bytes) / (double)found.bytes;
    uint64_t bytes_min = min_free->is_percent ? share(found.bytes, part) : min_free->amount;
    uint64_t inodes_free = found.inodes == 0 ? UINT64_MAX : found.inodes_free;
    atomic_store_explicit(&room->bytes_min, bytes_min, memory_order_relaxed);
    atomic_store_explicit(&room->inodes_min, share(found.inodes, part), memory_order_relaxed);
    atomic_store_explicit(&room->bytes_free, found.bytes_free, memory_order_relaxed);
    atomic_store_explicit(&room->inodes_free, inodes_free, memory_order_relaxed);
    uint64_t now = mr_clock_now();
    atomic_store_explicit(&room->asked_at, now, memory_order_relaxed);
    atomic_store_explicit(&room->numbers->free_bytes, found.bytes_free, memory_order_relaxed);
    atomic_store_explicit(&room->numbers->min_free_bytes, bytes_min, memory_order_relaxed);
    atomic_store_explicit(&room->numbers->room_asked_at, now, memory_order_relaxed);
    return MR_OK;
}

static uint64_t reserved_by_all(const struct mr_store_shared *shared)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < MR_STORE_PROCESSES_MAX; i++)
        sum += atomic_load_explicit(&shared->reserved[i], memory_order_relaxed);
    return sum;
}

static void add_reserved(struct mr_room *room, uint64_t bytes)
{
    atomic_fetch_add_explicit(&room->home->shared->reserved[room->process], bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&room->numbers->reserved_bytes, bytes, memory_order_relaxed);
}

/* With what is reserved by now, and `more`. */
static int check_room(const struct mr_room *room, uint64_t more, struct mr_fault *fault)
{
    uint64_t bytes_free = atomic_load_explicit(&room->bytes_free, memory_order_relaxed);
    uint64_t bytes_min = atomic_load_explicit(&room->bytes_min, memory_order_relaxed);
    uint64_t inodes_free = atomic_load_explicit(&room->inodes_free, memory_order_relaxed);
    uint64_t inodes_min = atomic_load_explicit(&room->inodes_min, memory_order_relaxed);
    uint64_t reserved = reserved_by_all(room->home->shared) + more;
    uint64_t left = bytes_free - MR_MIN(reserved, bytes_free);
    if (reserved > bytes_free || left < bytes_min)
        return mr_fault_limit(fault, MR_ENOSPACE, "min-free", bytes_min, left);
    if (inodes_free < inodes_min)
        return mr_fault_limit(fault, MR_ENOSPACE, "min-free", inodes_min, inodes_free);
    return MR_OK;
}

bool mr_room_has(struct mr_room *room, uint64_t bytes)
{
    struct mr_disk_failure failure;
    struct mr_fault fault;
    return mr_room_ask(room, &failure) == MR_OK && check_room(room, bytes, &fault) == MR_OK;
}

static bool was_asked_long_ago(const struct mr_room *room)
{
    return mr_clock_now() - atomic_load_explicit(&room->asked_at, memory_order_relaxed) > OLD_NS;
}

int mr_room_check(const struct mr_room *room, uint64_t bytes, struct mr_fault *fault)
{
    return was_asked_long_ago(room) ? MR_OK : check_room(room, bytes, fault);
}

int mr_reserve_take(struct mr_reserve *reserve, uint64_t bytes, bool is_fresh, struct mr_fault *fault)
{
    struct mr_room *room = reserve->room;
    add_reserved(room, bytes); /* first, so that of two at the same time none overlooks the other */
    int err = check_room(room, 0, fault);
    if (err != MR_OK && (is_fresh || !was_asked_long_ago(room))) {
        add_reserved(room, (uint64_t)0 - bytes);
        return err;
    }
    reserve->bytes += bytes;
    return MR_OK;
}

void mr_reserve_give(struct mr_reserve *reserve, uint64_t bytes)
{
    uint64_t given = MR_MIN(bytes, reserve->bytes);
    if (given == 0)
        return;
    reserve->bytes -= given;
    add_reserved(reserve->room, (uint64_t)0 - given);
}
