/* --peer: the paths of a stranger's server, and every way to get them wrong. */
#include "base/macros.h"
#include "bench/lab/lab_peer.h"
#include "bench/lab/lab_request.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct mr_lab_peer peer;
static struct mr_fault fault;

static void each_kind_has_a_path(void **state)
{
    (void)state;
    assert_int_equal(mr_lab_peer_parse(&peer,
                                       "mine=http://127.0.0.1:3000 light=/healthz image=/resize?w=300&q=75  gzip=/a,b "
                                       "encrypt=/e=1 ",
                                       &fault),
                     MR_OK);
    assert_string_equal(peer.name, "mine");
    assert_string_equal(peer.url, "http://127.0.0.1:3000");
    assert_string_equal(peer.paths[MR_LAB_LIGHT], "/healthz");
    assert_string_equal(peer.paths[MR_LAB_FRESH], "/healthz");
    assert_string_equal(peer.paths[MR_LAB_IMAGE], "/resize?w=300&q=75");
    assert_string_equal(peer.paths[MR_LAB_GZIP], "/a,b");
    assert_string_equal(peer.paths[MR_LAB_ENCRYPT], "/e=1");
    assert_true(peer.has_own_paths);
}

static void a_kind_without_a_path_is_not_asked(void **state)
{
    (void)state;
    assert_int_equal(mr_lab_peer_parse(&peer, "mine=http://[::1]:3000/ gzip=/gzip light=/", &fault), MR_OK);
    assert_string_equal(peer.url, "http://[::1]:3000");
    assert_string_equal(peer.paths[MR_LAB_LIGHT], "/");
    assert_string_equal(peer.paths[MR_LAB_GZIP], "/gzip");
    assert_string_equal(peer.paths[MR_LAB_IMAGE], "");
    assert_string_equal(peer.paths[MR_LAB_ENCRYPT], "");
}

static void without_paths_they_are_ours(void **state)
{
    (void)state;
    assert_int_equal(mr_lab_peer_parse(&peer, "other=http://127.0.0.1:8080", &fault), MR_OK);
    assert_false(peer.has_own_paths);
    for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++)
        assert_string_equal(peer.paths[i], mr_lab_request_of((enum mr_lab_stream)i)->path);
}

static void url_may_have_a_path_or_be_a_socket(void **state)
{
    (void)state;
    static const struct {
        const char *text, *url;
    } urls[] = {
        {"a=http://host/api/", "http://host/api"},
        {"a=unix:/run/a.sock", "unix:/run/a.sock:"},
        {"a=http://unix:/run/a.sock:", "http://unix:/run/a.sock:"},
        {"a=unix:/run/a.sock:/api", "unix:/run/a.sock:/api"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(urls); i++) {
        assert_int_equal(mr_lab_peer_parse(&peer, urls[i].text, &fault), MR_OK);
        assert_string_equal(peer.url, urls[i].url);
    }
}

static void assert_refused(const char *text, const char *word)
{
    if (mr_lab_peer_parse(&peer, text, &fault) != MR_EPARAM)
        fail_msg("taken: %s", text);
    if (strstr(fault.detail, word) == NULL)
        fail_msg("%s: %s", text, fault.detail);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    assert_refused("", "NAME=URL");
    assert_refused("http://127.0.0.1", "NAME=URL");
    assert_refused("=http://127.0.0.1", "NAME=URL");
    assert_refused("a-name-of-more-than-31-characters=http://h", "31");
    assert_refused("a=", "URL");
    assert_refused("a=https://h", "http://");
    assert_refused("a=http://h:0", "port");
    assert_refused("a=http://h/?w=1", "query");
    assert_refused("a=http://h,light=/", "space");
    assert_refused("a=http://h light=/ resize=/r", "resize=/r");
    assert_refused("a=http://h light=/ fresh=/r", "fresh=/r");
    assert_refused("a=http://h light=/ /r", "/r");
    assert_refused("a=http://h light", "light");
    assert_refused("a=http://h light=", "slash");
    assert_refused("a=http://h light=healthz", "slash");
    assert_refused("a=http://h light=/#top", "slash");
    assert_refused("a=http://h light=/\t", "slash");
    assert_refused("a=http://h light=/\xc3\xa4", "ASCII");
    assert_refused("a=http://h light=/ light=/x", "two paths");
    assert_refused("a=http://h image=/r", "light=PATH is missing");
}

/* To the octet: the longest that are taken, and one more. */
static void lengths_are_bounded(void **state)
{
    (void)state;
    char text[700];
    const int longest_url = (int)sizeof(peer.url) - 2, longest_path = (int)sizeof(peer.paths[0]) - 1;
    for (int over = 0; over < 2; over++) {
        snprintf(text, sizeof(text), "a=http://h/%0*d", longest_url - 9 + over, 0);
        assert_int_equal(mr_lab_peer_parse(&peer, text, &fault), over ? MR_EPARAM : MR_OK);
        snprintf(text, sizeof(text), "a=http://h light=/%0*d", longest_path - 1 + over, 0);
        assert_int_equal(mr_lab_peer_parse(&peer, text, &fault), over ? MR_EPARAM : MR_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_a_path),        cmocka_unit_test(a_kind_without_a_path_is_not_asked),
        cmocka_unit_test(without_paths_they_are_ours), cmocka_unit_test(url_may_have_a_path_or_be_a_socket),
        cmocka_unit_test(what_is_wrong_is_said),       cmocka_unit_test(lengths_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
