"""The server under test as a process: started with options, asked over HTTP, ended by signals.

MILLRACE_PROCESSES=N starts each with --processes=N, unless it says otherwise itself.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from wire import Wire

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("MILLRACE_BINARY", ROOT / "build/millrace")).resolve()
BENCH = BINARY.with_name("millrace-bench")


def sanitizer():
    """The sanitizer that the binary was built with: "address", "thread" or ""."""
    code = BINARY.read_bytes() if BINARY.exists() else b""  # conftest.py complains
    return "address" if b"__asan_init" in code else "thread" if b"__tsan_init" in code else ""


SANITIZER = sanitizer()
SLOWLY = ("--job-time=10m", "--job-deadline=5m")  # under a sanitizer a job is right, but ten times as long
PROCESSES = os.environ.get("MILLRACE_PROCESSES", "1")
ON_LOOP = ("none", "inline")  # offloads under which the loop itself runs the jobs
HANG = 200.0  # seconds after which a test gives up: no measure of speed, but far beyond what a slow, busy machine needs


def environment(**more):
    """Our own without MILLRACE_..., which the server would take for its options, and with `more`."""
    return {key: value for key, value in os.environ.items() if not key.startswith("MILLRACE_")} | more


def wait_for(condition, what):
    """Poll until condition() is true and return what it gave; fail the test when it does not become so."""
    deadline = time.monotonic() + HANG
    pause = 0.002
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {HANG:.0f} s in vain for: {what}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return result


class Metrics:
    """One scrape of /metrics."""

    def __init__(self, text):
        self.text = text
        self.samples = []  # (name, {label: value}, value)
        for line in text.splitlines():
            if line and not line.startswith("#"):
                match = re.fullmatch(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)", line)
                assert match, f"not a sample: {line!r}"
                labels = dict(re.findall(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"', match[2] or ""))
                self.samples.append((match[1], labels, float(match[3])))

    def names(self):
        return {name for name, _, _ in self.samples}

    def sum(self, name, **labels):
        """The sum over all samples of that name that have these labels."""
        return sum(
            value
            for sample, have, value in self.samples
            if sample == name and all(have.get(key) == str(wanted) for key, wanted in labels.items())
        )


@contextmanager
def starting(offload):
    """A function that starts servers; in the end each must drain."""
    servers = []

    def start_one(*options, **more):
        servers.append(Server(offload, *options, **more))
        return servers[-1]

    try:
        yield start_one
        for each in servers:
            each.assert_drains()
    finally:
        for each in servers:
            each.kill()


def words_to_start(offload):
    """What starts a server under this offload. `threads` is none: a server of another shape, with the same options."""
    return [BENCH, "serve-threads"] if offload == "threads" else [BINARY, f"--offload={offload}"]


class Described:
    """What /openapi.yaml says of the responses. Read by its lines: it is large, and readers of YAML are slow."""

    def __init__(self, text):
        self.responses = {}  # by path and method: {status: types of problems}
        path = found = None
        for line in text.splitlines():
            if match := re.fullmatch(r"  (/\S*):", line):
                path = match[1]
            elif match := re.fullmatch(r"    ([a-z]+):", line):
                found = self.responses.setdefault((path, match[1]), {})
            elif match := re.match(r'        "([0-9]{3})":(?: .*description: "([a-z, -]+)")?', line):
                found[match[1]] = set((match[2] or "").split(", "))
        general = re.search(r'(?s)\n    default:\n      description: "(.*?)"', text)[1]
        self.general = set(re.findall(r"\b([45][0-9]{2})\s+([a-z-]+):", general))

    def has_status(self, route, status):
        """`route` as the metrics name it: a pattern of the router."""
        path = route.replace("*}", "}").replace("/files/{name}", "/files/{id}")
        paths = [each for each, _ in self.responses if each == path or (path == "/pipe/{stages}" and each.startswith("/pipe/"))]
        statuses = {status for status, _ in self.general}.union(*(self.responses[key] for key in self.responses if key[0] in paths))
        return not paths or status in statuses

    def has_problem(self, method, path, name):
        """Of a method that the path has not, or a path that is none, nothing is said."""
        templates = {each: re.sub(r"\\{\w+\\}", ".+" if "{stages}" in each else "[^/]+", re.escape(each)) for each, _ in self.responses}
        found = sorted((each for each, pattern in templates.items() if re.fullmatch(pattern, path)), key=lambda each: "{" in each)
        statuses = self.responses.get((found[0], method.lower())) if found else None
        general = {general for _, general in self.general} - {"not-found"}
        return statuses is None or name in general.union(*statuses.values())


class Server:
    """A running server under `offload`. `options` are its flags; --listen 127.0.0.1:0 unless they say otherwise.

    `passed`: a listening socket that it gets as systemd would pass it. `key`: an API key with the right to see /metrics.
    `prefix`: the words of a command that becomes the server, such as those of nsenter.
    """

    def __init__(self, offload, *options, env=None, passed=None, key=None, prefix=()):
        self.fields = {"Authorization": f"Bearer {key}"} if key else {}
        options = [str(option) for option in options]
        if PROCESSES != "1" and not any(option.startswith("--processes") for option in options):
            options.append(f"--processes={PROCESSES}")
        for option in SLOWLY if SANITIZER else ():
            if not any(given.startswith(option.split("=")[0]) for given in options):
                options.append(option)
        command = [*prefix, *words_to_start(offload), *options]
        if passed is not None:
            # LISTEN_PID must be the server's own: a shell knows its pid, and becomes the server.
            script = f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{passed.fileno()}'
            command = ["bash", "-c", script, "bash", *command]
        elif not any(option.startswith("--listen") for option in options):
            command.append("--listen=127.0.0.1:0")
        self.log = []  # lines of standard error
        self.urls = []
        self.problems = set()  # that request() saw: (method, path, name)
        self.drained = False
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(**(env or {})),
            pass_fds=() if passed is None else (passed.fileno(),),
        )
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        listeners = sum(option.startswith("--listen") for option in options) or 1
        wait_for(lambda: len(self.urls) >= listeners or self.exited(), "the server to listen")
        assert len(self.urls) >= listeners, "the server did not start:\n" + self.text()

    def _read_log(self):
        for line in self.process.stderr:
            line = line.decode("utf-8", "backslashreplace").rstrip("\n")
            self.log.append(line)
            if match := re.search(r"listening on ((?:http://|unix:)[^\s\"]+)", line):
                self.urls.append(match[1])

    # ---- talking to it

    @property
    def port(self):
        return int(self.urls[0].rsplit(":", 1)[1].rstrip("/"))

    def address(self, index=0):
        url = self.urls[index]
        if url.startswith("unix:"):
            return url[len("unix:") :]
        host, port = url[len("http://") :].rstrip("/").rsplit(":", 1)
        return host.strip("[]"), int(port)

    def connect(self, index=0, **more):
        return Wire(self.address(index), **more)

    def request(self, method, target, fields=(), body=None, **more):
        """One request on a connection of its own."""
        with self.connect() as wire:
            response = wire.request(method, target, fields, body, **more)
        if response.get("Content-Type") == "application/problem+json" and response.body:
            self.problems.add((method, target.split("?")[0], response.json()["type"].rpartition(":")[2]))
        return response

    def get(self, target, fields=()):
        return self.request("GET", target, fields)

    def post(self, target, body, fields=()):
        return self.request("POST", target, fields, body)

    def raw(self, data):
        """Send these bytes; the first answer to them."""
        with self.connect() as wire:
            wire.send(data)
            return wire.receive()

    def metrics(self):
        """Where connections are few, the last one may still count."""
        return wait_for(self._ask_metrics, "the metrics")

    def _ask_metrics(self):
        response = self.get("/metrics", self.fields)
        assert response.status in (200, 503), response.status
        return Metrics(response.body.decode()) if response.status == 200 else None

    def metric(self, name, **labels):
        return self.metrics().sum(name, **labels)

    def wait_for_metric(self, name, wanted, **labels):
        """Wait until the metric is at least `wanted`."""
        return wait_for(lambda: self.metric(name, **labels) >= wanted, f"{name}{labels} >= {wanted}")

    def text(self):
        return "\n".join(self.log)

    def access_log(self, path, count=1):
        """The first `count` access lines of requests for `path`, parsed, once they are written. The log must be JSON."""

        def lines():
            parsed = [json.loads(line) for line in list(self.log) if line.startswith("{")]
            found = [line for line in parsed if str(line.get("path", line.get("target", ""))).split("?")[0] == path]
            return found if len(found) >= count else None

        return wait_for(lines, f"{count} access lines for {path}")

    def children(self):
        """The pids of the processes that serve under a supervisor, oldest first."""
        try:
            pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return []
        return [int(pid) for pid in pids]

    def socket_of(self, wire):
        """The process and descriptor that hold the server's end of this connection."""
        port = wire.socket.getsockname()[1]
        inode = None
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            ends = [int(end.split(":")[1], 16) for end in fields[1:3]]
            if ends == [self.port, port]:
                inode = f"socket:[{fields[9]}]"
        for pid in self.children() or [self.process.pid]:
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    if os.readlink(descriptor) == inode:
                        return pid, int(descriptor.name)
                except FileNotFoundError:  # closed meanwhile
                    pass
        raise AssertionError("no process has it")

    def holder(self, wire):
        """The pid of the process that accepted this connection."""
        return self.socket_of(wire)[0]

    def resident_bytes(self):
        pids = self.children() or [self.process.pid]
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
        return pages * os.sysconf("SC_PAGE_SIZE")

    def page_faults(self):
        pids = self.children() or [self.process.pid]
        return sum(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7]) for pid in pids)

    def is_accepting(self):
        try:
            Wire(self.address()).close()
            return True
        except (ConnectionError, FileNotFoundError):  # the latter of a Unix socket
            return False

    # ---- ending it

    def exited(self):
        return self.process.poll() is not None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """Its exit status, once it has ended by itself."""
        try:
            status = self.process.wait(HANG)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server still runs after {HANG:.0f} s:\n{self.text()[-4000:]}") from None
        self.reader.join(5)
        return status

    def terminate(self):
        """SIGTERM, and its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        if not self.exited():
            self.process.kill()
        self.process.wait()

    # ---- what must hold after every test

    def unrest(self):
        """What is still going on although every client has left; empty when nothing is."""
        response = self.get("/metrics", self.fields)
        if response.status == 503:  # with --max-connections: who has left holds a place until that is noticed
            return {"status": 503}
        metrics = Metrics(response.body.decode())
        at_rest = {  # our own scrape is one connection and one request
            "millrace_connections": 1,
            "millrace_requests_in_flight": 1,
            "millrace_queue_depth": 0,
            "millrace_queue_work_seconds": 0,
            "millrace_queue_oldest_seconds": 0,
            "millrace_workers_busy": 0,
            "millrace_job_oldest_seconds": 0,
            "millrace_store_upload_oldest_seconds": 0,
            "millrace_memory_budget_used_bytes": 0,
            "millrace_disk_budget_used_bytes": 0,
        }
        found = {name: metrics.sum(name) for name in at_rest}
        return {name: value for name, value in found.items() if value != at_rest[name]}

    def assert_at_rest(self):
        assert not self.exited(), f"the server died with {self.process.returncode}:\n{self.text()[-4000:]}"
        deadline = time.monotonic() + HANG
        while unrest := self.unrest():
            assert time.monotonic() < deadline, f"still going on after the test: {unrest}"
            time.sleep(0.01)
        self.assert_no_reports()

    def assert_no_reports(self):
        bad = [line for line in self.log if re.search(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:", line)]
        assert not bad, f"sanitizer reports:\n{self.text()[-8000:]}"

    def assert_described(self):
        """What the server has sent is what /openapi.yaml says: each status of a path, each problem of a method."""
        response = self.get("/openapi.yaml", self.fields)
        if response.status != 200:
            return  # with --max-connections: as above
        described = Described(response.body.decode())
        for name, labels, _ in self.metrics().samples:
            if name == "millrace_requests_total" and labels["code"] != "0":  # its client had left
                assert described.has_status(labels["route"], labels["code"]), f"{labels} is not in /openapi.yaml"
        for method, path, problem in self.problems:
            assert described.has_problem(method, path, problem), f"{method} {path}: {problem} is not in /openapi.yaml"

    def assert_drains(self):
        """SIGTERM to a server at rest: it must end with 0, without a report."""
        if self.drained:
            return
        self.drained = True
        try:
            if not self.exited():
                self.assert_at_rest()
                self.assert_described()
                status = self.terminate()
                assert status == 0, f"exit status {status}:\n{self.text()[-8000:]}"
        finally:
            self.kill()
        self.assert_no_reports()
