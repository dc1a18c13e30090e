"""Memory over a long mixed run, of bodies or (--by-url) of stored files: it must stop growing. Compares allocators, too."""

import argparse
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchlib import CACHE, PHOTO_KIND, Scraper, Verdicts, machine, millrace, table
from mixlib import Client, Clients, animations, pictures, request

SEED = 20
CONNECTIONS = 4
SAMPLE_EVERY = 5  # requests
EARLY = (1000, 3000)  # its highest is compared with that of the last LATE
EARLY_BY_URL = (8000, 12000)  # by then there is no room for more images
LATE = 2000
GROWTH_MAX = 1.1
PEAK_MAX_MIB = 200
KEPT_MAX_MIB = 64  # images, by default
POPULAR = 2000  # addresses that are asked for again and again, by half of the requests

# Formats that are dear to encode are asked for less often.
OUTPUTS = {"jpg": 40, "webp": 25, "png": 15, "avif": 6, "gif": 6, "tiff": 8}
EXTRAS = (
    "", "", "", "", "", "", "&fit=crop&h=200&crop=attention", "&fit=crop&h=150&crop=entropy", "&fit=fill&h=300&bg=aabbcc",
    "&blur=60", "&sharp=30", "&rot=90", "&rot=12.5&rot-type=pivot&bg=fff", "&flip=h", "&pad=20", "&trim=auto", "&mono=884400", "&gam=20&sat=-30",
    "&rect=10,10,200,150", "&q=95&interlace", "&shrink=careful", "&strip=0",
)  # fmt: skip
MISTAKES = ("w=0", "w=300&w=300", "nonsense=1", "fm=bmp", "q=101", "rect=1,2,3", "bg=nocolour")
SIZES = {0.05: 42, 0.5: 35, 2: 18, 12: 2}  # megapixels
ANIMATIONS = 3


@dataclass
class Job:
    kind: str  # answer, mistake, truncated, no image, left while sending, left while waiting, left while reading
    target: str
    body: bytes  # None: GET
    statuses: tuple = ()


def make_inputs():
    """[(weight, [bytes])]"""
    inputs = [(weight, pictures(megapixels)) for megapixels, weight in SIZES.items()]
    return [*inputs, (ANIMATIONS, animations(300))]


def target(rng):
    """Mostly small, some large: as a page of thumbnails asks, and whoever opens one."""
    widest = rng.choices((320, 640, 1200), (60, 30, 10))[0]
    output = rng.choices(list(OUTPUTS), OUTPUTS.values())[0]
    width = rng.randint(80, min(widest, 480) if output in ("avif", "gif") and rng.random() < 0.9 else widest)
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
            yield Job("truncated", target(rng), body[: int(len(body) * rng.uniform(0.3, 0.98))], (200, 422))  # 200: none of what is shown was cut off
        elif dice < 0.95:
            yield Job("no image", target(rng), rng.randbytes(rng.randint(1, 50000)), (415,))
        else:
            yield Job(f"left while {rng.choice(('sending', 'waiting', 'reading'))}", target(rng), body)


# ---- By URL ----


def keep(client, body):
    """The id of the file that it becomes."""
    response = client.post("/files", body)
    assert response.status == 201, response.body
    return response.json()["id"]


def store(server, inputs):
    """[(weight, [ids])], damaged ones, one that is no picture."""
    client, rng = Client(server.address), random.Random(SEED)
    stored = [(weight, [keep(client, body) for body in bodies]) for weight, bodies in inputs]
    damaged = [keep(client, body[: int(len(body) * rng.uniform(0.3, 0.98))]) for body in inputs[0][1]]
    text = keep(client, b"plain words")
    client.close()
    return stored, damaged, text


def make_jobs_by_url(count, stored, damaged, text):
    rng = random.Random(SEED)
    weights = [weight for weight, _ in stored]

    def address():
        return target(rng).replace("/pipe/image", f"/images/{rng.choice(rng.choices(stored, weights)[0][1])}")

    popular = [address() for _ in range(POPULAR)]
    for _ in range(count):
        dice = rng.random()
        if dice < 0.50:
            yield Job("popular", rng.choice(popular), None, (200,))
        elif dice < 0.90:
            yield Job("answer", address(), None, (200,))
        elif dice < 0.92:
            yield Job("mistake", f"/images/{text}?{rng.choice(MISTAKES)}", None, (400,))
        elif dice < 0.93:
            yield Job("truncated", f"/images/{rng.choice(damaged)}?w={rng.randint(1, 500)}&fm=jpg", None, (422,))
        elif dice < 0.94:
            yield Job("original in its place", f"/images/{rng.choice(damaged)}?w={rng.randint(1, 500)}&fallback=original", None, (200, 422))
        elif dice < 0.945:
            yield Job("no image", f"/images/{text}?w=5", None, (415,))
        elif dice < 0.95:
            yield Job("missing", f"/images/01M8MMF2NAXJFYWDJD7847071C?w={rng.randint(1, 500)}", None, (404,))
        else:
            yield Job(f"left while {rng.choice(('waiting', 'reading'))}", address(), None)


def leave(client, job):
    """Go away in the middle, every other time without a farewell."""
    message = request("GET" if job.body is None else "POST", job.target, body=job.body)
    head = len(message) - len(job.body or b"")
    wire = client.connect()
    if job.kind == "left while sending":
        message = message[: head + len(job.body) // 2]
    wire.send(message)
    if job.kind == "left while reading":
        wire.is_readable(60)  # the first bytes of the answer are taken, no more
    if len(job.body or job.target) % 2:
        client.reset()
    else:
        client.close()


def work(client, job):
    if job.kind.startswith("left"):
        leave(client, job)
        return
    response = client.get(job.target) if job.body is None else client.post(job.target, job.body)
    if response.status not in job.statuses:
        raise AssertionError(f"{job.kind} {job.target}: {response.status} {response.body[:300]!r}")


# ---- One run ----


@dataclass
class Run:
    """A way to start the server: with which allocator."""

    name: str
    library: str = ""  # to preload

    def start(self, workers, *options):
        environment = {"LD_PRELOAD": self.library} if self.library else {}
        server = millrace(f"--workers={workers}", *options, environment=environment)
        if self.library and self.library not in Path(f"/proc/{server.pid}/maps").read_text():
            server.__exit__()
            sys.exit(f"bench: {self.library} was not loaded: apt-get install {PACKAGES[self.name]}")
        return server


PACKAGES = {"mimalloc": "libmimalloc2.0"}
ALLOCATORS = {
    "jemalloc": Run("jemalloc"),  # which the server is linked with
    "mimalloc": Run("mimalloc", "libmimalloc.so.2"),
}


class Memory:
    """What one run showed."""

    def __init__(self, run, args, inputs):
        self.samples = []  # (requests done, KiB)
        self.kinds = {}
        self.left_over = self.kept = 0  # bytes in the end: of the budget, of images
        home = tempfile.mkdtemp(prefix="memory-", dir=CACHE) if args.by_url else None
        options = [f"--data={home}/data", "--durability=none"] if home else []
        with run.start(args.workers, *options) as server:
            jobs = make_jobs_by_url(args.requests, *store(server, inputs)) if home else make_jobs(args.requests, inputs)
            began, cpu, faults = time.monotonic(), server.cpu_seconds(), server.page_faults()

            def done(count):
                if count % SAMPLE_EVERY == 0:
                    self.samples.append((count, server.memory_kib()))
                if count % 1000 == 0:
                    print(f"  {run.name}: {count} requests in {time.monotonic() - began:.0f} s, "
                          f"highest so far {server.memory_kib('VmHWM') / 1024:.0f} MiB", flush=True)

            Clients(server, CONNECTIONS, work, done).run(self.counted(jobs))
            self.seconds = time.monotonic() - began
            self.cpu_ms = (server.cpu_seconds() - cpu) / args.requests * 1e3
            self.faults = (server.page_faults() - faults) / args.requests
            self.per_second = args.requests / self.seconds
            time.sleep(1)
            self.final = server.memory_kib() / 1024
            self.peak = server.memory_kib("VmHWM") / 1024
            numbers = Scraper(server).scrape()
            self.left_over = numbers["millrace_memory_budget_used_bytes"]
            self.kept = numbers.get("millrace_image_cache_bytes", 0) / (1 << 20)
        self.status = server.status
        if home:
            shutil.rmtree(home)
        self.early = self.highest(*early_of(args))
        self.late = self.highest(args.requests - LATE, args.requests)

    def counted(self, jobs):
        for job in jobs:
            self.kinds[job.kind] = self.kinds.get(job.kind, 0) + 1
            yield job

    def highest(self, begin, end):
        """MiB"""
        return max((kib for count, kib in self.samples if begin <= count <= end), default=0) / 1024


def early_of(args):
    return EARLY_BY_URL if args.by_url else EARLY


def report(runs, early):
    print("\nresident memory in MiB; CPU: of the server")
    rows = [
        [name, f"{one.early:.0f}", f"{one.late:.0f}", f"{one.peak:.0f}", f"{one.final:.0f}",
         f"{one.per_second:.1f}", f"{one.cpu_ms:.1f}", f"{one.faults:.0f}"]
        for name, one in runs.items()
    ]
    table(["", f"highest of {early[0]} to {early[1]}", f"of the last {LATE}", "peak", "at rest after it", "requests/s",
           "CPU ms a request", "page faults a request"], rows)
    for name, one in runs.items():
        print(f"{name}: {dict(sorted(one.kinds.items()))}")


def judge(name, one, args, verdicts):
    early, peak_max = early_of(args), PEAK_MAX_MIB + (KEPT_MAX_MIB if args.by_url else 0)
    if args.requests >= early[1] + LATE:
        growth = one.late / one.early
        verdicts.exactly(f"{name}: last {LATE} / {early[0]} to {early[1]}", growth, growth <= GROWTH_MAX, f"<= {GROWTH_MAX}")
    verdicts.exactly(f"{name}: highest RSS in MiB", one.peak, one.peak < peak_max, f"< {peak_max}")
    verdicts.exactly(f"{name}: bytes of the memory budget that are in use afterwards", one.left_over, one.left_over == 0, "0")
    if args.by_url:
        verdicts.exactly(f"{name}: MiB of images that are kept", one.kept, one.kept <= KEPT_MAX_MIB, f"<= {KEPT_MAX_MIB}")
    verdicts.exactly(f"{name}: exit status", one.status, one.status == 0, "0")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, help="20,000; by URL 50,000")
    parser.add_argument("--by-url", action="store_true", help="GET /images/ID of stored files, in place of POST /pipe/image; 50,000 requests")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--allocator", nargs="+", default=["jemalloc"], choices=list(ALLOCATORS),
                        help="mimalloc, of the package " + PACKAGES["mimalloc"] + ", is preloaded")
    args = parser.parse_args()
    args.requests = args.requests or (50000 if args.by_url else 20000)

    runs = [ALLOCATORS[name] for name in args.allocator]
    print(f"{machine()}\n{args.requests} requests over {CONNECTIONS} connections, {args.workers} workers, seed {SEED}; the source is "
          f"{PHOTO_KIND}", flush=True)
    inputs = make_inputs()
    measured = {run.name: Memory(run, args, inputs) for run in runs}
    report(measured, early_of(args))
    verdicts = Verdicts()
    for name, one in measured.items():
        judge(name, one, args, verdicts)
    verdicts.finish()


main()
