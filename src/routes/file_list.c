#include "routes/file_list.h"
#include "base/magic.h"
#include "routes/file_common.h"
#include <stdlib.h>

#define PAGE_MAGIC 0x70616765u /* "page" */

#define LIMIT_DEFAULT 100

static const char *const order_words[] = {"new", "old", NULL};

enum { LIMIT, AFTER, ORDER, PARAM_COUNT };

const struct mr_param_spec mr_file_list_params[PARAM_COUNT + 1] = {
    [LIMIT] = {.name = "limit",
               .type = MR_PARAM_INT,
               .min = 1,
               .max = MR_STORE_LIST_MAX,
               .text = "files of a page; 100 without it"},
    [AFTER] = {.name = "after",
               .type = MR_PARAM_TEXT,
               .text = "where the page begins, as `next` of the one before says"},
    [ORDER] = {.name = "order",
               .type = MR_PARAM_CHOICE,
               .choices = order_words,
               .text = "new: newest first, as without it; old: oldest first"},
};

static int read_list_query(struct mr_store_list *list, struct mr_request *request, struct mr_fault *fault)
{
    const struct mr_query *query = &request->query;
    struct mr_param_value limit = {.integer = LIMIT_DEFAULT}, order = {.integer = 0};
    int err = mr_query_check_known(query, mr_file_list_params, fault);
    if (err == MR_OK)
        err = mr_query_read(query, &mr_file_list_params[LIMIT], &limit, fault);
    if (err == MR_OK)
        err = mr_query_read(query, &mr_file_list_params[ORDER], &order, fault);
    if (err != MR_OK)
        return err;
    list->limit = (size_t)limit.integer;
    list->oldest_first = order.integer == 1;
    list->after = mr_query_find(query, "after");
    if (list->after.at != NULL && !mr_ulid_is_valid(list->after))
        return mr_fault_set(fault, MR_EPARAM, "\"after\" is not what a page of this list gave as its next.");
    return MR_OK;
}

/* A page while it is made. */
struct page {
    uint32_t magic;
    struct mr_request *request;
    const struct mr_signing *signing;
    struct mr_slice next_rest; /* of the address of the next page, behind the ID */
    /* Made on the pool. */
    char *text; /* owned; NULL: there is no memory */
    size_t len;
    char *next; /* in the arena, written there; "": there is none */
    size_t next_size;
};

#define NEXT_BEGIN "/files?after="

static struct page *create_page(struct mr_request *request)
{
    struct page *page = mr_arena_zalloc(&request->arena, sizeof(*page));
    struct mr_slice limit = mr_query_find(&request->query, "limit"), order = mr_query_find(&request->query, "order");
    page->magic = PAGE_MAGIC;
    page->request = request;
    page->signing = mr_app_of(request)->signing;
    page->next_rest = mr_arena_printf(&request->arena, "%s%.*s%s%.*s", limit.at != NULL ? "&limit=" : "",
                                      MR_SLICE_ARG(limit), order.at != NULL ? "&order=" : "", MR_SLICE_ARG(order));
    page->next_size = sizeof(NEXT_BEGIN) + MR_ULID_LEN + page->next_rest.len;
    page->next = mr_arena_zalloc(&request->arena, page->next_size);
    return page;
}

/* On the pool: 1,000 objects take some milliseconds. The request is held, and nothing of it is touched but the page. */
static void write_list_page(void *context, const struct mr_object *objects, size_t count, bool has_more)
{
    struct page *page = mr_from_context(context, struct page, PAGE_MAGIC);
    struct mr_json json;
    FILE *file = open_memstream(&page->text, &page->len);
    if (file == NULL)
        return;
    if (has_more && count > 0)
        snprintf(page->next, page->next_size, NEXT_BEGIN "%s%.*s", objects[count - 1].id,
                 MR_SLICE_ARG(page->next_rest));
    mr_json_begin(&json, file);
    mr_json_open(&json, NULL, '{');
    mr_json_open(&json, "files", '[');
    for (size_t i = 0; i < count; i++) {
        mr_json_open(&json, NULL, '{');
        mr_file_write_json(&json, &objects[i], page->signing);
        mr_json_close(&json);
    }
    mr_json_close(&json);
    mr_json_text(&json, "next", page->next[0] != '\0' ? page->next : NULL);
    mr_json_close(&json);
    fputc('\n', file);
    if (fclose(file) != 0) {
        free(page->text);
        page->text = NULL;
    }
}

static void respond_page(struct page *page)
{
    struct mr_request *request = page->request;
    struct mr_fields fields;
    struct mr_fault fault;
    if (page->text == NULL) {
        mr_fault_set(&fault, MR_EMEMORY, NULL);
        mr_respond_problem(request, &fault);
        return;
    }
    mr_fields_init(&fields, &request->arena);
    if (page->next[0] != '\0')
        mr_fields_link(&fields, mr_slice_of(page->next), "next");
    mr_respond(request, 200, "application/json", &fields, page->text, page->len, free, page->text);
}

static void on_listed(void *context, const struct mr_fault *fault, const struct mr_object *objects, size_t count,
                      bool has_more)
{
    struct page *page = mr_from_context(context, struct page, PAGE_MAGIC);
    struct mr_request *request = page->request;
    (void)objects;
    (void)count;
    (void)has_more; /* the page has them */
    if (fault != NULL)
        mr_respond_problem(request, fault);
    else
        respond_page(page);
    mr_request_release(request);
}

void mr_file_list_start(struct mr_request *request)
{
    struct mr_store *store = mr_file_store(request);
    struct mr_store_list list = {.prepare = write_list_page, .done = on_listed};
    struct mr_fault fault;
    if (store == NULL)
        return;
    if (read_list_query(&list, request, &fault) != MR_OK) {
        mr_respond_problem(request, &fault);
        return;
    }
    list.context = create_page(request);
    mr_request_hold(request);
    mr_store_list(store, request->loop, &list);
}
