"""GET /events: the live figures, once a second or more often."""

import json
import time

import pytest
from images import photo
from server import wait_for
from wire import Closed, request

LISTENERS_MAX = 16


class Listener:
    """A client that reads server-sent events."""

    def __init__(self, server, query=""):
        self.wire = server.connect()
        self.wire.send(request("GET", "/events" + query))
        self.head = self.wire.receive_head()
        self.text = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    def _chunk(self):
        size = int(self.wire._line(), 16)
        data = self.wire._take(size)
        assert self.wire._take(2) == b"\r\n"
        return data

    def block(self):
        """The next lines up to an empty one; None: the stream has ended in good order."""
        while b"\n\n" not in self.text:
            chunk = self._chunk()
            if not chunk:
                assert self.text == b""
                return None
            self.text += chunk
        block, self.text = self.text.split(b"\n\n", 1)
        return dict(line.split(b": ", 1) for line in block.split(b"\n"))

    def figures(self):
        """The next event's object, and its id."""
        while b"data" not in (block := self.block()):
            assert block == {b"retry": b"2000"}
        assert set(block) == {b"id", b"data"}
        return json.loads(block[b"data"]), int(block[b"id"])


@pytest.mark.once  # the same
@pytest.mark.slow
def test_a_listener_alone_does_not_keep_the_loop_awake(server):
    """Counted, not timed: a tick of the lag probe every 2 ms would make 500 iterations between two events."""
    with Listener(server) as listener:
        totals = [listener.figures()[0]["counters"]["millrace_loop_iterations_total"]["total"] for _ in range(4)]
    assert min(after - before for before, after in zip(totals, totals[1:])) < 100


def test_figures_come_once_a_second_with_the_names_of_metrics(server):
    with Listener(server) as listener:
        assert listener.head.status == 200
        assert listener.head["Content-Type"] == "text/event-stream"
        assert listener.head["Cache-Control"] == "no-store"
        first, first_id = listener.figures()
        second, second_id = listener.figures()
    assert 0.9 < second["interval"] < 5
    assert second_id - first_id == pytest.approx(1000 * second["interval"], abs=100)
    assert second["time"] == pytest.approx(time.time(), abs=60)
    assert 0 <= second["loop_busy_share"] <= 1
    known = server.metrics()
    families = {line.split()[2] for line in known.text.splitlines() if line.startswith("# TYPE ")}
    for group in ("counters", "gauges", "histograms"):
        assert set(second[group]) <= families, group
        assert len(second[group]) > 4


def test_what_happened_in_the_second_shows(server):
    with Listener(server) as listener:
        listener.figures()
        for _ in range(3):
            assert server.post("/pipe/image?w=30", photo()).status == 200
        server.get("/nothing")
        jobs = rates = refused = ticks = 0
        for _ in range(5):  # the requests may fall into two seconds
            figures, _ = listener.figures()
            jobs += figures["histograms"]["millrace_job_run_seconds"]["image"]["count"]
            ticks += figures["histograms"]["millrace_loop_lag_seconds"]["count"]
            rates += figures["counters"]["millrace_requests_total"]["2xx"]["rate"] * figures["interval"]
            refused += figures["counters"]["millrace_requests_total"]["4xx"]["rate"] * figures["interval"]
            if jobs >= 3 and refused > 0.5:
                break
        assert jobs == 3
        assert rates == pytest.approx(3, abs=0.1)
        assert refused == pytest.approx(1, abs=0.1)
        durations = figures["histograms"]["millrace_loop_lag_seconds"]
        assert ticks > 0, "of the probe, while there was a request beside the listener's"
        assert 0 <= durations["p50"] <= durations["p99"] <= durations["max"]
        assert figures["gauges"]["millrace_events_listeners"] == 1
        for budget in ("memory", "disk"):
            assert figures["gauges"][f"millrace_{budget}_budget_used_bytes"] <= figures["gauges"][f"millrace_{budget}_budget_bytes"]
        assert figures["gauges"]["millrace_connections"] >= 1


@pytest.mark.under("workers", "threads")  # it is about clocks, which no offload changes
def test_each_listener_has_the_interval_that_it_asks_for(server):
    """Each counts what it was sent while the other was sent some: no event is late because of the other interval."""
    with Listener(server) as slow, Listener(server, "?interval=0.1") as fast:
        slow.figures()
        _, begin = slow.figures()
        ids, figures = [], {}
        while not ids or ids[-1] <= begin:
            figures, id_ = fast.figures()
            assert 0.09 < figures["interval"]
            ids.append(id_)
        between = [earlier for earlier in ids if earlier <= begin]
    assert len(between) > 2, "of the two seconds"
    assert figures["gauges"]["millrace_events_listeners"] == 2


@pytest.mark.once  # it is refused before any job
@pytest.mark.parametrize("query", ["?interval=0.05", "?interval=2", "?interval=often", "?interval=1&interval=1", "?every=1"])
def test_an_interval_that_is_none_is_refused(server, query):
    refused = server.get("/events" + query)
    assert refused.status == 400
    assert refused.json()["type"] == "urn:millrace:problem:bad-parameter"


def test_more_listeners_than_there_may_be_are_refused(start):
    server = start("--loops=1")
    listeners = [Listener(server) for _ in range(LISTENERS_MAX)]
    refused = server.get("/events")
    assert refused.status == 503
    assert refused.json()["type"] == "urn:millrace:problem:too-many-listeners"
    assert refused.json()["limit"] == {"name": "listeners", "value": LISTENERS_MAX}
    assert int(refused["Retry-After"]) >= 1
    for listener in listeners:
        assert listener.head.status == 200
        listener.wire.close()
    wait_for(lambda: server.metric("millrace_events_listeners") == 0, "those who left to be noticed")
    with Listener(server) as listener:
        assert listener.head.status == 200


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_listener_that_leaves_is_noticed(server, leave):
    listener = Listener(server)
    assert server.metric("millrace_events_listeners") == 1
    getattr(listener.wire, leave)()
    wait_for(lambda: server.metric("millrace_events_listeners") == 0, "the listener to be gone")
    listener.wire.close()


@pytest.mark.under("workers", "threads")  # it is about clocks, which no offload changes
@pytest.mark.slow
def test_a_listener_that_closes_its_side_listens_on(server):
    with Listener(server) as listener:
        listener.wire.half_close()
        for _ in range(3):
            listener.figures()


@pytest.mark.under("workers", "threads")  # it is about clocks, which no offload changes
@pytest.mark.slow
def test_neither_idleness_nor_timeouts_cut_a_listener_that_reads(start):
    server = start("--idle-timeout=200ms", "--body-timeout=200ms", "--head-timeout=200ms")
    with Listener(server) as listener:
        for _ in range(3):
            listener.figures()


@pytest.mark.once  # no job is in it
def test_a_drain_ends_the_streams_and_does_not_wait_for_them(start):
    server = start("--drain-timeout=10m")
    with Listener(server) as listener:
        listener.figures()
        assert server.terminate() == 0
        while listener.block() is not None:
            pass
        with pytest.raises(Closed):
            listener.wire._more()
    server.drained = True


def test_head_tells_what_get_would(server):
    response = server.request("HEAD", "/events")
    assert response.status == 200
    assert response["Content-Type"] == "text/event-stream"
    assert server.metric("millrace_events_listeners") == 0


def test_the_rules_of_all_routes_hold(server):
    assert server.post("/events", b"").status == 405
    assert server.get("/events", {"Origin": "https://example.org"}).status == 403
    assert server.request("GET", "/events", host="example.org").status == 403
    assert server.metric("millrace_events_listeners") == 0


def test_each_loop_tells_of_all(start):
    server = start("--loops=2", "--workers=2")
    for _ in range(10):
        assert server.get("/healthz").status == 200
    with Listener(server) as one, Listener(server) as other:
        for listener in (one, other):
            figures, _ = listener.figures()
            assert figures["gauges"]["millrace_loops"] == 2
            assert figures["counters"]["millrace_requests_total"]["2xx"]["total"] >= 10


def test_each_process_tells_of_all(start):
    server = start("--processes=2", "--workers=1", "--loops=1")
    for _ in range(20):  # over both, but once in 500,000 runs
        assert server.get("/healthz").status == 200
    with Listener(server) as one, Listener(server) as other:
        for listener in (one, other):
            figures, _ = listener.figures()
            assert figures["gauges"]["millrace_processes"] == figures["gauges"]["millrace_loops"] == 2
            assert figures["gauges"]["millrace_connections"] == 2
            assert figures["counters"]["millrace_requests_total"]["2xx"]["total"] >= 20
