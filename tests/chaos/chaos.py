"""Clients that do everything wrong at once, under servers with small budgets whose processes are killed, stopped and restarted.

Afterwards nothing may be left of it: no request in flight, no memory or descriptor more than before, no report of a sanitizer,
no acknowledged file lost; each server must then drain and end with status 0. What each client does follows from the seed; when
it does it, does not.

CHAOS_REQUESTS  exchanges of all clients together (2000)
CHAOS_SEED      repeats the acts of an earlier run (else one is made up, and told)
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
from acts import ACTS, Client  # noqa: E402
from server import BINARY, HANG, ROOT, SANITIZER, Server, environment, wait_for  # noqa: E402

REQUESTS = int(os.environ.get("CHAOS_REQUESTS") or 2000)
SEED = os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(1 << 32))
CLIENTS = 10
MIB = 1 << 20
MORE_MEMORY = {"": 64, "address": 768, "thread": 768}[SANITIZER] * MIB  # those of a sanitizer keep what was freed
MORE_DESCRIPTORS = 2  # for each process: opened once, when they are first needed
KEPT_DIRECTORIES = 4  # that a thread which commits keeps open (src/store/fs/directories.h) ...
COMMITTERS = int(re.search(r"define MR_STORE_COMMITTERS\s+(\d+)", (ROOT / "src/store/store_numbers.h").read_text())[1])  # ... of which a process has so many

SMALL = (
    "--memory-budget=48MiB", "--body-memory=64KiB", "--disk-budget=24MiB", "--max-spill=1MiB", "--max-body=8MiB", "--queue-depth=4",
    "--max-connections=14", "--cache-memory=4MiB", "--head-timeout=2s", "--body-timeout=2s", "--idle-timeout=3s", "--drain-timeout=5s",
    "--max-requests-per-connection=50", "--log-level=warn",
)  # fmt: skip
HANG_TIMEOUT = 4  # seconds
SHAPES = {
    "one process, two loops": ("workers", "--processes=1", "--loops=2"),
    "three processes, two loops each": ("workers", "--processes=3", "--loops=2", "--workers=1", f"--hang-timeout={HANG_TIMEOUT}s"),
    "one process, libuv's pool": ("libuv", "--processes=1", "--loops=1"),
    "two processes, jobs on the loop": ("none", "--processes=2", "--loops=1", "--hang-timeout=0"),
}


class ChaosServer(Server):
    """libuv closes descriptors by a system call of its own, which ThreadSanitizer does not see: it takes a file that has the
    number next for what was closed. Its reports of descriptors say nothing, so they set no exit status, and do not count."""

    def __init__(self, *options):
        env = {"TSAN_OPTIONS": os.environ.get("TSAN_OPTIONS", "") + ":exitcode=0"} if SANITIZER == "thread" else {}
        super().__init__(*options, env=env)

    def assert_no_reports(self):
        if SANITIZER != "thread":
            super().assert_no_reports()
            return
        reports = re.findall(r"(?s)WARNING: ThreadSanitizer: .*?\nSUMMARY: [^\n]*", self.text())
        bad = [report for report in reports if "Location is file descriptor" not in report]
        assert not bad, f"{len(bad)} sanitizer reports, the first:\n{bad[0][:6000]}"


class Troubler(threading.Thread):
    """Kills and stops the processes of a server that has several, and has it read its files again, until end()."""

    def __init__(self, server, seed, done):
        super().__init__(daemon=True)
        self.server, self.random, self.done = server, random.Random(seed), done
        self.stops = threading.Event()
        self.start()

    def run(self):
        acts = []
        while not self.stops.wait(self.random.uniform(0.3, 1.5)):
            victims = self.server.children()
            acts = acts or self.random.sample([self.kill, self.pause, self.reload], 3)
            act = acts.pop() if victims else self.reload
            try:
                act(self.random.choice(victims or [None]))
                self.done[act.__name__] += 1
            except ProcessLookupError:  # it has just died
                pass

    def kill(self, pid):
        os.kill(pid, signal.SIGKILL)

    def pause(self, pid):
        """At times for longer than --hang-timeout, so that the supervisor ends it."""
        os.kill(pid, signal.SIGSTOP)
        try:
            self.stops.wait(self.random.choice([0.1, 0.5, 1, HANG_TIMEOUT + 2]))
        finally:
            os.kill(pid, signal.SIGCONT)

    def reload(self, _):
        self.server.signal(signal.SIGHUP)

    def end(self):
        self.stops.set()
        self.join(HANG)


def links_of(pid):
    """What each descriptor of the process is, without what differs each time."""
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            yield re.sub(r"\d{3,}", "N", os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:  # that of a directory which has been read
            pass


class Footprint:
    """What the processes of a server hold at rest."""

    def __init__(self, server):
        self.pids = server.children() or [server.process.pid]
        self.memory = server.resident_bytes()
        self.descriptors = Counter(link for pid in self.pids for link in links_of(pid))

    def excess(self, before):
        """Words that say what is more than before, or none."""
        more_memory, more = self.memory - before.memory, self.descriptors - before.descriptors
        directories = sum(count for link, count in self.descriptors.items() if "/objects/" in link)
        found = []
        if len(self.pids) != len(before.pids):
            found.append(f"{len(self.pids)} processes instead of {len(before.pids)}")
        if more_memory > MORE_MEMORY:
            found.append(f"{more_memory / MIB:.0f} MiB more")
        if sum(count for link, count in more.items() if "/objects/" not in link) > MORE_DESCRIPTORS * len(self.pids):
            found.append(f"descriptors more: {dict(more)}")
        if directories > KEPT_DIRECTORIES * COMMITTERS * len(self.pids):
            found.append(f"{directories} directories open")
        return ", ".join(found)


def footprint(server):
    try:
        return Footprint(server)
    except (FileNotFoundError, ProcessLookupError):  # a process died meanwhile
        return None


class Run:
    """One shape of a server under chaos. Each server that it starts has the same directory and port."""

    def __init__(self, name, home, requests):
        self.name, self.data = name, home / "data"
        self.offload, *self.options = SHAPES[name]
        self.left = requests
        self.lock = threading.Lock()
        self.kept = {}  # bodies of acknowledged files, by URL
        self.seen = Counter()
        self.failures = []
        self.trouble = Counter()  # what was done to processes
        self.servers = []
        self.start()

    @property
    def server(self):
        return self.servers[-1]

    def start(self, *options):
        self.servers.append(ChaosServer(self.offload, f"--data={self.data}", *SMALL, *self.options, *options))

    def take(self):
        """False: there are no more exchanges to make."""
        with self.lock:
            self.left -= 1
            return self.left >= 0 and not self.failures

    def give_back(self):
        with self.lock:
            self.left += 1

    def restart(self):
        """SIGTERM under load. Its status may be 1: it cuts what does not end in --drain-timeout."""
        port = self.server.port
        status = self.server.terminate()
        assert status in (0, 1), f"it ended with {status}:\n{self.server.text()[-4000:]}"
        self.start(f"--listen=127.0.0.1:{port}")

    def troubler(self):
        return Troubler(self.server, f"{SEED} {self.name} {len(self.servers)}", self.trouble)

    def exchange(self):
        """All of them; half-way the server is restarted."""
        half = self.left // 2
        clients = [Client(self, f"{SEED} {self.name} {number}") for number in range(CLIENTS)]
        troubler = self.troubler()
        wait_for(lambda: self.left <= half or self.failures, "half of the exchanges")
        troubler.end()
        self.restart()
        troubler = self.troubler()
        for client in clients:
            client.join(HANG + 60)
            assert not client.is_alive(), f"a client hangs in {client.act}"
        troubler.end()
        assert not self.failures, self.failures[0]

    def assert_nothing_left(self, before):
        self.server.assert_at_rest()
        excess = lambda: (now := footprint(self.server)) is None or now.excess(before)  # noqa: E731
        deadline = time.monotonic() + 30
        while found := excess():
            assert time.monotonic() < deadline, f"at rest it has {found}"
            time.sleep(0.2)
        wait_for(lambda: not os.listdir(self.data / "uploads"), "files of interrupted uploads to be removed")
        print(f"  {before.memory / MIB:.0f} MiB resident before, {self.server.resident_bytes() / MIB:.0f} after", flush=True)

    def assert_kept(self):
        for url, body in self.kept.items():
            response = self.server.get(url)
            assert response.status == 200 and response.body == body, f"{url}: {response.status}, it was acknowledged"

    def assert_sound(self):
        done = subprocess.run([BINARY, "store", "check", self.data], capture_output=True, text=True, env=environment(), check=False)
        assert done.returncode == 0, done.stdout

    def run(self):
        for act in ("upload", "image", "ordinary", "never_reads") * 3:  # what is opened once is open
            Client.once(self, act)
        self.server.assert_at_rest()
        before = Footprint(self.server)
        self.exchange()
        self.assert_nothing_left(before)
        self.assert_kept()
        self.server.assert_drains()
        for server in self.servers:
            server.assert_no_reports()
        self.assert_sound()


def run_shape(name, requests):
    print(f"{name}: {requests} exchanges", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="millrace-chaos-", ignore_cleanup_errors=True) as home:
        run = Run(name, Path(home), requests)
        try:
            run.run()
        finally:
            for server in run.servers:
                server.kill()
            print("  " + ", ".join(f"{outcome}: {count}" for outcome, count in sorted(run.seen.items(), key=str)), flush=True)
    print("  processes: " + ", ".join(f"{what}: {count}" for what, count in sorted(run.trouble.items())))
    print(f"  {len(run.kept)} files kept; nothing is left of it; {time.monotonic() - began:.0f} s", flush=True)


def main():
    print(f"CHAOS_SEED={SEED}, acts: {', '.join(ACTS)}", flush=True)
    failed = 0
    for name in SHAPES:
        try:
            run_shape(name, REQUESTS // len(SHAPES))
        except AssertionError as failure:
            failed = 1
            print(f"  FAILED: {failure}\n  once more: CHAOS_SEED={SEED} CHAOS_REQUESTS={REQUESTS} script/test chaos", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
