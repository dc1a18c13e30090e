"""From the command line to the exit status: options, listeners, draining, signals, systemd."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest
from images import photo, slow_job
from server import BINARY, HANG, ON_LOOP, PROCESSES, ROOT, environment, wait_for
from wire import Closed, Wire, request


def run(*arguments, env=None):
    """Run the program to its end."""
    return subprocess.run(
        [BINARY, *arguments], capture_output=True, text=True, timeout=HANG, env=environment(**(env or {}))
    )


def assert_wrong(result, *words):
    assert result.returncode == 2, result
    assert len(result.stderr.strip().splitlines()) == 1, "one line tells what is wrong"
    for word in words:
        assert word in result.stderr


# ---- options

OPTIONS = """listen open workers loops offload queue-depth job-deadline job-time max-body body-memory memory-budget disk-budget max-pixels max-frames
    max-zstd-window max-work-factor hang-timeout start-timeout max-head max-connections max-requests-per-connection head-timeout body-timeout min-rate idle-timeout drain-delay drain-timeout
    allow-host log-level log-format config check-config help version""".split()


def test_help_names_every_option_with_its_default_and_fits_a_screen():
    result = run("--help")
    assert result.returncode == 0 and result.stderr == ""
    for option in OPTIONS:
        assert f"--{option}" in result.stdout, option
    for default in ("127.0.0.1:8080", "1024", "15s", "30s", "1GiB", "100000000", "16KiB", "16384", "60s", "75s"):
        assert default in result.stdout, default
    lines = result.stdout.splitlines()
    assert len(lines) <= 60 and max(map(len, lines)) <= 110


def test_the_readme_lists_every_option_with_its_default():
    readme = (ROOT / "README.md").read_text().replace("\\|", "|")
    for options, default in re.findall(r"^((?:  --\S+(?: [A-Z]\S*)?)+) .*?(?:\[(\w+)\])?$", run("--help").stdout, re.MULTILINE):
        for option in options.strip().split("  "):
            row = re.search(rf"^\| `{re.escape(option)}` .*\| {default} \|$", readme, re.MULTILINE)
            assert row or option in readme and not default, f"{option} [{default}] is missing in README.md"


@pytest.mark.under("workers", "libuv")
def test_loops_follow_the_workers_unless_they_are_given(start):
    """On a machine of 8 cores and less the second one has one loop too: workers that no core is free for need none."""
    cores = len(os.sched_getaffinity(0)) // int(PROCESSES)
    for options, loops in ((["--workers=8"], {1}), (["--workers=9"], {1} if cores <= 8 else {1, 2}), (["--workers=1", "--loops=2"], {2})):
        server = start(*options)
        assert server.get("/version").json()["loops"] in loops
        assert server.metric("millrace_loops") in {each * int(PROCESSES) for each in loops}


def test_version():
    result = run("--version")
    assert result.returncode == 0 and result.stdout.startswith("millrace 0.")


@pytest.mark.parametrize(
    "argument",
    ["--workers=0", "--workers=many", "--workers=-1", "--offload=magic", "--queue-depth=0", "--job-deadline=5 apples", "--max-body=12XB",
     "--max-body=-1", "--listen=nonsense", "--listen=127.0.0.1", "--listen=127.0.0.1:99999", "--listen=unix:", "--log-level=loud",
     "--log-format=xml", "--max-pixels=1e99", "--min-rate=fast", "--nonsense", "--nonsense=1", "--work=3", "--loops=0"],
)  # fmt: skip
@pytest.mark.unsanitized("the unit tests of options have the same")
def test_a_wrong_option_names_itself_and_exits_2(argument):
    assert_wrong(run(argument), argument.lstrip("-").split("=")[0])


def test_an_option_without_its_value_is_wrong():
    assert_wrong(run("--workers"), "workers")


def test_an_argument_that_is_no_option_is_wrong():
    assert_wrong(run("photo.jpg"), "photo.jpg")


def test_the_value_may_follow_or_be_joined():
    assert run("--check-config", "--workers", "3", "--job-time=5s").returncode == 0
    assert_wrong(run("--check-config", "--workers", "x"), "workers")


def test_a_wrong_environment_variable_names_itself():
    assert_wrong(run(env={"MILLRACE_MAX_PIXELS": "lots"}), "MILLRACE_MAX_PIXELS")


def test_a_wrong_line_of_the_file_names_itself(tmp_path):
    file = tmp_path / "millrace.conf"
    file.write_text("# limits\nworkers = 2\n\nmax-pixels = lots\n")
    assert_wrong(run(f"--config={file}"), str(file), "4", "max-pixels")
    file.write_text("worker = 2\n")
    assert_wrong(run(f"--config={file}"), str(file), "worker")
    assert_wrong(run("--config=/nothing/there.conf"), "config")


def test_check_config_opens_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("--check-config", f"--listen=127.0.0.1:{taken.getsockname()[1]}")
    assert result.returncode == 0
    assert "listening on" not in result.stderr


def test_check_config_reads_every_file_that_is_named(tmp_path):
    good, bad, log = tmp_path / "good", tmp_path / "bad", tmp_path / "millrace.log"
    assert run("keygen", good).returncode == 0
    bad.write_text("nonsense\n")
    assert run("--check-config", f"--identity={good}", f"--log-file={log}").returncode == 0
    assert not log.exists(), "it makes none"
    assert_wrong(run("--check-config", f"--identity={good}", f"--identity={bad}"), "--identity", str(bad), "line 1")
    assert_wrong(run("--check-config", f"--identity={tmp_path}/nothing"), "--identity", "No such file")
    assert_wrong(run("--check-config", f"--log-file={tmp_path}"), "--log-file", "directory")
    assert_wrong(run("--check-config", f"--log-file={tmp_path}/nowhere/millrace.log"), "--log-file", "No such file")
    for option in ("--api-keys", "--signing-keys", "--presets"):
        assert_wrong(run("--check-config", f"{option}={bad}"), option, str(bad))
    good.write_text(good.read_text() + "AGE-SECRET-KEY-PQ-1QQQQ\n")
    result = run("--check-config", f"--identity={good}")
    assert result.returncode == 0 and "1 identities" in result.stderr and "passed over" in result.stderr


@pytest.mark.once
def test_flags_stand_above_the_environment_and_that_above_the_file(start, offload, tmp_path):
    file = tmp_path / "millrace.conf"
    file.write_text("workers = 3\nmax-pixels = 1000  # few\nlog-format = json\n")
    env = {"MILLRACE_CONFIG": str(file), "MILLRACE_MAX_PIXELS": "5000"}
    server = start("--max-pixels=20000", f"--config={file}", env=env)
    if offload != "threads":  # there each connection has a thread
        assert server.metric("millrace_workers") == (1 if offload in ON_LOOP else 3)
    assert server.post("/pipe/image?w=9", photo(100, 100)).status == 200
    server = start(f"--config={file}", env=env)
    assert server.post("/pipe/image?w=9", photo(100, 100)).json()["limit"]["value"] == 5000
    server = start(f"--config={file}")
    assert server.post("/pipe/image?w=9", photo(100, 100)).json()["limit"]["value"] == 1000


# ---- listeners


@pytest.mark.once
def test_port_0_prints_the_one_chosen(server):
    assert server.urls[0] == f"http://127.0.0.1:{server.port}" and server.port > 1023
    assert server.get("/healthz").status == 200


@pytest.mark.parametrize("loops", [1, 2])
def test_a_port_in_use_is_a_clear_exit(loops):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run(f"--listen={address}", f"--loops={loops}")
    assert result.returncode == 1, result
    assert address in result.stderr and "in use" in result.stderr
    assert "listening on" not in result.stderr


@pytest.mark.once
def test_two_servers_never_share_a_port(start):
    first = start("--loops=2")
    result = run(f"--listen=127.0.0.1:{first.port}", "--loops=2")
    assert result.returncode == 1 and "in use" in result.stderr


@pytest.mark.parametrize("address", ["0.0.0.0:0", "*:0", "[::]:0", "192.168.1.7:8080"])
def test_an_address_that_others_can_reach_needs_keys_or_open(address):
    result = run(f"--listen={address}")
    assert_wrong(result, "--open", "--api-keys", address)


@pytest.mark.once
def test_open_listens_everywhere(start):
    server = start("--open", "--listen=0.0.0.0:0")
    assert Wire(("127.0.0.1", server.port)).request("GET", "/healthz").status == 200


@pytest.mark.once
def test_several_listeners_answer(start, tmp_path):
    path = tmp_path / "millrace.sock"
    server = start("--listen=127.0.0.1:0", "--listen=localhost:0", f"--listen=unix:{path}")
    assert len(server.urls) == 3
    for index in range(3):
        with server.connect(index) as wire:
            assert wire.request("GET", "/healthz").status == 200
            assert wire.request("POST", "/pipe/image?w=30", body=photo()).status == 200


@pytest.mark.once
def test_a_unix_socket_is_removed_at_the_end_and_a_stale_one_replaced(start, tmp_path):
    path = tmp_path / "millrace.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    server = start(f"--listen=unix:{path}", "--listen=127.0.0.1:0")
    with Wire(str(path)) as wire:
        assert wire.request("GET", "/healthz").status == 200
    second = run(f"--listen=unix:{path}")
    assert second.returncode == 1 and str(path) in second.stderr, "one that is listened on is not taken away"
    assert server.terminate() == 0
    assert not path.exists()


@pytest.mark.once
@pytest.mark.parametrize("processes", [1, 2])
def test_a_draining_server_leaves_the_unix_socket_of_its_successor_alone(start, tmp_path, processes):
    path = tmp_path / "millrace.sock"
    old = start(f"--listen=unix:{path}", f"--processes={processes}")
    with old.connect() as sending:
        sending.send(request("POST", "/pipe/image?w=30", {"Content-Length": len(photo())}) + photo()[:100])
        old.wait_for_metric("millrace_requests_in_flight", 2)
        old.signal(signal.SIGTERM)
        wait_for(lambda: not path.exists(), "the path to be free")
        new = start(f"--listen=unix:{path}")
        assert not old.exited()
        sending.send(photo()[100:])
        assert sending.receive().status == 200
    assert old.wait() == 0
    with Wire(str(path)) as wire:
        assert wire.request("GET", "/healthz").status == 200
    assert new.terminate() == 0
    assert not path.exists()


def test_two_loops_share_the_work(start):
    server = start("--loops=2", "--workers=2")
    for _ in range(20):
        assert server.get("/healthz").status == 200
        assert server.post("/pipe/image?w=30", photo()).status == 200


# ---- draining


def test_sigterm_at_rest_is_a_clean_end(start):
    server = start()
    assert server.get("/healthz").status == 200
    assert server.terminate() == 0


def test_sigint_drains_too(start):
    server = start()
    server.signal(signal.SIGINT)
    assert server.wait() == 0


def test_idle_connections_are_closed_by_a_drain(start):
    server = start()
    with server.connect() as used, server.connect() as fresh:
        assert used.request("GET", "/healthz").status == 200
        assert server.terminate() == 0
        assert used.is_closed() and fresh.is_closed()


@pytest.mark.threads
def test_what_is_in_flight_is_finished_before_the_end(start, offload):
    server = start("--workers=1", "--drain-timeout=10m", "--job-time=0", "--job-deadline=10m")
    target, body = slow_job()
    with server.connect() as running, server.connect() as sending:
        running.send(request("POST", target, body=body))
        sending.send(request("POST", "/pipe/image?w=30", {"Content-Length": len(photo())}) + photo()[:100])
        if offload not in ON_LOOP:
            server.wait_for_metric("millrace_workers_busy", 1)
        else:
            time.sleep(0.2)
        server.signal(signal.SIGTERM)
        wait_for(lambda: not server.is_accepting(), "the listener to be closed")
        sending.send(photo()[100:])
        for wire in (running, sending):
            response = wire.receive()
            assert response.status == 200 and response.closes
    assert server.wait() == 0


def test_with_a_drain_delay_readyz_fails_while_requests_are_still_answered(start):
    server = start("--drain-delay=10m")
    assert server.get("/readyz").status == 200
    server.signal(signal.SIGTERM)
    response = wait_for(lambda: (r := server.get("/readyz")).status == 503 and r, "readyz to fail")
    assert response.closes
    assert server.get("/healthz").status == 200
    assert server.post("/pipe/image?w=30", photo()).status == 200
    server.drained = True
    server.signal(signal.SIGTERM)  # the second one does not wait
    server.wait()


def test_behind_a_drain_delay_it_ends_by_itself(start):
    server = start("--drain-delay=200ms")
    assert server.get("/readyz").status == 200
    assert server.terminate() == 0


def test_what_is_still_in_flight_at_the_end_of_the_drain_is_cut_and_the_status_says_so(start):
    server = start("--drain-timeout=300ms")
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/image?w=30", {"Content-Length": 1000}) + photo()[:1])
        server.wait_for_metric("millrace_requests_in_flight", 2)
        assert server.terminate() == 1
        with pytest.raises(Closed):
            wire.receive()


@pytest.mark.threads
def test_a_running_job_is_cut_too(start):
    server = start("--drain-timeout=100ms", "--workers=1")
    target, body = slow_job()
    with server.connect() as wire:
        wire.send(request("POST", target, body=body))
        time.sleep(0.3)
        assert server.terminate() in (0, 1)  # 0: under `none` the job is over before the signal is seen


def test_a_second_sigterm_ends_it_now(start):
    server = start("--drain-timeout=10m")
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/image?w=30", {"Content-Length": 1000}) + photo()[:1])
        server.wait_for_metric("millrace_requests_in_flight", 2)
        server.signal(signal.SIGTERM)
        wait_for(lambda: not server.is_accepting(), "the drain to begin")
        server.signal(signal.SIGTERM)
        assert server.wait() != 0


# ---- other signals


def test_sighup_is_no_end_and_reopens_the_log(start, tmp_path):
    log = tmp_path / "millrace.log"
    server = start(f"--log-file={log}")
    server.get("/before")
    wait_for(lambda: log.exists() and "/before" in log.read_text(), "the log to be written")
    log.rename(tmp_path / "millrace.log.1")
    server.signal(signal.SIGHUP)
    wait_for(lambda: log.exists(), "the log to be opened anew")
    server.get("/after")
    wait_for(lambda: "/after" in log.read_text(), "the new log to be written")
    assert server.get("/healthz").status == 200


@pytest.mark.once
def test_a_sighup_while_it_starts_is_no_end_and_not_lost(tmp_path):
    """The start waits for the file of an identity, which is a FIFO."""
    identity, log = tmp_path / "identity", tmp_path / "millrace.log"
    os.mkfifo(identity)
    made = run("keygen", tmp_path / "made")
    assert made.returncode == 0
    command = [BINARY, "--listen=127.0.0.1:0", f"--identity={identity}", f"--log-file={log}"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment())
    try:
        writing = wait_for(lambda: opened_for_writing(identity), "the server to read the identity")
        log.rename(tmp_path / "millrace.log.1")
        server.send_signal(signal.SIGHUP)
        os.write(writing, (tmp_path / "made").read_bytes())
        os.close(writing)
        assert "listening on" in server.stderr.readline()
        wait_for(log.exists, "the log to be opened anew")
        server.terminate()
        assert server.wait(HANG) == 0
    finally:
        server.kill()
        server.wait()
        server.stderr.close()


def opened_for_writing(fifo):
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # ENXIO: nobody reads it
        return None


def test_sigpipe_never_kills(start):
    server = start()
    server.signal(signal.SIGPIPE)
    assert server.get("/healthz").status == 200


def test_a_closed_standard_error_never_kills():
    """Whoever read the log is gone: writing to it is an error, and nothing more."""
    reading, writing = os.pipe()
    process = subprocess.Popen([BINARY, "--listen=127.0.0.1:0"], stderr=writing, env=environment())
    os.close(writing)
    try:
        with open(reading) as log:
            port = next(int(line.rsplit(":", 1)[1]) for line in log if "listening on" in line)
        for _ in range(50):
            with Wire(("127.0.0.1", port)) as wire:
                assert wire.request("GET", "/healthz").status == 200
        process.terminate()
        assert process.wait(HANG) == 0
    finally:
        process.kill()
        process.wait()


def children_of(pid):
    return open(f"/proc/{pid}/task/{pid}/children").read().split()


@pytest.mark.once
@pytest.mark.parametrize("processes", [1, 2])
def test_a_standard_error_that_nobody_reads_any_more_holds_nobody_up(processes):
    reading, writing = os.pipe()
    command = [BINARY, "--listen=127.0.0.1:0", f"--processes={processes}", "--workers=1"]
    server = subprocess.Popen(command, stderr=writing, env=environment())
    try:
        log = os.fdopen(reading)
        port = next(int(line.rsplit(":", 1)[1]) for line in log if "listening on" in line)
        ours = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(ours, bytes(4096))
        for _ in range(50):
            with Wire(("127.0.0.1", port)) as wire:
                assert wire.request("GET", "/healthz").status == 200
        if processes > 1:
            victim = children_of(server.pid)[0]
            os.kill(int(victim), signal.SIGKILL)
            wait_for(lambda: len(found := children_of(server.pid)) == 2 and victim not in found, "another process")
            with Wire(("127.0.0.1", port)) as wire:
                assert wire.request("GET", "/healthz").status == 200
        server.terminate()
        assert server.wait(HANG) == 0
    finally:
        server.kill()
        server.wait()
        for fd in (writing, ours):
            os.close(fd)
        log.close()


# ---- the first process of a container


def reparented(pid):
    """An orphan in the container whose first process is `pid`: it ends at once, and its parent before it."""
    subprocess.run(["nsenter", "--pid", "-t", str(pid), "sh", "-c", "(sleep 0.05; exit 3) &"], check=True, timeout=HANG)


def zombies_of(pid):
    return [child for child in children_of(pid) if open(f"/proc/{child}/stat").read().rpartition(")")[2].split()[0] == "Z"]


@pytest.mark.once
@pytest.mark.parametrize("processes", [1, 2])
def test_orphans_are_reaped_by_the_first_process_of_a_container(processes):
    inside = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*inside, "true"], capture_output=True, timeout=HANG).returncode != 0:
        pytest.skip("no right to a PID namespace")
    command = [*inside, str(BINARY), "--listen=127.0.0.1:0", f"--processes={processes}", "--workers=1"]
    outside = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment())
    try:
        assert any("listening on" in line for line in outside.stderr)
        [first] = children_of(outside.pid)
        before = len(children_of(first))
        for _ in range(5):
            reparented(first)
        wait_for(lambda: len(children_of(first)) == before, "the orphans to be gone")
        assert zombies_of(first) == []
        os.kill(int(first), signal.SIGTERM)
        assert outside.wait(HANG) == 0
    finally:
        outside.kill()
        outside.wait()
        outside.stderr.close()


# ---- systemd


@pytest.mark.once
@pytest.mark.parametrize("abstract", [False, True])
def test_readiness_and_stopping_are_told_to_systemd(start, tmp_path, abstract):
    path = f"\0millrace-test-{os.getpid()}" if abstract else str(tmp_path / "notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(10)
        server = start("--drain-delay=200ms", "--drain-timeout=100s", env={"NOTIFY_SOCKET": path.replace("\0", "@")})
        assert b"READY=1" in notify.recv(1000)
        assert server.terminate() == 0
        state, _, extended = notify.recv(1000).decode().partition("\nEXTEND_TIMEOUT_USEC=")
        assert state == "STOPPING=1" and int(extended) > 100.2e6


@pytest.mark.once
@pytest.mark.parametrize("kind", ["inet", "unix"])
@pytest.mark.parametrize("loops", [1, 2])
def test_sockets_passed_by_systemd_are_used(start, tmp_path, kind, loops):
    path = str(tmp_path / "passed.sock")
    if kind == "inet":
        passed = socket.create_server(("127.0.0.1", 0))
    else:
        passed = socket.socket(socket.AF_UNIX)
        passed.bind(path)
        passed.listen()
    with passed:
        server = start(f"--loops={loops}", passed=passed)
        with Wire(passed.getsockname()) as wire:
            assert wire.request("GET", "/healthz").status == 200
        assert server.terminate() == 0
    assert kind == "inet" or os.path.exists(path), "it is not ours to remove"


@pytest.mark.once
@pytest.mark.parametrize("processes", [1, 2])
def test_more_passed_sockets_than_can_be_served_are_refused(processes):
    """The clients of those that are left out would wait for ever."""
    script = 'LISTEN_PID=$$ LISTEN_FDS=65 exec "$@"'
    command = ["bash", "-c", script, "bash", BINARY, f"--processes={processes}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=environment())
    assert_wrong(result, "LISTEN_FDS=65", "64")


@pytest.mark.once
def test_sockets_meant_for_another_process_are_left_alone(start):
    server = start(env={"LISTEN_PID": "1", "LISTEN_FDS": "1"})
    assert server.get("/healthz").status == 200
