"""`millrace-bench serve-threads`: what it has beside the service, which all other tests see under MILLRACE_OFFLOADS=threads."""

import subprocess
from pathlib import Path

import pytest

from images import slow_job
from server import BENCH, environment, starting, wait_for
from wire import request

pytestmark = pytest.mark.threads


@pytest.fixture
def start():
    with starting("threads") as start_one:
        yield start_one


def thread_count(server):
    return len(list(Path(f"/proc/{server.process.pid}/task").iterdir()))


def test_a_thread_lives_as_long_as_its_connection(start):
    server = start()
    assert server.get("/healthz").status == 200
    wait_for(lambda: server.metric("millrace_connections") == 1, "the connections to be gone")
    wires = [server.connect() for _ in range(10)]
    server.wait_for_metric("millrace_connections", 11)
    assert thread_count(server) >= 11
    for wire in wires:
        wire.close()
    wait_for(lambda: thread_count(server) < 11, "the threads to end")


def test_jobs_of_two_connections_run_at_the_same_time(start):
    server = start()
    target, body = slow_job()
    with server.connect() as one, server.connect() as other:
        for wire in (one, other):
            wire.send(request("POST", target, body=body))
        server.wait_for_metric("millrace_workers_busy", 2)
        assert [wire.receive().status for wire in (one, other)] == [200, 200]


def test_connections_beyond_all_seats_wait_and_are_answered(start):
    server = start("--max-connections=1")

    def seated():  # as soon as the connection of the start is gone
        wire = server.connect()
        if wire.request("GET", "/healthz").status == 200:
            return wire
        wire.close()

    with wait_for(seated, "a seat") as inside:
        outside = [server.connect() for _ in range(40)]  # one of them is refused on each of the 16 seats that are left
        for wire in outside:
            assert wire.receive().status == 503
            wire.close()
        assert inside.request("GET", "/healthz").status == 200


def test_options_are_those_of_the_server():
    def run(*arguments):
        return subprocess.run([BENCH, "serve-threads", *arguments], capture_output=True, text=True, timeout=60, env=environment())

    assert "--max-connections" in run("--help").stdout
    wrong = run("--queue-depth=0")
    assert wrong.returncode == 2 and "--queue-depth" in wrong.stderr
    assert run("--check-config", "--listen=127.0.0.1:0").stdout == "ok\n"
