#include "routes/metrics.h"
#include "app/app.h"
#include "http/negotiation.h"
#include "keys/rights.h"
#include "routes/about.h"
#include <stdlib.h>

/* ---- which format ---- */

/* Is this parameter of a media range one that rules it out? */
static bool rules_out(struct mr_slice parameter)
{
    struct mr_slice value = parameter, name = mr_slice_trim(mr_slice_cut(&value, '='));
    value = mr_slice_trim(value);
    if (mr_slice_is_nocase(name, "version"))
        return !mr_slice_is(value, "1.0.0") && !mr_slice_is(value, "\"1.0.0\"");
    return mr_slice_is_nocase(name, "q") && mr_negotiation_is_zero(value);
}

enum mr_prometheus_format mr_metrics_format_of(struct mr_slice accept)
{
    while (accept.at != NULL) {
        struct mr_slice rest = mr_slice_cut(&accept, ',');
        bool is_wanted = mr_slice_is_nocase(mr_slice_trim(mr_slice_cut(&rest, ';')), "application/openmetrics-text");
        while (is_wanted && rest.at != NULL)
            is_wanted = !rules_out(mr_slice_cut(&rest, ';'));
        if (is_wanted)
            return MR_PROMETHEUS_OPENMETRICS;
    }
    return MR_PROMETHEUS_TEXT;
}

/* ---- the route ---- */

static void start_metrics(struct mr_request *request)
{
    static const char *const types[] = {
        [MR_PROMETHEUS_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
        [MR_PROMETHEUS_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
    };
    struct mr_fields fields;
    enum mr_prometheus_format format = mr_metrics_format_of(mr_head_find(&request->head, "accept"));
    size_t len;
    char *text = mr_prometheus_render(&mr_app_of(request)->stats, format, &len);
    struct mr_fault fault;
    if (text == NULL) {
        mr_fault_set(&fault, MR_EMEMORY, NULL);
        mr_respond_problem(request, &fault);
        return;
    }
    mr_fields_init(&fields, &request->arena);
    mr_fields_vary(&fields, "Accept");
    mr_respond(request, 200, types[format], &fields, text, len, free, text);
}

static const struct mr_route_about about_metrics = {
    .group = "server",
    .text = "Numbers of all processes for Prometheus; as OpenMetrics with exemplars if Accept asks for it",
    .responses = (const struct mr_about_response[]){{200,
                                                     "all numbers",
                                                     {"text/plain; version=0.0.4; charset=utf-8,"
                                                      "application/openmetrics-text; version=1.0.0; charset=utf-8",
                                                      {NULL}},
                                                     NULL},
                                                    {.status = 0}},
    .examples =
        (const struct mr_about_example[]){{.text = "one scrape", .target = "/metrics", .status = 200}, {.text = NULL}},
};

static const struct mr_route routes[] = {
    {.method = MR_METHOD_GET,
     .pattern = "/metrics",
     .rights = MR_RIGHT_METRICS,
     .start = start_metrics,
     .about = &about_metrics},
    {.pattern = NULL},
};

const struct mr_resource mr_metrics_resource = {.routes = routes};
