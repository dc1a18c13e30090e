"""Bodies and moments that clients would not choose, and systems that give less than was asked for."""

import signal
import os
import resource

import pytest
from images import noise, photo
from server import wait_for
from wire import chunked, request


@pytest.mark.threads
@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_large_body_that_came_while_a_job_ran_is_taken_in_portions(start, framing):
    """With a large --max-head much more than one read waits when its request begins, more than a collector has room for."""
    server = start("--max-head=1MiB", "--body-memory=64KiB", "--workers=1")
    body = photo() + bytes(900_000)
    fields = {"Transfer-Encoding": "chunked"} if framing == "chunked" else {"Content-Length": len(body)}
    content = chunked(body, 200_000) if framing == "chunked" else body
    target = "/pipe/image?w=20"
    with server.connect() as wire:
        wire.send(request("POST", target, body=noise(1200, 900)) + request("POST", target, fields) + content)
        assert [wire.receive("POST").status for _ in range(2)] == [200, 200]


def test_an_answer_that_closes_is_not_lost_by_a_client_that_goes_on(start):
    """It did not know when it sent more. Closing before that is read would reset the connection (RFC 9112, section 9.6)."""
    server = start("--max-requests-per-connection=1")
    with server.connect() as wire:
        wire.send(request("GET", "/healthz"))
        wait_for(lambda: wire.is_readable(0.1), "the answer")
        for _ in range(3):
            wire.send(request("GET", "/healthz"))
        response = wire.receive()
        assert response.status == 200 and response.closes
        assert wire.read_to_close() == b"", "nothing more is answered, and the end is no reset"


def test_refused_connections_take_nobody_s_place(start):
    """Clients that come again and again, and do not close what was refused, must not keep the free places occupied."""
    server = start("--max-connections=2")
    inside = [server.connect() for _ in range(2)]
    for wire in inside:
        assert wire.request("GET", "/healthz").status == 200
    outside = [server.connect() for _ in range(10)]
    assert {wire.receive().status for wire in outside} == {503}
    for wire in inside:
        wire.close()

    def gets_in():
        outside.append(server.connect())
        outside[-1].send(request("GET", "/healthz"))
        return outside[-1].receive().status == 200

    wait_for(gets_in, "one of the free places")
    for wire in outside:
        wire.close()


def limit_of(server, what, value):
    """Lower a limit of the running server; gives back what raises it again."""
    before = resource.prlimit(server.process.pid, what)
    resource.prlimit(server.process.pid, what, (value, before[1]))
    return lambda: resource.prlimit(server.process.pid, what, before)


def test_a_body_larger_than_a_file_may_be_fails_alone(start):
    """The kernel sends SIGXFSZ, whose default is the end of the process."""
    server = start("--body-memory=64KiB")
    limit_of(server, resource.RLIMIT_FSIZE, 100_000)
    assert server.post("/pipe/image?w=20", photo() + bytes(500_000)).status == 500
    assert server.post("/pipe/image?w=20", photo()).status == 200


def test_no_descriptor_for_the_file_of_a_body_is_503(start):
    server = start("--body-memory=64KiB")
    with server.connect() as wire:
        assert wire.request("GET", "/healthz").status == 200
        raise_again = limit_of(server, resource.RLIMIT_NOFILE, len(os.listdir(f"/proc/{server.process.pid}/fd")))
        response = wire.request("POST", "/pipe/image?w=20", body=photo() + bytes(500_000))
        raise_again()
    assert response.status == 503 and response.json()["type"] == "urn:millrace:problem:too-many-files"
    assert "EMFILE" in response.json()["detail"] and int(response["Retry-After"]) >= 1
    assert server.post("/pipe/image?w=20", photo() + bytes(500_000)).status == 200


@pytest.mark.threads
def test_what_was_sent_before_the_signal_is_answered(start):
    """Also what the loops had not read, or not even accepted, when they began to drain."""
    for _ in range(4):
        server = start("--loops=3")
        wires = [server.connect() for _ in range(40)]
        for wire in wires:
            wire.send(request("GET", "/healthz"))
        server.signal(signal.SIGTERM)
        assert {wire.receive().status for wire in wires} == {200}
        for wire in wires:  # a client that stays would be waited for
            wire.close()
        assert server.wait() == 0
        server.drained = True


@pytest.mark.parametrize("loops", [1, 3])
def test_a_drain_without_time_ends_well_when_nothing_is_in_flight(start, loops):
    server = start("--drain-timeout=0", f"--loops={loops}")
    with server.connect() as idle:
        assert idle.request("GET", "/healthz").status == 200
        assert server.terminate() == 0
    server.drained = True
