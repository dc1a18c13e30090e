"""The scrub: what is kept is read again and again, and what it finds shows in the metrics and the log."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from datadir import DataDirectory
from server import BINARY, HANG, environment, wait_for
from streams import noise_bytes

pytestmark = [pytest.mark.once, pytest.mark.under("workers", "libuv", "none")]
KINDS = ("meta", "payload", "missing", "stray", "directory")


@pytest.fixture
def data(tmp_path):
    """Four whole objects, of three months."""
    directory = DataDirectory(tmp_path / "data")
    directory.ids = [
        directory.put(b"", ms=1_700_000_000_000),
        directory.put(noise_bytes(20_000), ms=1_703_000_000_000),
        directory.put(noise_bytes(500_000), [300_000, 200_000], ms=1_706_000_000_000),
        directory.put(noise_bytes(40_000), [40_000], ms=1_706_000_000_001),
    ]
    return directory


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def start_on(start, data, *options):
    return start("--workers=2", f"--data={data.path}", *options)


def scrubbed(server):
    """After the first walk: how often each kind was found, without zeros."""
    server.wait_for_metric("millrace_store_scrubs_total", 1)
    found = {kind: server.metric("millrace_store_scrub_findings_total", kind=kind) for kind in KINDS}
    return {kind: count for kind, count in found.items() if count}


def kept(server):
    metrics = server.metrics()
    names = metrics.names()
    assert ("millrace_store_objects" in names) == ("millrace_store_bytes" in names)
    if "millrace_store_objects" not in names:
        return None
    return metrics.sum("millrace_store_objects"), metrics.sum("millrace_store_bytes")


def scrubbers(server):
    """The processes that have the scrub's thread."""
    pids = server.children() or [server.process.pid]
    found = []
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/comm"):
            try:
                found += [pid] if task.read_text() == "store-scrub\n" else []
            except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                pass
    return found


def findings_in_log(server, id):
    return [line for line in server.log if "store: the scrub found" in line and f"id={id}" in line]


def check(data):
    return subprocess.run([BINARY, "store", "check", data.path], capture_output=True, timeout=HANG, env=environment(), check=False)


def test_what_is_kept_is_known_after_a_walk_and_follows_changes(start, data):
    server = start_on(start, data)
    assert scrubbed(server) == {}
    assert kept(server) == (4, 560_000)
    assert server.metric("millrace_store_scrub_bytes_total") >= 540_000
    assert server.metric("millrace_store_scrub_ended_timestamp_seconds") > 1_600_000_000
    url = server.post("/files", b"x" * 1000).json()["url"]
    assert kept(server) == (5, 561_000)
    assert server.request("DELETE", url).status == 204
    assert server.request("DELETE", f"/files/{data.ids[2]}").status == 204
    assert kept(server) == (3, 60_000)
    assert server.metric("millrace_store_damaged_total") == 0


def test_nothing_is_known_before_the_first_walk_ends(start, data):
    server = start_on(start, data, "--scrub-rate=1")  # after its first step it waits for hours
    server.wait_for_metric("millrace_store_scrub_bytes_total", 1)
    assert server.metric("millrace_store_scrubs_total") == 0
    assert "millrace_store_scrub_ended_timestamp_seconds" not in server.metrics().names()
    assert kept(server) is None
    assert server.post("/files", b"x").status == 201
    assert kept(server) is None
    assert len(scrubbers(server)) == 1


def test_rate_zero_scrubs_nothing(start, data):
    flip(data.segment(data.ids[2]), 1)
    server = start_on(start, data, "--scrub-rate=0")
    assert server.post("/files", b"x").status == 201
    assert scrubbers(server) == []
    assert kept(server) is None
    assert server.metric("millrace_store_scrub_bytes_total") == 0


def test_a_flipped_byte_is_logged_and_counted(start, data):
    flip(data.segment(data.ids[2], 2), 199_999)
    server = start_on(start, data)
    assert scrubbed(server) == {"payload": 1}
    assert server.metric("millrace_store_damaged_total") == 1
    assert kept(server) == (4, 560_000)
    wait_for(lambda: findings_in_log(server, data.ids[2]), "a line in the log")
    (line,) = findings_in_log(server, data.ids[2])
    assert "level=error" in line and "kind=payload" in line and "SHA-256" in line


def test_each_kind_of_damage_has_its_name(start, data):
    flip(data.meta(data.ids[1]), 5000)
    data.segment(data.ids[2]).unlink()
    stray = data.segment(data.ids[3]).with_name(data.ids[3][:-1] + "Z.1")
    stray.write_bytes(b"x")
    os.utime(stray, (1, 1))
    server = start_on(start, data)
    assert scrubbed(server) == {"meta": 1, "missing": 1, "stray": 1}
    assert not stray.exists()
    assert server.metric("millrace_store_debris_removed_total") == 1
    assert kept(server) == (3, 40_000)
    aside = sorted(path.name for path in (data.path / "damaged").iterdir())
    assert aside == [f"{data.ids[2]}.2", f"{data.ids[2]}.meta"]
    assert server.get(f"/files/{data.ids[2]}").status == 404
    assert server.terminate() == 0
    result = check(data)
    lines = result.stdout.decode().splitlines()
    assert result.returncode == 3
    assert f"damaged/{data.ids[2]}.meta: The server has set it aside: a segment was missing." in lines
    assert len(lines) == 3, lines


@pytest.mark.skipif(os.environ.get("MILLRACE_PROCESSES", "1") != "1", reason="it starts several itself")
def test_one_of_several_processes_scrubs(start, data):
    server = start_on(start, data, "--processes=3")
    assert scrubbed(server) == {}
    for _ in range(10):  # any process tells of all
        assert kept(server) == (4, 560_000)
    assert server.post("/files", b"x" * 10).status == 201
    wait_for(lambda: kept(server) == (5, 560_010), "the upload to be counted")
    assert server.metric("millrace_store_scrubs_total") == 1
    assert len(scrubbers(server)) == 1


@pytest.mark.skipif(os.environ.get("MILLRACE_PROCESSES", "1") != "1", reason="it starts several itself")
def test_what_replaces_a_dead_process_goes_on(start, data):
    server = start_on(start, data, "--processes=2", "--scrub-rate=1")
    server.wait_for_metric("millrace_store_scrub_bytes_total", 1)
    (first,) = scrubbers(server)
    read = server.metric("millrace_store_scrub_bytes_total")
    os.kill(first, signal.SIGKILL)
    (second,) = wait_for(lambda: [pid for pid in scrubbers(server) if pid != first], "another to scrub")
    server.wait_for_metric("millrace_store_scrub_bytes_total", read + 1)
    assert second != first and len(scrubbers(server)) == 1
    assert kept(server) is None


def test_a_walk_that_waits_delays_no_shutdown(start, data):
    server = start_on(start, data, "--scrub-rate=1", "--drain-timeout=1h")
    server.wait_for_metric("millrace_store_scrub_bytes_total", 1)
    assert server.terminate() == 0
    assert "was cut" not in server.text()
