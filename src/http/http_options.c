#include "http/http_options.h"

// clang-format off
const struct mr_option mr_http_body_options[] = {
    MR_OPTION_ROW(mr_http_settings, "max-body",        SIZE, 0, 0, "SIZE", "1GiB", max_body,     "largest request body; 0: none"),
    MR_OPTION_END,
};

const struct mr_option mr_http_options[] = {
    MR_OPTION_ROW(mr_http_settings, "max-head",        SIZE, 4096, 1048576, "SIZE", "16KiB", max_head, "request line and header fields"),
    MR_OPTION_ROW(mr_http_settings, "max-connections", INT, 1, 1000000, "N", "16384", max_connections, "connections open at a time"),
    MR_OPTION_ROW(mr_http_settings, "max-requests-per-connection", INT, 0, 1e9, "N", "10000", max_requests_per_connection, "then it is closed; 0: none"),
    MR_OPTION_ROW(mr_http_settings, "head-timeout",    TIME, 0.1, 86400, "TIME", "60s", head_timeout, "for a whole request head"),
    MR_OPTION_ROW(mr_http_settings, "body-timeout",    TIME, 0.1, 86400, "TIME", "60s", body_timeout, "for progress on a body, either way"),
    MR_OPTION_ROW(mr_http_settings, "idle-timeout",    TIME, 0.1, 86400, "TIME", "75s", idle_timeout, "of a connection between requests"),
    MR_OPTION_ROW(mr_http_settings, "min-rate",        SIZE, 0, 0, "SIZE", "1KiB", min_rate,     "bytes/s of a body, on average; 0: none"),
    MR_OPTION_END,
};

const struct mr_option mr_http_origin_options[] = {
    MR_OPTION_LIST(mr_http_settings, "allow-host",     "NAME", allow_host,                       "Host name to answer for, repeatable"),
    MR_OPTION_LIST(mr_http_settings, "allow-origin",   "ORIGIN", allow_origin,                   "page origin that may call, repeatable"),
    MR_OPTION_END,
};
// clang-format on

void mr_http_set(struct mr_http *http, const struct mr_http_settings *settings)
{
    http->limits = (struct mr_http_limits){
        .body_max = settings->max_body,
        .head_max = (uint32_t)settings->max_head,
        .connections_max = (uint32_t)settings->max_connections,
        .requests_per_connection_max = (uint32_t)settings->max_requests_per_connection,
        .head_timeout_ns = settings->head_timeout,
        .body_timeout_ns = settings->body_timeout,
        .idle_timeout_ns = settings->idle_timeout,
        .min_rate = settings->min_rate,
    };
    http->allow_hosts = settings->allow_host.values;
    http->allow_host_count = settings->allow_host.count;
    http->allow_origins = settings->allow_origin.values;
    http->allow_origin_count = settings->allow_origin.count;
}
