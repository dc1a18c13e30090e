"""More work than the server can do: it says so at once, with an honest Retry-After, and works on."""

import gzip
from concurrent.futures import ThreadPoolExecutor

import pytest
from images import blank_png, decode, noise, photo, slow_job
from server import ON_LOOP, SANITIZER, wait_for
from streams import MIB, cpu_seconds, noise_bytes, run
from test_pipe_image import problem
from wire import chunked, request

pytestmark = pytest.mark.threads

NO_HURRY = ("--job-deadline=10m", "--job-time=0")  # limits of time that a busy machine could reach


def post_all(server, count, target, body):
    """That many at once, each on a connection of its own that was opened before. Their answers."""
    wires = [server.connect() for _ in range(count)]
    whole = request("POST", target, body=body)

    def ask(wire):
        with wire:
            wire.send(whole)
            return wire.receive()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, wires))


def assert_refused(response, *names):
    assert response.status == 503
    assert 1 <= int(response["Retry-After"]) <= 3600
    assert response.json()["type"].removeprefix("urn:millrace:problem:") in names


def busy_worker(server, offload):
    """A connection whose job keeps the only worker busy for about a second."""
    target, body = slow_job()
    wire = server.connect()
    wire.send(request("POST", target, body=body))
    if offload not in ON_LOOP:
        server.wait_for_metric("millrace_workers_busy", 1)
    return wire


def test_two_hundred_jobs_at_once_are_done_or_refused(start, offload):
    server = start("--workers=2", "--loops=1", "--queue-depth=16", *NO_HURRY)
    answers = post_all(server, 200, "/pipe/image?w=300", noise(1200, 900))
    done = [answer for answer in answers if answer.status == 200]
    for answer in answers:
        if answer.status != 200:
            assert_refused(answer, "queue-full", "backlog", "expired")
    assert all(decode(answer.body).size == (300, 225) for answer in done[:20])
    assert len(done) >= 18, "what the queue holds is done"
    metrics = server.metrics()
    assert metrics.sum("millrace_jobs_total", outcome="done") == len(done)
    if offload not in ON_LOOP:
        assert len(done) < 200, "a queue of 16 cannot have taken them all"
        assert metrics.sum("millrace_jobs_total", outcome="refused") >= 200 - len(done)


def test_two_hundred_jobs_fit_into_a_queue_that_is_long_enough(start):
    server = start("--workers=2", "--queue-depth=256", *NO_HURRY)
    answers = post_all(server, 200, "/pipe/image?w=50", photo())
    assert {answer.status for answer in answers} == {200}


@pytest.mark.under("workers", "libuv")  # the loop is at work while it runs a job: it cannot answer, and so refuses nothing
def test_a_full_queue_refuses_before_the_body_is_sent(start, offload):
    server = start("--workers=1", "--loops=1", "--queue-depth=1", *NO_HURRY)
    with busy_worker(server, offload) as first, server.connect() as second, server.connect() as third:
        second.send(request("POST", "/pipe/image?w=50", body=photo()))
        server.wait_for_metric("millrace_queue_depth", 1)
        third.send(request("POST", "/pipe/image?w=50", {"Expect": "100-continue", "Content-Length": len(photo())}))
        assert_refused(third.receive(), "queue-full", "backlog")
        assert server.get("/healthz").status == 200, "the loop is free"
        assert first.receive().status == 200
        assert second.receive().status == 200
    assert server.post("/pipe/image?w=50", photo()).status == 200, "it takes work again"


@pytest.mark.under("workers", "libuv")  # on the loop a job waits no longer than for the next turn
def test_a_job_that_waits_past_its_deadline_is_not_run(start, offload):
    server = start("--workers=1", "--job-deadline=200ms", "--job-time=0")
    with busy_worker(server, offload) as first, server.connect() as second:
        response = second.request("POST", "/pipe/image?w=50", body=photo())
        assert_refused(response, "expired", "backlog")
        assert server.metric("millrace_workers_busy") == 1, "no worker had to find it"
        assert first.receive().status == 200
    server.wait_for_metric("millrace_jobs_total", 1, outcome="expired")
    assert server.metric("millrace_job_run_seconds_count") == 1


@pytest.mark.under("workers", "libuv")
def test_an_image_by_url_that_waits_past_its_deadline_is_refused_and_made_when_it_is_asked_for_again(start, offload, tmp_path):
    server = start("--workers=1", "--job-deadline=200ms", "--job-time=0", f"--data={tmp_path / 'data'}")
    image = server.request("PUT", "/files/photo.jpg", body=photo())["Location"].replace("/files/", "/images/")
    with busy_worker(server, offload) as first:
        assert_refused(server.get(f"{image}?w=50"), "expired", "backlog")
        assert server.metric("millrace_workers_busy") == 1, "no worker had to find it"
        assert first.receive().status == 200
    server.wait_for_metric("millrace_jobs_total", 1, outcome="expired")
    assert decode(server.get(f"{image}?w=50").body).width == 50


def test_a_job_that_runs_too_long_is_stopped_with_422(start):
    server = start("--job-time=100ms")
    target, body = slow_job()
    before = cpu_seconds(server)
    problem(server.post(target, body), 422, "too-expensive")
    if not SANITIZER:  # it is asked after each strip of the image, and there a strip takes long
        assert cpu_seconds(server) - before < 3 * 0.1, "it was not stopped in the middle"
    assert server.metric("millrace_workers_busy") == 0


@pytest.mark.under("workers", "libuv", "threads")
def test_the_loop_stays_free_while_jobs_run(start, offload):
    server = start("--workers=2")
    with busy_worker(server, offload), busy_worker(server, offload):
        for _ in range(20):
            assert server.get("/healthz").status == 200
        assert server.metric("millrace_jobs_total", outcome="done") == 0, "the answers came after the jobs"
    assert server.metric("millrace_loop_blocked_total", label="job") == 0


# ---- memory


def test_a_budget_that_is_used_up_refuses_with_503_and_comes_back(start):
    server = start("--memory-budget=16MiB", "--body-memory=16MiB")
    with server.connect() as first:
        first.send(request("POST", "/pipe/image?w=50", {"Content-Length": 16_000_000}) + photo().ljust(15_900_000, b"\0"))
        server.wait_for_metric("millrace_memory_budget_used_bytes", 15_900_000)
        with server.connect() as second:
            second.send(request("POST", "/pipe/image?w=50", {"Content-Length": 12 << 20, "Expect": "100-continue"}))
            assert_refused(second.receive(), "memory-budget")
        with server.connect() as third:
            third.send(request("POST", "/pipe/gzip", {"Content-Length": 1000, "Expect": "100-continue"}))
            assert_refused(third.receive(), "memory-budget")
        assert server.get("/readyz").status == 503
        first.reset()
    server.assert_at_rest()
    assert server.post("/pipe/image?w=50", photo()).status == 200


def test_heads_without_bodies_take_no_memory(start):
    server = start("--memory-budget=64MiB")
    wires = [server.connect() for _ in range(8)]
    for wire in wires:
        wire.send(request("POST", "/pipe/image?w=50", {"Content-Length": 30 << 20}) + photo()[:1000])
    server.wait_for_metric("millrace_requests_in_flight", len(wires) + 1)
    server.wait_for_metric("millrace_memory_budget_used_bytes", len(wires) * 1000)
    assert server.metric("millrace_memory_budget_used_bytes") < MIB
    assert server.get("/readyz").status == 200
    assert server.post("/pipe/image?w=50", photo()).status == 200
    for wire in wires:
        wire.reset()


# Bytes: what came, and what the codec holds.
MEMORY_OF_A_SLOW_STREAM = {"gzip": 16384, "zstd": 16384, "gunzip": 80_000, "unzstd": 1_000_000}


@pytest.mark.under("workers", "libuv", *ON_LOOP)
@pytest.mark.parametrize("stage", MEMORY_OF_A_SLOW_STREAM)
def test_slow_streams_take_what_came_and_no_more(start, stage):
    server = start("--memory-budget=128MiB", "--min-rate=0")
    packed = {"gunzip": gzip.compress, "unzstd": lambda data: run("zstd", "-q", "-c", data=data)}.get(stage, bytes)
    body = packed(noise_bytes(100_000))[:3000]
    wires = [server.connect() for _ in range(80)]
    for wire in wires:
        wire.send(request("POST", f"/pipe/{stage}", {"Content-Length": 10 * MIB}) + body)
    server.wait_for_metric("millrace_requests_in_flight", len(wires) + 1)
    server.wait_for_metric("millrace_request_bytes_total", len(wires) * len(body))
    most = len(wires) * MEMORY_OF_A_SLOW_STREAM[stage]
    wait_for(lambda: server.metric("millrace_memory_budget_used_bytes") < most, "memory of what came alone")
    assert server.metric("millrace_requests_in_flight") == len(wires) + 1
    assert server.get("/readyz").status == 200
    assert server.post("/pipe/image?w=50", photo()).status == 200
    for wire in wires:
        wire.reset()


def test_bodies_above_the_body_memory_go_to_a_file_and_are_the_same(start, tmp_path):
    server = start("--memory-budget=64MiB", "--body-memory=64KiB", env={"TMPDIR": str(tmp_path)})
    whole = noise(1200, 900)
    assert len(whole) > 500_000
    with_length = request("POST", "/pipe/image?w=300", body=whole)
    in_chunks = request("POST", "/pipe/image?w=300", {"Transfer-Encoding": "chunked"}) + chunked(whole, 10_000)
    for data in (with_length, in_chunks):
        response = server.raw(data)
        assert response.status == 200 and decode(response.body).size == (300, 225)
    assert list(tmp_path.iterdir()) == [], "the file has no name"


def test_a_temporary_directory_that_is_not_there_is_a_clear_error(start, tmp_path):
    server = start("--body-memory=64KiB", env={"TMPDIR": str(tmp_path / "nothing")})
    response = server.post("/pipe/image?w=300", noise(1200, 900))
    assert response.status in (200, 500), response.body  # or it falls back to another
    assert server.post("/pipe/image?w=50", photo()).status == 200


def test_an_image_that_needs_more_than_the_budget_is_refused(start):
    server = start("--memory-budget=4MiB", "--body-memory=1MiB")
    response = server.post("/pipe/image?w=3000", blank_png(3000, 3000))
    assert response.status in (413, 503), response.body
    assert server.post("/pipe/image?w=50", photo(40, 20)).status == 200
