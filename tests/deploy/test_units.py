"""The systemd units, judged by systemd's own tools, and the server under the filters that systemd makes of them."""

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
import server as servers
from images import photo
from server import BINARY, ROOT, environment, starting, wait_for
from upgrade import readiness

UNITS = ROOT / "deploy/systemd"
SERVICE = UNITS / "millrace.service"
EXPOSURE_MAX = 1.5


def test_the_exposure_is_low():
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX * 10:.0f}", SERVICE], capture_output=True, text=True
    )
    print(result.stdout[-200:])
    assert result.returncode == 0, result.stdout


def test_the_units_are_well_formed(tmp_path):
    """With the program of this build; the manual pages may not be installed here."""
    for unit in (SERVICE, UNITS / "millrace.socket"):
        text = unit.read_text().replace("/usr/bin/millrace", str(BINARY))
        (tmp_path / unit.name).write_text(re.sub(r"(?m)^Documentation=.*\n", "", text))
    result = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", *tmp_path.iterdir()], capture_output=True, text=True, env=environment()
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_with_socket_activation_the_first_client_starts_it_and_readiness_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify.sock"))
        notify.settimeout(100)
        activator = subprocess.Popen(
            ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", f"--setenv=NOTIFY_SOCKET={tmp_path}/notify.sock", BINARY],
            stderr=subprocess.PIPE,
            env=environment(),
        )
        try:
            next(line for line in activator.stderr if b"Listening on" in line)
            with servers.Wire(("127.0.0.1", port)) as wire:
                assert wire.request("GET", "/healthz").status == 200
            assert notify.recv(1000) == b"READY=1"
        finally:
            activator.terminate()
            assert activator.wait() == 0
        assert notify.recv(1000).startswith(b"STOPPING=1\n")


@pytest.mark.parametrize("processes", [1, 2])
def test_a_watchdog_is_told_again_and_again_that_it_lives(tmp_path, processes):
    with readiness(tmp_path / "notify") as wait_until, starting("workers") as start:
        watched = {"NOTIFY_SOCKET": f"{tmp_path}/notify", "WATCHDOG_USEC": "100000"}
        server = start("--workers=1", f"--processes={processes}", env=watched)
        wait_until(b"READY=1")
        wait_until(b"WATCHDOG=1")
        wait_until(b"WATCHDOG=1")
        assert server.terminate() == 0


# ---- under its filters


@pytest.fixture(scope="module")
def confined(tmp_path_factory):
    """A server as the unit leaves it, with a directory to write to."""
    room = tmp_path_factory.mktemp("room")
    script = room / "confined"
    script.write_text(f'#!/bin/sh\nexec /usr/bin/python3 {Path(__file__).parent}/confine.py {SERVICE} {room} {BINARY} "$@"\n')
    script.chmod(0o755)
    identity = room / "identity"
    keygen = subprocess.run([BINARY, "keygen", identity], check=True, env=environment(), capture_output=True, text=True)
    with pytest.MonkeyPatch.context() as patched, starting("workers") as start:
        patched.setattr(servers, "words_to_start", lambda offload: [str(script)])
        server = start(f"--data={room}/data", "--workers=2", "--body-memory=64KiB", f"--identity={identity}", env={"TMPDIR": str(room)})
        patched.undo()  # the other one is free
        server.recipient = re.search(r"age1\w+", keygen.stdout + keygen.stderr)[0]
        yield server


@pytest.fixture(scope="module")
def free(tmp_path_factory):
    with starting("workers") as start:
        yield start(f"--data={tmp_path_factory.mktemp('free')}/data", "--workers=2")


def status_of(server):
    return dict(re.findall(r"(?m)^(\w+):\s+(.*)$", Path(f"/proc/{server.process.pid}/status").read_text()))


def test_the_filters_are_loaded_and_nothing_is_permitted(confined):
    status = status_of(confined)
    assert (status["Seccomp"], status["NoNewPrivs"], status["CapEff"], status["CapBnd" if os.getuid() == 0 else "CapEff"]) == (
        "2", "1", "0" * 16, "0" * 16,
    )  # fmt: skip
    assert int(status["Seccomp_filters"]) >= 2


@pytest.mark.parametrize("form", ["jpg", "png", "webp", "avif", "gif", "tiff"])
def test_images_are_the_same_bytes_as_without(confined, free, form):
    """Also where a library would make code as it runs, which is forbidden here."""
    target = f"/pipe/image?w=300&blur=40&sharp=20&rot=10&fm={form}"
    made = [server.post(target, photo(800, 600)) for server in (confined, free)]
    assert [response.status for response in made] == [200, 200], [response.body[:200] for response in made]
    assert made[0].body == made[1].body


def test_a_file_is_kept_and_its_images_are_made(confined):
    body = photo(1600, 1200)
    kept = confined.request("PUT", "/files/photo.jpg", body=body)
    assert kept.status == 201
    file = kept.json()["id"]
    assert confined.get(f"/files/{file}").body == body
    assert confined.get(f"/images/{file}?w=200&fm=webp").status == 200
    assert confined.request("DELETE", f"/files/{file}").status == 204


@pytest.mark.parametrize("pair", ["gzip/gunzip", "zstd/unzstd", "encrypt/decrypt"])
def test_every_stage_works(confined, pair):
    """With a body that goes to a file between them."""
    body = os.urandom(300_000) + bytes(300_000)
    forth, back = pair.split("/")
    packed = confined.post(f"/pipe/{forth}" + (f"?recipient={confined.recipient}" if forth == "encrypt" else ""), body)
    assert packed.status == 200
    assert confined.post(f"/pipe/{back}", packed.body).body == body


def priorities(server):
    """What its threads have: nice value and policy."""
    stats = [task.joinpath("stat").read_text().rpartition(")")[2].split() for task in Path(f"/proc/{server.process.pid}/task").iterdir()]
    return {(int(fields[16]), int(fields[38])) for fields in stats}


def test_priorities_and_budgets_are_the_same_as_without(confined, free):
    for server in (confined, free):
        wait_for(lambda: server.post("/pipe/image?w=10", photo()).status == 200, "a worker to have run")
        assert server.post("/files", bytes(100_000)).status == 201  # its writer is a file thread
    assert priorities(confined) == priorities(free)
    assert len(priorities(confined)) > 1, "no thread stands below another"
    names = ("millrace_memory_budget_bytes", "millrace_workers")
    assert [confined.metric(name) for name in names] == [free.metric(name) for name in names]
