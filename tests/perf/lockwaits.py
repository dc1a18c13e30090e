"""How often the loop's thread waits for a lock that another thread holds, such as the allocator's: strace counts its
futex waits, because the loop sleeps in epoll_wait alone."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from benchlib import Load, Scraper, millrace
from streamdata import mixed

LIGHT, IMAGES, STREAMS = 8, 16, 4  # connections
LOADS = {
    # name: (streams beside the images, busy programs beside the server)
    "images": (0, 0),
    "images and gzip": (STREAMS, 0),
    "images, two busy programs": (0, 2),
    "images and gzip, two busy programs": (STREAMS, 2),
}
WARMUP = 2.0
RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"  # anybody's
LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")


class Traced:
    """A server of whose threads strace writes every futex call. Its other system calls are not stopped."""

    def __init__(self, *options, environment=None):
        """options: of the server."""
        if not shutil.which("strace"):
            sys.exit("bench: strace is missing")
        self.path = tempfile.mkstemp(prefix="futex-")[1]
        # -D: the server stays our own child.
        strace = ("strace", "-D", "-f", "--seccomp-bpf", "-qqq", "-ttt", "-T", "-e", "trace=futex", "-e", "signal=none",
                  "-o", self.path)
        self.server = millrace(*options, environment=environment, prefix=strace)

    def __enter__(self):
        # Of several processes those that serve, which are children of the first, and not strace.
        pid = self.server.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.loops = {int(child) for child in children if _program_of(child) == _program_of(pid)} or {pid}
        return self.server

    def __exit__(self, *_):
        self.server.__exit__()

    def waits(self, began, ended):
        """Seconds of each wait of the main threads, which are the loops', that began in this time."""
        waits, counted = [], set()
        for line in Path(self.path).read_text().splitlines():
            match = LINE.match(line)
            if not match or (thread := int(match[1])) not in self.loops:
                continue
            if "FUTEX_WAIT" in match[3]:
                counted.discard(thread)
                if began <= float(match[2]) < ended:
                    counted.add(thread)
            elif "futex resumed" not in match[3]:
                continue
            if thread in counted and (took := re.search(r"<([\d.]+)>$", line)):
                waits.append(float(took[1]))
                counted.remove(thread)
        os.unlink(self.path)
        return waits


def _program_of(pid):
    return os.path.realpath(f"/proc/{pid}/exe")


@contextmanager
def busy_programs(count):
    programs = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def _measure(options, programs, light_rate, heavy, seconds, environment=None):
    """(seconds of each wait, heavy requests answered per second); heavy: of each stream its path, connections and body."""
    times = {"warmup": WARMUP, "duration": seconds, "grace": 30}
    traced = Traced(*options, environment=environment)
    with traced as server:
        with busy_programs(programs):
            light = Load(f"{server.url}/healthz", rate=light_rate, connections=LIGHT, **times)
            loads = [Load(f"{server.url}{path}", rate=0, connections=connections, body=body, **times)
                     for path, connections, body in heavy]
            time.sleep(WARMUP)
            began = time.time()
            time.sleep(seconds)
            ended = time.time()
            answered = [each.result()["answered_per_second"] for each in loads]
            light.result()
        Scraper(server).scrape()
    return traced.waits(began, ended), answered


def measure(load, picture, seconds, environment=None):
    """One of LOADS."""
    streams, programs = LOADS[load]
    heavy = [("/pipe/image?w=300", IMAGES, picture)]
    if streams:
        heavy.append(("/pipe/gzip", streams, mixed(1 << 20)))
    return _measure(("--loops=1",), programs, 200, heavy, seconds, environment)


def measure_lab(options, picture, seconds):
    """The lab's load on a server with these options."""
    data = mixed(1 << 20)
    heavy = [("/pipe/image?w=300", 8, picture), ("/pipe/gzip", 4, data), (f"/pipe/encrypt?recipient={RECIPIENT}", 4, data)]
    return _measure(options, 0, 1000, heavy, seconds)


def row(load, waits, answered):
    return [load, len(waits), f"{max(waits, default=0) * 1e3:.3g}", " + ".join(f"{rate:.3g}" for rate in answered)]
