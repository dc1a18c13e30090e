"""GET /metrics, /healthz, /readyz and /version: what operators look at."""

import gzip
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
import server as servers
from images import noise, photo
from server import ON_LOOP, wait_for

HISTOGRAMS = {
    "millrace_loop_lag_seconds": {},
    "millrace_loop_busy_seconds": {},
    "millrace_request_seconds": {"route": "/pipe/{stages*}"},
    "millrace_queue_wait_seconds": {"lane": "interactive"},
    "millrace_job_run_seconds": {"stage": "image"},
}
OTHERS = [
    "millrace_queue_depth",
    "millrace_workers_busy",
    "millrace_workers",
    "millrace_connections",
    "millrace_requests_in_flight",
    "millrace_requests_total",
    "millrace_request_bytes_total",
    "millrace_response_bytes_total",
    "millrace_jobs_total",
    "millrace_memory_budget_used_bytes",
    "millrace_disk_budget_bytes",
    "millrace_disk_budget_used_bytes",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
]


@pytest.fixture
def scrape(server):
    assert server.post("/pipe/image?w=30", photo()).status == 200
    return server.metrics()


def test_the_format_is_the_classic_one_of_prometheus(server):
    response = server.get("/metrics")
    assert response["Content-Type"].startswith("text/plain") and "version=0.0.4" in response["Content-Type"]


def open_metrics(server):
    """A scrape as OpenMetrics, read by the parser of Prometheus' Python client, which is strict: families by name."""
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    response = server.get("/metrics", {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"})
    assert response["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert response["Vary"] == "Accept"
    return {family.name: family for family in parser.text_string_to_metric_families(response.body.decode())}


def test_openmetrics_has_the_same_numbers(server):
    server.post("/pipe/image?w=30", photo())
    before = server.metrics().names()
    families = open_metrics(server)
    samples = {sample.name for family in families.values() for sample in family.samples}
    assert before <= samples <= server.metrics().names()  # on a busy machine a loop may be blocked meanwhile, which has a name of its own
    assert families["millrace_jobs"].type == "counter"
    assert families["millrace_request_seconds"].type == "histogram"


def test_an_exemplar_names_the_slowest_request(start):
    server = start()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    server.post("/pipe/gzip", b"x")
    slow = server.post("/pipe/image?w=300", noise(1600, 1250), {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    buckets = open_metrics(server)["millrace_request_seconds"].samples
    found = [sample for sample in buckets if sample.labels.get("route") == "/pipe/{stages*}" and sample.exemplar]
    assert [sample.exemplar.labels for sample in found] == [{"request_id": slow["X-Request-Id"], "trace_id": trace}]
    assert found[0].exemplar.value <= float(found[0].labels["le"])


@pytest.mark.under(*ON_LOOP)  # elsewhere the job holds a worker, not the loop
def test_an_exemplar_names_the_request_that_blocked_the_loop(start):
    server = start()
    response = server.post("/pipe/image?w=300", noise(1600, 1250))
    blocked = [sample for sample in open_metrics(server)["millrace_loop_blocked"].samples if sample.labels == {"label": "job"}]
    assert blocked[0].exemplar.labels == {"request_id": response["X-Request-Id"]}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_has_nothing_to_say(scrape):
    result = subprocess.run(["promtool", "check", "metrics"], input=scrape.text, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("name", [*OTHERS, *(f"{name}_count" for name in HISTOGRAMS)])
def test_there_is(scrape, name):
    assert name in scrape.names()


def test_every_family_is_explained_and_typed_once(scrape):
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in scrape.names()}
    for family in families:
        assert scrape.text.count(f"# HELP {family} ") == 1, family
        assert scrape.text.count(f"# TYPE {family} ") == 1, family


@pytest.mark.parametrize("name, labels", HISTOGRAMS.items())
def test_buckets_rise_to_their_count(scrape, name, labels):
    buckets = [
        (float(have["le"]), value)
        for sample, have, value in scrape.samples
        if sample == f"{name}_bucket" and all(have.get(key) == wanted for key, wanted in labels.items())
    ]
    assert len(buckets) > 5
    assert [le for le, _ in buckets] == sorted({le for le, _ in buckets}), "bounds rise"
    assert [count for _, count in buckets] == sorted(count for _, count in buckets), "counts are cumulative"
    assert buckets[-1][0] == float("inf")
    assert buckets[-1][1] == scrape.sum(f"{name}_count", **labels)
    assert scrape.sum(f"{name}_sum", **labels) >= 0


def test_a_job_shows_in_the_histograms_in_seconds(server):
    before = server.metrics()
    server.post("/pipe/image?w=300", noise(1200, 900))
    after = server.metrics()

    def grown(name, **labels):
        return after.sum(name, **labels) - before.sum(name, **labels)

    assert grown("millrace_job_run_seconds_count", stage="image") == 1
    assert 0.001 < grown("millrace_job_run_seconds_sum", stage="image") < 30
    assert grown("millrace_queue_wait_seconds_count") == 1
    assert 0 <= grown("millrace_queue_wait_seconds_sum") < 30
    assert grown("millrace_jobs_total", outcome="done") == 1


def test_requests_and_bytes_are_counted(server):
    before = server.metrics()
    for target in ("/healthz", "/healthz", "/nothing"):
        server.get(target)
    server.post("/pipe/image?w=30", photo())
    server.post("/pipe/image?w=0", photo())
    after = server.metrics()

    def grown(name, **labels):
        return after.sum(name, **labels) - before.sum(name, **labels)

    assert grown("millrace_requests_total", route="/healthz", code="200") == 2
    assert grown("millrace_requests_total", code="404") == 1
    assert grown("millrace_requests_total", code="400") == 1
    assert grown("millrace_request_bytes_total") > 2 * len(photo())
    assert grown("millrace_response_bytes_total") > len(before.text)


def test_paths_of_clients_make_no_labels(server):
    """A label with a value for each path would let anybody fill the memory of Prometheus."""
    server.get("/some-path-nobody-knows")
    assert "some-path-nobody-knows" not in server.metrics().text


def test_what_is_in_use_goes_up_and_down(start, offload):
    server = start("--workers=2")
    wires = [server.connect() for _ in range(5)]
    server.wait_for_metric("millrace_connections", 6)
    for wire in wires:
        wire.close()
    wait_for(lambda: server.metric("millrace_connections") == 1, "five connections to be gone")
    if offload != "threads":  # there each connection has a thread
        assert server.metric("millrace_workers") == (1 if offload in ON_LOOP else 2)
    assert 1e6 < server.metric("process_resident_memory_bytes") < 4e9
    assert server.metric("process_cpu_seconds_total") > 0


def test_the_histograms_of_several_loops_are_one(start):
    server = start("--loops=2", "--workers=2")
    for _ in range(10):
        assert server.post("/pipe/image?w=50", photo()).status == 200
    metrics = server.metrics()
    assert metrics.sum("millrace_job_run_seconds_count", stage="image") == 10
    assert metrics.sum("millrace_requests_total", code="200") == 10


def test_the_jobs_that_were_done_never_become_fewer_while_others_fail(start):
    """A job that runs on one loop while another is asked must not count as done first and as failed later."""
    server = start("--loops=2", "--workers=2")
    broken = gzip.compress(bytes(1000))[:-4] + b"nope"
    enough = threading.Event()

    def fail():
        while not enough.is_set():
            assert server.post("/pipe/gunzip", broken).status == 422

    clients = [threading.Thread(target=fail) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        scrapes = [server.metrics() for _ in range(200)]
    finally:
        enough.set()
        for client in clients:
            client.join()
    done = [scrape.sum("millrace_jobs_total", outcome="done") for scrape in scrapes]
    assert done == sorted(done)
    assert scrapes[-1].sum("millrace_jobs_total", outcome="failed") > scrapes[0].sum("millrace_jobs_total", outcome="failed")


@pytest.fixture
def fifth_of_a_core():
    """The file that takes processes into a group with that quota; cgroups of either version."""
    for root, files in (("/sys/fs/cgroup/cpu", {"cpu.cfs_quota_us": "20000"}), ("/sys/fs/cgroup", {"cpu.max": "20000 100000"})):
        group = Path(root, f"millrace-test-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            for name, value in files.items():
                (group / name).write_text(value)
            yield group / "cgroup.procs"
            return
        except OSError:
            pass
        finally:
            wait_for(lambda: removed(group), "the group to be empty")
    pytest.skip("no right to a CPU quota")


def removed(group):
    try:
        group.rmdir()
    except OSError:
        return False
    return True


@pytest.mark.once
def test_time_in_which_a_quota_stopped_the_server_is_counted(fifth_of_a_core, start, monkeypatch):
    assert start().metric("millrace_cpu_throttled_seconds_total") == 0  # and is not there at all
    before = servers.words_to_start
    inside = ["sh", "-c", f'echo $$ > {fifth_of_a_core} && exec "$@"', "sh"]
    monkeypatch.setattr(servers, "words_to_start", lambda offload: [*inside, *before(offload)])
    server = start("--workers=2")
    wait_for(lambda: "CPU quota of 0.20 cores" in server.text(), "the warning")

    def stopped():
        server.post("/pipe/image?w=900", noise(1200, 900))
        return server.metric("millrace_cpu_throttled_seconds_total") > 0

    wait_for(stopped, "the quota to stop it")


def test_healthz_and_readyz_say_yes(server):
    assert server.get("/healthz").status == 200
    assert server.get("/readyz").status == 200


def test_version_tells_versions_and_formats(server):
    document = server.get("/version").json()
    text = str(document)
    assert re.match(r"\d+\.\d+\.\d+", document["version"])
    for word in ("libuv", "llhttp", "vips", "jpg", "png", "webp"):
        assert word in text.lower(), document


def test_a_scrape_of_all_these_names_is_small(scrape):
    assert len(scrape.text) < 100_000
