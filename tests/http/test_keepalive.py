"""Connections that live on: keep-alive, pipelining in order, HTTP/1.0, and the methods that every resource answers."""

import ctypes
import os
import resource
import socket
import threading
import time

import pytest
from images import decode, noise, photo
from server import wait_for
from wire import TIMEOUT, Closed, chunked, request

ALLOWED_ON_GET = {"GET", "HEAD", "OPTIONS"}
ALLOWED_ON_POST = {"POST", "PUT", "OPTIONS"}


def allowed(response):
    return {method.strip() for method in response["Allow"].split(",")}


# ---- keep-alive


def test_a_connection_answers_many_requests(server):
    with server.connect() as wire:
        for _ in range(100):
            response = wire.request("GET", "/healthz")
            assert response.status == 200 and not response.closes


def test_a_client_that_asks_for_it_is_closed(server):
    with server.connect() as wire:
        response = wire.request("GET", "/healthz", {"Connection": "close"})
        assert response.status == 200 and response.closes
        assert wire.is_closed()


def test_close_counts_among_other_options_and_in_any_case(server):
    with server.connect() as wire:
        assert wire.request("GET", "/healthz", {"Connection": "TE, Close"}).closes
        assert wire.is_closed()


def test_http_1_0_is_closed_unless_it_asks_to_be_kept(server):
    with server.connect() as wire:
        response = wire.request("GET", "/healthz", version="HTTP/1.0")
        assert response.status == 200 and response.closes
        assert wire.is_closed()
    with server.connect() as wire:
        for _ in range(3):
            response = wire.request("GET", "/healthz", {"Connection": "keep-alive"}, version="HTTP/1.0")
            assert response.status == 200
            assert "keep-alive" in response["Connection"].lower()
            assert "Transfer-Encoding" not in response


def test_http_1_0_needs_no_host(server):
    assert server.request("GET", "/healthz", version="HTTP/1.0", host=None).status == 200


def test_http_1_0_can_post(server):
    response = server.request("POST", "/pipe/image?w=50", body=photo(), version="HTTP/1.0")
    assert response.status == 200 and decode(response.body).size == (50, 25)


def test_max_requests_per_connection_is_the_last_one(start):
    server = start("--max-requests-per-connection=3")
    with server.connect() as wire:
        answers = [wire.request("GET", "/healthz") for _ in range(3)]
        assert [answer.closes for answer in answers] == [False, False, True]
        assert wire.is_closed()
    with server.connect() as wire:  # also when the fourth is there already
        wire.send(request("GET", "/healthz") * 4)
        assert [wire.receive().status for _ in range(3)] == [200] * 3
        assert wire.is_closed()


def test_a_refusal_without_a_framing_error_keeps_the_connection(server):
    with server.connect() as wire:
        assert wire.request("GET", "/nothing").status == 404
        assert wire.request("POST", "/pipe/image?wdth=1", body=b"x").status == 400
        assert wire.request("POST", "/pipe/image?w=1", body=b"no image").status == 415
        assert wire.request("GET", "/healthz").status == 200


# ---- pipelining


def test_a_hundred_pipelined_requests_are_answered_in_order(server):
    with server.connect() as wire:
        wire.send(b"".join(request("GET", f"/nothing/{i}" if i % 3 else "/healthz") for i in range(100)))
        assert [wire.receive().status for _ in range(100)] == [404 if i % 3 else 200 for i in range(100)]


@pytest.mark.threads
def test_a_post_and_the_gets_behind_it_in_one_write_are_answered_in_order(server):
    with server.connect() as wire:
        wire.send(
            request("POST", "/pipe/image?w=50", body=photo())
            + request("GET", "/healthz")
            + request("POST", "/pipe/image?w=60", {"Transfer-Encoding": "chunked"})
            + chunked(photo(), 777)
            + request("GET", "/version")
        )
        first, second, third, fourth = (wire.receive() for _ in range(4))
        assert decode(first.body).size == (50, 25)
        assert second.status == 200
        assert decode(third.body).size == (60, 30)
        assert fourth.status == 200 and b"version" in fourth.body


@pytest.mark.threads
def test_pipelined_images_are_answered_in_order(server):
    with server.connect() as wire:
        wire.send(b"".join(request("POST", f"/pipe/image?w={20 + i}", body=photo()) for i in range(20)))
        assert [decode(wire.receive().body).size[0] for _ in range(20)] == list(range(20, 40))


def test_pipelined_requests_split_anywhere_are_read(server):
    stream = request("GET", "/healthz") + request("POST", "/pipe/image?w=9", body=b"xyz") + request("GET", "/version")
    for at in range(1, len(stream), 7):
        with server.connect() as wire:
            wire.send(stream[:at])
            wire.send(stream[at:])
            assert [wire.receive().status for _ in range(3)] == [200, 415, 200], at


def test_ten_thousand_pipelined_requests_are_answered_while_they_are_read(server):
    count = 10_000
    with server.connect() as wire:
        writer = threading.Thread(target=wire.send, args=(request("GET", "/healthz") * count,))
        writer.start()
        for _ in range(count):
            assert wire.receive().status == 200
        writer.join()


@pytest.mark.unsanitized("sanitizers keep freed memory")
def test_a_flood_of_requests_from_a_client_that_does_not_read_is_held_back(server):
    """It writes all it can before it reads: the server stops reading, and keeps no more than a few buffers."""
    count = 3000
    flood = request("GET", "/metrics") * count
    before = server.resident_bytes()
    with server.connect(receive_buffer=4096) as wire:
        wire.socket.settimeout(1)
        sent = 0
        try:
            while sent < len(flood):
                sent += wire.socket.send(flood[sent : sent + 65536])
        except TimeoutError:
            pass
        grown = server.resident_bytes() - before
        assert grown < 32 << 20, f"{grown >> 20} MiB for one connection"
        assert server.get("/healthz").status == 200, "the others are not held back"
        wire.socket.settimeout(TIMEOUT)
        writer = threading.Thread(target=wire.send, args=(flood[sent:],))
        writer.start()
        for _ in range(count):
            assert wire.receive().status == 200
        writer.join()


@pytest.mark.threads
def test_a_client_that_writes_everything_before_it_reads_gets_its_answer(server):
    """Many libraries do: one large request, then the answer, which is larger than the socket buffers."""
    body = noise(2000, 1500)
    with server.connect(receive_buffer=8192) as wire:
        wire.send(request("POST", "/pipe/image?fm=png&w=1600", body=body))
        response = wire.receive()
    assert response.status == 200 and len(response.body) > 4_000_000


# ---- unread bodies


def test_a_small_unwanted_body_is_skipped(server):
    with server.connect() as wire:
        wire.send(request("GET", "/healthz", body=b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n") + request("GET", "/version"))
        assert wire.receive().status == 200
        response = wire.receive()
        assert response.status == 200 and b"version" in response.body


def test_a_body_where_none_is_taken_never_becomes_a_request(server):
    smuggled = request("GET", "/version")
    with server.connect() as wire:
        wire.send(request("GET", "/healthz", {"Transfer-Encoding": "chunked"}) + chunked(smuggled) + request("GET", "/nothing"))
        assert wire.receive().status == 200
        try:
            assert wire.receive().status == 404
        except Closed:
            pass  # closing is as good


def test_a_large_unwanted_body_closes_the_connection_and_its_refusal_can_be_read(server):
    with server.connect() as wire:
        wire.send(request("POST", "/nothing", {"Content-Length": 50_000_000}) + b"x" * 20_000)
        response = wire.receive()
        assert response.status == 404 and response.closes
        assert wire.is_closed()


# ---- methods


def test_head_is_get_without_the_body(server):
    for target in ("/healthz", "/version", "/readyz"):
        with server.connect() as wire:
            get, head = wire.request("GET", target), wire.request("HEAD", target)
            assert head.status == get.status and head.body == b""
            assert head["Content-Length"] == get["Content-Length"]
            assert head["Content-Type"] == get["Content-Type"]
            assert wire.request("GET", target).body == get.body, "the connection goes on behind it"


def test_head_of_nothing_is_404_without_a_body(server):
    with server.connect() as wire:
        assert wire.request("HEAD", "/nothing").status == 404
        assert wire.request("GET", "/healthz").status == 200


def test_options_tells_what_is_allowed(server):
    response = server.request("OPTIONS", "/healthz")
    assert response.status in (200, 204) and allowed(response) == ALLOWED_ON_GET
    response = server.request("OPTIONS", "/pipe/image")
    assert response.status in (200, 204) and allowed(response) == ALLOWED_ON_POST
    response = server.request("OPTIONS", "*")
    assert response.status in (200, 204)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_method_that_a_resource_does_not_have_is_405_with_allow(server, method):
    response = server.request(method, "/healthz")
    assert response.status == 405 and allowed(response) == ALLOWED_ON_GET
    assert response.json()["type"] == "urn:millrace:problem:method-not-allowed"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "DELETE"])
def test_the_pipe_is_only_sent_to(server, method):
    response = server.request(method, "/pipe/image?w=3")
    assert response.status == 405 and allowed(response) == ALLOWED_ON_POST


@pytest.mark.parametrize("target", ["/nothing", "/pipe/", "/healthz/", "//healthz", "/pipe%2Fimage", "/../etc/passwd"])
def test_what_is_not_there_is_404(server, target):
    response = server.get(target)
    assert response.status == 404, response.body
    assert response.json()["type"] == "urn:millrace:problem:not-found"


def test_other_routes_than_the_pipe_ignore_unknown_parameters(server):
    assert server.get("/healthz?utm_source=x&w=1&w=2").status == 200


@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, identity", "x"])
def test_a_content_encoding_is_415(server, coding):
    response = server.post("/pipe/image?w=10", photo(), {"Content-Encoding": coding})
    assert response.status == 415
    assert response.json()["type"] == "urn:millrace:problem:unsupported-coding"


def test_content_encoding_identity_is_none(server):
    assert server.post("/pipe/image?w=10", photo(), {"Content-Encoding": "identity"}).status == 200


# ---- Expect: 100-continue


def expecting(server, method, target, **fields):
    """Send a head that waits for permission. The connection."""
    wire = server.connect()
    wire.send(request(method, target, {"Expect": "100-continue", "Content-Length": len(photo()), **fields}))
    return wire


def test_a_client_that_waits_is_told_to_go_on(server):
    with expecting(server, "POST", "/pipe/image?w=50") as wire:
        assert wire.receive_head().status == 100
        wire.send(photo())
        response = wire.receive()
        assert response.status == 200 and decode(response.body).size == (50, 25)
        assert wire.request("GET", "/healthz").status == 200


def test_a_client_that_does_not_wait_after_all_gets_its_answer(server):
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/image?w=50", {"Expect": "100-continue"}, photo()))
        response = wire.receive_head()
        if response.status == 100:  # allowed, not needed: RFC 9110, section 10.1.1
            response = wire.receive_head()
        assert response.status == 200


@pytest.mark.parametrize("method, target, fields, status", [
    ("POST", "/nothing", {}, 404),
    ("PATCH", "/pipe/image", {}, 405),
    ("POST", "/pipe/image?w=0", {}, 400),
    ("POST", "/pipe/image", {"Content-Length": 2 << 30}, 413),
    ("POST", "/pipe/image", {"Content-Encoding": "gzip"}, 415),
    ("POST", "/pipe/image", {"Expect": "tea"}, 417),
])  # fmt: skip
def test_what_the_head_tells_is_refused_before_the_body_is_sent(server, method, target, fields, status):
    with expecting(server, method, target, **fields) as wire:
        response = wire.receive()  # would fail on a 100
        assert response.status == status
        assert response.closes, "the client may send the body or not: nothing can follow"
        assert wire.is_closed()


def test_http_1_0_cannot_expect(server):
    response = server.request("POST", "/pipe/image?w=50", {"Expect": "100-continue"}, photo(), version="HTTP/1.0")
    assert response.status == 200


def test_expect_without_a_body_needs_no_permission(server):
    with server.connect() as wire:
        wire.send(request("GET", "/healthz", {"Expect": "100-continue"}))
        assert wire.receive().status == 200


# ---- limits of bodies


def test_a_body_over_the_limit_is_413_by_its_length(start):
    server = start("--max-body=100KiB")
    assert server.post("/pipe/image?w=9", photo().ljust(102400, b"\0")).status == 200
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/image?w=9", {"Content-Length": 102401}))
        response = wire.receive()
        assert response.status == 413 and response.closes
        document = response.json()
        assert document["type"] == "urn:millrace:problem:body-too-large"
        assert document["limit"] == {"name": "max-body", "value": 102400}
        assert document["value"] == 102401


def test_a_body_over_the_limit_is_413_by_its_chunks(start):
    server = start("--max-body=100KiB")
    head = request("POST", "/pipe/image?w=9", {"Transfer-Encoding": "chunked"})
    body = photo().ljust(102400, b"\0")  # what stands behind the end of a JPEG is ignored
    with server.connect() as wire:
        wire.send(head + chunked(body, 5000))
        assert wire.receive().status == 200
        wire.send(head + chunked(body + b"\0", 5000))
        response = wire.receive()
        assert response.status == 413 and response.closes
        assert response.json()["limit"]["value"] == 102400


def test_max_body_0_is_no_limit(start):
    server = start("--max-body=0")
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/image?w=9", {"Content-Length": 1 << 40}) + photo())
        assert not wire.is_readable(0.2) or wire.receive().status != 413


def test_chunk_extensions_and_trailers_are_skipped(server):
    trailers = b"Host: evil\r\nX-Checksum: abc\r\n"
    with server.connect() as wire:
        wire.send(
            request("POST", "/pipe/image?w=50", {"Transfer-Encoding": "chunked", "Trailer": "X-Checksum"})
            + chunked(photo(), 1000, b';quoted="a;b"', trailers)
            + request("GET", "/healthz")
        )
        assert decode(wire.receive().body).size == (50, 25)
        assert wire.receive().status == 200


def test_a_length_among_the_trailers_frames_nothing(server):
    """It must not be there (RFC 9110, section 6.5.1): llhttp 8 skips it, llhttp 9 refuses the request."""
    with server.connect() as wire:
        wire.send(
            request("POST", "/pipe/image?w=50", {"Transfer-Encoding": "chunked"})
            + chunked(photo(), 1000, trailers=b"Content-Length: 5\r\n")
            + request("GET", "/healthz")
        )
        response = wire.receive()
        if response.status == 200:
            assert decode(response.body).size == (50, 25)
            assert wire.receive().status == 200
        else:
            assert response.status == 400 and response.closes
            assert wire.is_closed()


# ---- connections


def is_answered(server):
    try:
        return server.get("/healthz").status == 200
    except (Closed, ConnectionError):
        return False


def test_max_connections_refuses_with_503_or_a_close(start):
    server = start("--max-connections=3")
    wires = [server.connect() for _ in range(3)]
    for wire in wires:
        assert wire.request("GET", "/healthz").status == 200
    extra = server.connect()
    if extra.is_readable(5) and extra.buffer:
        assert extra.receive().status == 503
    assert extra.is_closed()
    wires.pop().close()

    wait_for(lambda: is_answered(server), "the free place to be given to the next")
    for wire in wires:
        wire.close()


def cpu_seconds(server):
    fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_running_out_of_descriptors_neither_spins_nor_kills(start):
    server = start()
    assert server.get("/healthz").status == 200
    open_now = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (open_now + 5, open_now + 5))
    wires = [server.connect() for _ in range(30)]
    time.sleep(0.2)
    before = cpu_seconds(server)
    time.sleep(0.5)
    assert cpu_seconds(server) - before < 0.25, "it spins"
    assert wires[0].request("GET", "/healthz").status == 200, "those it has are served"
    for wire in wires:
        wire.close()
    wait_for(lambda: is_answered(server), "the server to accept again")


def test_small_answers_are_not_delayed(server):
    """Nagle's algorithm and delayed acknowledgements together would cost 40 ms each."""
    with server.connect() as wire:
        assert wire.request("GET", "/healthz").status == 200
        pid, descriptor = server.socket_of(wire)
        libc = ctypes.CDLL(None, use_errno=True)
        ours = libc.syscall(438, os.pidfd_open(pid), descriptor, 0)  # pidfd_getfd
        if ours < 0:
            pytest.skip(f"the server's socket cannot be looked at: {os.strerror(ctypes.get_errno())}")
        with socket.socket(fileno=ours) as end:
            assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_a_client_may_ask_from_ipv6_when_listened_there(start):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    server = start("--listen=[::1]:0")
    assert server.get("/healthz").status == 200
