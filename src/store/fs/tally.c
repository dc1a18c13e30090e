#include "store/fs/tally.h"
#include <string.h>

/* The place: which of the two is shown (1 bit), the directory (28 bits of an ID's time), whether it is passed (1 bit),
 * changes that disturbed its count (32 bits). */
#define SHOWN_AT     63
#define DIRECTORY_AT 33
#define PASSED       (UINT64_C(1) << 32)
#define NOWHERE      ((UINT64_C(1) << 30) - 1) /* behind all directories: no walk is under way */
#define DIRECTORY_MS 20                        /* bits of the time within a directory */

static uint64_t directory_number(const char *id)
{
    return (uint64_t)mr_ulid_ms(id) >> DIRECTORY_MS;
}

static uint64_t make_place(unsigned shown, uint64_t directory, uint64_t passed)
{
    return (uint64_t)shown << SHOWN_AT | directory << DIRECTORY_AT | passed;
}

static unsigned shown_of(uint64_t place)
{
    return (unsigned)(place >> SHOWN_AT);
}

static uint64_t directory_of(uint64_t place)
{
    return place >> DIRECTORY_AT & NOWHERE;
}

/* Sequentially consistent, as all of `place` and `changing` here: a change counts itself, renames, and then reads the
 * place; the walk reads names, then `changing`, and then writes the place. One of the two must see the other. */
static uint64_t read_place(const struct mr_tally *tally)
{
    return atomic_load_explicit(&tally->place, memory_order_seq_cst);
}

static void add_to(struct mr_tally *tally, unsigned which, int64_t objects, int64_t bytes)
{
    /* Relaxed: sums that are read for people. */
    atomic_fetch_add_explicit(&tally->objects[which], objects, memory_order_relaxed);
    atomic_fetch_add_explicit(&tally->bytes[which], bytes, memory_order_relaxed);
}

bool mr_tally_read(const struct mr_tally *tally, uint64_t *objects, uint64_t *bytes)
{
    /* Acquire: pairs with the release at the end of a walk. */
    if (atomic_load_explicit(&tally->walks, memory_order_acquire) == 0)
        return false;
    unsigned shown = shown_of(read_place(tally));
    int64_t found_objects = atomic_load_explicit(&tally->objects[shown], memory_order_relaxed);
    int64_t found_bytes = atomic_load_explicit(&tally->bytes[shown], memory_order_relaxed);
    *objects = found_objects > 0 ? (uint64_t)found_objects : 0;
    *bytes = found_bytes > 0 ? (uint64_t)found_bytes : 0;
    return true;
}

/* ---- changes ---- */

void mr_tally_enter(struct mr_tally *tally, unsigned process)
{
    atomic_fetch_add_explicit(&tally->changing[process], 1, memory_order_seq_cst);
}

/* Is the directory behind the walk? If it is the one that is being counted, the count is disturbed instead. */
static bool is_passed_or_disturbed(struct mr_tally *tally, uint64_t directory, unsigned *shown)
{
    uint64_t place = read_place(tally);
    while (directory_of(place) == directory && (place & PASSED) == 0) {
        *shown = shown_of(place);
        if (atomic_compare_exchange_weak_explicit(&tally->place, &place, place + 1, memory_order_seq_cst,
                                                  memory_order_seq_cst))
            return false;
    }
    *shown = shown_of(place);
    return directory <= directory_of(place);
}

void mr_tally_leave(struct mr_tally *tally, unsigned process, const char *id, int objects, uint64_t bytes)
{
    unsigned shown;
    if (objects != 0) {
        bool is_passed = is_passed_or_disturbed(tally, directory_number(id), &shown);
        add_to(tally, shown, objects, objects * (int64_t)bytes);
        if (is_passed)
            add_to(tally, 1 - shown, objects, objects * (int64_t)bytes);
    }
    atomic_fetch_sub_explicit(&tally->changing[process], 1, memory_order_seq_cst);
}

void mr_tally_forget(struct mr_tally *tally, unsigned process)
{
    atomic_store_explicit(&tally->changing[process], 0, memory_order_seq_cst);
}

/* ---- a walk ---- */

static void write_place(struct mr_tally *tally, uint64_t directory, uint64_t passed)
{
    uint64_t place = make_place(shown_of(read_place(tally)), directory, passed);
    atomic_store_explicit(&tally->place, place, memory_order_seq_cst);
}

void mr_tally_begin_walk(struct mr_tally *tally)
{
    write_place(tally, 0, PASSED); /* from here on no change is added to the other */
    unsigned other = 1 - shown_of(read_place(tally));
    atomic_store_explicit(&tally->objects[other], 0, memory_order_relaxed);
    atomic_store_explicit(&tally->bytes[other], 0, memory_order_relaxed);
}

bool mr_tally_resume_walk(const struct mr_tally *tally, char id[MR_ULID_LEN + 1], bool *is_passed)
{
    uint64_t place = read_place(tally);
    if (place == 0 || directory_of(place) == NOWHERE)
        return false;
    mr_ulid_make(id, (int64_t)(directory_of(place) << DIRECTORY_MS));
    memset(id + MR_ULID_DIRECTORY_LEN - 1, '0', MR_ULID_LEN - (MR_ULID_DIRECTORY_LEN - 1));
    *is_passed = (place & PASSED) != 0;
    return true;
}

void mr_tally_begin_directory(struct mr_tally *tally, const char *id)
{
    write_place(tally, directory_number(id), 0);
}

static bool is_changing(const struct mr_tally *tally)
{
    uint64_t changing = 0;
    for (unsigned i = 0; i < MR_TALLY_PROCESSES; i++)
        changing += atomic_load_explicit(&tally->changing[i], memory_order_seq_cst);
    return changing != 0;
}

bool mr_tally_end_directory(struct mr_tally *tally, const char *id, uint64_t objects, uint64_t bytes, bool force)
{
    uint64_t directory = directory_number(id);
    unsigned shown = shown_of(read_place(tally));
    uint64_t undisturbed = make_place(shown, directory, 0), passed = make_place(shown, directory, PASSED);
    if (force)
        atomic_store_explicit(&tally->place, passed, memory_order_seq_cst);
    else if (is_changing(tally) || !atomic_compare_exchange_strong_explicit(&tally->place, &undisturbed, passed,
                                                                            memory_order_seq_cst, memory_order_seq_cst))
        return false;
    add_to(tally, 1 - shown, (int64_t)objects, (int64_t)bytes);
    return true;
}

void mr_tally_end_walk(struct mr_tally *tally)
{
    uint64_t place = make_place(1 - shown_of(read_place(tally)), NOWHERE, PASSED);
    atomic_store_explicit(&tally->place, place, memory_order_seq_cst);
    /* Release: pairs with the acquire of mr_tally_read(). */
    atomic_fetch_add_explicit(&tally->walks, 1, memory_order_release);
}
