"""`millrace-bench load` as a program, against a server in this process whose latencies are known."""

import asyncio
import json
import subprocess
import threading
import time

import pytest
from server import BINARY, HANG, environment

pytestmark = pytest.mark.skipif(not (BINARY.parent / "millrace-bench").exists(), reason="no millrace-bench beside the server")

STALL = 0.1  # seconds, of every one
SEEN = set()  # targets
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Answerer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        SEEN.update(line.split()[1] for line in data.split(b"\r\n") if line.startswith(b"GET "))
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))


class StallingServer:
    """Answers at once, but for a tenth of each second, in which it does nothing at all."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        listening = self.loop.create_server(Answerer, "127.0.0.1", 0, backlog=256)
        self.port = self.loop.run_until_complete(listening).sockets[0].getsockname()[1]
        self.loop.call_later(0.5, self.stall, self.loop.time() + 0.5)
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def stall(self, planned):
        time.sleep(STALL)  # what the tests are about
        self.loop.call_at(planned + 1, self.stall, planned + 1)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def stalling():
    server = StallingServer()
    yield server
    server.stop()


def load(*words, status=0):
    run = subprocess.run(
        [BINARY.parent / "millrace-bench", "load", *map(str, words)],
        capture_output=True, text=True, timeout=HANG, env=environment(), check=False,
    )
    assert run.returncode == status, run.stderr
    return run


def curve(path):
    """[(percentile as a fraction, milliseconds)] of an .hgrm file."""
    head, *rows = path.read_text().splitlines()
    assert head.split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert [row.split("=")[0].strip("#[ ") for row in rows[-3:]] == ["Mean", "Max", "Buckets"]
    cells = [row.split() for row in rows[1:-3]]
    return [(float(row[1]), float(row[0])) for row in cells]


@pytest.mark.slow
def test_stalled_server_shows_in_full(stalling, tmp_path):
    """1,000 requests/s to a server that stands still for 100 ms of each second: of the 100 that are planned for that time
    half wait 50 ms or longer. One that measures from the moment of sending sees at most 8 of them, one a connection."""
    file = tmp_path / "stall.hgrm"
    run = load(stalling.url, "--rate=1000", "--connections=8", "--warmup=0", "--duration=5s", "--hgrm", file, "--json")
    (stream,) = json.loads(run.stdout)["streams"]
    assert stream["requests"] == stream["answered"] == 5000
    shorter = max((fraction for fraction, ms in curve(file) if ms < 1000 * STALL / 2), default=0)
    assert 5000 * (1 - shorter) >= 4 * 50 - 10  # at least four times within five seconds; the curve has steps


def test_streams_have_a_result_and_a_file_each(stalling, tmp_path):
    files = tmp_path / "curves"
    run = load(
        stalling.url, "--name=steady", "--rate=100", "--warmup=100ms", "--duration=1s", "--json", "--hgrm", files,
        "+", "--name=late", "--arrivals=poisson", "--connect=on-demand", "--rate=200", stalling.url,
        "--start=500ms", "--duration=500ms", "--expect-status=404",
    )  # fmt: skip
    assert run.stderr == "connections are open, the run begins\n"
    steady, late = json.loads(run.stdout)["streams"]
    assert (steady["name"], late["name"]) == ("steady", "late")
    assert steady["status"] == {"200": 100} and steady["answered"] == 100
    assert [slot["count"] for slot in steady["timeline"]["slots"]] == [10] * 10
    assert late["mode"] == "open" and late["arrivals"] == "poisson" and late["warmup"] == 0.1
    assert 50 < late["requests"] < 150 and late["answered"] == 0
    assert late["errors"]["status"] == late["requests"] == late["status"]["200"]
    assert [slot["at"] for slot in late["timeline"]["slots"]] == [0.5, 0.6, 0.7, 0.8, 0.9]
    assert sum(slot["errors"] for slot in late["timeline"]["slots"]) == late["requests"]
    assert late["connecting"]["count"] >= 1 and steady["connecting"]["count"] == 16
    assert sorted(path.name for path in files.iterdir()) == ["late.hgrm", "steady.hgrm"]
    assert curve(files / "steady.hgrm")[-1] == (1, pytest.approx(steady["latency"]["max"] * 1000, abs=0.001))


def test_connections_on_demand_are_told_apart(stalling):
    run = load(stalling.url, "--rate=0", "--connections=3", "--connect=on-demand", "--warmup=0", "--duration=200ms", "--json")
    (stream,) = json.loads(run.stdout)["streams"]
    assert stream["latency_new"]["count"] == stream["connecting"]["count"] == stream["connects"] == 3
    assert stream["latency_open"]["count"] == stream["answered"] - 3


def test_each_request_can_have_a_number_of_its_own(stalling):
    run = load(stalling.url + "x?n={n}", "--rate=0", "--connections=3", "--warmup=0", "--duration=200ms", "--json")
    (stream,) = json.loads(run.stdout)["streams"]
    numbers = sorted(target for target in SEEN if b"n=" in target)
    assert len(numbers) >= stream["answered"] > 10, "no two are alike"
    assert numbers == [b"/x?n=%06d" % number for number in range(len(numbers))]


def test_what_cannot_run_is_told(stalling, tmp_path):
    assert "the URL is missing" in load("--rate=1", status=2).stderr
    assert "a URL begins with" in load("ftp://127.0.0.1/", status=2).stderr
    assert "cannot read" in load(stalling.url, "--body", tmp_path / "absent", status=1).stderr
    assert "cannot write" in load(
        stalling.url, "--duration=10ms", "--warmup=0", "--hgrm", tmp_path / "absent/x", status=1).stderr
    assert "connection refused" in load("http://127.0.0.1:1/", status=1).stderr
