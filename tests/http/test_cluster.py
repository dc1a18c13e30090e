"""--processes=N: several processes under a supervisor, one of which may die."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from images import photo
from server import BINARY, HANG, environment, wait_for
from wire import Closed, request

pytestmark = pytest.mark.once  # beside what is marked `threads`


def kept(server, count):
    """`count` connections that are served, by the pid of the process that holds each."""
    held = {}
    for _ in range(count):
        wire = server.connect()
        assert wire.request("GET", "/healthz").status == 200
        held.setdefault(server.holder(wire), []).append(wire)
    return held


def close_all(held):
    for wires in held.values():
        for wire in wires:
            wire.close()


def kill_one(server):
    """SIGKILL the process that was started last and return its pid once it is gone."""
    pid = server.children()[-1]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pid not in server.children(), "the process to be gone")
    return pid


def wait_for_processes(server, count, others_than=()):
    def all_there():
        found = server.children()
        return len(found) == count and not set(found) & set(others_than) and server.metric("millrace_processes") == count

    wait_for(all_there, f"{count} processes")


def test_all_processes_answer_and_one_scrape_counts_them_all(start):
    server = start("--processes=3", "--workers=1", "--loops=1")
    assert len(server.children()) == 3
    held = kept(server, 60)
    assert set(held) == set(server.children())
    metrics = server.metrics()
    assert metrics.sum("millrace_processes") == 3
    assert metrics.sum("millrace_loops") == 3
    assert metrics.sum("millrace_workers") == 3
    assert metrics.sum("millrace_connections") == 61
    assert metrics.sum("millrace_requests_total", route="/healthz", code="200") == 60
    close_all(held)


def test_jobs_of_all_processes_are_counted_and_leave_no_rest(start):
    server = start("--processes=2", "--workers=1")
    for _ in range(20):
        assert server.post("/pipe/image?w=50", photo()).status == 200
    assert server.metric("millrace_job_run_seconds_count", stage="image") == 20
    assert server.metric("millrace_jobs_total", outcome="done") == 20
    server.assert_at_rest()


def test_limits_of_the_whole_server_are_divided(start):
    server = start("--processes=2", "--workers=1", "--max-connections=40", "--memory-budget=64MiB")
    assert server.metric("millrace_memory_budget_bytes") == 64 << 20
    wires = [server.connect() for _ in range(80)]
    refused = wait_for(lambda: len(found := [wire for wire in wires if wire.is_readable(0)]) >= 40 and found, "half to be refused")
    assert len(refused) == 40
    for wire in refused:
        assert wire.receive().json()["limit"] == {"name": "max-connections", "value": 20}
    for wire in wires:
        wire.close()


class Traffic:
    """A request after the other, each on a connection of its own or all on `wire`, until told to stop."""

    def __init__(self, server, wire=None):
        self.server, self.wire = server, wire
        self.answered = 0
        self.failures = []  # (when the request began, what happened)
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping:
            began = time.monotonic()
            try:
                response = self.wire.request("GET", "/healthz") if self.wire else self.server.get("/healthz")
                assert response.status == 200
                self.answered += 1
            except (OSError, Closed, AssertionError) as failure:
                self.failures.append((began, repr(failure)))  # the failure itself would keep its socket open
                if self.wire:
                    return

    def stop(self):
        self.stopping = True
        self.thread.join(HANG)
        assert not self.thread.is_alive()


@pytest.fixture
def traffic():
    """Begins a Traffic that ends with the test, whatever becomes of it."""
    begun = []

    def begin(*arguments):
        begun.append(Traffic(*arguments))
        return begun[-1]

    yield begin
    for each in begun:
        each.stop()


def test_a_killed_process_takes_only_its_own_connections_with_it(start, traffic):
    server = start("--processes=2", "--workers=1", "--max-requests-per-connection=0")
    held = kept(server, 12)
    victim = server.children()[0]
    kept_up = [traffic(server, wire) for wire in next(wires for pid, wires in held.items() if pid != victim)[:3]]
    fresh = [traffic(server) for _ in range(3)]
    every = kept_up + fresh
    wait_for(lambda: all(each.answered > 20 for each in every), "traffic to run")
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: victim not in server.children(), "the process to be gone")
    killed = time.monotonic()  # before, it may still accept
    before = [each.answered for each in every]
    wait_for(lambda: all(each.answered > was + 100 for each, was in zip(every, before)), "traffic to go on")
    wait_for_processes(server, 2, {victim})
    for each in every:
        each.stop()
    assert kept_up and not any(each.failures for each in kept_up)
    for each in fresh:  # at most the one request that the process had in its hands
        assert len(each.failures) <= 1
        assert all(began < killed for began, _ in each.failures), each.failures
    for wire in held.pop(victim):
        assert wire.is_closed()
    close_all(held)


def test_connections_that_wait_in_the_queue_of_a_process_survive_its_death(start):
    server = start("--processes=2", "--workers=1")
    victim = server.children()[0]
    os.kill(victim, signal.SIGSTOP)
    wires = [server.connect() for _ in range(20)]
    for wire in wires:
        wire.send(request("GET", "/healthz"))
    waiting = [wire for wire in wires if not wire.is_readable(0.3)]
    assert waiting, "none of them was given to the process that does not accept"
    os.kill(victim, signal.SIGKILL)
    for wire in wires:
        assert wire.receive().status == 200
        wire.close()
    wait_for_processes(server, 2, {victim})


def test_new_connections_go_to_the_others_while_a_process_starts_again_and_again(start):
    server = start("--processes=2", "--workers=1")
    for _ in range(5):  # until the pause before the next start is a long one
        wait_for_processes(server, 2)
        kill_one(server)
    server.signal(signal.SIGSTOP)  # the supervisor: it starts none while it is asked
    assert len(server.children()) == 1
    for _ in range(20):
        assert server.get("/healthz").status == 200
    server.signal(signal.SIGCONT)
    wait_for_processes(server, 2)


def test_a_dead_process_is_started_again_at_once(start):
    server = start("--processes=2", "--workers=1")
    victim = kill_one(server)
    wait_for_processes(server, 2, {victim})
    assert server.metric("millrace_process_restarts_total") == 1
    line = next(line for line in server.log if "process killed" in line)
    assert f"pid={victim}" in line and "signal=9" in line and re.search(r"restart_in=0(\.0*)?s?\b", line)


def test_one_that_dies_at_once_is_started_later_each_time(start):
    server = start("--processes=2", "--workers=1")
    for _ in range(4):
        wait_for_processes(server, 2)
        kill_one(server)
    pauses = wait_for(
        lambda: len(found := [float(p) for line in server.log for p in re.findall(r"restart_in=(\S+)", line)]) == 4 and found,
        "four deaths to be logged",
    )
    assert pauses[0] == 0
    assert pauses[1] < pauses[2] < pauses[3] < 1
    wait_for_processes(server, 2)


def log_of(server, message, *pids):
    """The lines of the log with that message, once there is one for each of these processes."""

    def found():
        lines = [line for line in list(server.log) if message in line]
        return lines if all(any(f"pid={pid} " in line for line in lines) for pid in pids) else None

    return wait_for(found, f"'{message}' of {pids}")


def test_a_process_that_hangs_is_ended_and_replaced(start):
    server = start("--processes=2", "--workers=1", "--hang-timeout=1s")
    victim = server.children()[0]
    os.kill(victim, signal.SIGSTOP)
    [line] = log_of(server, "process hangs", victim)
    assert float(re.search(r"silent=(\S+)", line)[1]) > 1
    wait_for_processes(server, 2, {victim})
    [line] = log_of(server, "process killed", victim)
    assert "signal=9 " in line  # one that is stopped does not see SIGABRT
    assert server.metric("millrace_process_restarts_total") == 1


def signal_that_ended_a_hang(start):
    """Of a process that goes on as soon as it is told to end."""
    server = start("--processes=2", "--workers=1", "--hang-timeout=1s")
    victim = server.children()[0]
    os.kill(victim, signal.SIGSTOP)
    log_of(server, "process hangs", victim)
    os.kill(victim, signal.SIGCONT)
    [line] = log_of(server, "process killed", victim)
    return int(re.search(r"signal=(\d+)", line)[1])


def test_a_process_that_hangs_has_time_to_end_by_sigabrt(start):
    assert any(signal_that_ended_a_hang(start) == signal.SIGABRT for _ in range(3))  # on a busy machine the second may be over


def test_a_log_file_that_is_a_pipe_without_a_reader_stops_nobody(start, tmp_path):
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    server = start("--processes=2", "--workers=1", f"--log-file={pipe}")
    os.close(reader)
    server.signal(signal.SIGHUP)
    victim = server.children()[0]
    os.kill(victim, signal.SIGKILL)
    wait_for_processes(server, 2, {victim})
    server.signal(signal.SIGTERM)
    assert server.process.wait(HANG) == 0


def test_a_process_that_is_silent_gets_no_connections_until_it_lives_again(start):
    server = start("--processes=2", "--workers=1", "--hang-timeout=12s")
    victim = server.children()[0]
    os.kill(victim, signal.SIGSTOP)
    log_of(server, "no sign of life", victim)
    for _ in range(20):  # as likely as 1 in 2^20 without
        assert server.get("/healthz").status == 200
    assert "process hangs" not in server.text()
    os.kill(victim, signal.SIGCONT)
    log_of(server, "lives again", victim)
    held = kept(server, 40)
    assert victim in held and len(held) == 2
    close_all(held)


def test_systemd_hears_nothing_while_no_process_lives(start, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify.sock"))
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify.sock"), "WATCHDOG_USEC": "100000"}
        server = start("--processes=2", "--workers=1", "--hang-timeout=8s", env=env)
        pids = server.children()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        log_of(server, "no sign of life", *pids)
        notify.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                notify.recv(1000)
        notify.settimeout(1)
        with pytest.raises(TimeoutError):
            notify.recv(1000)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        notify.settimeout(HANG)
        assert notify.recv(1000) == b"WATCHDOG=1"
        wait_for_processes(server, 2)


def test_nobody_is_ended_for_the_time_in_which_all_were_stopped(start):
    """As in a virtual machine that was paused: the supervisor goes on first and finds all of them silent."""
    server = start("--processes=2", "--workers=1", "--hang-timeout=2s")
    pids = server.children()
    for pid in (server.process.pid, *pids):
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)
    server.signal(signal.SIGCONT)
    time.sleep(0.3)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    wait_for_processes(server, 2)
    assert server.children() == pids
    assert "process hangs" not in server.text()


def test_a_process_that_does_not_begin_to_serve_ends_the_start(tmp_path):
    os.mkfifo(tmp_path / "identity")  # nobody writes to it: who reads it waits for ever
    result = subprocess.run(
        [BINARY, "--processes=2", "--listen=127.0.0.1:0", "--start-timeout=1s", f"--identity={tmp_path}/identity"],
        capture_output=True,
        text=True,
        timeout=HANG,
        env=environment(),
    )
    assert result.returncode == 1
    assert "process does not begin to serve" in result.stderr and "listening on" not in result.stderr


def counters(metrics):
    return {
        (name, *sorted(labels.items())): value
        for name, labels, value in metrics.samples
        if name.endswith(("_total", "_count", "_bucket", "_sum"))
    }


def test_no_total_goes_backwards_when_a_process_dies(start, traffic):
    server = start("--processes=2", "--workers=1")
    for _ in range(10):
        server.post("/pipe/image?w=50", photo())
    running = traffic(server)
    last, scrapes, deaths = counters(server.metrics()), 0, 0
    while scrapes < 300 or deaths < 2:  # pytest's timeout bounds it
        with contextlib.suppress(OSError, Closed):  # the very process that was asked died
            now = counters(server.metrics())
            behind = {key: (value, now.get(key)) for key, value in last.items() if now.get(key, -1) < value}
            assert behind == {}
            last = now
        scrapes += 1
        if scrapes in (100, 200):
            os.kill(server.children()[0], signal.SIGKILL)
            deaths += 1
    running.stop()
    wait_for_processes(server, 2)


def test_what_a_dead_process_held_is_no_longer_counted(start, offload):
    server = start("--processes=2", "--workers=1")
    wires = [server.connect() for _ in range(10)]
    for wire in wires:
        wire.send(request("POST", "/pipe/image?w=30", {"Content-Length": 100_000}) + photo()[:100])
    server.wait_for_metric("millrace_requests_in_flight", 11)
    server.wait_for_metric("millrace_memory_budget_used_bytes", 1)
    for pid in server.children():
        os.kill(pid, signal.SIGKILL)
    wait_for_processes(server, 2)
    server.assert_at_rest()
    for wire in wires:
        wire.close()


# ---- the end


def begin_uploads(server, count):
    wires = [server.connect() for _ in range(count)]
    for wire in wires:
        wire.send(request("POST", "/pipe/image?w=30", {"Content-Length": len(photo())}) + photo()[:100])
    server.wait_for_metric("millrace_requests_in_flight", count + 1)
    return wires


def told_until_it_ends(pid):
    """SIGTERM without a pause, until the process is reaped."""
    deadline = time.monotonic() + HANG
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(pid, signal.SIGTERM)


def ends_of(server, pids):
    lines = [line for line in list(server.log) if "process ended" in line or "process killed" in line]
    return [
        next(word for word in line.split() if word.startswith(("status=", "signal=")))
        for pid in pids
        for line in lines
        if f"pid={pid} " in line
    ]


@pytest.mark.threads
@pytest.mark.parametrize("told", ["the supervisor", "everybody"])
def test_sigterm_drains_all(start, told):
    """Terminals and systemd signal each process; what the supervisor adds must not count as the second signal."""
    server = start("--processes=2", "--workers=1")
    wires = begin_uploads(server, 8)
    pids = server.children() if told == "everybody" else []
    server.signal(signal.SIGTERM)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not server.is_accepting(), "the listeners to be closed")
    for wire in wires:
        wire.send(photo()[100:])
        response = wire.receive()
        assert response.status == 200 and response.closes
        wire.close()  # it would be waited for
    assert server.wait() == 0


@pytest.mark.threads
def test_a_process_told_to_end_at_its_very_end_has_drained(start):
    """A process without requests ends at once, and then the supervisor tells it too: also while it exits."""
    server = start("--processes=2", "--workers=1")
    pids = server.children()
    for pid in pids:
        told_until_it_ends(pid)
    # The supervisor starts others in their place; what counts is how those ended.
    wait_for(lambda: len(ends_of(server, pids)) == 2, "both ends in the log")
    assert ends_of(server, pids) == ["status=0", "status=0"]


def test_one_process_that_had_to_cut_makes_the_status_1(start):
    server = start("--processes=2", "--workers=1", "--drain-timeout=300ms")
    [wire] = begin_uploads(server, 1)
    assert server.terminate() == 1
    wire.close()


def test_a_second_sigterm_ends_all_now(start):
    server = start("--processes=2", "--workers=1", "--drain-timeout=10m")
    wires = begin_uploads(server, 4)
    server.signal(signal.SIGTERM)
    wait_for(lambda: not server.is_accepting(), "the drain to begin")
    server.signal(signal.SIGTERM)
    assert server.wait() == 1
    for wire in wires:
        wire.close()


def test_with_a_drain_delay_all_go_on_accepting(start):
    server = start("--processes=2", "--workers=1", "--drain-delay=10m")
    server.signal(signal.SIGTERM)
    wait_for(lambda: server.get("/readyz").status == 503, "the drain to begin")
    for _ in range(10):
        assert server.get("/healthz").status == 200
    server.drained = True
    server.signal(signal.SIGTERM)
    server.wait()


def test_a_process_that_dies_in_the_drain_delay_is_steered_away_from(start):
    server = start("--processes=2", "--workers=1", "--drain-delay=10m")
    server.signal(signal.SIGTERM)
    wait_for(lambda: server.get("/readyz").status == 503, "the drain to begin")
    kill_one(server)
    wait_for(lambda: "process killed" in server.text(), "the death to be noticed")
    for _ in range(20):
        assert server.get("/healthz").status == 200
    assert len(server.children()) == 1
    server.drained = True
    server.signal(signal.SIGTERM)
    assert server.wait() == 1


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_without_their_supervisor_the_processes_end(start):
    server = start("--processes=2", "--workers=1")
    pids = server.children()
    server.kill()
    wait_for(lambda: not any(is_alive(pid) for pid in pids), "the processes to end")
    assert not server.is_accepting()


# ---- start, sockets, signals


def test_a_start_that_fails_says_so_once():
    result = subprocess.run(
        [BINARY, "--processes=4", "--listen=127.0.0.1:0", "--identity=/nothing/there"],
        capture_output=True,
        text=True,
        timeout=HANG,
        env=environment(),
    )
    assert result.returncode in (1, 2)
    assert result.stderr.count("/nothing/there") == 1
    assert "listening on" not in result.stderr


def test_a_port_in_use_is_a_clear_exit():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = subprocess.run(
            [BINARY, "--processes=2", f"--listen={address}"], capture_output=True, text=True, timeout=HANG, env=environment()
        )
    assert result.returncode == 1 and "in use" in result.stderr and "listening on" not in result.stderr


def test_several_loops_in_several_processes(start):
    server = start("--processes=2", "--loops=2", "--workers=1")
    held = kept(server, 40)
    assert set(held) == set(server.children())
    assert server.metric("millrace_loops") == 4
    close_all(held)


def test_a_unix_socket_is_served_by_all_and_removed_at_the_end(start, tmp_path):
    path = tmp_path / "millrace.sock"
    server = start("--processes=2", "--workers=1", f"--listen=unix:{path}")
    kill_one(server)
    for _ in range(10):
        assert server.get("/healthz").status == 200
    wait_for_processes(server, 2)
    assert server.terminate() == 0
    assert not path.exists()


def test_a_socket_passed_by_systemd_is_shared_and_readiness_told_once(start, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, socket.create_server(("127.0.0.1", 0)) as passed:
        notify.bind(str(tmp_path / "notify.sock"))
        notify.settimeout(10)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify.sock")}
        server = start("--processes=2", "--workers=1", "--drain-timeout=100s", passed=passed, env=env)
        assert server.get("/healthz").status == 200
        kill_one(server)
        wait_for_processes(server, 2)
        assert server.terminate() == 0
        assert notify.recv(1000) == b"READY=1"
        state, _, extended = notify.recv(1000).decode().partition("\nEXTEND_TIMEOUT_USEC=")
        assert state == "STOPPING=1" and int(extended) > 100e6
        notify.setblocking(False)
        with pytest.raises(BlockingIOError):
            notify.recv(1000)


def test_sighup_reopens_the_log_in_all(start, tmp_path):
    log = tmp_path / "millrace.log"
    server = start("--processes=2", "--workers=1", f"--log-file={log}")
    held = kept(server, 20)
    wait_for(lambda: log.exists() and log.read_text().count("target=/healthz") == 20, "the log to be written")
    log.rename(tmp_path / "millrace.log.1")
    server.signal(signal.SIGHUP)
    wait_for(lambda: log.exists(), "the log to be opened anew")

    def all_write():
        for wires in held.values():
            wires[0].request("GET", "/after")
        return log.read_text().count("target=/after") >= len(held)

    wait_for(all_write, "all to write to the new log")
    old = (tmp_path / "millrace.log.1").stat().st_size
    for wires in held.values():
        wires[0].request("GET", "/later")
    wait_for(lambda: log.read_text().count("target=/later") == len(held), "the new log to be written")
    assert (tmp_path / "millrace.log.1").stat().st_size == old
    kill_one(server)
    wait_for(lambda: "process killed" in log.read_text(), "the supervisor to write to the new log")
    close_all(held)


@pytest.mark.parametrize("options", [["--processes=0"], ["--processes=1000"], ["--processes=many"], ["--processes=8", "--loops=16"]])
def test_a_wrong_number_of_processes_is_refused(options):
    result = subprocess.run([BINARY, *options], capture_output=True, text=True, timeout=HANG, env=environment())
    assert result.returncode == 2
    assert "processes" in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_one_process_has_no_supervisor(start):
    server = start("--processes=1")
    assert server.children() == []
    assert server.metric("millrace_processes") == 1
