/* Who may use the server, by what the connection and the browser tell: driven through a connection of arrays. */
#include "base/log.h"
#include "base/macros.h"
#include "http/http1/connection.h"
#include "http/request.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct mr_loop *loop;
    struct mr_http http;
    struct mr_http_counters *counters;
    const char *peer;
    bool is_public;
    struct mr_client client; /* of the last request that was served */
    char id[MR_REQUEST_ID_MAX + 1];
    char key_name[MR_KEY_NAME_SIZE]; /* of the last request that was served */
    uint32_t asks_for;               /* rights that the handler wants beside the row's */
    unsigned looked_up;              /* keys */
    char said[10000];
};

static void start(struct mr_request *request)
{
    struct fixture *f = request->http->app;
    f->client = request->client;
    memcpy(f->id, request->id, sizeof(f->id));
    mr_respond(request, 200, "text/plain", NULL, "served", 6, NULL, NULL);
}

/* A handler that needs more than its row says. */
static void start_more(struct mr_request *request)
{
    struct fixture *f = request->http->app;
    struct mr_fault fault;
    if (f->asks_for != 0 && mr_request_authorize(request, f->asks_for, &fault) != MR_OK) {
        mr_respond_problem(request, &fault);
        return;
    }
    snprintf(f->key_name, sizeof(f->key_name), "%s", request->key_name != NULL ? request->key_name : "");
    start(request);
}

static const struct mr_route routes[] = {
    {.method = MR_METHOD_GET, .pattern = "/same", .start = start},
    {.method = MR_METHOD_GET, .pattern = "/link", .site = MR_SITE_LINK, .start = start},
    {.method = MR_METHOD_GET, .pattern = "/any", .site = MR_SITE_ANY, .start = start},
    {.method = MR_METHOD_DELETE, .pattern = "/any", .start = start},
    {.method = MR_METHOD_GET, .pattern = "/open", .is_open = true, .start = start_more},
    {.method = MR_METHOD_GET, .pattern = "/one", .rights = 1, .start = start_more},
    {.method = MR_METHOD_GET, .pattern = "/both", .rights = 3, .start = start},
    {.pattern = NULL},
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_int_equal(mr_loop_create(&f->loop, 0), 0);
    f->counters = calloc(1, sizeof(*f->counters));
    mr_http_init(&f->http, &f->counters, 1);
    mr_http_register(&f->http, routes);
    f->http.limits = (struct mr_http_limits){.head_max = 16384, .connections_max = 10};
    f->http.app = f;
    f->peer = "192.0.2.9";
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    free(f->counters);
    mr_loop_destroy(&f->loop);
    free(f);
    return 0;
}

static void on_changed(void *transport)
{
    (void)transport; /* ask() looks at it anyway */
}

/* One request on a connection of its own. Returns the status; f->said has all of the response. */
static int ask(struct fixture *f, const char *line, const char *fields)
{
    struct mr_connection *connection;
    char text[4000];
    struct iovec run;
    struct mr_peer peer;
    size_t said = 0;
    assert_int_equal(mr_connection_create(&connection, &f->http, f->loop, on_changed, f), 0);
    assert_true(mr_peer_parse(&peer, mr_slice_of(f->peer)));
    mr_connection_set_peer(connection, &peer, f->is_public);
    int len = snprintf(text, sizeof(text), "%s HTTP/1.1\r\n%s\r\n", line, fields);
    mr_connection_input(connection, text, (size_t)len);
    while (mr_connection_output(connection, &run, 1) > 0) {
        assert_true(said + run.iov_len < sizeof(f->said));
        memcpy(f->said + said, run.iov_base, run.iov_len);
        said += run.iov_len;
        mr_connection_wrote(connection, run.iov_len);
    }
    f->said[said] = '\0';
    mr_connection_destroy(&connection);
    return atoi(f->said + strlen("HTTP/1.1 "));
}

#define HOST "Host: localhost\r\n"

static bool has(const struct fixture *f, const char *field)
{
    char line[300];
    snprintf(line, sizeof(line), "\r\n%s\r\n", field);
    return strstr(f->said, line) != NULL;
}

/* ---- Host ---- */

static void private_names_are_answered_on_a_public_listener_only(void **state)
{
    struct fixture *f = *state;
    static const char *const private[] = {"Host: millrace:8080\r\n", "Host: a.svc.cluster.local\r\n",
                                          "Host: nas.home.arpa\r\n"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(private); i++) {
        f->is_public = f->http.is_public = false;
        assert_int_equal(ask(f, "GET /same", private[i]), 403);
        f->is_public = true;
        assert_int_equal(ask(f, "GET /same", private[i]), 200);
        f->is_public = false;
        f->http.is_public = true;
        assert_int_equal(ask(f, "GET /same", private[i]), 200);
    }
    f->is_public = true;
    assert_int_equal(ask(f, "GET /same", "Host: evil.example\r\n"), 403);
    assert_int_equal(ask(f, "GET /same", "Host: local.evil.example\r\n"), 403);
}

static void public_url_is_an_allowed_host_and_origin(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "GET /same", "Host: media.example\r\n"), 403);
    assert_int_equal(mr_public_url_parse(&f->http.public_url, "https://media.example/store", NULL), MR_OK);
    assert_int_equal(ask(f, "GET /same", "Host: Media.example\r\n"), 200);
    assert_int_equal(ask(f, "GET /same", "Host: media.example:8443\r\n"), 200);
    assert_int_equal(ask(f, "GET /same", "Host: other.example\r\n"), 403);
    assert_int_equal(ask(f, "GET /same", HOST "Origin: https://media.example\r\n"), 200);
    assert_int_equal(ask(f, "GET /same", HOST "Origin: http://media.example\r\n"), 403);
    assert_int_equal(ask(f, "GET /same", HOST "Origin: https://media.example:8443\r\n"), 403);
}

/* ---- sites ---- */

static void pages_of_other_sites_may_not_embed_what_is_same_site(void **state)
{
    struct fixture *f = *state;
    static char origin[] = "https://app.example", all[] = "*";
    static char *one[] = {origin}, *any[] = {all};
    assert_int_equal(ask(f, "GET /same", HOST "Sec-Fetch-Site: cross-site\r\n"), 403);
    assert_non_null(strstr(f->said, "origin-not-allowed"));
    assert_int_equal(ask(f, "HEAD /same", HOST "Sec-Fetch-Site: cross-site\r\n"), 403);
    static const char *const good[] = {"same-origin", "same-site", "none"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(good); i++) {
        char fields[100];
        snprintf(fields, sizeof(fields), HOST "Sec-Fetch-Site: %s\r\n", good[i]);
        assert_int_equal(ask(f, "GET /same", fields), 200);
    }
    assert_int_equal(ask(f, "GET /link", HOST "Sec-Fetch-Site: cross-site\r\n"), 200);
    assert_int_equal(ask(f, "GET /link", HOST "Sec-Fetch-Site: cross-site\r\nOrigin: https://app.example\r\n"), 403);
    assert_int_equal(ask(f, "GET /any", HOST "Sec-Fetch-Site: cross-site\r\n"), 200);
    assert_int_equal(ask(f, "GET /nothing", HOST "Sec-Fetch-Site: cross-site\r\n"), 404);
    f->http.allow_origins = one;
    f->http.allow_origin_count = 1;
    assert_int_equal(ask(f, "GET /same", HOST "Sec-Fetch-Site: cross-site\r\nOrigin: https://app.example\r\n"), 200);
    assert_int_equal(ask(f, "GET /same", HOST "Sec-Fetch-Site: cross-site\r\n"), 403);
    f->http.allow_origins = any;
    assert_int_equal(ask(f, "GET /same", HOST "Sec-Fetch-Site: cross-site\r\n"), 200);
}

static void what_any_site_may_use_says_so_to_all(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "GET /any", HOST), 200);
    assert_true(has(f, "Access-Control-Allow-Origin: *"));
    assert_true(has(f, "Cross-Origin-Resource-Policy: cross-origin"));
    assert_true(
        has(f, "Access-Control-Expose-Headers: Location, ETag, Content-Location, Content-Range, Repr-Digest, Link, "
               "Server-Timing, X-Request-Id, Retry-After"));
    assert_null(strstr(f->said, "Vary:"));
    assert_null(strstr(f->said, "Allow-Credentials"));
    assert_int_equal(ask(f, "GET /any?a=%80", HOST "Origin: https://app.example\r\n"), 400);
    assert_true(has(f, "Access-Control-Allow-Origin: *"));
    assert_int_equal(ask(f, "GET /same", HOST), 200);
    assert_null(strstr(f->said, "Access-Control"));
    assert_null(strstr(f->said, "Cross-Origin"));
    assert_int_equal(ask(f, "DELETE /any", HOST "Origin: https://app.example\r\n"), 403);
    assert_null(strstr(f->said, "Access-Control"));
}

#define PREFLIGHT HOST "Origin: https://app.example\r\nSec-Fetch-Site: cross-site\r\nAccess-Control-Request-Method: "

static void preflight_is_answered_for_the_row_that_it_asks_for(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "OPTIONS /any", PREFLIGHT "GET\r\nAccess-Control-Request-Headers: range, x-a\r\n"), 204);
    assert_true(has(f, "Access-Control-Allow-Origin: *"));
    assert_true(has(f, "Access-Control-Allow-Methods: GET, HEAD, OPTIONS"));
    assert_true(has(f, "Access-Control-Allow-Headers: range, x-a"));
    assert_true(has(f, "Access-Control-Max-Age: 600"));
    assert_int_equal(ask(f, "OPTIONS /any", PREFLIGHT "DELETE\r\n"), 403);
    assert_int_equal(ask(f, "OPTIONS /any", PREFLIGHT "PATCH\r\n"), 403);
    assert_int_equal(ask(f, "OPTIONS /same", PREFLIGHT "GET\r\n"), 403);
    assert_int_equal(ask(f, "OPTIONS /any", HOST), 204);
    assert_null(strstr(f->said, "Access-Control"));
}

/* ---- clients behind proxies ---- */

static void check_client(struct fixture *f, const char *fields, const char *client)
{
    char text[MR_PEER_SIZE];
    assert_int_equal(ask(f, "GET /same", fields), 200);
    mr_peer_write(&f->client.peer, text);
    assert_string_equal(text, client);
}

static void client_is_what_a_trusted_proxy_says(void **state)
{
    struct fixture *f = *state;
    check_client(f, HOST "X-Forwarded-For: 1.2.3.4\r\n", "192.0.2.9");
    assert_int_equal(
        mr_network_parse(&f->http.trust.networks[f->http.trust.count++], mr_slice_of("192.0.2.0/24"), NULL), MR_OK);
    check_client(f, HOST "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n", "1.2.3.4");
    check_client(f, HOST, "192.0.2.9");
}

static void request_id_of_a_trusted_proxy_is_taken_over(void **state)
{
    struct fixture *f = *state;
    char long_id[200] = HOST "X-Request-Id: ";
    assert_int_equal(ask(f, "GET /same", HOST "X-Request-Id: abc\r\n"), 200);
    assert_int_equal(strlen(f->id), MR_REQUEST_ID_LEN);
    f->http.trust.count = 1;
    f->http.trust.networks[0] = (struct mr_network){.bits = 0};
    assert_int_equal(ask(f, "GET /same", HOST "X-Request-Id: 4bf9-A.b_c:d+e/f=@\r\n"), 200);
    assert_string_equal(f->id, "4bf9-A.b_c:d+e/f=@");
    assert_true(has(f, "X-Request-Id: 4bf9-A.b_c:d+e/f=@"));
    for (int i = 0; i < MR_REQUEST_ID_MAX; i++)
        strcat(long_id, "x");
    strcat(long_id, "\r\n");
    assert_int_equal(ask(f, "GET /same", long_id), 200);
    assert_int_equal(strlen(f->id), MR_REQUEST_ID_MAX);
    memcpy(long_id + strlen(long_id) - 2, "x\r\n", 4);
    static const char *const bad[] = {HOST "X-Request-Id: a b\r\n",      HOST "X-Request-Id: \r\n",
                                      HOST "X-Request-Id: a\"b\r\n",     HOST "X-Request-Id: a,b\r\n",
                                      HOST "X-Request-Id: \xc3\xa9\r\n", HOST "X-Request-Id: a\r\nX-Request-Id: a\r\n"};
    assert_int_equal(ask(f, "GET /same", long_id), 200);
    assert_int_equal(strlen(f->id), MR_REQUEST_ID_LEN);
    for (size_t i = 0; i < MR_ARRAY_SIZE(bad); i++) {
        assert_int_equal(ask(f, "GET /same", bad[i]), 200);
        assert_int_equal(strlen(f->id), MR_REQUEST_ID_LEN);
    }
}

/* ---- keys ---- */

/* "one" has the first right, "both" has two, "none" has none. */
static bool find_holder(void *context, struct mr_slice key, struct mr_key_holder *out)
{
    struct fixture *f = context;
    f->looked_up++;
    out->rights = mr_slice_is(key, "both") ? 3 : mr_slice_is(key, "one") ? 1 : 0;
    snprintf(out->name, sizeof(out->name), "holder of %.*s", MR_SLICE_ARG(key));
    return out->rights != 0 || mr_slice_is(key, "none");
}

static void use_keys(struct fixture *f)
{
    static const char *const names[] = {"first", "second", NULL};
    f->http.authorizer = (struct mr_authorizer){.find = find_holder, .context = f, .right_names = names};
}

#define KEY(key) HOST "Authorization: Bearer " key "\r\n"

static void without_keys_none_is_needed(void **state)
{
    struct fixture *f = *state;
    f->asks_for = 3;
    assert_int_equal(ask(f, "GET /both", HOST), 200);
    assert_int_equal(ask(f, "GET /one", KEY("nonsense")), 200);
    assert_string_equal(f->key_name, "");
}

static void a_row_needs_a_key_with_its_rights_unless_it_is_open(void **state)
{
    struct fixture *f = *state;
    use_keys(f);
    assert_int_equal(ask(f, "GET /open", HOST), 200);
    assert_int_equal(ask(f, "GET /same", HOST), 401);
    assert_true(has(f, "WWW-Authenticate: Bearer"));
    assert_int_equal(ask(f, "GET /same", KEY("none")), 200); /* any key */
    assert_int_equal(ask(f, "GET /one", KEY("none")), 403);
    assert_false(has(f, "WWW-Authenticate: Bearer"));
    assert_non_null(strstr(f->said, "first"));
    assert_int_equal(ask(f, "HEAD /one", KEY("none")), 403);
    assert_int_equal(ask(f, "GET /one", KEY("one")), 200);
    assert_string_equal(f->key_name, "holder of one");
    assert_int_equal(ask(f, "GET /both", KEY("one")), 403);
    assert_non_null(strstr(f->said, "second"));
    assert_int_equal(ask(f, "GET /both", KEY("both")), 200);
    assert_int_equal(ask(f, "GET /both", KEY("stranger")), 401);
}

static void what_is_not_a_bearer_key_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {"Basic both", "both",         "Bearer",      "Bearer both both",
                                        "Bearerboth", "Bearer, both", "Bearer=both", ""};
    use_keys(f);
    for (size_t i = 0; i < MR_ARRAY_SIZE(wrong); i++) {
        char fields[200];
        snprintf(fields, sizeof(fields), HOST "Authorization: %s\r\n", wrong[i]);
        assert_int_equal(ask(f, "GET /both", fields), 401);
    }
    assert_int_equal(ask(f, "GET /both", HOST "authorization: bEARER  both \r\n"), 200);
}

static void two_authorization_fields_are_not_chosen_from(void **state)
{
    struct fixture *f = *state;
    use_keys(f);
    assert_int_equal(ask(f, "GET /both", KEY("both") "Authorization: Bearer both\r\n"), 400);
    assert_int_equal(ask(f, "GET /both", KEY("both") "Authorization: Basic x\r\n"), 400);
    assert_int_equal(f->looked_up, 0);
    assert_int_equal(ask(f, "GET /open", KEY("both") "Authorization: Bearer both\r\n"), 200);
}

static void a_handler_can_need_more_than_its_row(void **state)
{
    struct fixture *f = *state;
    use_keys(f);
    f->asks_for = 2;
    assert_int_equal(ask(f, "GET /one", KEY("one")), 403);
    assert_non_null(strstr(f->said, "second"));
    assert_int_equal(f->looked_up, 1); /* once a request */
    assert_int_equal(ask(f, "GET /one", KEY("both")), 200);
    assert_int_equal(f->looked_up, 2);
    assert_int_equal(ask(f, "GET /open", HOST), 401);
    assert_int_equal(ask(f, "GET /open", KEY("both")), 200);
    assert_string_equal(f->key_name, "holder of both");
}

static void with_keys_any_host_is_answered_but_no_foreign_page(void **state)
{
    struct fixture *f = *state;
    use_keys(f);
    assert_int_equal(ask(f, "GET /open", "Host: anything.example\r\n"), 200);
    assert_int_equal(ask(f, "GET /open", "Host: a b\r\n"), 400);
    assert_int_equal(ask(f, "GET /one", KEY("one") "Origin: https://evil.example\r\n"), 403);
    assert_non_null(strstr(f->said, "origin-not-allowed"));
    assert_int_equal(f->looked_up, 0);
}

static void a_preflight_and_a_missing_address_need_no_key(void **state)
{
    struct fixture *f = *state;
    char app[] = "https://app.example", *origins[] = {app};
    use_keys(f);
    f->http.allow_origins = origins;
    f->http.allow_origin_count = 1;
    assert_int_equal(ask(f, "OPTIONS /one",
                         HOST "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n"
                              "Access-Control-Request-Headers: authorization\r\n"),
                     204);
    assert_true(has(f, "Access-Control-Allow-Headers: authorization"));
    assert_int_equal(ask(f, "OPTIONS /one", HOST), 204);
    assert_int_equal(ask(f, "GET /one", HOST "Origin: https://app.example\r\n"), 401);
    assert_true(has(f, "Access-Control-Allow-Origin: https://app.example"));
    assert_int_equal(ask(f, "GET /nothing", HOST), 404);
    assert_int_equal(ask(f, "DELETE /one", HOST), 405);
    assert_int_equal(f->looked_up, 0);
}

#define policy_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        policy_test(private_names_are_answered_on_a_public_listener_only),
        policy_test(public_url_is_an_allowed_host_and_origin),
        policy_test(pages_of_other_sites_may_not_embed_what_is_same_site),
        policy_test(what_any_site_may_use_says_so_to_all),
        policy_test(preflight_is_answered_for_the_row_that_it_asks_for),
        policy_test(client_is_what_a_trusted_proxy_says),
        policy_test(request_id_of_a_trusted_proxy_is_taken_over),
        policy_test(without_keys_none_is_needed),
        policy_test(a_row_needs_a_key_with_its_rights_unless_it_is_open),
        policy_test(what_is_not_a_bearer_key_is_refused),
        policy_test(two_authorization_fields_are_not_chosen_from),
        policy_test(a_handler_can_need_more_than_its_row),
        policy_test(with_keys_any_host_is_answered_but_no_foreign_page),
        policy_test(a_preflight_and_a_missing_address_need_no_key),
    };
    mr_log_set_level(MR_LOG_WARN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
