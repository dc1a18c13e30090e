#include "base/macros.h"
#include "http/forwarded.h"
#include "http/http1/head_scan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct mr_trust trust;

static int set_trust(void **state)
{
    static const char *const texts[] = {"10.0.0.0/8", "2001:db8::/32", "unix"};
    struct mr_fault fault;
    (void)state;
    for (; trust.count < MR_ARRAY_SIZE(texts); trust.count++)
        assert_int_equal(mr_network_parse(&trust.networks[trust.count], mr_slice_of(texts[trust.count]), &fault),
                         MR_OK);
    return 0;
}

/* Who is the client of a request from `from` with these field lines? */
static struct mr_client client_of(const char *from, const char *fields, char out[MR_PEER_SIZE])
{
    static char bytes[20000];
    struct mr_head head;
    struct mr_fault fault;
    struct mr_peer peer = {.kind = MR_PEER_UNIX};
    int len = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    assert_int_equal(mr_head_scan(&head, bytes, (size_t)len, &fault), MR_OK);
    if (strcmp(from, "unix") != 0)
        assert_true(mr_peer_parse(&peer, mr_slice_of(from)));
    struct mr_client client = mr_forwarded_client(&head, &peer, &trust);
    mr_peer_write(&client.peer, out);
    return client;
}

#define XFF "X-Forwarded-For: "
#define FWD "Forwarded: "

static const struct {
    const char *from, *fields, *client;
} rows[] = {
    /* nobody is believed who is not trusted */
    {"192.0.2.9", "", "192.0.2.9"},
    {"192.0.2.9", XFF "1.2.3.4\r\n", "192.0.2.9"},
    {"192.0.2.9", FWD "for=1.2.3.4\r\n", "192.0.2.9"},
    /* one proxy */
    {"10.0.0.1", "", "10.0.0.1"},
    {"10.0.0.1", XFF "1.2.3.4\r\n", "1.2.3.4"},
    {"unix", XFF "1.2.3.4:99\r\n", "1.2.3.4"},
    {"10.0.0.1", FWD "for=1.2.3.4;proto=https;by=10.0.0.1\r\n", "1.2.3.4"},
    {"10.0.0.1", FWD "For=\"[2001:dead::1]:99\" ; host=\"a,b;c\"\r\n", "2001:dead::1"},
    /* what the client claims stands to the left */
    {"10.0.0.1", XFF "6.6.6.6, 1.2.3.4\r\n", "1.2.3.4"},
    {"10.0.0.1", XFF "6.6.6.6\r\n" XFF "1.2.3.4\r\n", "1.2.3.4"},
    {"10.0.0.1", XFF "10.0.0.7, 1.2.3.4\r\n", "1.2.3.4"},
    {"10.0.0.1", FWD "for=6.6.6.6, for=1.2.3.4\r\n", "1.2.3.4"},
    {"10.0.0.1", FWD "for=6.6.6.6\r\n" FWD "for=1.2.3.4\r\n", "1.2.3.4"},
    /* several proxies */
    {"10.0.0.1", XFF "6.6.6.6, 1.2.3.4, 10.0.0.2, 2001:db8::7\r\n", "1.2.3.4"},
    {"10.0.0.1", XFF "10.0.0.3, 10.0.0.2\r\n", "10.0.0.3"},
    {"10.0.0.1", FWD "for=1.2.3.4, for=\"[2001:db8::7]\"\r\n", "1.2.3.4"},
    /* a hop that is no address: the last proxy that is known */
    {"10.0.0.1", XFF "1.2.3.4, unknown\r\n", "10.0.0.1"},
    {"10.0.0.1", XFF "1.2.3.4, _x, 10.0.0.2\r\n", "10.0.0.2"},
    {"10.0.0.1", XFF "\r\n", "10.0.0.1"},
    {"10.0.0.1", XFF "1.2.3.4,\r\n", "10.0.0.1"},
    {"10.0.0.1", FWD "for=_hidden\r\n", "10.0.0.1"},
    {"10.0.0.1", FWD "proto=https\r\n", "10.0.0.1"},
    /* malformed: nothing is believed, an open quote swallows nothing */
    {"10.0.0.1", FWD "for=\"6.6.6.6, for=1.2.3.4\r\n", "10.0.0.1"},
    {"10.0.0.1", FWD "for=6.6.6.6, x=\", for=\"[2001:dead::1]\"\r\n", "10.0.0.1"},
    {"10.0.0.1", FWD "for=6.6.6.6;;proto=http\r\n", "10.0.0.1"},
    {"10.0.0.1", FWD "for=6.6.6.6;for=1.2.3.4\r\n", "10.0.0.1"},
    {"10.0.0.1", FWD "for 6.6.6.6\r\n", "10.0.0.1"},
    {"10.0.0.1", FWD "for=6.6.6.6,\r\n", "10.0.0.1"},
    {"10.0.0.1", FWD "for=\"6.6.6\\.6\"\r\n", "10.0.0.1"},
    {"10.0.0.1", FWD "\r\n", "10.0.0.1"},
    /* both: only if they agree */
    {"10.0.0.1", FWD "for=6.6.6.6\r\n" XFF "1.2.3.4\r\n", "10.0.0.1"},
    {"10.0.0.1", FWD "for=\"1.2.3.4:5\"\r\n" XFF "1.2.3.4\r\n", "1.2.3.4"},
    {"10.0.0.1", FWD "for=\"\r\n" XFF "1.2.3.4\r\n", "10.0.0.1"},
};

static void client_is_the_first_from_the_right_that_is_not_trusted(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        char text[MR_PEER_SIZE];
        struct mr_client client = client_of(rows[i].from, rows[i].fields, text);
        if (strcmp(text, rows[i].client) != 0)
            fail_msg("row %zu: %s from %s: %s", i, rows[i].fields, rows[i].from, text);
        assert_int_equal(client.is_behind_trusted, strcmp(rows[i].from, "192.0.2.9") != 0);
    }
}

static void only_the_last_hops_are_looked_at(void **state)
{
    (void)state;
    char fields[2000] = XFF "1.2.3.4", text[MR_PEER_SIZE];
    for (int i = 0; i < MR_FORWARDED_HOPS_MAX - 1; i++)
        strcat(fields, ", 10.0.0.2");
    strcat(fields, "\r\n");
    client_of("10.0.0.1", fields, text);
    assert_string_equal(text, "1.2.3.4");
    fields[strlen(fields) - 2] = '\0';
    strcat(fields, ", 10.0.0.3\r\n");
    client_of("10.0.0.1", fields, text);
    assert_string_equal(text, "10.0.0.2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_is_the_first_from_the_right_that_is_not_trusted),
        cmocka_unit_test(only_the_last_hops_are_looked_at),
    };
    return cmocka_run_group_tests(tests, set_trust, NULL);
}
