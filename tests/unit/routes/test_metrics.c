#include "routes/metrics.h"

#include "base/macros.h"
#include "routes/offered.h"

static void openmetrics_is_given_to_those_who_ask_for_it(void **state)
{
    static const struct {
        const char *accept;
        enum mr_prometheus_format format;
    } cases[] = {
        {NULL, MR_PROMETHEUS_TEXT},
        {"", MR_PROMETHEUS_TEXT},
        {"*/*", MR_PROMETHEUS_TEXT},
        {"text/plain;version=0.0.4", MR_PROMETHEUS_TEXT},
        {"application/openmetrics-text; version=1.0.0", MR_PROMETHEUS_OPENMETRICS},
        {"application/openmetrics-text", MR_PROMETHEUS_OPENMETRICS},
        {"text/plain;q=0.5, Application/OpenMetrics-Text ;q=0.2 ; Version=\"1.0.0\"", MR_PROMETHEUS_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1",
         MR_PROMETHEUS_OPENMETRICS},
        {"application/openmetrics-text;version=0.0.1", MR_PROMETHEUS_TEXT},
        {"application/openmetrics-text;version=1.0.0;q=0.0", MR_PROMETHEUS_TEXT},
        {"application/openmetrics-textual", MR_PROMETHEUS_TEXT},
        {"application/openmetrics-text;q", MR_PROMETHEUS_OPENMETRICS},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        if (mr_metrics_format_of(mr_slice_of(cases[i].accept)) != cases[i].format)
            fail_msg("Accept: %s", cases[i].accept);
    }
}

static void a_scrape_without_a_wish_gets_the_classic_text(void **state)
{
    (void)state;
    struct offered *offered = make_offered();
    struct client *client = ask_for(offered, "GET", "/metrics");
    const char *response = take(client);
    assert_non_null(strstr(response, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(response, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(strstr(response, "Vary: Accept\r\n"));
    assert_non_null(strstr(response, "\nmillrace_requests_in_flight 1\n")); /* itself */
    free_client(client);
    free_offered(offered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scrape_without_a_wish_gets_the_classic_text),
        cmocka_unit_test(openmetrics_is_given_to_those_who_ask_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
