#include "base/macros.h"
#include "net/peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void addresses_are_read_as_proxies_write_them(void **state)
{
    static const struct {
        const char *text, *address;
        uint16_t port;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1", 0},        {"192.0.2.1:8080", "192.0.2.1", 8080},
        {"2001:db8::1", "2001:db8::1", 0},    {"2001:DB8:0:0::1", "2001:db8::1", 0},
        {"[2001:db8::1]", "2001:db8::1", 0},  {"[2001:db8::1]:65535", "2001:db8::1", 65535},
        {"::ffff:192.0.2.1", "192.0.2.1", 0},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_peer peer;
        char text[MR_PEER_SIZE];
        assert_true(mr_peer_parse(&peer, mr_slice_of(rows[i].text)));
        mr_peer_write(&peer, text);
        assert_string_equal(text, rows[i].address);
        assert_int_equal(peer.port, rows[i].port);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const rows[] = {"",
                                       "unknown",
                                       "_hidden",
                                       "192.0.2",
                                       "192.0.2.1:",
                                       "192.0.2.1:x",
                                       "192.0.2.1:65536",
                                       "[192.0.2.1]",
                                       "[::1",
                                       "[::1]x",
                                       "[::1]:",
                                       "::1]",
                                       "192.0.2.256",
                                       "1",
                                       "localhost",
                                       "fe80::1%eth0",
                                       "192.0.2.1 ",
                                       "192.0.2.1:80:90",
                                       "[]",
                                       "[1]",
                                       "192.0.2.01",
                                       "0x7f.1",
                                       "example.org:80"};
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_peer peer;
        if (mr_peer_parse(&peer, mr_slice_of(rows[i])))
            fail_msg("%s was taken", rows[i]);
        assert_int_equal(peer.kind, MR_PEER_UNKNOWN);
    }
}

static bool has(const char *network_text, const char *text)
{
    struct mr_network network;
    struct mr_fault fault;
    struct mr_peer peer = {.kind = MR_PEER_UNIX};
    assert_int_equal(mr_network_parse(&network, mr_slice_of(network_text), &fault), MR_OK);
    if (strcmp(text, "unix") != 0)
        assert_true(mr_peer_parse(&peer, mr_slice_of(text)));
    return mr_network_has(&network, &peer);
}

static void networks_have_what_their_bits_say(void **state)
{
    (void)state;
    assert_true(has("192.0.2.1", "192.0.2.1:99"));
    assert_false(has("192.0.2.1", "192.0.2.2"));
    assert_true(has("192.0.2.0/24", "192.0.2.255"));
    assert_false(has("192.0.2.0/24", "192.0.3.0"));
    assert_true(has("192.0.2.8/29", "192.0.2.15"));
    assert_false(has("192.0.2.8/29", "192.0.2.16"));
    assert_true(has("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert_true(has("0.0.0.0/0", "255.1.1.1"));
    assert_false(has("0.0.0.0/0", "2001:db8::1"));
    assert_true(has("2001:db8::/32", "2001:db8:ffff::1"));
    assert_false(has("2001:db8::/33", "2001:db8:ffff::1"));
    assert_true(has("::/0", "2001:db8::1"));
    assert_true(has("unix", "unix"));
    assert_false(has("unix", "127.0.0.1"));
    assert_false(has("::/0", "unix"));
}

static void what_is_no_network_is_refused(void **state)
{
    static const char *const rows[] = {"",       "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "/8",
                                       "::/129", "unix/8",       "host",       "192.0.2.0/2x", "10.0.0.0:80"};
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_network network;
        struct mr_fault fault;
        assert_int_equal(mr_network_parse(&network, mr_slice_of(rows[i]), &fault), MR_EPARAM);
    }
}

static void loopback_and_unix_are_of_this_machine(void **state)
{
    static const struct {
        const char *text;
        bool is_local;
    } rows[] = {{"127.0.0.1", true},  {"127.9.8.7:80", true}, {"::1", true},       {"::ffff:127.0.0.1", true},
                {"192.0.2.1", false}, {"128.0.0.1", false},   {"0.0.0.0", false},  {"::", false},
                {"::2", false},       {"fe80::1", false},     {"10.0.0.1", false}, {"::ffff:10.0.0.1", false}};
    (void)state;
    struct mr_peer peer;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        assert_true(mr_peer_parse(&peer, mr_slice_of(rows[i].text)));
        assert_int_equal(mr_peer_is_local(&peer), rows[i].is_local);
    }
    peer = (struct mr_peer){.kind = MR_PEER_UNIX};
    assert_true(mr_peer_is_local(&peer));
    peer = (struct mr_peer){.kind = MR_PEER_UNKNOWN};
    assert_false(mr_peer_is_local(&peer));
}

static void sockets_tell_their_ends(void **state)
{
    (void)state;
    int pair[2];
    char text[MR_PEER_SIZE];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct mr_peer peer = mr_peer_of_socket(pair[0]);
    mr_peer_write(&peer, text);
    assert_string_equal(text, "unix");
    assert_false(mr_peer_is_public_socket(pair[0]));
    close(pair[0]);
    close(pair[1]);
    peer = mr_peer_of_socket(-1);
    mr_peer_write(&peer, text);
    assert_string_equal(text, "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_as_proxies_write_them), cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(networks_have_what_their_bits_say),        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(loopback_and_unix_are_of_this_machine),    cmocka_unit_test(sockets_tell_their_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
