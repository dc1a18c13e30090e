#include "routes/openapi.h"

#include "pipe/stages.h"
#include "routes/about.h"
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

static unsigned count_of(const char *text, const char *piece)
{
    unsigned count = 0;
    for (const char *at = strstr(text, piece); at != NULL; at = strstr(at + 1, piece))
        count++;
    return count;
}

static void each_route_is_described(void **state)
{
    (void)state;
    for (unsigned i = 0; i < offered->http.route_count; i++) {
        const struct mr_route *route = &offered->http.routes[i];
        if (route->about == NULL)
            fail_msg("%s has no description", route->pattern);
        assert_non_null(route->about->text);
        assert_non_null(route->about->group);
        assert_int_not_equal(route->about->responses[0].status, 0);
        assert_non_null(route->about->examples[0].text);
        assert_true(strchr(route->pattern, '{') == NULL || route->about->path != NULL);
    }
}

/* A route is one operation, with GET there is HEAD, and a pipe has one more for each stage. */
static void each_route_is_an_operation(void **state)
{
    (void)state;
    static const char *const methods[] = {"\n    get:\n", "\n    head:\n",  "\n    post:\n",
                                          "\n    put:\n", "\n    patch:\n", "\n    delete:\n"};
    unsigned wanted = 0, found = 0;
    for (unsigned i = 0; i < offered->http.route_count; i++) {
        const struct mr_route *route = &offered->http.routes[i];
        wanted +=
            (route->method == MR_METHOD_GET ? 2u : 1u) + (route->about->is_of_stages ? (unsigned)MR_STAGE_COUNT : 0u);
    }
    struct client *client = ask_for(offered, "GET", "/openapi.yaml");
    const char *response = take(client);
    for (size_t i = 0; i < MR_ARRAY_SIZE(methods); i++)
        found += count_of(response, methods[i]);
    assert_int_equal(found, wanted);
    assert_int_equal(count_of(response, "operationId: "), wanted);
    free_client(client);
}

/* The response to GET has this piece, or has it not. */
static void has(const char *piece, bool is_wanted)
{
    struct client *client = ask_for(offered, "GET", "/openapi.yaml");
    const char *response = take(client);
    if ((strstr(response, piece) != NULL) != is_wanted)
        fail_msg("%s is %sin\n%s", piece, is_wanted ? "not " : "", response);
    free_client(client);
}

static void it_says_how_this_server_was_started(void **state)
{
    (void)state;
    has("HTTP/1.1 200 OK\r\n", true);
    has("Content-Type: application/yaml\r\n", true);
    has("\r\n\r\nopenapi: \"3.1.0\"\n", true);
    has("maxLength: 1048576\n", true); /* --max-body */
    has("\"404\": {$ref: \"#/components/responses/404\", description: \"no-data-directory\"}\n", true);
    has("\"401\": {$ref", false); /* there are no keys */
    has("security", false);
    has("Age-Identity", false);
}

static void what_lists_things_links_to_it(void **state)
{
    (void)state;
    static const char *const targets[] = {"/", "/pipe"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(targets); i++) {
        struct client *client = ask_for(offered, "GET", targets[i]);
        assert_non_null(strstr(take(client), "\r\nLink: </openapi.yaml>; rel=\"service-desc\"\r\n"));
        free_client(client);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_route_is_described),
        TEST(each_route_is_an_operation),
        TEST(it_says_how_this_server_was_started),
        TEST(what_lists_things_links_to_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
