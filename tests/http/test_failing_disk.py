"""A disk that fails, is full, or is read-only from one moment to the next, under a server that keeps files."""

import errno
import itertools
import os
import re
import subprocess

import pytest
from server import BINARY, HANG, SANITIZER, environment, wait_for
from test_file_forms import form, post_form
from test_disk import tmpfs  # noqa: F401: a fixture
from test_files import data, upload
from wire import Closed, request

pytestmark = pytest.mark.once  # what is stored does not depend on the offload

FAULTY = BINARY.parent / "tests/libfaulty_disk.so"
SMALL, LARGE = 1000, 200_000
TYPES = {errno.EIO: "disk-failed", errno.EROFS: "disk-failed", errno.ENOSPC: "no-space", errno.EDQUOT: "no-space"}


class Disk:
    """What the server's disk does."""

    def __init__(self, path):
        self.path = path
        self.works()

    def fails(self, call, number):
        self.path.with_suffix(".new").write_text(f"{call} {number}\n")
        self.path.with_suffix(".new").rename(self.path)

    def works(self):
        self.path.write_text("")


@pytest.fixture
def disk(tmp_path):
    if not FAULTY.exists():
        pytest.skip(f"{FAULTY} is not built")
    return Disk(tmp_path / "disk")


@pytest.fixture
def faulty_start(start, disk):
    """start() of servers on that disk."""
    env = {"LD_PRELOAD": str(FAULTY), "FAULTY_DISK": str(disk.path)}
    if SANITIZER == "address":
        env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return lambda *options: start(*options, "--log-format=logfmt", env=env)


@pytest.fixture
def files(faulty_start, tmp_path):
    return faulty_start(f"--data={tmp_path / 'data'}")


def merge(server, url, name):
    return server.request("PATCH", f"{url}/info", [("Content-Type", "application/merge-patch+json")], b'{"name":"%s"}' % name)


def attempts(server, kept):
    """What is tried, and the calls that it makes."""
    commit = ["create", "write", "fdatasync", "renameat2", "fsync"]
    body = form(("a", "a", None, data(SMALL)), ("b", "b", None, data(LARGE)))
    return {
        "POST": (lambda: server.post("/files", data(SMALL)), commit),
        "PUT": (lambda: server.request("PUT", "/files/a.bin", (), data(LARGE)), commit),
        "form": (lambda: post_form(server, body), commit),
        "PATCH": (lambda: merge(server, kept["patched"], b"new"), commit[:-1]),
        "DELETE": (lambda: server.request("DELETE", kept["deleted"]), ["renameat2", "fsync"]),
    }


def assert_kept(server, kept, bodies):
    for name, url in kept.items():
        assert server.get(url).body == bodies[name]
        assert server.get(f"{url}/info").json()["name"] == ""
    assert len(server.get("/files").json()["files"]) == len(kept)


def assert_sound(server, path):
    """Offline, once it has ended; and with the next start nothing is left of what failed."""
    server.assert_drains()
    done = subprocess.run([BINARY, "store", "check", path], capture_output=True, timeout=HANG, env=environment(), check=False)
    assert done.returncode == 0, done
    assert b"0 damaged, 0 stray files" in done.stdout


def assert_refused(response, number):
    assert response.status == 507, response.body
    problem = response.json()
    assert problem["type"] == f"urn:millrace:problem:{TYPES[number]}"
    assert f"({errno.errorcode[number]})" in problem["detail"]


def test_each_write_that_fails_is_507_and_the_store_stays_sound(files, disk, tmp_path):
    bodies = {"patched": data(SMALL), "deleted": data(LARGE)}
    kept = {name: upload(files, body)["url"] for name, body in bodies.items()}
    numbers = itertools.cycle(TYPES)
    for what, (attempt, calls) in attempts(files, kept).items():
        for call, number in zip(calls, numbers):
            disk.fails(call, number)
            response = attempt()
            disk.works()
            assert_refused(response, number)
            wait_for(lambda: os.listdir(tmp_path / "data/uploads") == [], f"what is left of {what} to be removed, after {call}")
        assert_kept(files, kept, bodies)
    line = re.compile(r'level=error msg="The (upload|object) cannot be stored: [a-z]+: .* \(E[A-Z]+\)\." label=store-(write|commit)')
    wait_for(lambda: any(line.search(each) for each in files.log), "the line in the log")
    assert files.metric("millrace_store_failed_total") >= len(TYPES)
    assert_sound(files, tmp_path / "data")


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS])
def test_a_disk_that_is_dead_refuses_changes_and_is_read(start, files, disk, tmp_path, number):
    bodies = {"patched": data(SMALL), "deleted": data(LARGE)}
    kept = {name: upload(files, body)["url"] for name, body in bodies.items()}
    disk.fails("changes", number)
    for attempt, _ in attempts(files, kept).values():
        assert_refused(attempt(), number)
        assert_kept(files, kept, bodies)
    assert files.get("/readyz").status == 200, "reads go on"
    disk.works()
    assert_kept(files, kept, bodies)
    upload(files, data(LARGE))
    assert_sound(files, tmp_path / "data")
    start(f"--data={tmp_path / 'data'}")
    assert os.listdir(tmp_path / "data/uploads") == []


def test_what_cannot_be_read_is_500_before_the_head_and_cut_after_it(files, disk):
    url = upload(files, data(16_000_000))["url"]
    disk.fails("read", errno.EIO)
    response = files.get(url)
    assert response.status == 500 and response.json()["type"] == "urn:millrace:problem:io"
    disk.works()
    with files.connect(receive_buffer=65536) as wire:
        wire.send(request("GET", url))
        wire.receive_head()
        disk.fails("read", errno.EIO)  # most of it was not read by now
        with pytest.raises(Closed):
            wire._take(16_000_000)
    disk.works()
    assert files.get(url).body == data(16_000_000)


@pytest.fixture
def small_disk(tmpfs):
    """A data directory on a file system of 1 MiB."""
    return tmpfs / "data"


def test_a_disk_that_becomes_full_keeps_what_it_has(start, small_disk):
    files = start(f"--data={small_disk}", "--min-free=0", "--processes=1")
    kept, refused = {}, []
    bodies = [data(size, b"%d" % number) for number, size in enumerate([SMALL, 30_000, LARGE, 90_000] * 10)]
    for body in bodies:
        response = files.post("/files", body)
        if response.status == 201:
            kept[response.json()["url"]] = body
        else:
            assert response.status == 507 and response.json()["type"] == "urn:millrace:problem:no-space"
            refused.append(body)
    assert kept and refused
    large = next(url for url, body in kept.items() if len(body) == LARGE)
    for url, body in kept.items():
        assert files.get(url).body == body
    assert merge(files, large, b"full").status in (200, 507)
    assert files.request("DELETE", large).status == 204
    del kept[large]
    wait_for(lambda: files.post("/files", data(SMALL)).status == 201, "room for another one")
    for url, body in kept.items():
        assert files.get(url).body == body
    assert_sound(files, small_disk)
