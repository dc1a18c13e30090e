"""Clients that are slow, half gone or gone: each ends in a clear answer or a clean close, and leaves nothing behind.

That all counters come back to rest is checked by the fixtures at the end of every test.
"""

import random
import socket
import threading
import time

import pytest
from images import noise, photo, slow_job
from server import ON_LOOP, wait_for
from streams import MIB
from wire import Closed, Wire, request

BEGIN = photo()[:100]  # of an image: what does not begin like one is refused at once


def post_head(length=None, target="/pipe/image?w=50"):
    fields = {"Content-Length": length} if length is not None else {"Transfer-Encoding": "chunked"}
    return request("POST", target, fields)


# ---- timeouts


def test_a_head_that_comes_a_byte_at_a_time_is_408_when_its_time_is_over(start):
    server = start("--head-timeout=1s")
    with server.connect() as wire:
        wire.trickle(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X-Name: value\r\n" * 20, 0.1)
        response = wire.receive()
        assert response.status == 408 and response.closes
        assert wire.is_closed()
    assert server.get("/healthz").status == 200


def test_a_connection_without_a_request_is_closed_without_a_word(start):
    server = start("--idle-timeout=500ms")
    with server.connect() as fresh, server.connect() as used:
        assert used.request("GET", "/healthz").status == 200
        assert fresh.is_closed() and used.is_closed()


@pytest.mark.under("workers", "threads")  # it is about clocks, which no offload changes
@pytest.mark.slow
def test_the_idle_time_begins_anew_with_each_answer(start):
    server = start("--idle-timeout=3s")
    with server.connect() as wire:
        for _ in range(6):
            time.sleep(0.6)
            assert wire.request("GET", "/healthz").status == 200
        assert wire.is_closed()


def test_a_body_that_stops_is_408(start):
    server = start("--body-timeout=1s")
    with server.connect() as wire:
        wire.send(post_head(10_000) + BEGIN)
        response = wire.receive()
        assert response.status == 408 and response.closes
        assert response.json()["type"] == "urn:millrace:problem:request-timeout"
    with server.connect() as wire:
        wire.send(post_head() + b"5\r\nabc")
        assert wire.receive().status == 408


def test_a_body_that_never_begins_is_408(start):
    server = start("--body-timeout=1s")
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/image", {"Content-Length": 1000, "Expect": "100-continue"}))
        assert wire.receive_head().status == 100
        assert wire.receive().status == 408


@pytest.mark.under("workers", "threads")  # it is about clocks, which no offload changes
@pytest.mark.slow
def test_a_body_that_makes_progress_is_not_cut_by_the_body_timeout(start):
    server = start("--body-timeout=4s", "--min-rate=0")
    body = photo(40, 20)
    with server.connect() as wire:
        wire.send(post_head(len(body)))
        step = len(body) // 6 + 1
        for at in range(0, len(body), step):
            wire.send(body[at : at + step])
            time.sleep(0.8)
        assert wire.receive().status == 200


@pytest.mark.under("workers", "threads")  # it is about clocks, which no offload changes
@pytest.mark.slow
def test_a_body_below_the_minimal_rate_is_408(start):
    """The rate is judged over some seconds, so that a slow start is forgiven."""
    server = start("--min-rate=1KiB")
    with server.connect() as wire:
        wire.send(post_head(100_000))
        wire.trickle(BEGIN + b"\0" * 200, 0.1)
        response = wire.receive()
        assert response.status == 408
        assert response.json()["limit"]["name"] == "min-rate"


@pytest.mark.under("workers", "threads")  # it is about clocks, which no offload changes
def test_a_client_that_does_not_read_its_answer_is_cut(start):
    server = start("--body-timeout=1s")
    with server.connect(receive_buffer=4096) as wire:
        wire.send(request("POST", "/pipe/image?fm=png&w=1600", body=noise(2000, 1500)))
        wait_for(lambda: server.metric("millrace_connections") == 1, "the reader to be cut")
        with pytest.raises((Closed, ConnectionError)):
            wire.receive()


def test_a_slow_reader_gets_all_of_its_answer(start):
    server = start("--body-timeout=2s")
    with server.connect(receive_buffer=16384) as wire:
        wire.send(request("POST", "/pipe/image?fm=png&w=1000", body=noise(1200, 1000)))
        response = wire.receive_head()
        left = int(response["Content-Length"])
        assert response.status == 200 and left > 1_000_000
        left -= len(wire.buffer)
        began = time.monotonic()
        while left > 0:
            left -= len(wire.socket.recv(65536))
            if time.monotonic() - began < 3:
                time.sleep(0.02)
        assert left == 0


def test_slow_clients_do_not_slow_down_others(start):
    server = start()
    slow = [server.connect() for _ in range(50)]
    for index, wire in enumerate(slow):
        wire.send(b"GET /heal" if index % 2 else post_head(1000) + b"x")
    for _ in range(20):
        assert server.get("/healthz").status == 200
    assert server.metric("millrace_connections") == 51, "they came and went meanwhile"
    for wire in slow:
        wire.close()


# ---- half-closed


def test_a_client_that_closes_its_side_behind_a_request_is_answered(server):
    with server.connect() as wire:
        wire.send(request("GET", "/healthz") + request("GET", "/version"))
        wire.half_close()
        assert wire.receive().status == 200
        assert wire.receive().status == 200
        assert wire.is_closed()


def test_a_client_that_closes_its_side_and_sends_nothing_is_closed(server):
    with server.connect() as wire:
        wire.half_close()
        assert wire.read_to_close() == b""


PARTS = {
    "head": b"GET",
    "last_line_of_the_head": request("GET", "/healthz")[:-2],
    "body_not_begun": post_head(1000),
    "body": post_head(1000) + BEGIN,
    "chunk": post_head() + b"5\r\nab",
    "chunked_body": post_head() + b"2\r\nab\r\n",
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_client_that_closes_its_side_within_a_request_is_refused_or_closed(server, part):
    with server.connect() as wire:
        wire.send(part)
        wire.half_close()
        try:
            assert wire.receive().status == 400
        except Closed as closed:
            assert closed.bytes == b""
        assert wire.is_closed()


@pytest.mark.threads
def test_a_client_that_closes_its_side_while_its_job_runs_is_answered(start, offload):
    server = start("--workers=1")
    target, body = slow_job()
    with server.connect() as wire:
        wire.send(request("POST", target, body=body))
        if offload not in ON_LOOP:  # the loop itself is at work there
            server.wait_for_metric("millrace_workers_busy", 1)
        wire.half_close()
        assert wire.receive().status == 200
        assert wire.is_closed()


@pytest.mark.threads
@pytest.mark.under("workers", "libuv")  # where the loop runs the jobs itself, no test can see one wait
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_clients_that_close_their_side_while_jobs_wait_are_all_answered(start, tmp_path, kind, version):
    """While they wait they are asked whether they are still there, which they must not notice."""
    server = start("--workers=1", "--job-deadline=10m", "--job-time=0", "--listen=127.0.0.1:0", f"--listen=unix:{tmp_path / 's'}")
    slow, body = slow_job()
    index = ["tcp", "unix"].index(kind)
    with server.connect() as first:
        first.send(request("POST", slow, body=body))
        server.wait_for_metric("millrace_workers_busy", 1)
        waiting = {}
        for target in ("/pipe/image?w=50", "/pipe/gzip", "/pipe/zstd/unzstd", "/pipe/image?w=nonsense"):
            waiting[target] = server.connect(index)
            waiting[target].send(request("POST", target, body=photo(), version=version))
            waiting[target].half_close()
        server.wait_for_metric("millrace_queue_depth", 3)
        assert first.receive().status == 200
    for target, wire in waiting.items():
        assert wire.receive().status == (400 if "nonsense" in target else 200)
        assert wire.is_closed()
    assert server.metric("millrace_jobs_total", outcome="cancelled") == 0


UNPACK = {"gzip": "gunzip", "zstd": "unzstd"}


@pytest.mark.threads
@pytest.mark.parametrize("stage", UNPACK)
@pytest.mark.parametrize("size", [5, 3_000_000])
def test_a_client_that_closes_its_side_behind_a_body_gets_all_of_the_answer(server, stage, size):
    body = random.Random(size).randbytes(size)
    with server.connect() as wire:
        wire.send(request("POST", f"/pipe/{stage}/{UNPACK[stage]}", body=body))
        wire.half_close()
        response = wire.receive()
        assert response.status == 200 and response.body == body
        assert wire.is_closed()


# ---- reset, in every state

STATES = {
    "before_any_byte": b"",
    "within_a_head": b"POST /pipe/image HTTP/1.1\r\nHo",
    "behind_a_head": post_head(100_000),
    "within_a_body": post_head(100_000) + BEGIN * 500,
    "within_a_chunk_size": post_head() + b"5",
    "within_a_chunk": post_head() + b"5\r\nab",
    "between_chunks": post_head() + b"2\r\nab\r\n",
    "within_the_trailers": post_head() + b"2\r\nab\r\n0\r\nX-N",
    "behind_a_get": request("GET", "/healthz"),
    "behind_a_post": request("POST", "/pipe/image?w=50", body=photo()),
    "behind_a_refused_head": b"GET / HTTP/1.1\r\n\r\n" + b"x" * 1000,
    "behind_a_refused_post": post_head(1000, "/nothing") + b"x",
    "behind_pipelined_requests": request("GET", "/metrics") * 200,
    "behind_a_post_and_half_a_request": request("POST", "/pipe/image?w=50", body=photo()) + b"GET /he",
}


@pytest.mark.threads
@pytest.mark.parametrize("sent", STATES.values(), ids=STATES)
def test_a_reset(server, sent):
    for pause in (0, 0.001, 0.01, 0.05):
        wire = server.connect()
        wire.send(sent)
        time.sleep(pause)
        wire.reset()
    assert server.get("/healthz").status == 200


class Relay:
    """What passes bytes on and knows no HTTP, as a proxy of TCP or TLS does: also that its client closes is only an end to it."""

    def __init__(self, server):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.server = server
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(self.server.address())
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=ends, daemon=True).start()

    def copy(self, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:  # one is gone: so both are
            for each in (source, target):
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


WAYS_TO_LEAVE = ["reset", "close", "close_of_unix", "close_behind_a_relay"]


@pytest.fixture(params=WAYS_TO_LEAVE)
def way(request):
    return request.param


@pytest.fixture
def leaving(way, start, tmp_path):
    """leaving(option...): a server with one worker, a function that connects to it, and one that leaves it."""
    relays = []

    def start_one(*options):
        server = start("--workers=1", "--listen=127.0.0.1:0", f"--listen=unix:{tmp_path / 's'}", *options)
        if way == "close_behind_a_relay":
            relays.append(Relay(server))
            return server, lambda: Wire(relays[0].listener.getsockname()), Wire.close
        return server, lambda: server.connect(way == "close_of_unix"), Wire.reset if way == "reset" else Wire.close

    yield start_one
    for relay in relays:
        relay.close()


@pytest.mark.threads
def test_a_client_that_leaves_while_its_job_runs_stops_it(leaving, offload):
    server, connect, leave = leaving("--job-deadline=10m", "--job-time=0", "--max-pixels=2000000000")
    target, body = slow_job(1 if offload in ON_LOOP else 4)
    wire = connect()
    wire.send(request("POST", target, body=body))
    if offload in ON_LOOP:
        time.sleep(0.1)
        leave(wire)
        return
    server.wait_for_metric("millrace_workers_busy", 1)
    leave(wire)
    server.wait_for_metric("millrace_jobs_total", 1, outcome="cancelled")
    assert server.metric("millrace_jobs_total", outcome="done") == 0


@pytest.mark.threads
@pytest.mark.under("workers", "libuv")  # where the loop runs the jobs itself, no test can see one wait
def test_a_client_that_leaves_while_its_job_waits_is_never_worked_for(leaving):
    server, connect, leave = leaving("--job-deadline=10m", "--job-time=0", "--max-pixels=2000000000")
    target, body = slow_job(4)
    with server.connect() as first:
        first.send(request("POST", target, body=body))
        server.wait_for_metric("millrace_workers_busy", 1)
        waiting = [connect() for _ in range(5)]
        for wire in waiting:
            wire.send(request("POST", "/pipe/image?w=50", body=photo()))
        server.wait_for_metric("millrace_queue_depth", 5)
        for wire in waiting:
            leave(wire)
        wait_for(lambda: server.metric("millrace_connections") == 2, "five to have left")
        assert server.metric("millrace_jobs_total", outcome="done") == 0, "the first job was too short for this machine"
        first.reset()
    server.wait_for_metric("millrace_jobs_total", 6, outcome="cancelled")
    assert server.metric("millrace_job_run_seconds_count") == 1, "a cancelled job was run"


@pytest.mark.threads
@pytest.mark.under("workers", "libuv")  # the loop itself is at work elsewhere
def test_a_client_that_leaves_in_the_middle_of_its_stream_stops_it(leaving):
    """It has sent all, and read what there was so far."""
    server, connect, leave = leaving("--body-timeout=10m")
    wire = connect()
    wire.send(request("POST", "/pipe/gzip", {"Transfer-Encoding": "chunked"}) + b"%x\r\n" % 2_000_000 + random.Random(0).randbytes(2_000_000) + b"\r\n")
    assert wire.receive_head().status == 200
    while wire.is_readable(0.2):
        wire.buffer = b""
    leave(wire)
    wait_for(lambda: server.metric("millrace_requests_in_flight") == 1, "the client to have left")


@pytest.mark.threads
def test_a_client_that_leaves_while_its_answer_is_sent(server):
    for leave in ("reset", "close"):
        wire = server.connect(receive_buffer=4096)
        wire.send(request("POST", "/pipe/image?fm=png&w=1000", body=noise(1200, 1000)))
        assert wire.receive_head().status == 200
        getattr(wire, leave)()
    assert server.get("/healthz").status == 200


def test_a_client_that_leaves_an_idle_connection(server):
    for leave in ("reset", "close", "half_close"):
        wire = server.connect()
        assert wire.request("GET", "/healthz").status == 200
        getattr(wire, leave)()
        wire.close()


@pytest.mark.threads
def test_many_clients_that_come_and_leave_at_any_moment(server):
    """Whatever the moment, nothing is left behind."""
    upload = request("POST", "/pipe/image?w=100", body=photo())
    for index in range(150):
        wire = server.connect()
        wire.send(upload[: len(upload) * (index % 10 + 1) // 10])
        time.sleep(index % 7 / 1000)
        (wire.reset if index % 2 else wire.close)()
    assert server.get("/healthz").status == 200


# ---- memory


@pytest.mark.once
@pytest.mark.unsanitized("sanitizers keep freed memory")
def test_memory_of_a_burst_goes_back_to_the_system(start):
    server = start("--workers=2")
    target, body = "/pipe/image?q=100&fm=jpg", noise(1200, 1200)
    assert server.post(target, body).status == 200
    before = server.resident_bytes()
    wires = [server.connect(receive_buffer=4096) for _ in range(80)]
    for wire in wires:  # none of them reads its image
        wire.send(request("POST", target, body=body))
        assert wire.receive_head().status == 200
    assert server.resident_bytes() > before + 100 * MIB
    for wire in wires:
        wire.close()
    wait_for(lambda: server.resident_bytes() <= before + 64 * MIB, "the memory to go back")
    assert server.get("/healthz").status == 200
