"""The figures by which an operator sees what the server is short of: each moves when its cause happens."""

import time

import pytest
from images import noise, photo
from server import wait_for
from test_events import Listener
from test_overload import NO_HURRY, busy_worker
from wire import request

HUGE = 1 << 50  # bytes that no disk has


def refusals(server):
    """By reason, those that occurred."""
    samples = server.metrics().samples
    return {labels["reason"]: value for name, labels, value in samples if name == "millrace_refusals_total" and value > 0}


def wait_for_event(listener, condition, what):
    figures = {}

    def is_there():
        figures.update(listener.figures()[0])
        return condition(figures)

    wait_for(is_there, what)
    return figures


@pytest.mark.under("workers", "libuv")  # the loop that runs a job tells nothing meanwhile
def test_a_waiting_job_shows_with_its_work_and_its_age(start, offload):
    server = start("--workers=1", "--processes=1", *NO_HURRY)
    with busy_worker(server, offload) as first, server.connect() as second:
        second.send(request("POST", "/pipe/image?w=300", body=noise(1200, 900)))

        def waits():
            metrics = server.metrics()
            return metrics if metrics.sum("millrace_queue_depth", lane="interactive") == 1 else None

        metrics = wait_for(waits, "a job to wait")
        assert 0.001 < metrics.sum("millrace_queue_work_seconds", lane="interactive") < 0.5
        assert metrics.sum("millrace_queue_work_seconds") == metrics.sum("millrace_queue_work_seconds", lane="interactive")
        assert metrics.sum("millrace_queue_oldest_seconds", lane="interactive") > 0
        assert metrics.sum("millrace_job_oldest_seconds") > 0
        assert first.receive().status == 200
        assert second.receive().status == 200


@pytest.mark.under("workers", "libuv")  # the same
def test_a_full_queue_is_told_by_its_lane_and_refuses_by_its_reason(start, offload):
    server = start("--workers=1", "--loops=1", "--queue-depth=1", "--processes=1", *NO_HURRY)
    with Listener(server) as listener, server.connect() as second:
        assert listener.figures()[0]["saturated"] is None
        first = busy_worker(server, offload)
        second.send(request("POST", "/pipe/image?w=50", body=photo()))
        server.wait_for_metric("millrace_queue_depth", 1)
        assert server.post("/pipe/image?w=50", photo()).status == 503
        found = refusals(server)
        assert sum(found.values()) == 1 and set(found) <= {"queue-full", "backlog"}
        figures = wait_for_event(listener, lambda figures: figures["saturated"], "the sentence")
        assert figures["saturated"]["reason"] in ("queue-full", "backlog")
        assert figures["saturated"]["text"].startswith("Saturated because 1 ")
        assert first.receive().status == 200
        assert second.receive().status == 200
        wait_for_event(listener, lambda figures: figures["saturated"] is None, "the server to have room again")


@pytest.mark.once
def test_an_upload_for_which_there_is_no_space_is_counted_and_told(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--max-body=0")
    with Listener(server) as listener, server.connect() as wire:
        wire.send(request("PUT", "/files/large", {"Content-Length": HUGE}) + bytes(100_000))  # the disk is asked when there is something to write
        assert wire.receive().status == 507
        assert refusals(server) == {"no-space": 1}
        figures = wait_for_event(listener, lambda figures: figures["saturated"], "the sentence")
    assert figures["saturated"]["reason"] == "no-space"
    assert figures["counters"]["millrace_refusals_total"]["no-space"]["total"] == 1


@pytest.mark.once
def test_what_is_wrong_with_a_request_is_no_refusal(start):
    server = start("--max-body=1000")
    assert server.get("/nothing").status == 404
    assert server.post("/pipe/gzip", b"x" * 2000).status == 413
    assert server.post("/pipe/image?w=0", photo()).status in (400, 413)
    assert server.raw(b"nonsense\r\n\r\n").status == 400
    assert refusals(server) == {}


@pytest.mark.once
def test_a_connection_beyond_the_limit_is_a_refusal(start):
    server = start("--max-connections=1", "--processes=1")
    with Listener(server) as listener:
        figures = wait_for_event(listener, lambda figures: figures["saturated"], "the sentence")
        assert figures["saturated"]["reason"] == "too-many-connections"
        assert server.get("/healthz").status == 503
    wait_for(lambda: server.get("/healthz").status == 200, "the listener's place")
    assert refusals(server)["too-many-connections"] >= 1


@pytest.mark.once
def test_the_oldest_upload_is_told_while_it_is_under_way(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}")
    with server.connect() as old, server.connect() as new:
        for wire in (old, new):
            wire.send(request("PUT", "/files/slow", {"Content-Length": 100}) + b"x" * 10)
            server.wait_for_metric("millrace_store_uploads_open", 1 + (wire is new))
        age = server.metric("millrace_store_upload_oldest_seconds")
        assert age > 0
        new.send(b"x" * 90)
        assert new.receive().status == 201
        server.wait_for_metric("millrace_store_uploads_open", 1)
        assert server.metric("millrace_store_upload_oldest_seconds") > age
        old.send(b"x" * 90)
        assert old.receive().status == 201
    server.wait_for_metric("millrace_store_upload_oldest_seconds", 0)


@pytest.mark.under("none")  # elsewhere the job holds a worker, not the loop
def test_what_blocked_a_loop_last_is_told_with_its_request(start):
    server, body, ids = start("--processes=1"), noise(3000, 2000), set()

    def is_job(figures):  # on a busy machine another callback may have come after it
        if (figures["blocked_last"] or {}).get("label") == "job":
            return True
        ids.add(server.post("/pipe/image?w=300", body)["X-Request-Id"])
        return False

    with Listener(server) as listener:
        last = wait_for_event(listener, is_job, "what blocked the loop")["blocked_last"]
    assert last["request"] in ids
    assert last["seconds"] > 0.01
    assert last["time"] == pytest.approx(time.time(), abs=60)
    assert server.metric("millrace_loop_blocked_last_timestamp_seconds", label="job") >= last["time"] - 0.001
