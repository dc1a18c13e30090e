"""What a container asks of the server: the duties of PID 1; and compose files, whose configurations are run with Debian's programs."""

import gzip
import http.client
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml
from proxies import PROXIES, Proxy, program
from server import BINARY, HANG, ROOT, environment, starting, wait_for
from wire import Wire

AS_ROOT = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]  # which a chroot would not allow
AS_PID_1 = ["unshare", *AS_ROOT, "--pid", "--fork", "--kill-child"]


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def names_of_children(pid):
    """None: one of them has gone meanwhile."""
    try:
        return [Path(f"/proc/{each}/comm").read_text().strip() for each in children(pid)]
    except (FileNotFoundError, ProcessLookupError):
        return None


@pytest.fixture
def started_as_pid_1(tmp_path):
    """A function that starts a server as PID 1 of a namespace of its own: its pid here, and what to wait for. It has two children from before
    that are none of its own, as a shell leaves them: one has ended when the server starts."""
    if subprocess.run([*AS_PID_1, "true"], capture_output=True).returncode != 0:
        pytest.skip("no namespace can be made here")
    started = []

    def start(*options):
        address = tmp_path / "socket"
        script = 'true & sleep 0.5 & exec "$@"'
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
    own = ["millrace"] * (processes if processes > 1 else 0)
    wait_for(lambda: names_of_children(pid) == own, "the orphans to be reaped")
    os.kill(pid, signal.SIGTERM)
    assert outer.wait(HANG) == 0


# ---- compose


COMPOSE = ROOT / "deploy/compose"
SERVICES = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "MiB": 1 << 20, "GiB": 1 << 30}


def size(text):
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]+)", text).groups()
    return int(number) * UNITS[unit]


@pytest.fixture
def secrets(tmp_path):
    """A directory with the files that the compose file expects beside it, and the key that may do everything."""
    directory = tmp_path / "secrets"
    directory.mkdir()
    said = subprocess.run([BINARY, "api-key", "all", "--rights", "pipe,metrics"], capture_output=True, text=True, check=True, env=environment())
    (directory / "api-keys").write_text(said.stdout)
    (directory / "api-keys").chmod(0o640)
    (directory / "metrics-key").write_text(said.stderr)
    return directory


def test_compose_finds_the_file_well_formed(secrets):
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("no docker-compose: script/bootstrap --test installs it")
    copy = secrets.parent / "deploy/compose"
    shutil.copytree(COMPOSE, copy)
    shutil.copytree(secrets, copy / "secrets")
    command = [compose, "-f", copy / "compose.yaml", "--profile", "haproxy", "--profile", "caddy", "config", "--services"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert set(result.stdout.split()) == {"millrace", "prometheus", "haproxy", "caddy"}


def test_its_paths_are_those_of_the_repository_and_its_limits_match():
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            path = volume.split(":")[0]
            assert not path.startswith(".") or "/secrets/" in path or (COMPOSE / path).exists(), path
    given = SERVICES["millrace"]["environment"]
    assert size(SERVICES["millrace"]["mem_limit"]) == 2 * size(given["MILLRACE_MEMORY_BUDGET"])
    assert "ports" not in SERVICES["millrace"] and SERVICES["millrace"]["networks"] == ["inside"]


@pytest.fixture
def composed(secrets):
    """A function that starts a server with the options of the compose file at a port, and its key."""
    given = SERVICES["millrace"]["environment"] | {"MILLRACE_API_KEYS": str(secrets / "api-keys"), "MILLRACE_TRUST_PROXY": "127.0.0.1"}
    key = (secrets / "metrics-key").read_text().strip()
    with starting("workers") as start:
        yield lambda port=0: start(f"--listen=127.0.0.1:{port}", env=given, key=key), key


def in_front_of(server, name, file):
    """Debian's proxy with the configuration in this file of the compose directory."""
    if program(PROXIES[name][1]) is None:
        pytest.skip(f"no {name}: script/bootstrap --test fetches it")
    text = (COMPOSE / file).read_text()
    assert text.count("millrace:8080") == 1
    return Proxy(name, server.port, text.replace("millrace:8080", "127.0.0.1:8080"))


with_each_proxy = pytest.mark.parametrize("name, file", [("haproxy", "haproxy.cfg"), ("caddy", "Caddyfile")])


@with_each_proxy
def test_the_proxy_s_configuration_works_with_debian_s_program(composed, name, file):
    """Its health checks among it."""
    start, key = composed
    server = start()
    fields = [("Host", "localhost:8000"), ("Authorization", f"Bearer {key}")]
    with in_front_of(server, name, file) as proxy:

        def ask(method, target, body=None, fields=()):
            connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=HANG)
            try:
                connection.request(method, target, body, dict(fields))
                response = connection.getresponse()
                return response.status, response.read()
            finally:
                connection.close()

        status, packed = ask("POST", "/pipe/gzip", b"body" * 1000, fields)
        assert status == 200 and gzip.decompress(packed) == b"body" * 1000
        assert ask("POST", "/pipe/gzip", b"body", [("Host", "localhost:8000")])[0] == 401
        wait_for(lambda: server.metric("millrace_requests_total", route="/readyz", code="200") >= 1, "the proxy's health check")


class LightLoad:
    """Clients that make the same request through a proxy, each after the response to the one before it: half of them on connections that
    they keep."""

    CLIENTS = 4

    def __init__(self, port, *request):
        self.address, self.request = ("127.0.0.1", port), request
        self.done, self.failures, self.longest, self.over = 0, [], 0.0, threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(number % 2 == 0,)) for number in range(self.CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _run(self, keeps):
        wire = None
        while not self.over.is_set() and not self.failures:
            began = time.monotonic()
            try:
                wire = wire or Wire(self.address)
                response = wire.request(*self.request)
                assert response.status == 200, (response.status, response.body[:200])
            except Exception as error:  # noqa: BLE001 whatever it is, a client saw it
                self.failures.append(repr(error)[:500])
                return
            self.done += 1
            self.longest = max(self.longest, time.monotonic() - began)
            if response.closes or not keeps:
                wire = wire.close()
            time.sleep(0.02)

    def wait_for_more(self, count):
        """Until so many more requests are done, or one has failed."""
        wanted = self.done + count
        wait_for(lambda: self.done >= wanted or self.failures, f"{count} more requests")

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


A_BODY = ("POST", "/pipe/gzip", bytes(3000))
NO_BODY = ("GET", "/pipe", None)  # Debian's Caddy does not try a request with a body again


@pytest.mark.parametrize("name, file, request_", [("haproxy", "haproxy.cfg", A_BODY), ("caddy", "Caddyfile", NO_BODY)], ids=["haproxy", "caddy"])
def test_no_request_is_lost_when_the_service_behind_it_is_restarted(composed, name, file, request_):
    """As compose does it: SIGTERM, and when the server has ended, a new one at the same address, without a socket that stays open meanwhile."""
    start, key = composed
    server = start()
    method, target, body = request_
    with in_front_of(server, name, file) as proxy:
        wait_for(lambda: server.metric("millrace_requests_total", route="/readyz", code="200") >= 1, "the proxy's health check")
        load = LightLoad(proxy.port, method, target, {"Authorization": f"Bearer {key}"}, body)
        try:
            load.wait_for_more(20)
            assert server.terminate() == 0
            time.sleep(4)  # more than the three tries that HAProxy makes without being told
            server = start(server.port)
            load.wait_for_more(20)
        finally:
            load.end()
        assert not load.failures, load.failures
        print(f"{name}: {load.done} requests, the longest took {load.longest:.2f} s")
