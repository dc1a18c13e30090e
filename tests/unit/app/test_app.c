#include "app/app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LOOPS 2

/* ---- two resources that note what they are told ---- */

static char told[200];

static void note(const char *what)
{
    size_t len = strlen(told);
    snprintf(told + len, sizeof(told) - len, "%s ", what);
}

struct shelf {
    unsigned loop, drained;
};

static int open_shelf(void *state, const struct mr_app *app)
{
    (void)app;
    assert_int_equal(*(int *)state, 0); /* zeroed */
    *(int *)state = 7;
    note("open");
    return MR_OK;
}

static void open_shelf_loop(void *state, const struct mr_app *app, unsigned loop)
{
    assert_int_equal(mr_loop_index(app->loops[loop]), loop);
    *(struct shelf *)state = (struct shelf){.loop = loop};
    note(loop == 0 ? "loop0" : "loop1");
}

static void drain_shelf_loop(void *state)
{
    ((struct shelf *)state)->drained++;
}

static void close_shelf_loop(void *state)
{
    note(((struct shelf *)state)->loop == 0 ? "-loop0" : "-loop1");
}

static void close_shelf(void *state)
{
    assert_int_equal(*(int *)state, 7);
    note("-open");
}

static void start_nothing(struct mr_request *request)
{
    (void)request;
}

static const struct mr_route shelf_routes[] = {{.method = MR_METHOD_GET, .pattern = "/shelf", .start = start_nothing},
                                               {.pattern = NULL}};
static const struct mr_route plain_routes[] = {{.method = MR_METHOD_GET, .pattern = "/plain", .start = start_nothing},
                                               {.pattern = NULL}};

static const struct mr_resource shelf = {
    .routes = shelf_routes,
    .size = sizeof(int),
    .loop_size = sizeof(struct shelf),
    .open = open_shelf,
    .open_loop = open_shelf_loop,
    .drain_loop = drain_shelf_loop,
    .close_loop = close_shelf_loop,
    .close = close_shelf,
};
static const struct mr_resource plain = {.routes = plain_routes};

static int open_in_vain(void *state, const struct mr_app *app)
{
    (void)app;
    assert_null(state);
    return MR_EIO;
}

static const struct mr_resource broken = {.routes = plain_routes, .open = open_in_vain};

/* ---- an app with two loops that do not run ---- */

static struct mr_http http;
static struct mr_loop *loops[LOOPS];
static struct mr_app app;

static int set_up(void **state)
{
    (void)state;
    told[0] = '\0';
    mr_http_init(&http, NULL, LOOPS);
    for (unsigned i = 0; i < LOOPS; i++)
        assert_int_equal(mr_loop_create(&loops[i], i), MR_OK);
    app = (struct mr_app){.http = &http, .loops = loops, .loop_count = LOOPS};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mr_app_close(&app);
    for (unsigned i = 0; i < LOOPS; i++)
        mr_loop_destroy(&loops[i]);
    return 0;
}

static void resources_are_registered_and_opened_in_order(void **state)
{
    static const struct mr_resource *const resources[] = {&plain, &shelf, NULL};
    (void)state;
    assert_int_equal(mr_app_open(&app, resources), MR_OK);
    assert_string_equal(told, "open loop0 loop1 ");
    assert_int_equal(http.route_count, 2);
    assert_string_equal(http.routes[0].pattern, "/plain");
    assert_string_equal(http.routes[1].pattern, "/shelf");
    mr_app_close(&app);
    assert_string_equal(told, "open loop0 loop1 -loop0 -loop1 -open ");
    mr_app_close(&app); /* no effect */
}

static void each_loop_has_a_state_of_its_own(void **state)
{
    static const struct mr_resource *const resources[] = {&plain, &shelf, NULL};
    (void)state;
    assert_int_equal(mr_app_open(&app, resources), MR_OK);
    assert_int_equal(*(int *)mr_app_state(&app, &shelf), 7);
    assert_null(mr_app_state(&app, &plain));
    mr_app_drain(&app, loops[1]);
    for (unsigned i = 0; i < LOOPS; i++) {
        const struct shelf *kept = mr_app_loop_state(&app, &shelf, loops[i]);
        assert_int_equal(kept->loop, i);
        assert_int_equal(kept->drained, i == 1);
    }
}

static void handler_finds_the_app_of_its_request(void **state)
{
    static const struct mr_resource *const resources[] = {&plain, NULL};
    const struct mr_request request = {.http = &http};
    (void)state;
    assert_int_equal(mr_app_open(&app, resources), MR_OK);
    assert_ptr_equal(mr_app_of(&request), &app);
}

static void resource_that_cannot_be_opened_closes_those_before_it(void **state)
{
    static const struct mr_resource *const resources[] = {&shelf, &broken, &plain, NULL};
    (void)state;
    assert_int_equal(mr_app_open(&app, resources), MR_EIO);
    assert_string_equal(told, "open loop0 loop1 -loop0 -loop1 -open ");
    assert_null(http.app);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(resources_are_registered_and_opened_in_order),
        TEST(each_loop_has_a_state_of_its_own),
        TEST(handler_finds_the_app_of_its_request),
        TEST(resource_that_cannot_be_opened_closes_those_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
