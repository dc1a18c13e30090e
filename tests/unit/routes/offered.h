/* offered.h -- all routes on one loop that does not run, and clients without sockets: what a client is told waits until
 * it takes it. */
#ifndef MR_TESTS_ROUTES_OFFERED_H
#define MR_TESTS_ROUTES_OFFERED_H

#include "app/app.h"
#include "base/clock.h"
#include "base/counter.h"
#include "base/log.h"
#include "http/http1/connection.h"
#include "routes/routes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct offered {
    struct mr_loop *loop; /* as loops[0] */
    struct mr_loop *loops[1];
    struct mr_segment *segment;
    struct mr_http_counters *counters[1];
    struct mr_http http;
    struct mr_offload *offload;
    struct mr_pipe_settings pipe;
    struct mr_variant_settings variants;
    struct mr_app app;
};

static inline void fill_offered(struct offered *offered)
{
    offered->http.limits = (struct mr_http_limits){.body_max = MR_MIB,
                                                   .head_max = 16 * MR_KIB,
                                                   .connections_max = 100,
                                                   .head_timeout_ns = 5 * MR_NS_PER_S,
                                                   .body_timeout_ns = 5 * MR_NS_PER_S,
                                                   .idle_timeout_ns = 5 * MR_NS_PER_S};
    offered->pipe = (struct mr_pipe_settings){.body_memory = 64 * MR_KIB};
    offered->app = (struct mr_app){
        .http = &offered->http,
        .loops = offered->loops,
        .loop_count = 1,
        .numbers = mr_segment_loop(offered->segment, 0),
        .memory = &mr_segment_process(offered->segment, 0)->memory,
        .offload = offered->offload,
        .image_limits = {.pixels = 1000000, .frames = 10},
        .pipe = &offered->pipe,
        .variants = &offered->variants,
        .variant_numbers = &mr_segment_process(offered->segment, 0)->variants,
        .stats = {.segment = offered->segment, .http = &offered->http, .offload = "none", .workers = 1},
    };
}

/* --offload=none, a memory budget of 16 MiB. */
static inline struct offered *make_offered(void)
{
    struct offered *offered = calloc(1, sizeof(*offered));
    mr_log_set_level(MR_LOG_ERROR);
    assert_int_equal(mr_segment_create(&offered->segment, 1, 1, 1), MR_OK);
    mr_segment_started(offered->segment, 0, getpid());
    mr_budget_init(&mr_segment_process(offered->segment, 0)->memory, 16 * MR_MIB);
    assert_int_equal(mr_loop_create(&offered->loop, 0), MR_OK);
    offered->loops[0] = offered->loop;
    const struct mr_offload_config config = {.kind = MR_OFFLOAD_NONE,
                                             .workers = 1,
                                             .queue_depth = 16,
                                             .deadline_ns = MR_NS_PER_S,
                                             .loops = offered->loops,
                                             .loop_count = 1};
    assert_int_equal(mr_offload_create(&offered->offload, &config), MR_OK);
    offered->counters[0] = &mr_segment_loop(offered->segment, 0)->http;
    mr_http_init(&offered->http, offered->counters, 1);
    fill_offered(offered);
    assert_int_equal(mr_app_open(&offered->app, mr_routes), MR_OK);
    return offered;
}

/* No client is left. */
static inline void free_offered(struct offered *offered)
{
    assert_int_equal(mr_loop_requests(offered->loop), 0);
    mr_offload_close(offered->offload);
    mr_offload_destroy(&offered->offload);
    mr_app_close(&offered->app);
    mr_loop_destroy(&offered->loop);
    mr_segment_destroy(&offered->segment);
    free(offered);
}

/* ---- a client ---- */

struct client {
    struct mr_connection *connection;
    char said[200000];
    size_t said_len;
};

static inline void client_changed(void *transport)
{
    (void)transport; /* take() looks at it anyway */
}

static inline struct client *ask_for(struct offered *offered, const char *method, const char *target)
{
    char text[100];
    struct client *client = calloc(1, sizeof(*client));
    int len = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n", method, target);
    assert_int_equal(mr_connection_create(&client->connection, &offered->http, offered->loop, client_changed, client),
                     MR_OK);
    mr_connection_input(client->connection, text, (size_t)len);
    return client;
}

static inline void free_client(struct client *client)
{
    mr_connection_destroy(&client->connection);
    free(client);
}

/* All that waits for the client, as text. */
static inline const char *take(struct client *client)
{
    struct iovec run;
    client->said_len = 0;
    mr_connection_turn(client->connection);
    while (mr_connection_output(client->connection, &run, 1) > 0) {
        assert_true(client->said_len + run.iov_len < sizeof(client->said));
        memcpy(client->said + client->said_len, run.iov_base, run.iov_len);
        client->said_len += run.iov_len;
        mr_connection_wrote(client->connection, run.iov_len);
    }
    client->said[client->said_len] = '\0';
    return client->said;
}

#endif
