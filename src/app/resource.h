/* resource.h -- what the server offers under some routes, as one table: the routes, and what is kept for their
 * handlers.
 *
 * The app (app.h) registers the routes, has zeroed memory for the process and for each loop, and calls:
 *
 *   open         once, the loops exist and do not run yet     main thread
 *   open_loop    for each loop, after open                    main thread
 *   drain_loop   the server shuts down: end what would not    the loop's thread
 *                end by itself; once or more
 *   close_loop   for each loop that was opened; no request    main thread
 *                is alive and no loop runs
 *   close        once, if open succeeded; after close_loop    main thread
 *
 * Each of them may be NULL. A resource sees app/, stats/, http/, pipe/ and what lies below them, never service/. */
#ifndef MR_APP_RESOURCE_H
#define MR_APP_RESOURCE_H

#include "http/router.h"
#include <stddef.h>

struct mr_app;

struct mr_resource {
    const struct mr_route *routes; /* up to the row whose pattern is NULL (mr_http_register()) */
    size_t size, loop_size;        /* bytes kept for the process and for each loop: `state` below; 0: none, NULL */
    /* MR_OK or why the server cannot start; then nothing is left to close. */
    int (*open)(void *state, const struct mr_app *app);
    void (*open_loop)(void *state, const struct mr_app *app, unsigned loop);
    void (*drain_loop)(void *state);
    void (*close_loop)(void *state);
    void (*close)(void *state);
};

#endif
