/* DESIGN. A walk with three levels: the first four characters of an ID, the next two, the IDs themselves. The cursor
 * `after` is the last ID that was tried; each trip to a file thread goes on behind it, through some directories or
 * until some objects were read, so that a long walk does not keep a thread of the pool from others. */
#include "base/macros.h"
#include "store/fs/fs.h"
#include "store/fs/layout.h"
#include "store/fs/metafile.h"
#include "store/fs/names.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTER_LEN        4
#define INNER_LEN        2
#define PARTS_MAX        32768 /* more than there are in a millennium; their memory is touched as they come */
#define TRIP_TRIES       128   /* objects that one trip reads */
#define TRIP_DIRECTORIES 64
#define UNLISTED         "The objects cannot be listed"

struct list {
    struct mr_file_request request;
    struct mr_store *store;
    struct mr_loop *loop;
    mr_store_prepare *prepare;
    mr_store_listed *done;
    void *context;
    size_t limit;
    char after[MR_ULID_LEN + 1]; /* "": at the begin */
    bool descends, is_over;
    struct mr_object *objects; /* owned: room for limit + 1 */
    size_t count;
    unsigned tries, directories; /* in this trip */
    struct mr_fault fault;
};

/* ---- names ---- */

/* context: the begin that an ID must have. */
static bool accept_meta(char out[MR_NAMES_SIZE], const struct mr_disk_entry *entry, const void *context)
{
    struct mr_layout_name name;
    const char *begin = context;
    if (!mr_layout_read_object(&name, entry->name) || name.kind != MR_LAYOUT_META)
        return false;
    memcpy(out, name.id, sizeof(name.id));
    return strncmp(name.id, begin, strlen(begin)) == 0;
}

/* ---- the cursor ---- */

/* Were all IDs with this begin passed? */
static bool is_behind(const struct list *list, const char *begin)
{
    int order = list->after[0] == '\0' ? 0 : strncmp(begin, list->after, strlen(begin));
    return list->descends ? order > 0 : order < 0;
}

/* Their end is the cursor itself. */
static bool is_passed(const struct list *list, const char *begin)
{
    size_t len = strlen(begin);
    return strncmp(list->after, begin, len) == 0 &&
           strspn(list->after + len, list->descends ? "0" : "Z") == MR_ULID_LEN - len;
}

/* All IDs with this begin were passed now. */
static void pass_begin(struct list *list, const char *begin)
{
    memset(list->after, list->descends ? '0' : 'Z', MR_ULID_LEN);
    memcpy(list->after, begin, strlen(begin));
}

static bool is_trip_over(const struct list *list)
{
    return list->count > list->limit || list->tries >= TRIP_TRIES || list->directories >= TRIP_DIRECTORIES;
}

/* ---- on the pool ---- */

/* What was deleted meanwhile, and what is damaged, is left out. */
static void try_object(struct list *list, int directory, const char *id)
{
    struct mr_metafile file;
    struct mr_fault fault;
    char name[MR_LAYOUT_NAME_SIZE];
    list->tries++;
    memcpy(list->after, id, sizeof(list->after));
    mr_layout_object(name, id, MR_LAYOUT_META, 0);
    int err = mr_metafile_read(&file, directory, name, id, &fault);
    if (err == MR_EIO) {
        mr_store_count(&list->store->numbers->damaged, 1);
        mr_store_report(list->store, &fault, list->request.label);
    }
    if (err != MR_OK)
        return;
    list->objects[list->count++] = file.meta.object;
    file.meta.object = (struct mr_object){.rev = 0}; /* it has moved */
    mr_metafile_free(&file);
}

/* As many as are still wanted. */
static int walk_some(struct list *list, int directory, const char *begin, struct mr_disk_failure *failure)
{
    struct mr_names names = {
        .max = list->limit + 1 - list->count, .descends = list->descends, .accept = accept_meta, .context = begin};
    memcpy(names.after, list->after, sizeof(list->after));
    int err = mr_names_read(&names, directory, failure);
    size_t i = 0;
    for (; err == MR_OK && i < names.count && !is_trip_over(list); i++)
        try_object(list, directory, names.at[i]);
    if (err == MR_OK && i == names.count && !names.is_cut)
        pass_begin(list, begin);
    mr_names_free(&names);
    return err;
}

/* More than once where some of those that were wanted are damaged. */
static int walk_objects(struct list *list, int directory, const char *begin, struct mr_disk_failure *failure)
{
    int err = MR_OK;
    while (err == MR_OK && !is_trip_over(list) && !is_passed(list, begin))
        err = walk_some(list, directory, begin, failure);
    return err;
}

typedef int walk_part(struct list *list, int directory, const char *begin, struct mr_disk_failure *failure);

/* Walk the directories with names of `len` characters, each with `walk`, as far as the trip goes. begin: of the IDs in
 * them. */
static int walk_parts(struct list *list, int directory, const char *begin, size_t len, walk_part *walk,
                      struct mr_disk_failure *failure)
{
    struct mr_names names = {
        .max = PARTS_MAX, .descends = list->descends, .accept = mr_names_accept_part, .context = &len};
    int err = mr_names_read(&names, directory, failure);
    size_t i = 0;
    for (; err == MR_OK && i < names.count && !is_trip_over(list); i++) {
        char inner_begin[MR_NAMES_SIZE];
        int inner;
        snprintf(inner_begin, sizeof(inner_begin), "%.4s%.4s", begin, names.at[i]);
        if (is_behind(list, inner_begin))
            continue;
        list->directories++;
        err = mr_disk_open(&inner, NULL, directory, names.at[i], O_RDONLY | O_DIRECTORY, 0, failure);
        if (err == MR_OK) {
            err = walk(list, inner, inner_begin, failure);
            close(inner);
        }
    }
    bool is_whole = err == MR_OK && i == names.count && !is_trip_over(list);
    mr_names_free(&names);
    if (is_whole && begin[0] != '\0')
        pass_begin(list, begin);
    list->is_over = is_whole && begin[0] == '\0';
    return err;
}

static int walk_inner(struct list *list, int directory, const char *begin, struct mr_disk_failure *failure)
{
    return walk_parts(list, directory, begin, INNER_LEN, walk_objects, failure);
}

/* Is there no trip to come? */
static bool is_page_complete(const struct list *list)
{
    return list->count > list->limit || list->is_over;
}

static int work_trip(struct mr_file_request *request)
{
    struct list *list = mr_container_of(request, struct list, request);
    list->tries = list->directories = 0;
    int err = walk_parts(list, list->store->home->objects, "", OUTER_LEN, walk_inner, &request->failure);
    if (err != MR_OK) {
        mr_disk_fault(&list->fault, &request->failure, UNLISTED);
        return mr_store_report(list->store, &list->fault, request->label);
    }
    if (is_page_complete(list) && list->prepare != NULL)
        list->prepare(list->context, list->objects, MR_MIN(list->count, list->limit), list->count > list->limit);
    return MR_OK;
}

/* ---- on the loop ---- */

static void free_listing(struct list *list)
{
    struct mr_store *store = list->store;
    struct mr_loop *loop = list->loop;
    for (size_t i = 0; i < list->count; i++)
        mr_object_free(&list->objects[i]);
    free(list->objects);
    free(list);
    mr_store_end(store, loop);
}

static void on_trip(struct mr_file_request *request)
{
    struct list *list = mr_container_of(request, struct list, request);
    bool is_well = request->err == MR_OK, has_more = list->count > list->limit;
    if (is_well && !is_page_complete(list)) {
        mr_file_run(&list->request, work_trip);
        return;
    }
    size_t count = is_well ? MR_MIN(list->count, list->limit) : 0;
    list->done(list->context, is_well ? NULL : &list->fault, list->objects, count, is_well && has_more);
    free_listing(list);
}

/* Its response comes in a later turn, too. */
static int work_failed_list(struct mr_file_request *request)
{
    return mr_container_of(request, struct list, request)->fault.error;
}

void mr_store_list(struct mr_store *store, struct mr_loop *loop, const struct mr_store_list *asked)
{
    struct list *list = calloc(1, sizeof(*list));
    MR_ASSERT(list != NULL && asked->limit >= 1 && asked->limit <= MR_STORE_LIST_MAX);
    list->store = store;
    list->loop = loop;
    list->prepare = asked->prepare;
    list->done = asked->done;
    list->context = asked->context;
    list->limit = asked->limit;
    list->descends = !asked->oldest_first;
    list->objects = calloc(asked->limit + 1, sizeof(*list->objects));
    mr_store_begin(store, loop);
    mr_file_init(&list->request, loop, MR_LABEL_STORE_LIST, on_trip);
    if (list->objects == NULL)
        mr_fault_set(&list->fault, MR_EMEMORY, NULL);
    else if (asked->after.len > 0 && !mr_ulid_is_valid(asked->after))
        mr_fault_set(&list->fault, MR_EPARAM, "The place to begin at is none.");
    else if (asked->after.len > 0)
        memcpy(list->after, asked->after.at, asked->after.len);
    mr_file_run(&list->request, list->fault.error == MR_OK ? work_trip : work_failed_list);
}
