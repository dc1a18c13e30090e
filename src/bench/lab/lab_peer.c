#include "bench/lab/lab_peer.h"
#include "base/slice.h"
#include "bench/lab/lab_request.h"
#include "bench/load/target.h"
#include <stdio.h>
#include <string.h>

static bool copy_peer_text(char *out, size_t size, struct mr_slice text)
{
    if (text.len == 0 || text.len >= size)
        return false;
    snprintf(out, size, "%.*s", MR_SLICE_ARG(text));
    return true;
}

static struct mr_slice next_word(struct mr_slice *rest)
{
    while (rest->len > 0 && rest->at[0] == ' ') {
        rest->at++;
        rest->len--;
    }
    return rest->len > 0 ? mr_slice_cut(rest, ' ') : (struct mr_slice){0};
}

/* A Unix socket ends with a colon, behind which the path stands. */
static int parse_url(struct mr_lab_peer *peer, struct mr_slice url, struct mr_fault *fault)
{
    struct mr_target target;
    struct mr_fault why;
    while (url.len > 0 && url.at[url.len - 1] == '/')
        url.len--;
    if (!copy_peer_text(peer->url, sizeof(peer->url) - 1, url))
        return mr_fault_set(fault, MR_EPARAM, "--peer %s: the URL must have 1 to %zu letters", peer->name,
                            sizeof(peer->url) - 2);
    if (mr_target_parse(&target, peer->url, &why) != MR_OK)
        return mr_fault_set(fault, MR_EPARAM, "--peer %s: %s", peer->name, why.detail);
    if (strpbrk(target.host, ",=") != NULL)
        return mr_fault_set(fault, MR_EPARAM, "--peer %s: a space stands before each path", peer->name);
    if (memchr(target.path.at, '?', target.path.len) != NULL)
        return mr_fault_set(fault, MR_EPARAM, "--peer %s: a query belongs to a path, as in image=/resize?w=300",
                            peer->name);
    size_t len = strlen(peer->url);
    if (target.is_unix && target.path.len <= 1 && peer->url[len - 1] != ':')
        snprintf(peer->url + len, sizeof(peer->url) - len, ":");
    return MR_OK;
}

static bool find_kind(struct mr_slice name, enum mr_lab_stream *kind)
{
    for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++) {
        *kind = (enum mr_lab_stream)i;
        if (*kind != MR_LAB_FRESH && mr_slice_is(name, mr_lab_stream_name(*kind)))
            return true;
    }
    return false;
}

static bool is_path(struct mr_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '!' || text.at[i] > '~' || text.at[i] == '#')
            return false;
    return text.len > 0 && text.at[0] == '/';
}

static int parse_path(struct mr_lab_peer *peer, struct mr_slice word, struct mr_fault *fault)
{
    struct mr_slice path = word, name = mr_slice_cut(&path, '=');
    enum mr_lab_stream kind;
    if (!find_kind(name, &kind))
        return mr_fault_set(fault, MR_EPARAM,
                            "--peer %s: behind the URL stand light=PATH, image=PATH, gzip=PATH, encrypt=PATH, and "
                            "not %.*s",
                            peer->name, MR_SLICE_ARG(word));
    if (!is_path(path))
        return mr_fault_set(fault, MR_EPARAM, "--peer %s: the path of %s must begin with a slash, in ASCII", peer->name,
                            mr_lab_stream_name(kind));
    if (peer->paths[kind][0] != '\0')
        return mr_fault_set(fault, MR_EPARAM, "--peer %s: %s has two paths", peer->name, mr_lab_stream_name(kind));
    if (!copy_peer_text(peer->paths[kind], sizeof(peer->paths[kind]), path))
        return mr_fault_set(fault, MR_EPARAM, "--peer %s: a path has at most %zu letters", peer->name,
                            sizeof(peer->paths[kind]) - 1);
    peer->has_own_paths = true;
    return MR_OK;
}

static void take_our_paths(struct mr_lab_peer *peer)
{
    for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++)
        snprintf(peer->paths[i], sizeof(peer->paths[i]), "%s", mr_lab_request_of((enum mr_lab_stream)i)->path);
}

int mr_lab_peer_parse(struct mr_lab_peer *out, const char *text, struct mr_fault *fault)
{
    struct mr_slice rest = mr_slice_of(text), url = next_word(&rest), name = mr_slice_cut(&url, '='), word;
    *out = (struct mr_lab_peer){0};
    if (url.at == NULL || !copy_peer_text(out->name, sizeof(out->name), name))
        return mr_fault_set(fault, MR_EPARAM, "--peer must be NAME=URL, with a name of up to %zu letters: %s",
                            sizeof(out->name) - 1, text);
    if (parse_url(out, url, fault) != MR_OK)
        return MR_EPARAM;
    while ((word = next_word(&rest)).len > 0)
        if (parse_path(out, word, fault) != MR_OK)
            return MR_EPARAM;
    if (!out->has_own_paths)
        take_our_paths(out);
    else if (out->paths[MR_LAB_LIGHT][0] == '\0')
        return mr_fault_set(fault, MR_EPARAM, "--peer %s: light=PATH is missing, which is what latencies are of",
                            out->name);
    memcpy(out->paths[MR_LAB_FRESH], out->paths[MR_LAB_LIGHT], sizeof(out->paths[MR_LAB_FRESH]));
    return MR_OK;
}
