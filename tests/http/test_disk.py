"""The disk under temporary files: its budget, a disk that is full, a directory that cannot be used, one that is memory.

That the budget is given back is checked by the fixtures at the end of every test.
"""

import os
import subprocess

import pytest
from images import noise, photo
from server import PROCESSES, wait_for
from streams import MIB, Upload, noise_bytes, post_pieces, receive_stream
from wire import chunked, request

pytestmark = pytest.mark.once

BUDGETS = "millrace_disk_budget_bytes", "millrace_disk_budget_used_bytes"


@pytest.fixture
def tmpfs(tmp_path):
    """A directory with a file system of 1 MiB in memory."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a tmpfs")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True).returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def warnings(server):
    return [line for line in server.log if "level=warn" in line]


def test_a_body_beyond_the_disk_budget_is_507_with_both_numbers(start):
    server = start("--body-memory=64KiB", "--disk-budget=1MiB", "--processes=1", "--log-format=json")
    whole = noise(2600, 1900)
    assert len(whole) > 2 * MIB
    with_length = request("POST", "/pipe/image?w=300", body=whole)
    in_chunks = request("POST", "/pipe/image?w=300", {"Transfer-Encoding": "chunked"}) + chunked(whole, 10_000)
    for data in (with_length, in_chunks):
        response = server.raw(data)
        assert response.status == 507, response.body
        problem = response.json()
        assert problem["type"] == "urn:millrace:problem:disk-budget"
        assert problem["limit"] == {"name": "disk-budget", "value": MIB}
        assert problem["value"] > MIB
    assert [line["outcome"] for line in server.access_log("/pipe/image", 2)] == ["disk-budget"] * 2
    assert server.post("/pipe/image?w=300", noise(700, 400)).status == 200, "what fits is done"
    assert server.metric(BUDGETS[0]) == MIB


def test_the_budget_is_used_while_the_file_is_there(start):
    server = start("--body-memory=64KiB", "--disk-budget=64MiB", "--processes=1")
    assert server.metric(BUDGETS[1]) == 0
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/image?w=50", {"Content-Length": 8 * MIB}) + photo() + bytes(2 * MIB))
        server.wait_for_metric(BUDGETS[1], MIB)
        assert server.metric(BUDGETS[0]) == 64 * MIB
        wire.reset()
    server.assert_at_rest()


@pytest.mark.skipif(PROCESSES != "1", reason="it has processes of its own")
def test_each_process_has_its_share(start):
    server = start("--processes=2", "--disk-budget=64MiB")
    assert server.metric(BUDGETS[0]) == 64 * MIB


def test_what_waits_for_a_reader_never_exceeds_the_budget(start):
    server = start("--disk-budget=2MiB", "--processes=1")
    body = noise_bytes(24 * MIB)
    with server.connect() as wire:
        upload = Upload(wire, post_pieces("/pipe/zstd/unzstd?level=1", body, chunk=65536))
        upload.wait_until_held(2)
        server.wait_for_metric(BUDGETS[1], 1)
        assert server.metric(BUDGETS[1]) <= 2 * MIB
        outcome = receive_stream(wire)
    assert outcome.whole and outcome.status == 200 and outcome.body == body


def test_a_response_held_until_the_body_has_come_is_507_beyond_the_budget(start):
    server = start("--disk-budget=1MiB", "--respond=after-body", "--processes=1")
    response = server.post("/pipe/zstd?level=1", noise_bytes(8 * MIB))
    assert response.status == 507, response.body
    problem = response.json()
    assert problem["type"] == "urn:millrace:problem:disk-budget"
    assert problem["limit"] == {"name": "disk-budget", "value": MIB} and problem["value"] > MIB
    assert server.post("/pipe/zstd?level=1", noise_bytes(MIB // 4)).status == 200, "what fits is done"


def test_a_full_disk_is_507_and_named_in_the_log(start, tmpfs):
    server = start("--body-memory=64KiB", "--disk-budget=1GiB", env={"TMPDIR": str(tmpfs)})
    response = server.post("/pipe/image?w=300", noise(2600, 1900))
    assert response.status == 507, response.body
    problem = response.json()
    assert problem["type"] == "urn:millrace:problem:no-space"
    assert "write: No space left on device (ENOSPC)" in problem["detail"]
    wait_for(lambda: any("ENOSPC" in line and str(tmpfs) in line for line in warnings(server)), "the line in the log")
    assert server.post("/pipe/image?w=300", noise(500, 300)).status == 200


def test_temporary_files_in_memory_are_warned_of(start, tmpfs):
    server = start(env={"TMPDIR": str(tmpfs)})
    wait_for(lambda: any("tmpfs" in line and str(tmpfs) in line for line in warnings(server)), "the warning")


def test_a_directory_without_temporary_files_is_warned_of_at_the_start(start, tmp_path):
    server = start("--body-memory=64KiB", env={"TMPDIR": str(tmp_path / "nothing")})
    wait_for(lambda: any("TMPDIR" in line and "ENOENT" in line for line in warnings(server)), "the warning")
    response = server.post("/pipe/image?w=300", noise(700, 400))
    assert response.status == 500 and "open: No such file or directory (ENOENT)" in response.json()["detail"]
    assert server.post("/pipe/image?w=50", photo()).status == 200
