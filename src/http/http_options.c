#include "http/http_options.h"
#include "base/assert.h"
#include "base/macros.h"

// clang-format off
const struct mr_option mr_http_body_options[] = {
    MR_OPTION_ROW(mr_http_settings, "max-body",        SIZE, 0, 0, "SIZE", "1GiB", max_body,     "largest request body; 0: none"),
    MR_OPTION_END,
};

const struct mr_option mr_http_options[] = {
    MR_OPTION_ROW(mr_http_settings, "max-head",        SIZE, 4096, 1048576, "SIZE", "16KiB", max_head, "request line and header fields"),
    MR_OPTION_ROW(mr_http_settings, "max-connections", INT, 1, 1000000, "N", "16384", max_connections, "connections open at a time"),
    MR_OPTION_ROW(mr_http_settings, "max-requests-per-connection", INT, 0, 1e9, "N", "10000", max_requests_per_connection, "then it is closed; 0: none"),
    MR_OPTION_ROW(mr_http_settings, "head-timeout",    TIME, 0.1, 86400, "TIME", "60s", head_timeout, NULL),
    MR_OPTION_ROW(mr_http_settings, "body-timeout",    TIME, 0.1, 86400, "TIME", "60s", body_timeout, "for a whole request head; for progress on a body, either way"),
    MR_OPTION_ROW(mr_http_settings, "idle-timeout",    TIME, 0.1, 86400, "TIME", "75s", idle_timeout, "of a connection between requests"),
    MR_OPTION_ROW(mr_http_settings, "min-rate",        SIZE, 0, 0, "SIZE", "1KiB", min_rate,     "bytes/s of a body, over a minute; 0: none"),
    MR_OPTION_END,
};

const struct mr_option mr_http_origin_options[] = {
    MR_OPTION_LIST(mr_http_settings, "allow-host",     "NAME", allow_host, NULL),
    MR_OPTION_LIST(mr_http_settings, "allow-origin",   "ORIGIN", allow_origin,                   "Host name to answer for; page origin that may call; repeatable"),
    MR_OPTION_LIST(mr_http_settings, "trust-proxy",    "ADDRESS[/BITS]|unix", trust_proxy,       "proxy that tells who its client is, repeatable"),
    MR_OPTION_ROW(mr_http_settings, "public-url",      TEXT, 0, 1000, "URL", NULL, public_url,   "where clients reach this server"),
    MR_OPTION_END,
};
// clang-format on

static int read_trust(struct mr_trust *out, const struct mr_option_list *list, struct mr_fault *fault)
{
    _Static_assert(MR_ARRAY_SIZE(out->networks) == MR_OPTION_VALUES_MAX, "each value has a place");
    out->count = 0;
    for (size_t i = 0; i < list->count; i++) {
        int err = mr_network_parse(&out->networks[out->count++], mr_slice_of(list->values[i]), fault);
        if (err != MR_OK)
            return err;
    }
    return MR_OK;
}

static int read_public_url(struct mr_public_url *out, const char *text, struct mr_fault *fault)
{
    *out = (struct mr_public_url){.text = {.at = NULL}};
    return text == NULL ? MR_OK : mr_public_url_parse(out, text, fault);
}

int mr_http_settings_check(const struct mr_http_settings *settings, const char **option, struct mr_fault *fault)
{
    struct mr_trust trust;
    struct mr_public_url url;
    *option = "trust-proxy";
    int err = read_trust(&trust, &settings->trust_proxy, fault);
    if (err != MR_OK)
        return err;
    *option = "public-url";
    return read_public_url(&url, settings->public_url, fault);
}

const char *mr_http_settings_public(const struct mr_http_settings *settings)
{
    return settings->trust_proxy.count > 0 ? "trust-proxy" : settings->public_url != NULL ? "public-url" : NULL;
}

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
    http->is_public = mr_http_settings_public(settings) != NULL;
    int err = read_trust(&http->trust, &settings->trust_proxy, NULL);
    if (err == MR_OK)
        err = read_public_url(&http->public_url, settings->public_url, NULL);
    MR_ASSERT(err == MR_OK);
}
