"""What blocked the loop: which callback, for which request, how often."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from images import noise, photo
from server import ON_LOOP, wait_for

BOUND = 0.01  # --lag-warn, seconds
BLOCKING = (3000, 2000)  # 6 MP: more than that anywhere, and reading the body is less


def blocked_lines(server):
    lines = [json.loads(line) for line in list(server.log) if line.startswith("{")]
    return [line for line in lines if line["msg"] == "the loop was blocked"]


def post_until_named(server, body):
    """The line that names a job of a whole body. On a busy machine another callback may have had the line of that
    second: that of another label, or a write of what had come of the body into its file."""
    ids = set()

    def post():
        response = server.post("/pipe/image?w=300", body)
        assert response.status == 200
        ids.add(response["X-Request-Id"])
        return [line for line in blocked_lines(server) if line["label"] == "job" and line["bytes"] == len(body)]

    line = wait_for(post, "a job to be named")[0]
    assert line["id"] in ids
    return line


def test_a_job_that_holds_the_loop_is_logged_with_its_request_and_counted(start, offload):
    server = start("--log-format=json")
    body = noise(*BLOCKING)
    if offload not in ON_LOOP:
        assert server.post("/pipe/image?w=300", body).status == 200
        assert server.metric("millrace_loop_blocked_total", label="job") == 0
        return
    line = post_until_named(server, body)
    assert line["level"] == "warn"
    assert BOUND < float(line["callback"]) <= float(line["busy"])
    metrics = server.metrics()
    assert metrics.sum("millrace_loop_blocked_total", label="job") >= 1
    assert metrics.sum("millrace_loop_blocked_seconds_total", label="job") >= float(line["busy"]) - 1e-5


@pytest.mark.under(*ON_LOOP)  # elsewhere the job holds a worker, not the loop
def test_a_body_that_went_through_a_file_is_named_too(start):
    post_until_named(start("--log-format=json", "--body-memory=64KiB"), noise(*BLOCKING))


def test_small_jobs_block_nothing(start):
    server = start("--workers=2", "--lag-warn=5s")
    for _ in range(20):
        assert server.post("/pipe/image?w=30", photo()).status == 200
    assert server.metric("millrace_loop_blocked_total") == 0


def test_no_bound_means_no_report(start):
    server = start("--lag-warn=0", "--log-format=json")
    assert server.post("/pipe/image?w=300", noise(*BLOCKING)).status == 200
    assert server.metric("millrace_loop_blocked_total") == 0
    assert blocked_lines(server) == []


@pytest.mark.under(*ON_LOOP)
def test_one_line_a_second_tells_how_many_were_held_back(start):
    server = start("--log-format=json")
    body = noise(*BLOCKING)

    def post_until_told():
        assert server.post("/pipe/image?w=300", body).status == 200
        return [line for line in blocked_lines(server) if "held_back" in line]

    began = time.monotonic()
    told = wait_for(post_until_told, "a line that tells of others")
    assert len(blocked_lines(server)) <= 1 + (time.monotonic() - began)
    assert 1 <= told[0]["held_back"] <= server.metric("millrace_loop_blocked_total") - 2


def wait_for_rest(pid):
    """Wait until the process's main thread, which runs the loop, sleeps and is not woken, by the lag probe's ticks either."""
    switches = re.compile(r"State:\s+S(?:.|\n)*\nvoluntary_ctxt_switches:\s+(\d+)")

    def is_at_rest():
        before = switches.search(Path(f"/proc/{pid}/status").read_text())
        time.sleep(0.03)
        after = switches.search(Path(f"/proc/{pid}/status").read_text())
        return before and after and before[1] == after[1]

    wait_for(is_at_rest, f"rest of {pid}")


def test_a_process_that_was_stopped_did_not_block_its_loop(start):
    server = start("--log-format=json", "--lag-warn=500ms")
    assert server.get("/healthz").status == 200
    for pid in server.children() or [server.process.pid]:
        wait_for_rest(pid)
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: "State:\tT" in Path(f"/proc/{pid}/status").read_text(), f"{pid} to stop")
        time.sleep(1)
        os.kill(pid, signal.SIGCONT)
    assert server.get("/healthz").status == 200
    assert server.get("/healthz").status == 200  # the loop's next turn: the one before is counted
    assert server.metric("millrace_loop_blocked_total") == 0
    assert server.metric("millrace_loop_busy_seconds_sum") < 1
    assert blocked_lines(server) == []
