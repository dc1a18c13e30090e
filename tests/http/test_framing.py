"""Heads and bodies that two parsers could read in two ways: each is refused with its exact status, and the connection ends.

Section numbers are of RFC 9112 unless said otherwise.
"""

import time

import pytest
from wire import Closed, request

GET = b"GET /healthz HTTP/1.1\r\n"
POST = b"POST /pipe/image?w=10 HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"


def refused(server, data, status):
    """The answer is that status, as a problem document, on a connection that is closed behind it."""
    wanted = status if isinstance(status, tuple) else (status,)
    with server.connect() as wire:
        wire.send(data)
        response = wire.receive()
        assert response.status in wanted, (response.status, response.body)
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == response.status
        assert response.closes
        assert wire.is_closed(), "something came behind the refusal, or the connection stayed open"


REQUEST_LINES = {
    "two_spaces_before_the_target": (b"GET  /healthz HTTP/1.1\r\n", 400),
    "two_spaces_before_the_version": (b"GET /healthz  HTTP/1.1\r\n", 400),
    "a_space_behind_the_version": (b"GET /healthz HTTP/1.1 \r\n", 400),
    "a_tab_instead_of_a_space": (b"GET\t/healthz HTTP/1.1\r\n", 400),
    "a_space_before_the_method": (b" GET /healthz HTTP/1.1\r\n", 400),
    "leading_bare_carriage_returns": (b"\r\r\rGET /healthz HTTP/1.1\r\n", 400),
    "a_leading_bare_line_feed": (b"\nGET /healthz HTTP/1.1\r\n", 400),
    "a_bare_line_feed_behind_it": (b"GET /healthz HTTP/1.1\n", 400),
    "a_bare_carriage_return_behind_it": (b"GET /healthz HTTP/1.1\rX: y\r\n", 400),
    "a_null_in_the_target": (b"GET /health\0z HTTP/1.1\r\n", 400),
    "a_control_character_in_the_target": (b"GET /health\x01z HTTP/1.1\r\n", 400),
    "a_delete_in_the_target": (b"GET /health\x7fz HTTP/1.1\r\n", 400),
    "raw_utf8_in_the_target": ("GET /bäh HTTP/1.1\r\n".encode(), 400),
    "a_fragment_in_the_target": (b"GET /healthz#part HTTP/1.1\r\n", 400),
    "a_backslash_in_the_target": (b"GET /x\\healthz HTTP/1.1\r\n", 400),
    "a_broken_escape_in_the_path": (b"GET /health%zz HTTP/1.1\r\n", 400),
    "a_target_that_is_no_path": (b"GET healthz HTTP/1.1\r\n", 400),
    "an_asterisk_without_options": (b"GET * HTTP/1.1\r\n", 400),
    "an_absolute_target_for_another_host": (b"GET http://127.0.0.2/healthz HTTP/1.1\r\n", 400),
    "an_absolute_target_of_another_scheme": (b"GET ftp://localhost/healthz HTTP/1.1\r\n", 400),
    "a_method_that_is_no_token": (b"G@T /healthz HTTP/1.1\r\n", 400),
    "an_empty_method": (b" /healthz HTTP/1.1\r\n", 400),
    "a_method_nobody_knows": (b"BREW /healthz HTTP/1.1\r\n", 501),
    "a_method_in_lower_case": (b"get /healthz HTTP/1.1\r\n", 501),
    "http_0_9": (b"GET /healthz HTTP/0.9\r\n", 505),
    "http_2": (b"GET /healthz HTTP/2.0\r\n", 505),
    "http_3": (b"GET /healthz HTTP/3.0\r\n", 505),
    "rtsp": (b"GET /healthz RTSP/1.0\r\n", 505),
    "ice": (b"SOURCE /healthz ICE/1.0\r\n", (501, 505)),
    "a_version_in_lower_case": (b"GET /healthz http/1.1\r\n", 400),
    "a_version_with_too_many_digits": (b"GET /healthz HTTP/1.10\r\n", (400, 505)),
    "a_version_without_a_minor": (b"GET /healthz HTTP/1\r\n", (400, 505)),
}


@pytest.mark.parametrize("line, status", REQUEST_LINES.values(), ids=REQUEST_LINES)
def test_request_line_with(server, line, status):
    refused(server, line + HOST + b"\r\n", status)


FIELDS = {
    "an_obs_fold": (b"X-Fold: a\r\n b\r\n", 400),
    "an_obs_fold_with_a_tab": (b"X-Fold: a\r\n\tb\r\n", 400),
    "a_fold_that_hides_a_transfer_encoding": (b"X: y\r\n Transfer-Encoding: chunked\r\n", 400),
    "an_empty_name": (b": value\r\n", 400),
    "a_space_before_the_colon": (b"X-Name : value\r\n", 400),
    "a_tab_before_the_colon": (b"X-Name\t: value\r\n", 400),
    "a_space_inside_of_the_name": (b"X Name: value\r\n", 400),
    "no_colon": (b"X-Name\r\n", 400),
    "a_parenthesis_in_the_name": (b"X(Name): value\r\n", 400),
    "a_null_in_the_name": (b"X\0Name: value\r\n", 400),
    "utf8_in_the_name": ("Näme: value\r\n".encode(), 400),
    "a_null_in_the_value": (b"X: a\0b\r\n", 400),
    "a_control_character_in_the_value": (b"X: a\x08b\r\n", 400),
    "a_delete_in_the_value": (b"X: a\x7fb\r\n", 400),
    "a_bare_carriage_return_in_the_value": (b"X: a\rb\r\n", 400),
    "a_bare_carriage_return_that_hides_a_field": (b"X: a\rTransfer-Encoding: chunked\r\n", 400),
    "a_bare_line_feed_behind_it": (b"X: a\n", 400),
    "a_bare_line_feed_before_the_end": (b"X: a\r\n\n", 400),
    "an_end_that_is_not_cr_lf": (b"X: a\r\n\rX\r\n", 400),
    "a_second_host": (b"Host: localhost\r\n", 400),
    "a_second_and_other_host": (b"Host: 127.0.0.1\r\n", 400),
    "an_option_of_connection_that_is_no_token": (b"Connection: clo se\r\n", 400),
    "more_than_a_hundred_of_them": (b"".join(b"X-%d: y\r\n" % i for i in range(110)), 431),
    "a_very_long_one": (b"X: " + b"y" * 20000 + b"\r\n", 431),
}


@pytest.mark.parametrize("field, status", FIELDS.values(), ids=FIELDS)
def test_field_with(server, field, status):
    refused(server, GET + HOST + field + b"\r\n", status)


@pytest.mark.parametrize(
    "host",
    [b"", b"Host:\r\n", b"Host: a b\r\n", b"Host: user@localhost\r\n", b"Host: localhost/path\r\n", b"Host: localhost:port\r\n",
     b"Host: localhost:99999\r\n", b"Host: [::1\r\n", b"Host: ::1\r\n", b"Host: localhost, localhost\r\n", b"Host: local\0host\r\n"],
)  # fmt: skip
def test_host_that_is_missing_or_invalid(server, host):
    refused(server, GET + host + b"\r\n", 400)


FRAMINGS = {
    "both_length_and_chunked": (b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400),
    "both_chunked_and_length": (b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400),
    "the_same_length_twice": (b"Content-Length: 3\r\nContent-Length: 3\r\n", 400),
    "two_lengths": (b"Content-Length: 3\r\nContent-Length: 30\r\n", 400),
    "a_list_of_lengths": (b"Content-Length: 3, 3\r\n", 400),
    "a_length_with_a_plus": (b"Content-Length: +3\r\n", 400),
    "a_negative_length": (b"Content-Length: -3\r\n", 400),
    "a_hexadecimal_length": (b"Content-Length: 0x3\r\n", 400),
    "a_length_with_a_space": (b"Content-Length: 3 0\r\n", 400),
    "a_length_with_a_fraction": (b"Content-Length: 3.0\r\n", 400),
    "an_empty_length": (b"Content-Length:\r\n", 400),
    "a_length_of_2_to_the_63": (b"Content-Length: 9223372036854775808\r\n", (400, 413)),
    "a_length_of_2_to_the_64": (b"Content-Length: 18446744073709551616\r\n", (400, 413)),
    "a_length_of_a_hundred_digits": (b"Content-Length: " + b"9" * 100 + b"\r\n", (400, 413)),
    "a_space_before_the_colon_of_the_length": (b"Content-Length : 3\r\n", 400),
    "chunked_twice": (b"Transfer-Encoding: chunked, chunked\r\n", 400),
    "chunked_in_two_fields": (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
    "gzip_and_chunked": (b"Transfer-Encoding: gzip, chunked\r\n", 501),
    "identity_and_chunked": (b"Transfer-Encoding: identity, chunked\r\n", 501),
    "gzip_and_chunked_in_two_fields": (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501),
    "chunked_that_is_not_the_last": (b"Transfer-Encoding: chunked, gzip\r\n", 400),
    "only_gzip": (b"Transfer-Encoding: gzip\r\n", 400),
    "only_identity": (b"Transfer-Encoding: identity\r\n", 400),
    "an_empty_coding": (b"Transfer-Encoding:\r\n", 400),
    "a_coding_that_begins_like_chunked": (b"Transfer-Encoding: chunkedx\r\n", 400),
    "a_coding_that_ends_like_chunked": (b"Transfer-Encoding: xchunked\r\n", 400),
    "a_vertical_tab_before_chunked": (b"Transfer-Encoding: \x0bchunked\r\n", 400),
    "a_null_behind_chunked": (b"Transfer-Encoding: chunked\0\r\n", 400),
    "a_quoted_chunked": (b'Transfer-Encoding: "chunked"\r\n', 400),
    "a_space_before_the_colon_of_the_coding": (b"Transfer-Encoding : chunked\r\n", 400),
    "a_folded_coding": (b"Transfer-Encoding:\r\n chunked\r\n", 400),
}


@pytest.mark.parametrize("fields, status", FRAMINGS.values(), ids=FRAMINGS)
def test_body_framed_by(server, fields, status):
    """What follows must not be taken for a request: a proxy before us may have counted it into the body."""
    smuggled = b"3\r\nabc\r\n0\r\n\r\nGET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
    refused(server, POST + HOST + fields + b"\r\n" + smuggled, status)


@pytest.mark.parametrize("coding", [b"chunked", b"CHUNKED", b"  chunked "])
def test_chunked_is_taken_in_any_case_and_with_white_space_around(server, coding):
    response = server.raw(POST + HOST + b"Transfer-Encoding:" + coding + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert response.status == 415  # the body arrived, and is no image


def test_transfer_encoding_in_http_1_0_is_refused(server):
    line = b"POST /pipe/image?w=10 HTTP/1.0\r\n"
    refused(server, line + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400)


def test_a_request_line_without_a_version_is_refused(server):
    refused(server, b"GET /healthz\r\n\r\n", (400, 505))


CHUNKS = {
    "a_size_that_is_no_number": b"g\r\nabc\r\n",
    "an_empty_size": b"\r\nabc\r\n",
    "a_negative_size": b"-3\r\nabc\r\n",
    "a_size_with_0x": b"0x3\r\nabc\r\n",
    "a_space_before_the_size": b" 3\r\nabc\r\n",
    "a_size_beyond_64_bits": b"11111111111111111\r\nabc\r\n",
    "a_size_of_2_to_the_64_minus_1": b"ffffffffffffffff\r\nabc\r\n",
    "a_bare_line_feed_behind_the_size": b"3\nabc\r\n",
    "a_bare_carriage_return_behind_the_size": b"3\rabc\r\n",
    "a_bare_line_feed_in_an_extension": b"3;a=b\nabc\r\n",
    "a_null_in_an_extension": b"3;a=\0\r\nabc\r\n",
    "more_data_than_the_size": b"3\r\nabcd\r\n",
    "a_bare_line_feed_behind_the_data": b"3\r\nabc\n0\r\n\r\n",
    "no_line_end_behind_the_data": b"3\r\nabc0\r\n\r\n",
    "a_line_feed_instead_of_the_last_line": b"3\r\nabc\r\n0\r\n\n",
    "a_trailer_without_a_colon": b"3\r\nabc\r\n0\r\nX-Name\r\n\r\n",
    "a_trailer_with_a_fold": b"3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n",
    "a_trailer_with_a_bare_line_feed": b"3\r\nabc\r\n0\r\nX: a\n\r\n",
    "a_trailer_with_a_null": b"3\r\nabc\r\n0\r\nX: a\0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
def test_chunked_body_with(server, chunks):
    refused(server, POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, 400)


@pytest.mark.parametrize("extension", [b";a", b";a=b", b";a=b;f", b';a="b;c";d', b";f;a=b;g=\"\""])
def test_chunk_extensions_are_skipped(server, extension):
    body = b"5%s\r\nhello\r\n0%s\r\n\r\n" % (extension, extension)
    head = POST.replace(b"/pipe/image?w=10", b"/pipe/gzip/gunzip") + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    with server.connect() as wire:
        for _ in range(2):
            wire.send(head + body)
            response = wire.receive()
            assert response.status == 200 and response.body == b"hello"


def test_a_short_chunked_body_that_is_not_wanted_does_not_cost_the_connection(server):
    with server.connect() as wire:
        wire.send(b"POST /nothing HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        assert wire.receive().status == 404
        wire.send(b"3\r\nabc\r\n0\r\n\r\n" + GET + HOST + b"\r\n")
        assert wire.receive().status == 200


@pytest.mark.parametrize("target", ["/pipe/gzip", "/pipe/image?w=50"])
def test_content_range_in_a_request_is_refused(server, target):
    """The body is a part of something: to take it for all of it would be wrong (RFC 9110, section 14.5)."""
    response = server.request("POST", target, {"Content-Range": "bytes 100-199/200"}, body=b"x" * 100)
    assert response.status == 400
    assert "Content-Range" in response.json()["detail"]


@pytest.mark.parametrize("pieces", ["extension", "extensions", "trailer", "trailers", "zeros"])
def test_chunk_extensions_trailers_and_leading_zeros_without_end_are_cut(server, pieces):
    endless = {
        "extension": (b"3;", b"a" * 1000),
        "extensions": (b"", b"1;name=value;name=value;name=value\r\nx\r\n" * 10),
        "trailer": (b"0\r\nX: ", b"a" * 1000),
        "trailers": (b"0\r\n", b"X-Name: value\r\n" * 10),
        "zeros": (b"0", b"0" * 1000),
    }
    begin, more = endless[pieces]
    with server.connect() as wire:
        # gzip takes any body; bytes that are no image would be refused as such.
        wire.send(b"POST /pipe/gzip HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + begin)
        sent = 0
        while sent < 20_000_000 and not wire.is_readable(0.002):  # a busy server may read late
            try:
                wire.send(more)
            except OSError:
                break
            sent += len(more)
        response = wire.receive()
        assert response.status in (400, 413, 431), response.body
        assert response.closes


@pytest.mark.parametrize("prefix", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"SSH-2.0-OpenSSH_9.2\r\n", b"\0\0\0\0", b"GET\n"])
def test_what_can_never_be_a_request_is_refused_at_once(server, prefix):
    """A TLS hello has no end of a head: its sender must not wait for the head timeout."""
    assert server.raw(prefix).status in (400, 505)  # 408 is what it gets that had to wait


def test_the_preface_of_http_2_is_refused(server):
    refused(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 501, 505))


# ---- sizes


def test_a_target_of_8000_octets_is_taken_and_a_longer_one_is_414(server):
    path = b"/" + b"a" * 7999
    assert server.raw(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n").status == 404
    refused(server, b"GET " + path + b"a HTTP/1.1\r\n" + HOST + b"\r\n", 414)
    refused(server, b"GET /healthz?" + b"a" * 30000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414)


def test_a_head_of_16_kib_is_taken_and_a_larger_one_is_431(server):
    def head(length):
        base = GET + HOST + b"X: %s\r\n\r\n"
        return base % (b"y" * (length - len(base) + 2))

    assert len(head(16384)) == 16384
    assert server.raw(head(16384)).status == 200
    refused(server, head(16385), 431)


def test_max_head_sets_another_limit_and_the_problem_names_it(start):
    server = start("--max-head=4KiB")
    assert server.get("/healthz", {"X": "y" * 3500}).status == 200
    response = server.get("/healthz", {"X": "y" * 4500})
    assert response.status == 431
    assert response.json()["limit"] == {"name": "max-head", "value": 4096}


def test_a_head_that_comes_byte_by_byte_is_read(server):
    with server.connect() as wire:
        wire.trickle(GET + HOST + b"X: y\r\n\r\n", 0.0005)
        assert wire.receive().status == 200


def test_empty_line_before_the_request_is_allowed_once(server):
    """Section 2.2: some old clients end a body with one."""
    assert server.raw(b"\r\n" + GET + HOST + b"\r\n").status == 200


def test_bytes_above_ascii_are_allowed_in_values(server):
    assert server.raw(GET + HOST + "X-Name: Grüße\r\n\r\n".encode()).status == 200


def test_an_absolute_target_is_taken_for_its_path(server):
    assert server.raw(b"GET http://localhost/healthz HTTP/1.1\r\n" + HOST + b"\r\n").status == 200
    assert server.raw(b"GET http://localhost/nothing HTTP/1.1\r\n" + HOST + b"\r\n").status == 404


def test_an_upgrade_is_not_taken_up_and_loses_no_pipelined_request(server):
    for protocol in ("h2c", "websocket"):
        with server.connect() as wire:
            upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": protocol, "HTTP2-Settings": "AAMAAABkAAQ"}
            wire.send(request("GET", "/healthz", upgrade) + request("GET", "/version"))
            first, second = wire.receive(), wire.receive()
            assert (first.status, second.status) == (200, 200)
            assert "version" in second.body.decode()


def test_connect_is_refused(server):
    with server.connect() as wire:
        wire.send(b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n" + GET + HOST + b"\r\n")
        response = wire.receive()
        assert response.status in (400, 405, 501)


# ---- after the refusal


@pytest.mark.parametrize("amount", [0, 1000, 30_000])
def test_the_refusal_can_be_read_although_more_was_sent(server, amount):
    """A close with unread bytes would be a reset, which may take the answer from the client's hands."""
    with server.connect() as wire:
        wire.send(GET + b"\r\n" + b"x" * amount)
        time.sleep(0.05)
        assert wire.receive().status == 400
        assert wire.is_closed()


@pytest.mark.once  # it takes as long as a refused client may go on
@pytest.mark.slow
def test_a_client_that_goes_on_sending_after_the_refusal_is_cut(server):
    with server.connect() as wire:
        wire.send(GET + b"\r\n")
        with pytest.raises(OSError):
            while True:  # pytest's timeout bounds it
                wire.send(b"x" * 1000)
                time.sleep(0.01)


def test_nothing_behind_a_refused_request_is_answered(server):
    with server.connect() as wire:
        wire.send(GET + HOST + b"Bad Name: x\r\n\r\n" + request("GET", "/version"))
        assert wire.receive().status == 400
        with pytest.raises(Closed):
            wire.receive()


def test_answers_before_a_refused_request_arrive(server):
    with server.connect() as wire:
        wire.send(request("GET", "/healthz") + request("GET", "/version") + GET + b"\r\n")
        assert [wire.receive().status for _ in range(3)] == [200, 200, 400]
        assert wire.is_closed()
