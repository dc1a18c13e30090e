"""Large files on their way to clients: the bytes go from the file to the socket on a thread, past the loop."""

import hashlib
import http.client
import os
import signal
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from server import HANG, wait_for
from test_files import data, upload
from wire import Closed, Wire, request

pytestmark = pytest.mark.once  # what is stored does not depend on the offload

SIZE = 8_000_000
BODY = data(SIZE)


@pytest.fixture
def files(kept):
    return kept


@pytest.fixture
def large(files):
    return upload(files, BODY)["url"]


def open_files(server):
    """Payloads that a process of the server has open."""
    pids = server.children() or [server.process.pid]
    links = []
    for pid in pids:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except FileNotFoundError:  # closed since
                pass
    return [link for link in links if "/objects/" in link and ".1" in link]


@contextmanager
def began(files, large):
    """A connection whose response has begun, and most of which waits for the client."""
    with files.connect(receive_buffer=30_000) as wire:
        wire.send(request("GET", large))
        assert wire.receive_head()["Content-Length"] == str(SIZE)
        yield wire


def unsent(server, wire):
    """Bytes that the kernel holds for this client."""
    ends = [f":{port:04X}" for port in (server.port, wire.socket.getsockname()[1])]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if local.endswith(ends[0]) and remote.endswith(ends[1]):
            return int(queues.split(":")[0], 16)
    raise AssertionError("there is no such connection")


def wait_until_full(server, wire):
    """Until a request to the server does not find it sending."""

    def is_full():
        before = unsent(server, wire)
        assert server.get("/healthz").status == 200
        return 0 < before == unsent(server, wire)

    wait_for(is_full, "a socket that takes no more")


def read_slowly(server, wire):
    """The body, in pieces; before some of them the socket is full."""
    body = bytearray()
    for _ in range(3):
        wait_until_full(server, wire)
        body += wire._take(1_000_000)
    return bytes(body + wire._take(SIZE - len(body)))


def test_requests_one_behind_the_other_get_their_parts_in_order(files, large):
    ranges = [(0, SIZE - 1), (10, 19), (1_000_000, 7_999_998), (400_000, 1_000_000), (SIZE - 1, SIZE - 1)]
    asked = b"".join(request("GET", large, [("Range", f"bytes={first}-{last}")]) for first, last in ranges)
    with files.connect() as wire:
        wire.send(asked + request("HEAD", large) + request("GET", "/healthz"))
        for first, last in ranges:
            response = wire.receive()
            assert response.status == 206 and response.body == BODY[first : last + 1]
        assert wire.receive("HEAD")["Content-Length"] == str(SIZE)
        assert wire.receive().status == 200


def test_a_reader_that_is_slow_gets_all_of_it(files, large):
    with began(files, large) as wire:
        assert read_slowly(files, wire) == BODY
        assert wire.request("GET", large).body == BODY


def test_a_client_of_http_1_0_gets_it_and_the_end(files, large):
    with files.connect() as wire:
        wire.send(request("GET", large, version="HTTP/1.0"))
        assert wire.receive().body == BODY
        assert wire.is_closed()


def test_many_at_once_get_what_they_asked_for(files, large):
    results = {}

    def read(number):
        first = number * 10_000
        response = files.get(large, [("Range", f"bytes={first}-")])
        results[number] = response.status == 206 and response.body == BODY[first:]

    threads = [threading.Thread(target=read, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG)
    assert results == dict.fromkeys(range(24), True)


def test_clients_that_leave_in_the_middle_leave_nothing_behind(files, large):
    for how in (Wire.reset, Wire.close, Wire.half_close):
        for taken in (0, 1, 100_000, 3_000_000):
            wires = [files.connect(receive_buffer=30_000) for _ in range(4)]
            for wire in wires:
                wire.send(request("GET", large))
            for wire in wires:
                wire.receive_head()
                wire._take(taken)
                how(wire)
            for wire in wires:
                if how is Wire.half_close:  # it asks for nothing more, and gets what it asked for
                    assert wire._take(SIZE - taken) == BODY[taken:]
                wire.close()
    wait_for(lambda: not open_files(files), "the files to be closed")


def test_the_log_says_how_much_a_client_got_that_left(start, tmp_path):
    files = start(f"--data={tmp_path / 'data'}", "--log-format=json")
    large = upload(files, BODY)["url"]
    with began(files, large) as wire:
        wire._take(1_000_000)
        wire.reset()
    [line] = files.access_log(large)
    # The kernel holds some that it did not get; what a thread was sending in that moment (512 KiB) is not counted.
    assert 400_000 <= line["bytes_out"] < SIZE


def test_a_client_that_reads_nothing_is_cut_and_its_file_closed(start, tmp_path):
    files = start(f"--data={tmp_path / 'data'}", "--body-timeout=500ms")
    large = upload(files, BODY)["url"]
    with began(files, large) as wire:
        files.wait_for_metric("millrace_timeouts_total", 1)
        with pytest.raises(Closed):
            wire._take(SIZE)
    wait_for(lambda: not open_files(files), "the file to be closed")


def test_a_client_below_the_least_rate_is_cut(start, tmp_path):
    files = start(f"--data={tmp_path / 'data'}", "--body-timeout=500ms", "--min-rate=100000000")
    large = upload(files, BODY)["url"]
    with began(files, large) as wire, pytest.raises(Closed):
        for _ in range(SIZE // 1000):
            wire._take(1000)
            files.get("/healthz")  # takes its time, in which so little is read


def test_it_takes_no_memory_of_the_budget(start, tmp_path):
    files = start(f"--data={tmp_path / 'data'}", "--memory-budget=2MiB", "--body-memory=64KiB")
    large = upload(files, BODY)["url"]
    wires = [files.connect(receive_buffer=30_000) for _ in range(20)]
    for wire in wires:
        wire.send(request("GET", large))
    for wire in wires:
        wait_until_full(files, wire)
    metrics = files.metrics()
    assert "millrace_memory_budget_used_bytes" in metrics.names()
    assert metrics.sum("millrace_memory_budget_used_bytes") <= 100_000
    for wire in wires:
        assert wire.receive().body == BODY
        wire.close()


def test_a_file_that_is_deleted_meanwhile_is_sent_whole(files):
    large = upload(files, BODY)["url"]
    with began(files, large) as wire:
        assert files.request("DELETE", large).status == 204
        assert files.get(large).status == 404
        assert wire._take(SIZE) == BODY


def test_a_file_that_is_too_short_cuts_the_response_and_is_told(start, tmp_path):
    files = start(f"--data={tmp_path / 'data'}")
    large = upload(files, BODY)["url"]
    [payload] = (tmp_path / "data/objects").rglob("*.1")
    with began(files, large) as wire:
        os.truncate(payload, 7_000_000)
        with pytest.raises(Closed) as closed:
            wire._take(SIZE)
    assert BODY.startswith(closed.value.bytes[:6_000_000])
    assert len(closed.value.bytes) <= 7_000_000
    wait_for(lambda: "segment 1 ends too early" in files.text(), "a line in the log")
    files.wait_for_metric("millrace_store_failed_total", 1)


def test_a_drain_waits_for_it(start, tmp_path):
    files = start(f"--data={tmp_path / 'data'}")
    large = upload(files, BODY)["url"]
    with began(files, large) as wire:
        wait_until_full(files, wire)
        files.signal(signal.SIGTERM)
        assert wire._take(SIZE) == BODY
        assert wire.is_closed()
    assert files.wait() == 0


def test_a_second_signal_does_not_wait_for_it(start, tmp_path):
    files = start(f"--data={tmp_path / 'data'}", "--processes=1")
    large = upload(files, BODY)["url"]
    with began(files, large) as wire:
        files.signal(signal.SIGTERM)
        wait_for(lambda: not files.is_accepting(), "the drain")
        files.signal(signal.SIGTERM)
        with pytest.raises(Closed):
            wire._take(SIZE)
    files.wait()


def test_a_unix_socket_gets_it_too(start, tmp_path):
    files = start(f"--data={tmp_path / 'data'}", f"--listen=unix:{tmp_path / 'socket'}")
    large = upload(files, BODY)["url"]
    with files.connect() as wire:
        assert wire.request("GET", large).body == BODY


def test_a_plain_client_library_reads_it_in_pieces(files, large):
    """http.client asks for the next piece when it has worked on the last one."""
    connection = http.client.HTTPConnection(*files.address(), timeout=HANG)
    connection.request("GET", large)
    response, digest = connection.getresponse(), hashlib.sha256()
    while piece := response.read(70_001):
        digest.update(piece)
    connection.close()
    assert digest.digest() == hashlib.sha256(BODY).digest()
