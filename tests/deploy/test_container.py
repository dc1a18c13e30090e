"""What a container asks of the server: the duties of PID 1."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from server import BINARY, HANG, environment, wait_for

AS_PID_1 = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def name_of(pid):
    return Path(f"/proc/{pid}/comm").read_text().strip()


@pytest.fixture
def started_as_pid_1(tmp_path):
    """A function that starts a server as PID 1 of a namespace of its own: its pid here, and what to wait for. It has a child from before
    that is none of its own, as a shell leaves it."""
    if subprocess.run([*AS_PID_1, "true"], capture_output=True).returncode != 0:
        pytest.skip("no namespace can be made here")
    started = []

    def start(*options):
        address = tmp_path / "socket"
        script = 'sleep 0.5 & exec "$@"'
        command = [*AS_PID_1, "sh", "-c", script, "sh", BINARY, f"--listen=unix:{address}", "--workers=1", *options]
        started.append(subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL))
        wait_for(lambda: address.exists() or started[-1].poll() is not None, "the server to listen")
        assert started[-1].poll() is None
        return children(started[-1].pid)[0], started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


@pytest.mark.parametrize("processes", [1, 2])
def test_as_pid_1_it_reaps_what_is_not_its_own_and_ends_when_it_is_told(started_as_pid_1, processes):
    pid, outer = started_as_pid_1(f"--processes={processes}")
    wait_for(lambda: "sleep" not in [name_of(each) for each in children(pid)], "the orphan to be reaped")
    assert len(children(pid)) == (processes if processes > 1 else 0)
    os.kill(pid, signal.SIGTERM)
    assert outer.wait(HANG) == 0
