#include "base/macros.h"
#include "http/router.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct mr_route routes[] = {
    {.method = MR_METHOD_GET, .pattern = "/"},
    {.method = MR_METHOD_GET, .pattern = "/healthz"},
    {.method = MR_METHOD_POST, .pattern = "/pipe/{stages*}"},
    {.method = MR_METHOD_GET, .pattern = "/pipe"},
    {.method = MR_METHOD_GET, .pattern = "/files/new"},
    {.method = MR_METHOD_GET, .pattern = "/files/{id}"},
    {.method = MR_METHOD_DELETE, .pattern = "/files/{id}"},
    {.method = MR_METHOD_GET, .pattern = "/files/{id}/info"},
    {.method = MR_METHOD_HEAD, .pattern = "/tus/{id}"},
    {.method = MR_METHOD_GET, .pattern = "/iiif/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{rest*}"},
    {.pattern = NULL},
};

#define BIT(method) (1u << MR_METHOD_##method)

static void first_matching_route_answers(void **state)
{
    (void)state;
    static const struct {
        enum mr_method method;
        const char *path;
        const char *pattern; /* NULL: none, and `err` says why */
        int err;
        unsigned allowed;
    } table[] = {
        {MR_METHOD_GET, "/", "/", MR_OK, BIT(GET)},
        {MR_METHOD_HEAD, "/", "/", MR_OK, BIT(GET)},
        {MR_METHOD_GET, "/healthz", "/healthz", MR_OK, BIT(GET)},
        {MR_METHOD_GET, "/healthz/", NULL, MR_ENOTFOUND, 0},
        {MR_METHOD_GET, "/Healthz", NULL, MR_ENOTFOUND, 0},
        {MR_METHOD_GET, "/health", NULL, MR_ENOTFOUND, 0},
        {MR_METHOD_GET, "//healthz", NULL, MR_ENOTFOUND, 0},
        {MR_METHOD_GET, "/%68ealthz", NULL, MR_ENOTFOUND, 0},
        {MR_METHOD_POST, "/healthz", NULL, MR_EMETHOD, BIT(GET)},
        {MR_METHOD_OPTIONS, "/healthz", NULL, MR_EMETHOD, BIT(GET)},
        {MR_METHOD_OTHER, "/healthz", NULL, MR_EMETHOD, BIT(GET)},
        {MR_METHOD_OTHER, "/nothing", NULL, MR_ENOTFOUND, 0},
        {MR_METHOD_POST, "/pipe/image", "/pipe/{stages*}", MR_OK, BIT(POST)},
        {MR_METHOD_POST, "/pipe/a/b//", "/pipe/{stages*}", MR_OK, BIT(POST)},
        {MR_METHOD_POST, "/pipe/", NULL, MR_ENOTFOUND, 0},
        {MR_METHOD_POST, "/pipe", NULL, MR_EMETHOD, BIT(GET)},
        {MR_METHOD_GET, "/files/new", "/files/new", MR_OK, BIT(GET)},
        {MR_METHOD_DELETE, "/files/new", "/files/{id}", MR_OK, BIT(GET) | BIT(DELETE)},
        {MR_METHOD_GET, "/files/7", "/files/{id}", MR_OK, BIT(GET)},
        {MR_METHOD_PUT, "/files/7", NULL, MR_EMETHOD, BIT(GET) | BIT(DELETE)},
        {MR_METHOD_GET, "/files/", NULL, MR_ENOTFOUND, 0},
        {MR_METHOD_GET, "/files//info", NULL, MR_ENOTFOUND, 0},
        {MR_METHOD_GET, "/files/7/info", "/files/{id}/info", MR_OK, BIT(GET)},
        {MR_METHOD_GET, "/files/a%2Fb", "/files/{id}", MR_OK, BIT(GET)},
        {MR_METHOD_GET, "/files/7/other", NULL, MR_ENOTFOUND, 0},
        {MR_METHOD_GET, "/tus/7", NULL, MR_EMETHOD, BIT(HEAD)},
        {MR_METHOD_OPTIONS, "*", NULL, MR_ENOTFOUND, 0},
        {MR_METHOD_GET, "", NULL, MR_ENOTFOUND, 0},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_route_match match;
        unsigned allowed = 1234;
        int err = mr_router_match(routes, table[i].method, mr_slice_of(table[i].path), &match, &allowed);
        if (err != table[i].err)
            fail_msg("%s %s: %s", mr_method_name(table[i].method), table[i].path, mr_error_name(err));
        assert_int_equal(allowed, table[i].allowed);
        if (err == MR_OK)
            assert_string_equal(match.route->pattern, table[i].pattern);
        else
            assert_null(match.route);
    }
}

static void check_param(const struct mr_route_match *match, unsigned i, const char *name, const char *value)
{
    assert_true(i < match->param_count);
    assert_true(mr_slice_is(match->params[i].name, name));
    assert_true(mr_slice_is(match->params[i].value, value));
}

static void parameters_are_raw_parts_of_the_path(void **state)
{
    (void)state;
    struct mr_route_match match;
    unsigned allowed;
    assert_int_equal(mr_router_match(routes, MR_METHOD_GET, MR_SLICE("/files/a%2Fb/info"), &match, &allowed), MR_OK);
    assert_int_equal(match.param_count, 1);
    check_param(&match, 0, "id", "a%2Fb");

    assert_int_equal(mr_router_match(routes, MR_METHOD_POST, MR_SLICE("/pipe/image/gzip"), &match, &allowed), MR_OK);
    assert_int_equal(match.param_count, 1);
    check_param(&match, 0, "stages", "image/gzip");

    struct mr_slice path = MR_SLICE("/iiif/1/2/3/4/5/6/7/8/9");
    assert_int_equal(mr_router_match(routes, MR_METHOD_GET, path, &match, &allowed), MR_OK);
    assert_int_equal(match.param_count, MR_ROUTE_PARAMS_MAX);
    check_param(&match, 0, "a", "1");
    check_param(&match, 7, "rest", "8/9");

    assert_int_equal(mr_router_match(routes, MR_METHOD_GET, MR_SLICE("/healthz"), &match, &allowed), MR_OK);
    assert_int_equal(match.param_count, 0);
    assert_int_equal(mr_router_match(routes, MR_METHOD_PUT, MR_SLICE("/files/7"), &match, &allowed), MR_EMETHOD);
    assert_int_equal(match.param_count, 0);
    assert_int_equal(mr_router_match(routes, MR_METHOD_PUT, MR_SLICE("/iiif/1/2"), &match, &allowed), MR_ENOTFOUND);
    assert_int_equal(match.param_count, 0);
}

static void allow_lists_the_methods(void **state)
{
    (void)state;
    static const struct {
        unsigned allowed;
        const char *text;
    } table[] = {
        {0, "OPTIONS"},
        {BIT(GET), "GET, HEAD, OPTIONS"},
        {BIT(HEAD), "HEAD, OPTIONS"},
        {BIT(POST) | BIT(OPTIONS), "POST, OPTIONS"},
        {BIT(OTHER), "OPTIONS"},
        {~0u, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        char text[64];
        mr_router_allow(table[i].allowed, text, sizeof(text));
        assert_string_equal(text, table[i].text);
    }
}

static void allow_writes_no_further_than_it_may(void **state)
{
    (void)state;
    char whole[64], text[64];
    mr_router_allow(~0u, whole, sizeof(whole));
    for (size_t size = 1; size <= sizeof(text); size++) {
        memset(text, 'x', sizeof(text));
        mr_router_allow(~0u, text, size);
        assert_memory_equal(text, whole, strlen(text));
        assert_int_equal(strlen(text), MR_MIN(size - 1, strlen(whole)));
        for (size_t i = size; i < sizeof(text); i++)
            assert_int_equal(text[i], 'x');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_matching_route_answers),
        cmocka_unit_test(parameters_are_raw_parts_of_the_path),
        cmocka_unit_test(allow_lists_the_methods),
        cmocka_unit_test(allow_writes_no_further_than_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
