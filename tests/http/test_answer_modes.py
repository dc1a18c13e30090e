"""When the response of a pipe begins: while its body still comes, or after it."""

import gzip
import select

import pytest
from server import wait_for
from streams import noise_bytes
from wire import request

pytestmark = pytest.mark.once

BODY = noise_bytes(4_000_000)
HALF = len(BODY) // 2


def begin(server, fields=(), version="HTTP/1.1"):
    """A connection on which half of the body was sent and taken."""
    before = server.metric("millrace_request_bytes_total")
    wire = server.connect()
    fields = dict(fields) | {"Content-Length": len(BODY)}
    wire.send(request("POST", "/pipe/gzip?level=1", fields, version=version) + BODY[:HALF])
    wait_for(lambda: server.metric("millrace_request_bytes_total") - before > HALF, "half of the body to be read")
    return wire


def has_answer(wire):
    return bool(select.select([wire.socket], [], [], 0)[0])


def assert_after_body(server, fields=(), version="HTTP/1.1", applied=None):
    with begin(server, fields, version) as wire:
        wait_for(lambda: server.metric("millrace_queue_depth") == 0 == server.metric("millrace_workers_busy"), "the jobs to be done")
        assert not has_answer(wire)
        wire.send(BODY[HALF:])
        response = wire.receive()
        assert response.status == 200 and gzip.decompress(response.body) == BODY
        assert response.get("Preference-Applied") == applied


def assert_streams(server, fields=(), applied=None):
    with begin(server, fields) as wire:
        wait_for(lambda: has_answer(wire), "the response to begin")
        wire.send(BODY[HALF:])
        response = wire.receive()
        assert response.status == 200 and gzip.decompress(response.body) == BODY
        assert response.get("Preference-Applied") == applied


def test_a_response_streams_unless_it_is_told_otherwise(server):
    assert_streams(server)
    assert_streams(server, {"Prefer": "respond=nonsense, wait=10"})
    assert_streams(server, {"Prefer": "respond=streaming"}, "respond=streaming")


def test_the_preference_beats_the_option(share):
    assert_after_body(share(), {"Prefer": "respond=after-body"}, applied="respond=after-body")
    assert_after_body(share("--respond=after-body"))
    assert_streams(share("--respond=after-body"), {"Prefer": "respond=streaming"}, "respond=streaming")


def test_http_1_0_beats_both(server):
    assert_after_body(server, version="HTTP/1.0")
    assert_after_body(server, {"Prefer": "respond=streaming"}, "HTTP/1.0")


def test_small_responses_and_images_say_what_was_applied(server):
    response = server.post("/pipe/gzip", b"abc", {"Prefer": "respond=after-body"})
    assert response["Preference-Applied"] == "respond=after-body" and gzip.decompress(response.body) == b"abc"
    assert "Preference-Applied" not in server.post("/pipe/gunzip", b"abc", {"Prefer": "respond=after-body"})


def test_more_than_may_be_kept_is_507_with_both_numbers(start):
    server = start("--max-spill=1MiB")
    with begin(server, {"Prefer": "respond=after-body"}) as wire:
        response = wire.receive()
        assert response.status == 507
        problem = response.json()
        assert problem["type"] == "urn:millrace:problem:spill"
        assert problem["limit"] == {"name": "max-spill", "value": 1 << 20} and problem["value"] > 1 << 20


def test_what_comes_after_the_body_is_not_bounded_by_the_spill(start):
    server = start("--max-spill=0", "--respond=after-body", "--max-expansion-ratio=0")
    zeros = gzip.compress(bytes(20_000_000))
    response = server.post("/pipe/gunzip", zeros)
    assert response.status == 200 and len(response.body) == 20_000_000
    assert server.post("/pipe/gzip?level=1", BODY).status == 507
