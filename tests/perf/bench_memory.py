"""Memory over a long mixed run: it must stop growing. Compares allocators, too."""

import argparse
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchlib import PHOTO_KIND, Verdicts, machine, millrace, table
from mixlib import Clients, animations, pictures, request

SEED = 20
CONNECTIONS = 4
SAMPLE_EVERY = 5  # requests
EARLY = (1000, 3000)  # its highest is compared with that of the last LATE
LATE = 2000
GROWTH_MAX = 1.1
PEAK_MAX_MIB = 200

# Formats that are dear to encode are asked for less often.
OUTPUTS = {"jpg": 40, "webp": 25, "png": 15, "avif": 6, "gif": 6, "tiff": 8}
EXTRAS = (
    "", "", "", "", "", "", "&fit=crop&h=200&crop=attention", "&fit=crop&h=150&crop=entropy", "&fit=fill&h=300&bg=aabbcc",
    "&blur=60", "&sharp=30", "&rot=90", "&rot=12.5&bg=fff", "&flip=h", "&pad=20", "&trim=auto", "&mono=884400", "&gam=20&sat=-30",
    "&rect=10,10,200,150", "&q=95&interlace", "&shrink=careful", "&strip=0",
)  # fmt: skip
MISTAKES = ("w=0", "w=300&w=300", "nonsense=1", "fm=bmp", "q=101", "rect=1,2,3", "bg=nocolour")
SIZES = {0.05: 42, 0.5: 35, 2: 18, 12: 2}  # megapixels
ANIMATIONS = 3


@dataclass
class Job:
    kind: str  # answer, mistake, truncated, no image, left while sending, left while waiting, left while reading
    target: str
    body: bytes
    statuses: tuple = ()


def make_inputs():
    """[(weight, [bytes])]"""
    inputs = [(weight, pictures(megapixels)) for megapixels, weight in SIZES.items()]
    return [*inputs, (ANIMATIONS, animations(300))]


def target(rng):
    """Mostly small, some large: as a page of thumbnails asks, and whoever opens one."""
    widest = rng.choices((320, 640, 1200), (60, 30, 10))[0]
    output = rng.choices(list(OUTPUTS), OUTPUTS.values())[0]
    width = rng.randint(32, min(widest, 480) if output in ("avif", "gif") and rng.random() < 0.9 else widest)
    return f"/pipe/image?w={width}&fm={output}{rng.choice(EXTRAS)}"


def make_jobs(count, inputs):
    """The same ones every time."""
    rng = random.Random(SEED)
    weights = [weight for weight, _ in inputs]
    small = inputs[0][1]
    for _ in range(count):
        body = rng.choice(rng.choices(inputs, weights)[0][1])
        dice = rng.random()
        if dice < 0.90:
            yield Job("answer", target(rng), body, (200,))
        elif dice < 0.92:
            yield Job("mistake", f"/pipe/image?{rng.choice(MISTAKES)}", small[0], (400,))
        elif dice < 0.94:
            yield Job("truncated", target(rng), body[: int(len(body) * rng.uniform(0.3, 0.98))], (422,))
        elif dice < 0.95:
            yield Job("no image", target(rng), rng.randbytes(rng.randint(1, 50000)), (415,))
        else:
            yield Job(f"left while {rng.choice(('sending', 'waiting', 'reading'))}", target(rng), body)


def leave(client, job):
    """Go away in the middle, every other time without a farewell."""
    message = request("POST", job.target, body=job.body)
    head = len(message) - len(job.body)
    wire = client.connect()
    if job.kind == "left while sending":
        message = message[: head + len(job.body) // 2]
    wire.send(message)
    if job.kind == "left while reading":
        wire.is_readable(60)  # the first bytes of the answer are taken, no more
    if len(job.body) % 2:
        client.reset()
    else:
        client.close()


def work(client, job):
    if job.kind.startswith("left"):
        leave(client, job)
        return
    response = client.post(job.target, job.body)
    if response.status not in job.statuses:
        raise AssertionError(f"{job.kind} {job.target}: {response.status} {response.body[:300]!r}")


# ---- One run ----


@dataclass
class Run:
    """A way to start the server: which allocator, and how it is told."""

    name: str
    library: str = ""  # to preload
    environment: dict = None

    def start(self, workers):
        environment = dict(self.environment or {})
        if self.library:
            environment["LD_PRELOAD"] = self.library
        server = millrace(f"--workers={workers}", environment=environment)
        if self.library and self.library not in Path(f"/proc/{server.pid}/maps").read_text():
            server.__exit__()
            sys.exit(f"bench: {self.library} was not loaded: apt-get install {PACKAGES[self.name]}")
        return server


PACKAGES = {"jemalloc": "libjemalloc2", "mimalloc": "libmimalloc2.0"}
ALLOCATORS = {
    "glibc": Run("glibc"),
    "jemalloc": Run("jemalloc", "libjemalloc.so.2"),
    "mimalloc": Run("mimalloc", "libmimalloc.so.2"),
}


class Memory:
    """What one run showed."""

    def __init__(self, run, args, inputs):
        self.samples = []  # (requests done, KiB)
        self.kinds = {}
        with run.start(args.workers) as server:
            began, cpu, faults = time.monotonic(), server.cpu_seconds(), server.page_faults()

            def done(count):
                if count % SAMPLE_EVERY == 0:
                    self.samples.append((count, server.memory_kib()))
                if count % 1000 == 0:
                    print(f"  {run.name}: {count} requests in {time.monotonic() - began:.0f} s, "
                          f"highest so far {server.memory_kib('VmHWM') / 1024:.0f} MiB", flush=True)

            Clients(server, CONNECTIONS, work, done).run(self.counted(make_jobs(args.requests, inputs)))
            self.seconds = time.monotonic() - began
            self.cpu_ms = (server.cpu_seconds() - cpu) / args.requests * 1e3
            self.faults = (server.page_faults() - faults) / args.requests
            self.per_second = args.requests / self.seconds
            time.sleep(1)
            self.final = server.memory_kib() / 1024
            self.peak = server.memory_kib("VmHWM") / 1024
        self.status = server.status
        self.early = self.highest(*EARLY)
        self.late = self.highest(args.requests - LATE, args.requests)

    def counted(self, jobs):
        for job in jobs:
            self.kinds[job.kind] = self.kinds.get(job.kind, 0) + 1
            yield job

    def highest(self, begin, end):
        """MiB"""
        return max((kib for count, kib in self.samples if begin <= count <= end), default=0) / 1024


def report(runs):
    print("\nresident memory in MiB; CPU: of the server")
    rows = [
        [name, f"{one.early:.0f}", f"{one.late:.0f}", f"{one.peak:.0f}", f"{one.final:.0f}",
         f"{one.per_second:.1f}", f"{one.cpu_ms:.1f}", f"{one.faults:.0f}"]
        for name, one in runs.items()
    ]
    table(["", f"highest of {EARLY[0]} to {EARLY[1]}", f"of the last {LATE}", "peak", "at rest after it", "requests/s",
           "CPU ms a request", "page faults a request"], rows)
    for name, one in runs.items():
        print(f"{name}: {dict(sorted(one.kinds.items()))}")


def judge(name, one, requests, verdicts):
    if requests >= EARLY[1] + LATE:
        growth = one.late / one.early
        verdicts.exactly(f"{name}: last {LATE} / {EARLY[0]} to {EARLY[1]}", growth, growth <= GROWTH_MAX, f"<= {GROWTH_MAX}")
    verdicts.exactly(f"{name}: highest RSS in MiB", one.peak, one.peak < PEAK_MAX_MIB, f"< {PEAK_MAX_MIB}")
    verdicts.exactly(f"{name}: exit status", one.status, one.status == 0, "0")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--allocator", nargs="+", default=["glibc"], choices=list(ALLOCATORS),
                        help="preloaded; what is not glibc's comes from " + ", ".join(PACKAGES.values()))
    parser.add_argument("--malloc-arena-max", nargs="+", type=int, default=[], metavar="N",
                        help="further runs with glibc's allocator and so many arenas")
    args = parser.parse_args()

    runs = [ALLOCATORS[name] for name in args.allocator]
    runs += [Run(f"glibc, {n} arenas", environment={"MALLOC_ARENA_MAX": str(n)}) for n in args.malloc_arena_max]
    print(f"{machine()}\n{args.requests} requests over {CONNECTIONS} connections, {args.workers} workers, seed {SEED}; the source is "
          f"{PHOTO_KIND}", flush=True)
    inputs = make_inputs()
    measured = {run.name: Memory(run, args, inputs) for run in runs}
    report(measured)
    verdicts = Verdicts()
    for name, one in measured.items():
        judge(name, one, args.requests, verdicts)
    verdicts.finish()


main()
