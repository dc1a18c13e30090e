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
LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")


class Traced:
    """A server of whose threads strace writes every futex call. Its other system calls are not stopped."""

    def __init__(self, *options, environment=None):
        if not shutil.which("strace"):
            sys.exit("bench: strace is missing")
        self.path = tempfile.mkstemp(prefix="futex-")[1]
        # -D: the server stays our own child.
        strace = ("strace", "-D", "-f", "--seccomp-bpf", "-qqq", "-ttt", "-T", "-e", "trace=futex", "-e", "signal=none",
                  "-o", self.path)
        self.server = millrace(*options, environment=environment, prefix=strace)

    def __enter__(self):
        return self.server

    def __exit__(self, *_):
        self.server.__exit__()

    def waits(self, began, ended):
        """Seconds of each wait of the main thread, which is the loop's, that began in this time."""
        waits, is_counted = [], False
        for line in Path(self.path).read_text().splitlines():
            match = LINE.match(line)
            if not match or int(match[1]) != self.server.pid:
                continue
            if "FUTEX_WAIT" in match[3]:
                is_counted = began <= float(match[2]) < ended
            elif "futex resumed" not in match[3]:
                continue
            if is_counted and (took := re.search(r"<([\d.]+)>$", line)):
                waits.append(float(took[1]))
                is_counted = False
        os.unlink(self.path)
        return waits


@contextmanager
def busy_programs(count):
    programs = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def measure(load, picture, seconds, environment=None):
    """(seconds of each wait, heavy requests answered per second) of one load."""
    streams, programs = LOADS[load]
    times = {"warmup": WARMUP, "duration": seconds, "grace": 30}
    traced = Traced(environment=environment)
    with traced as server:
        with busy_programs(programs):
            light = Load(f"{server.url}/healthz", rate=200, connections=LIGHT, **times)
            loads = [Load(f"{server.url}/pipe/image?w=300", rate=0, connections=IMAGES, body=picture, **times)]
            if streams:
                loads.append(Load(f"{server.url}/pipe/gzip", rate=0, connections=streams, body=mixed(1 << 20), **times))
            time.sleep(WARMUP)
            began = time.time()
            time.sleep(seconds)
            ended = time.time()
            answered = [each.result()["answered_per_second"] for each in loads]
            light.result()
        Scraper(server).scrape()
    return traced.waits(began, ended), answered


def row(load, waits, answered):
    return [load, len(waits), f"{max(waits, default=0) * 1e3:.3g}", " + ".join(f"{rate:.3g}" for rate in answered)]
