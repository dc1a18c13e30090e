"""The data directory of a server: who may use it, and what a server says that may not."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from server import BINARY, environment, wait_for

pytestmark = pytest.mark.once


def refused(*options):
    """The exit status and the last line of a server that cannot start."""
    result = subprocess.run(
        [BINARY, "--listen=127.0.0.1:0", *options], capture_output=True, timeout=100, text=True, env=environment()
    )
    assert "listening" not in result.stderr
    return result.returncode, result.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_directory_that_is_used_is_refused_with_the_pid(start, tmp_path, processes):
    data = tmp_path / "data"
    server = start(f"--data={data}", f"--processes={processes}")
    for others in (1, 2):
        status, line = refused(f"--data={data}", f"--processes={others}")
        assert status == 1
        assert f"process {server.process.pid}" in line and str(data) in line
    assert server.get("/healthz").status == 200
    assert data.stat().st_mode & 0o777 == 0o700


def test_with_passed_sockets_the_server_before_is_waited_for(start, tmp_path):
    data = tmp_path / "data"
    first = start(f"--data={data}")
    script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&"$SOCKET"'
    with socket.create_server(("127.0.0.1", 0)) as passed, subprocess.Popen(
        ["bash", "-c", script, "bash", BINARY, f"--data={data}", "--lock-wait=1h"],
        stderr=subprocess.PIPE,
        env=environment(SOCKET=str(passed.fileno())),
        pass_fds=(passed.fileno(),),
        text=True,
    ) as second:
        try:
            line = next(line for line in second.stderr if "waiting for the server" in line)
            assert f"{data}, process {first.process.pid}" in line
            assert first.terminate() == 0
            assert any("listening on" in line for line in second.stderr)
        finally:
            second.terminate()
            assert second.wait() == 0


def test_a_newer_format_is_refused(start, tmp_path):
    data = tmp_path / "data"
    start(f"--data={data}").terminate()
    (data / "format").write_text("millrace-data 2\n")
    status, line = refused(f"--data={data}")
    assert status == 2 and "newer" in line


def test_a_directory_of_something_else_is_refused(tmp_path):
    tmp_path.chmod(0o700)
    (tmp_path / "letters").mkdir()
    status, line = refused(f"--data={tmp_path}")
    assert status == 2 and "no data directory" in line
    assert sorted(os.listdir(tmp_path)) == ["letters", "lock"]


def test_a_process_that_was_killed_is_replaced_with_the_directory_kept(start, tmp_path):
    data = tmp_path / "data"
    server = start(f"--data={data}", "--processes=2", "--workers=1")
    victim = server.children()[0]
    (data / "uploads" / "01ARYZ6S41TSV4RRFFQ69G5FAV.1.p0").write_bytes(b"half")
    (data / "uploads" / "01ARYZ6S41TSV4RRFFQ69G5FAV.1.p1").write_bytes(b"half")
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(server.children()) == 2 and victim not in server.children(), "another process")
    wait_for(lambda: os.listdir(data / "uploads") == ["01ARYZ6S41TSV4RRFFQ69G5FAV.1.p1"], "what the dead one left to be removed")
    status, line = refused(f"--data={data}")
    assert status == 1 and f"process {server.process.pid}" in line


def has_ended(pid):
    """Its files are closed by then; the program that it ran is gone before."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_all_processes_of_a_server_hold_its_directory(start, tmp_path):
    """The supervisor was killed: until the last of its processes has drained, the directory is in use."""
    data = tmp_path / "data"
    with subprocess.Popen(
        [BINARY, "--listen=127.0.0.1:0", f"--data={data}", "--processes=2", "--drain-delay=100s", "--workers=1"],
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as supervisor:
        next(line for line in supervisor.stderr if "listening on" in line)
        children = [int(pid) for pid in open(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children").read().split()]
        supervisor.kill()
        supervisor.wait()
        try:
            status, line = refused(f"--data={data}")
            assert status == 1 and f"process {supervisor.pid}" in line
        finally:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
    wait_for(lambda: all(has_ended(pid) for pid in children), "its processes to end")
    start(f"--data={data}")
