"""Images of files that change, go, or whose clients go, while they are being made."""

import os
import signal

import pytest
from PIL import Image
from images import encode, photo, quadrants, slow_job
from server import wait_for
from test_cluster import close_all, wait_for_processes
from test_cluster import kept as served
from test_images_by_url import UNTIL_DONE, file_of, keep
from wire import Closed, Wire, request

pytestmark = pytest.mark.under("workers", "libuv")  # the loop is at work while it runs a job: it sees nothing change

PATCH = [("Content-Type", "application/merge-patch+json")]


@pytest.fixture
def server(start, tmp_path):
    return start(f"--data={tmp_path / 'data'}", "--workers=1", "--max-pixels=2000000000", *UNTIL_DONE)


def slow_query():
    return slow_job()[0].split("?")[1]


def test_a_file_that_is_deleted_while_its_image_is_made_never_comes_back(server):
    image = keep(server, slow_job()[1])
    target = f"{image}?{slow_query()}"
    with server.connect() as first, server.connect() as second:
        first.send(request("GET", target))
        server.wait_for_metric("millrace_workers_busy", 1)
        second.send(request("GET", target))
        server.wait_for_metric("millrace_requests_in_flight", 3)
        assert server.request("DELETE", file_of(image)).status == 204
        assert server.get(target).status == 404
        assert {first.receive().status, second.receive().status} <= {200, 404}
    for _ in range(3):
        assert server.get(target).status == 404
    assert server.get(f"{image}?w=5").status == 404
    metrics = server.metrics()
    assert metrics.sum("millrace_image_cache_images") == 0, "what was deleted is not kept"


def test_a_focal_point_that_changes_while_an_image_is_made_is_old_or_new_and_then_new(server):
    side = blank_side()
    image = keep(server, encode(Image.linear_gradient("L").resize((side, side)), "PNG", compress_level=1))
    target = f"{image}?w={side // 2}&h={side // 3}&fit=crop&crop=focalpoint&fm=png"

    def change(y):
        assert server.request("PATCH", f"{file_of(image)}/info", PATCH, b'{"focal":{"x":0.5,"y":%g}}' % y).status == 200

    change(0)
    with server.connect() as wire:
        wire.send(request("GET", target))
        server.wait_for_metric("millrace_workers_busy", 1)
        change(1)
        during = wire.receive()
    after = server.get(target)
    top, bottom = (server.get(f"{target}&fp-x=0.5&fp-y={y}") for y in (0, 1))
    assert top.body != bottom.body and top["ETag"] != bottom["ETag"]
    assert (during["ETag"], during.body) in ((top["ETag"], top.body), (bottom["ETag"], bottom.body))
    assert (after["ETag"], after.body) == (bottom["ETag"], bottom.body)


def blank_side():
    """Of a picture whose image takes a worker a moment."""
    return int(slow_query().split("w=")[1].split("&")[0]) // 2


def endless(server):
    """The address of an image that takes a worker longer than any test waits for it."""
    target, body = slow_job(4)
    return f"{keep(server, body)}?{target.split('?')[1]}"


@pytest.mark.parametrize("leave", [Wire.reset, Wire.close], ids=["reset", "close"])
def test_clients_that_leave_one_by_one_stop_the_job_with_the_last(server, leave):
    target = endless(server)
    wires = [server.connect() for _ in range(10)]
    for wire in wires:
        wire.send(request("GET", target))
    server.wait_for_metric("millrace_workers_busy", 1)
    server.wait_for_metric("millrace_requests_in_flight", len(wires) + 1)
    for wire in wires[:-1]:
        leave(wire)
    wait_for(lambda: server.metric("millrace_requests_in_flight") == 2, "nine to have left")
    assert server.metric("millrace_jobs_total", outcome="cancelled") == 0, "one still waits"
    leave(wires[-1])
    server.wait_for_metric("millrace_jobs_total", 1, outcome="cancelled")
    metrics = server.metrics()
    assert metrics.sum("millrace_image_seconds_count") == metrics.sum("millrace_image_cache_images") == 0


@pytest.mark.parametrize("leave", [Wire.reset, Wire.close], ids=["reset", "close"])
@pytest.mark.under("workers", "libuv")  # a job that waits holds no loop there
def test_clients_that_leave_while_their_job_waits_are_never_worked_for(server, leave):
    image = keep(server, photo(300, 200))
    with server.connect() as busy:
        busy.send(request("GET", endless(server)))
        server.wait_for_metric("millrace_workers_busy", 1)
        wires = [server.connect() for _ in range(8)]
        for number, wire in enumerate(wires):
            wire.send(request("GET", f"{image}?w={20 + number // 2}&fm=png"))  # two of each
        server.wait_for_metric("millrace_queue_depth", 4)
        for wire in wires:
            leave(wire)
        wait_for(lambda: server.metric("millrace_connections") == 2, "eight to have left")
        busy.reset()
    server.wait_for_metric("millrace_jobs_total", 5, outcome="cancelled")
    assert server.metric("millrace_job_run_seconds_count", stage="image") == 1
    assert server.get(f"{image}?w=20&fm=png").status == 200, "it can be asked for again"


@pytest.mark.slow
def test_those_that_come_and_go_leave_nothing_behind(server):
    """In any order, on any of the connections: no reference, no byte of the budget, no entry stays."""
    image = keep(server, encode(quadrants(900, 600), "PNG"))
    for round in range(60):
        wires = [server.connect() for _ in range(4)]
        for number, wire in enumerate(wires):
            wire.send(request("GET", f"{image}?w={100 + round // 2}&h={50 + number % 2}&fit=scale&fm=png"))
        for number, wire in enumerate(wires):
            if (round + number) % 3:
                wire.reset()
            else:
                assert wire.receive().status == 200
                wire.close()
    server.assert_at_rest()
    assert server.get(f"{image}?w=50").status == 200


@pytest.mark.once
@pytest.mark.slow
def test_a_process_that_dies_while_it_makes_images_takes_only_its_own_requests(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--processes=2", "--workers=1", *UNTIL_DONE)
    image = keep(server, slow_job()[1])
    held = served(server, 16)
    assert len(held) == 2
    asked = {pid: [(wire, f"{image}?{slow_query()}&pad={2 * at + number}") for number, wire in enumerate(wires[:2])] for at, (pid, wires) in enumerate(held.items())}
    for wire, target in [each for pairs in asked.values() for each in pairs]:
        wire.send(request("GET", target))
    server.wait_for_metric("millrace_workers_busy", 2)
    victim, other = asked
    os.kill(victim, signal.SIGKILL)
    for wire, _ in asked[other]:
        assert wire.receive().status == 200
    for wire, _ in asked[victim]:
        with pytest.raises(Closed):
            wire.receive()
    wait_for_processes(server, 2, [victim])
    for _, target in asked[victim]:
        assert server.get(target).status == 200, "it can be asked for again"
    close_all(held)
