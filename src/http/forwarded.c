/* DESIGN. Fields are read from left to right, as quotes demand, into a ring that keeps the last hops; then the ring is
 * read from the right. A field that is malformed anywhere says nothing at all: a quote that a client left open would
 * else swallow what the proxy wrote behind it. */
#include "http/forwarded.h"
#include "http/chars.h"

struct hops {
    unsigned long count;                       /* of all; the last MR_FORWARDED_HOPS_MAX are kept */
    struct mr_slice at[MR_FORWARDED_HOPS_MAX]; /* addresses without quotes; .at NULL: not said */
};

static void add_hop(struct hops *hops, struct mr_slice address)
{
    hops->at[hops->count++ % MR_FORWARDED_HOPS_MAX] = address;
}

/* ---- Forwarded ---- */

static bool cut_char(struct mr_slice *text, char c)
{
    if (text->len == 0 || text->at[0] != c)
        return false;
    text->at++;
    text->len--;
    return true;
}

static struct mr_slice cut_token(struct mr_slice *text)
{
    struct mr_slice token = {.at = text->at, .len = 0};
    while (token.len < text->len && mr_char_is(text->at[token.len], MR_CHAR_TOKEN))
        token.len++;
    text->at += token.len;
    text->len -= token.len;
    return token;
}

/* A token, or what stands between quotes. No address and no scheme needs a backslash: there is none of them here. */
static bool cut_value(struct mr_slice *text, struct mr_slice *out)
{
    if (!cut_char(text, '"')) {
        *out = cut_token(text);
        return out->len > 0;
    }
    out->at = text->at;
    out->len = 0;
    while (out->len < text->len && mr_char_is(text->at[out->len], MR_CHAR_QUOTED))
        out->len++;
    text->at += out->len;
    text->len -= out->len;
    return cut_char(text, '"');
}

/* name "=" value */
static bool cut_pair(struct mr_slice *text, struct mr_slice *address)
{
    struct mr_slice value, name = cut_token(text);
    if (name.len == 0 || !cut_char(text, '=') || !cut_value(text, &value))
        return false;
    if (!mr_slice_is_nocase(name, "for"))
        return true;
    bool is_first = address->at == NULL;
    *address = value;
    return is_first;
}

/* One field; false: it is malformed. */
static bool read_forwarded(struct hops *hops, struct mr_slice text)
{
    do {
        struct mr_slice address = {.at = NULL};
        do {
            text = mr_slice_trim(text);
            if (!cut_pair(&text, &address))
                return false;
            text = mr_slice_trim(text);
        } while (cut_char(&text, ';'));
        add_hop(hops, address);
    } while (cut_char(&text, ','));
    return text.len == 0;
}

/* ---- X-Forwarded-For ---- */

static bool read_list(struct hops *hops, struct mr_slice text)
{
    while (text.at != NULL)
        add_hop(hops, mr_slice_trim(mr_slice_cut(&text, ',')));
    return true;
}

/* ---- both ---- */

/* All fields of that name, in their order. False: there is none, or one is malformed. */
static bool read_all(struct hops *hops, const struct mr_head *head, const char *name,
                     bool (*read)(struct hops *hops, struct mr_slice text))
{
    hops->count = 0;
    for (unsigned i = 0; i < head->header_count; i++)
        if (mr_slice_is_nocase(head->headers[i].name, name) && !read(hops, head->headers[i].value))
            return false;
    return hops->count > 0;
}

bool mr_trust_has(const struct mr_trust *trust, const struct mr_peer *peer)
{
    for (unsigned i = 0; i < trust->count; i++)
        if (mr_network_has(&trust->networks[i], peer))
            return true;
    return false;
}

/* From the right to the first hop that is not trusted. */
static struct mr_peer find_client(const struct hops *hops, const struct mr_peer *peer, const struct mr_trust *trust)
{
    struct mr_peer client = *peer, next;
    unsigned long kept = hops->count < MR_FORWARDED_HOPS_MAX ? hops->count : MR_FORWARDED_HOPS_MAX;
    for (unsigned long i = 1; i <= kept && mr_trust_has(trust, &client); i++) {
        if (!mr_peer_parse(&next, hops->at[(hops->count - i) % MR_FORWARDED_HOPS_MAX]))
            break;
        client = next;
    }
    return client;
}

struct mr_client mr_forwarded_client(const struct mr_head *head, const struct mr_peer *peer,
                                     const struct mr_trust *trust)
{
    struct mr_client client = {.peer = *peer, .is_behind_trusted = mr_trust_has(trust, peer)};
    struct hops hops;
    if (!client.is_behind_trusted)
        return client;
    bool is_forwarded = mr_head_find(head, "forwarded").at != NULL;
    bool is_listed = read_all(&hops, head, "x-forwarded-for", read_list);
    if (is_listed)
        client.peer = find_client(&hops, peer, trust);
    if (is_forwarded && read_all(&hops, head, "forwarded", read_forwarded)) {
        struct mr_peer other = find_client(&hops, peer, trust);
        if (is_listed && !mr_peer_is_same(&other, &client.peer))
            other = *peer;
        client.peer = other;
    } else if (is_forwarded) {
        client.peer = *peer;
    }
    return client;
}
