"""Faults that a server meets in operation, made on purpose: what its clients see, and whether that is what was expected.

Each drill runs in namespaces of its own (mounts, network, processes) where the machine has them, with a real server, for a
minute at most. A file that was acknowledged must never be lost, whatever happened."""

import argparse
import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
import machine  # noqa: E402
from images import encode  # noqa: E402
from load import Load  # noqa: E402
from PIL import Image  # noqa: E402
from server import BINARY, Server, environment, wait_for  # noqa: E402

LIMIT = 60  # seconds of a drill; it then has ten more to clear away what it made
DAY = 86400  # seconds
CANNOT_RUN = 3  # status of a drill that the machine does not let run
ENDED = {"closed", "reset"}  # how a connection ends whose process does
DRILLS = {}


def drill(name):
    def add(function):
        DRILLS[name] = function
        return function

    return add


class Report:
    """What a drill saw, printed as it comes."""

    def __init__(self):
        self.held = True

    def say(self, text):
        print(f"  {text}", flush=True)

    def expect(self, condition, text):
        self.say(f"{'held' if condition else 'NOT HELD'}: {text}")
        self.held = self.held and bool(condition)

    def saw(self, load):
        counts = sorted(load.outcomes().items(), key=str)
        self.say(", ".join(f"{outcome}: {count}" for outcome, count in counts) or "nothing")
        self.say(f"longest wait {load.longest():.2f} s, longest time without a success {load.outage():.2f} s")

    def expect_only(self, load, *outcomes):
        others = set(load.outcomes()) - {200, 201} - set(outcomes)
        allowed = ", ".join(map(str, outcomes)) or "nothing"
        self.expect(not others, f"beside 200 and 201 clients saw {allowed}" + (f" (but: {others})" if others else ""))

    def expect_kept(self, load, server):
        lost = load.lost(server)
        self.expect(load.kept, "files were acknowledged")
        self.expect(not lost, f"of {len(load.kept)} acknowledged files {len(lost)} are lost")

    def expect_sound(self, data):
        done = subprocess.run([BINARY, "store", "check", data], capture_output=True, text=True, env=environment(), check=False)
        self.expect(done.returncode == 0, f"millrace store check: {done.stdout.strip().splitlines()[-1:]}")


servers = []


def start(data, *options, **more):
    servers.append(Server("workers", f"--data={data}", "--log-level=warn", *options, **more))
    return servers[-1]


def goes_on(load, count=20):
    """Wait until so many requests that begin from now on have succeeded."""
    now = time.monotonic()
    wait_for(lambda: len(load.succeeded(now)) >= count or load.broken, "requests to succeed")


def end_well(report, server):
    report.expect(server.terminate() == 0, "the server drains and ends with status 0")


# ---- processes that die


@drill("kill-server")
def kill_server(report, home):
    """SIGKILL of a server under load, and its start again."""
    server = start(home / "data")
    load = Load(server)
    goes_on(load, 50)
    server.process.kill()
    server.wait()
    time.sleep(0.5)  # for as long as an operator's tool takes
    server = start(home / "data", f"--listen=127.0.0.1:{server.port}")
    goes_on(load, 50)
    load.end()
    report.saw(load)
    report.expect_only(load, "closed", "reset", "refused")
    report.expect_kept(load, server)
    end_well(report, server)
    report.expect_sound(home / "data")


@drill("kill-process")
def kill_process(report, home):
    """SIGKILL of one of two processes under load, three times."""
    server = start(home / "data", "--processes=2")
    load = Load(server)
    for number in range(3):
        goes_on(load, 50)
        before = server.children()
        os.kill(before[number % 2], signal.SIGKILL)
        wait_for(lambda: len(server.children()) == 2 and server.children() != before, "its successor")
    goes_on(load, 50)
    load.end()
    report.saw(load)
    report.expect_only(load, "closed", "reset")
    report.expect(sum(load.outcomes()[each] for each in ENDED) <= 3 * len(load.clients), "each kill cost each client one connection at most")
    report.expect(server.metric("millrace_process_restarts_total") == 3, "the supervisor started three successors")
    report.expect_kept(load, server)
    end_well(report, server)
    report.expect_sound(home / "data")


# ---- disks


@drill("full-disk")
def full_disk(report, home):
    """Another program fills the file system of the data directory, and gives the room back."""
    with machine.tmpfs(home / "disk", "24m") as disk:
        fill_and_empty(report, disk)


def fill_and_empty(report, disk):
    server = start(disk / "data", env={"TMPDIR": str(disk)})
    load = Load(server, kinds=("put", "read", "read", "image", "health"), largest=20_000)
    goes_on(load)
    with open(disk / "filler", "wb", 0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            report.say("the file system is full")
    wait_for(lambda: load.outcomes()[507] >= 20, "uploads to be refused")
    goes_on(load)
    now = time.monotonic()
    (disk / "filler").unlink()
    wait_for(lambda: any(kind == "put" for kind, *_ in load.succeeded(now)), "uploads to succeed again")
    load.end()
    report.saw(load)
    report.expect_only(load, 507)
    refused = {kind for kind, outcome, _, _ in load.seen if outcome == 507}
    report.expect(refused == {"put"}, f"only uploads were refused: {sorted(refused)}")
    report.expect_kept(load, server)
    end_well(report, server)
    report.expect_sound(disk / "data")


@drill("slow-disk")
def slow_disk(report, home):
    """Each flush of the disk takes half a second longer."""
    delay = 0.5
    server = start(home / "data", prefix=machine.slow_disk(delay))
    load = Load(server)
    time.sleep(8)
    load.end()
    report.saw(load)
    report.say(f"longest wait of an upload {load.longest('put'):.2f} s, of everything else {load.longest('read', 'image', 'health'):.2f} s")
    report.expect_only(load)
    report.expect(load.longest("put") >= delay, "an upload is acknowledged after its flush")
    report.expect(load.longest("read", "image", "health") < delay, "nothing else waits for a flush")
    report.expect_kept(load, server)
    end_well(report, server)
    report.expect_sound(home / "data")


# ---- the network


@drill("link-down")
def link_down(report, home):
    """The server's network interface goes down for three seconds, then for longer than the server's timeouts."""
    with machine.link() as link:
        local = f"--listen=unix:{home / 'socket'}"
        timeouts = ("--body-timeout=4s", "--head-timeout=4s", "--idle-timeout=4s")
        server = start(home / "data", f"--listen={machine.SERVER_IP}:0", local, "--open", *timeouts, prefix=link.prefix)
        load = Load(server)
        goes_on(load)
        for seconds in (3, 8):
            link.set("down")
            time.sleep(seconds)
            if seconds == 8:
                server.urls.reverse()  # ask over the Unix socket
                left = server.metric("millrace_connections")
                server.urls.reverse()
                report.expect(left == 1, f"connections of clients that cannot be reached are ended ({left - 1:.0f} left)")
            link.set("up")
            goes_on(load)
        load.end()
        report.saw(load)
        report.expect_only(load, "closed", "reset", 408)
        report.expect_kept(load, server)
        end_well(report, server)
        report.expect_sound(home / "data")


# ---- memory


def large_pictures(server, clients=1):
    """Clients of a picture of 36 megapixels in a few KB, which takes more than 300 MB to encode."""
    picture = encode(Image.new("RGB", (6000, 6000)), "PNG")
    return Load(server, clients=clients, kinds=("image",), picture=picture, target="/pipe/image?fm=webp&w=5990")


@drill("memory-limit")
def memory_limit(report, home):
    """A cgroup's limit, and clients that want more memory than it has."""
    with machine.memory_group(192 << 20) as group:
        server = start(home / "data", prefix=group.prefix)
        load = Load(server, clients=12, kinds=("image", "image", "image", "put", "read", "health"), picture=encode(Image.new("RGB", (2400, 1600)), "WEBP", lossless=True))
        large = large_pictures(server, 2)
        time.sleep(8)
        for each in (load, large):
            each.end()
        report.saw(load)
        report.say(f"pictures of 36 megapixels: {dict(large.outcomes())}")
        report.expect_only(load, 503)
        report.expect(set(large.outcomes()) <= {413, 503}, "what cannot fit is refused with 413 or 503")
        report.expect(group.kills() == 0, f"the kernel killed {group.kills()} processes")
        report.expect_kept(load, server)
        end_well(report, server)


@drill("memory-killed")
def memory_killed(report, home):
    """The same with a budget that is far above the limit, so that the kernel kills."""
    with machine.memory_group(192 << 20) as group:
        server = start(home / "data", "--processes=2", "--memory-budget=4GiB", prefix=group.prefix)
        load = Load(server)
        goes_on(load)
        for _ in range(2):
            before = group.kills()
            large = large_pictures(server)
            wait_for(lambda: group.kills() > before, "the kernel to kill")
            large.end()
            report.say(f"the client of a picture of 36 megapixels saw {dict(large.outcomes())}")
            wait_for(lambda: len(server.children()) == 2, "a successor")
            goes_on(load)
        load.end()
        report.saw(load)
        report.expect_only(load, "closed", "reset")
        report.expect(not server.exited(), f"the supervisor lives; the kernel killed {group.kills()} processes")
        report.expect_kept(load, server)
        end_well(report, server)
        report.expect_sound(home / "data")


# ---- clock and log


@drill("clock-jump")
def clock_jump(report, home):
    """The wall clock goes a day ahead, then two days back."""
    clock = machine.Clock(home / "clock")
    server = start(home / "data", env=clock.env)
    load = Load(server)
    for seconds in (DAY, -DAY):
        goes_on(load)
        before = server.get("/healthz")["Date"]
        clock.jump(seconds)
        wait_for(lambda: server.get("/healthz")["Date"][:16] != before[:16], "the server to see another day")
    goes_on(load)
    load.end()
    report.saw(load)
    report.expect_only(load)
    report.expect_kept(load, server)
    listed = listing(server)
    report.expect(len(listed) == len(set(listed)) and set(listed) >= set(load.kept), "the list has each file once")
    end_well(report, server)
    report.expect_sound(home / "data")


def listing(server):
    """The URLs of all files, page after page."""
    found, target = [], "/files?limit=100"
    while target:
        page = server.get(target).json()
        found += [file["url"] for file in page["files"]]
        target = page.get("next")
    return found


def with_log_reader(report, home, number, text):
    reader = ("bash", "-c", 'exec "$@" 2> >(exec cat >&2)', "bash")
    server = start(home / "data", "--log-level=info", prefix=reader)
    [cat] = [pid for pid in server.children() if Path(f"/proc/{pid}/comm").read_text() == "cat\n"]
    load = Load(server, kinds=("put", "read", "image", "health", "health", "health"))
    goes_on(load)
    os.kill(cat, number)
    wait_for(lambda: server.metric("millrace_log_dropped_total") > 0, "lines to be dropped")
    goes_on(load, 500)
    load.end()
    report.saw(load)
    report.expect_only(load)
    report.expect(server.metric("millrace_log_dropped_total") > 0, f"{text}: {server.metric('millrace_log_dropped_total'):.0f} lines were dropped and counted")
    report.expect_kept(load, server)
    server.signal(signal.SIGTERM)
    wait_for(server.exited, "the server to end")
    report.expect(server.process.returncode == 0, f"the server drains and ends with status {server.process.returncode}")
    if number == signal.SIGSTOP:
        os.kill(cat, signal.SIGKILL)


@drill("log-gone")
def log_gone(report, home):
    """The reader of the log dies."""
    with_log_reader(report, home, signal.SIGKILL, "without a reader")


@drill("log-stopped")
def log_stopped(report, home):
    """The reader of the log stops reading."""
    with_log_reader(report, home, signal.SIGSTOP, "with a reader that does not read")


# ---- many clients


class Idler:
    """A client that keeps a connection which it does not use, and comes back when the server closes it."""

    def __init__(self, address):
        self.address = address
        self.waited, self.seen = 0.0, []
        self.is_idle = asyncio.Event()

    async def ask(self):
        self.reader, self.writer = await asyncio.open_connection(*self.address)
        self.writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await self.reader.readuntil(b"\r\n\r\n")
        await self.reader.readexactly(int(head.lower().split(b"content-length:")[1].split()[0]))
        return int(head.split()[1])

    async def come_back(self):
        began = time.monotonic()
        while True:
            try:
                self.seen.append(await self.ask())
                self.waited = time.monotonic() - began
                return
            except (OSError, asyncio.IncompleteReadError) as error:
                self.seen.append(type(error).__name__)
                await asyncio.sleep(0.1)

    async def run(self):
        await self.ask()
        self.is_idle.set()
        try:
            end = "closed" if await self.reader.read(1) == b"" else "bytes"
        except ConnectionResetError:
            end = "reset"
        self.seen.append(end)
        self.writer.close()
        await self.come_back()
        self.writer.close()


async def idle_through_restart(clients, server, passed, data):
    """Returns the successor, and the seconds that the first one took to drain."""
    tasks = []
    for begin in range(0, len(clients), 500):
        some = clients[begin : begin + 500]
        tasks += [asyncio.create_task(client.run()) for client in some]
        await asyncio.gather(*(client.is_idle.wait() for client in some))
    held = await asyncio.to_thread(server.metric, "millrace_connections")
    began = time.monotonic()
    await asyncio.to_thread(server.terminate)
    drained = time.monotonic() - began
    successor = await asyncio.to_thread(start, data, "--idle-timeout=10m", passed=passed)
    await asyncio.gather(*tasks)
    return successor, held, drained


@drill("idle-clients")
def idle_clients(report, home):
    """10,000 idle connections, or as many as descriptors allow, when the server is restarted over its socket."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(10_000, hard - 200)
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as passed:
        server = start(home / "data", "--idle-timeout=10m", passed=passed)
        clients = [Idler(server.address()) for _ in range(count)]
        successor, held, drained = asyncio.run(idle_through_restart(clients, server, passed, home / "data"))
        seen = [each for client in clients for each in client.seen]
        report.say(", ".join(f"{each}: {seen.count(each)}" for each in sorted(set(seen), key=str)))
        report.say(f"the first server had drained after {drained:.2f} s; longest wait of a client that came back {max(client.waited for client in clients):.2f} s")
        report.expect(held > count, f"{held:.0f} connections were open")
        report.expect(seen.count("closed") == count, "each connection was closed cleanly")
        report.expect(seen.count(200) == count and len(seen) == 2 * count, "each client was served when it came back, at its first attempt")
        end_well(report, successor)


# ---- running them


def too_late(*_):
    raise TimeoutError(f"it did not end in {LIMIT} s")


def run_inside(name):
    """In the namespaces: the status is 0 if all held, 1 if not, CANNOT_RUN if the machine does not let it."""
    subprocess.run(["ip", "link", "set", "lo", "up"], capture_output=True, check=False)
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(LIMIT)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="millrace-drill-", ignore_cleanup_errors=True) as home:
        try:
            DRILLS[name](report, Path(home))
        except machine.Missing as missing:
            report.say(f"cannot run here; missing: {missing}")
            return CANNOT_RUN
        except Exception as error:  # anything unexpected
            report.expect(False, f"{type(error).__name__}: {error}")
            print("\n".join(line for server in servers for line in server.log[-20:]))
        finally:
            for server in servers:
                server.kill()
    return 0 if report.held else 1


def isolation():
    """The command that runs another in namespaces of its own, or none."""
    words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        words.append("--map-root-user")
    try:
        possible = subprocess.run([*words, "ip", "link", "set", "lo", "up"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        possible = False
    return ["env", "MILLRACE_DRILL_ISOLATED=1", *words] if possible else []


def run_drill(name, prefix):
    """Its status."""
    print(f"{name}: {DRILLS[name].__doc__}", flush=True)
    return subprocess.run([*prefix, sys.executable, __file__, "--inside", name], check=False).returncode


def main():
    parser = argparse.ArgumentParser(prog="script/drills", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"which of {', '.join(DRILLS)} (all)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.name) - set(DRILLS):
        parser.error(f"no such drill: {', '.join(sorted(unknown))}")
    if arguments.inside:
        sys.exit(run_inside(arguments.name[0]))
    prefix = isolation()
    if not prefix:
        print("no namespaces here: some drills cannot run")
    found = {name: run_drill(name, prefix) for name in arguments.name or DRILLS}
    missing = [name for name in found if found[name] == CANNOT_RUN]
    failed = [name for name in found if found[name] not in (0, CANNOT_RUN)]
    print(f"{len(found) - len(failed) - len(missing)} held, {len(failed)} did not, {len(missing)} cannot run here")
    for text, names in (("did not hold", failed), ("cannot run here", missing)):
        if names:
            print(f"{text}: {', '.join(names)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
