#include "routes/health.h"

#include "routes/offered.h"

static struct offered *offered;

static int set_up(void **state)
{
    (void)state;
    offered = make_offered();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free_offered(offered);
    return 0;
}

/* The response to GET has this piece. */
static void gets(const char *target, const char *piece)
{
    struct client *client = ask_for(offered, "GET", target);
    const char *response = take(client);
    if (strstr(response, piece) == NULL)
        fail_msg("GET %s: %s is not in\n%s", target, piece, response);
    free_client(client);
}

static void a_server_at_rest_is_healthy_and_ready(void **state)
{
    (void)state;
    gets("/healthz", "HTTP/1.1 200 OK\r\n");
    gets("/healthz", "\r\n\r\nok\n");
    gets("/readyz", "\r\n\r\nready\n");
    gets("/", "POST /pipe/image?w=300");
}

static void a_server_that_drains_is_healthy_and_not_ready(void **state)
{
    (void)state;
    atomic_store(&offered->http.draining, true);
    gets("/healthz", "HTTP/1.1 200 OK\r\n");
    gets("/readyz", "HTTP/1.1 503 ");
    gets("/readyz", "urn:millrace:problem:shutting-down");
}

static void a_used_up_budget_is_told_with_its_numbers(void **state)
{
    (void)state;
    struct mr_budget *memory = offered->app.memory;
    assert_true(mr_budget_try_take(memory, 16 * MR_MIB - MR_KIB));
    gets("/readyz", "HTTP/1.1 503 ");
    gets("/readyz", "\"value\":16777216},\"value\":16776192}");
    mr_budget_give_back(memory, 16 * MR_MIB - MR_KIB);
    gets("/readyz", "HTTP/1.1 200 ");
}

static void texts_are_made_of_what_the_server_is(void **state)
{
    (void)state;
    gets("/version", "\"offload\":\"none\",\"workers\":1,\"loops\":1,\"processes\":1}");
    gets("/pipe", "{\"stages\":[{\"name\":\"image\",");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_server_at_rest_is_healthy_and_ready),
        TEST(a_server_that_drains_is_healthy_and_not_ready),
        TEST(a_used_up_budget_is_told_with_its_numbers),
        TEST(texts_are_made_of_what_the_server_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
