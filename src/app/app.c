#include "app/app.h"
#include <stdlib.h>

/* ---- states: a row of them for each resource, the process's first ---- */

static void **row_at(const struct mr_app *app, unsigned index)
{
    return &app->states[(size_t)index * (app->loop_count + 1)];
}

static void **row_of(const struct mr_app *app, const struct mr_resource *resource)
{
    unsigned index = 0;
    while (index < app->resource_count && app->resources[index] != resource)
        index++;
    MR_ASSERT(index < app->resource_count);
    return row_at(app, index);
}

void *mr_app_state(const struct mr_app *app, const struct mr_resource *resource)
{
    return row_of(app, resource)[0];
}

void *mr_app_loop_state(const struct mr_app *app, const struct mr_resource *resource, const struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    return row_of(app, resource)[1 + mr_loop_index(loop)];
}

static int create_state(void **out, size_t size)
{
    *out = size > 0 ? calloc(1, size) : NULL;
    return size == 0 || *out != NULL ? MR_OK : MR_EMEMORY;
}

static int create_row(void **row, const struct mr_resource *resource, unsigned loop_count)
{
    int err = create_state(&row[0], resource->size);
    for (unsigned i = 0; i < loop_count && err == MR_OK; i++)
        err = create_state(&row[1 + i], resource->loop_size);
    return err;
}

static void free_row(void **row, unsigned loop_count)
{
    for (unsigned i = 0; i <= loop_count; i++)
        free(row[i]);
}

/* ---- opening and closing ---- */

static int open_resource(struct mr_app *app, const struct mr_resource *resource)
{
    void **row = row_at(app, app->resource_count);
    int err = create_row(row, resource, app->loop_count);
    if (err == MR_OK && resource->open != NULL)
        err = resource->open(row[0], app);
    if (err != MR_OK) {
        free_row(row, app->loop_count);
        return err;
    }
    for (unsigned i = 0; i < app->loop_count && resource->open_loop != NULL; i++)
        resource->open_loop(row[1 + i], app, i);
    mr_http_register(app->http, resource->routes);
    app->resource_count++;
    return MR_OK;
}

int mr_app_open(struct mr_app *app, const struct mr_resource *const *resources)
{
    MR_ASSERT(app->magic != MR_APP_MAGIC);
    unsigned count = 0;
    while (resources[count] != NULL)
        count++;
    MR_ASSERT(count > 0);
    app->magic = MR_APP_MAGIC;
    app->resources = resources;
    app->resource_count = 0;
    app->states = calloc((size_t)count * (app->loop_count + 1), sizeof(*app->states));
    int err = app->states != NULL ? MR_OK : MR_EMEMORY;
    while (err == MR_OK && app->resource_count < count)
        err = open_resource(app, resources[app->resource_count]);
    app->http->app = app;
    if (err != MR_OK)
        mr_app_close(app);
    return err;
}

static void close_resource(const struct mr_app *app, unsigned index)
{
    const struct mr_resource *resource = app->resources[index];
    void **row = row_at(app, index);
    for (unsigned i = 0; i < app->loop_count && resource->close_loop != NULL; i++)
        resource->close_loop(row[1 + i]);
    if (resource->close != NULL)
        resource->close(row[0]);
    free_row(row, app->loop_count);
}

void mr_app_close(struct mr_app *app)
{
    if (app->magic != MR_APP_MAGIC)
        return;
    while (app->resource_count > 0)
        close_resource(app, --app->resource_count);
    free(app->states);
    app->states = NULL;
    app->http->app = NULL;
    app->magic = 0;
}

void mr_app_drain(const struct mr_app *app, struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    for (unsigned i = 0; i < app->resource_count; i++) {
        const struct mr_resource *resource = app->resources[i];
        if (resource->drain_loop != NULL)
            resource->drain_loop(row_at(app, i)[1 + mr_loop_index(loop)]);
    }
}
