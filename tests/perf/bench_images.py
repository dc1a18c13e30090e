"""Images of files by URL: hits against nginx, shared jobs, cold ones against ipx and sharp, overload, who waits meanwhile."""

import argparse
import contextlib
import http.client
import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import benchlib
from benchlib import BUILD, CACHE, ENVIRONMENT, Buckets, Load, Scraper, Verdicts, allow_descriptors, failures, interleave
from benchlib import machine, per_round, photo, spread, table
from filelib import CLIENTS, Nginx, Race, download, find_nginx, names_file
from mixlib import decode
from nodelib import install_node_servers, ipx, sharp

PAR = 0.9  # at least on par: 10 % is a tie
TIE = 1.1


# ---- Servers ----


def knows_option(name):
    said = subprocess.run([BUILD / "millrace", "--help"], env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout
    return f"--{name}" in said


def uncached():
    """Options: each image is made for each request."""
    return ["--cache-memory=0", *(["--cache-size=0"] if knows_option("cache-size") else [])]


class Images:
    """The server with a data directory of its own, as filelib.Race takes it."""

    name = "millrace"

    def __init__(self, home, *options):
        self.program = benchlib.millrace(f"--data={home}/data", "--durability=none", "--max-requests-per-connection=0", *options)
        self.url, self.pids = self.program.url, [self.program.pid]

    def end(self):
        self.program.__exit__()

    def keep(self, path):
        """The id of the file."""
        return json.loads(self.ask("POST", "/files", path.read_bytes(), 201))["id"]

    def ask(self, method, target, body=None, status=200):
        connection = http.client.HTTPConnection(*self.program.address, timeout=120)
        connection.request(method, target, body)
        response = connection.getresponse()
        said = response.read()
        connection.close()
        if response.status != status:
            sys.exit(f"bench: {method} {target}: {response.status} {said[:300]!r}")
        return said

    def jobs(self):
        return Scraper(self.program).scrape()['millrace_job_run_seconds_count{stage="image"}']

    def downloads(self):
        return self.url + "/images/"


class Node:
    """A program of tests/perf/sharp that reads files in a directory."""

    def __init__(self, name, program):
        self.name, self.program = name, program
        self.url, self.pids = program.url, [program.pid]

    def end(self):
        self.program.__exit__()

    def downloads(self):
        return self.url + "/"


@contextlib.contextmanager
def running(args, *makers):
    home = Path(tempfile.mkdtemp(prefix="images-", dir=args.directory))
    servers = []
    try:
        for make in makers:
            servers.append(make(home))
        yield servers
    finally:
        for server in servers:
            server.end()
        shutil.rmtree(home)


# ---- Hits, against the same bytes as static files ----

SMALL = [f"w={width}&fm=webp" for width in range(200, 300)]
LARGE = ["w=1600&fm=jpg"]


def race_hits(args, verdicts, what, options):
    if not find_nginx():
        print(f"left out, as there is no nginx: {what}")
        return
    original, _ = photo()
    for size, queries in (("small", SMALL), ("large", LARGE)):
        with running(args, lambda home: Images(home, "--workers=1", *options), Nginx) as (ours, nginx):
            id = ours.keep(original)
            for number, query in enumerate(queries):
                (nginx.root / str(number)).write_bytes(ours.ask("GET", f"/images/{id}?{query}"))
            names_file(ours).write_text("\n".join(f"{id}?{query}" for query in queries))
            names_file(nginx).write_text("\n".join(map(str, range(len(queries)))))
            sizes = sorted(file.stat().st_size for file in nginx.root.iterdir())
            time.sleep(1)  # what is written behind the response
            before = ours.jobs()
            race = Race([ours, nginx], args.rounds, CLIENTS, lambda server, clients, _: download(server, args.requests, 0, clients))
            made = ours.jobs() - before
        race.report(f"{what}: {len(queries)} {size} images of {sizes[0]} to {sizes[-1]} bytes, {args.requests} requests", "requests")
        verdicts.exactly(f"{what}, {size}: jobs meanwhile", made, made == 0, "0")
        for clients in CLIENTS:
            verdicts.at_least(f"{what}, {size}, {clients} clients, speed to nginx's", race.ratio("nginx", "millrace", clients), PAR)


def race_memory_hits(args, verdicts):
    """Images that are kept in memory, against nginx and its page cache."""
    race_hits(args, verdicts, "memory hits", [])


def race_disk_hits(args, verdicts):
    """Images that are kept on the disk, with --cache-memory=0."""
    if knows_option("cache-size"):
        race_hits(args, verdicts, "disk hits", ["--cache-memory=0"])
    else:
        print("left out, as this server has no --cache-size: disk hits")


# ---- Jobs that are shared ----


def ask_at_once(address, target, count):
    """Statuses of so many requests, sent on connections that are open already."""
    head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    peers = [socket.create_connection(address, timeout=120) for _ in range(count)]
    for peer in peers:
        peer.sendall(head)
    statuses, selector = [], selectors.DefaultSelector()
    for peer in peers:
        selector.register(peer, selectors.EVENT_READ, bytearray())
    while selector.get_map():
        for key, _ in selector.select(120) or sys.exit("bench: a response is missing"):
            data = key.fileobj.recv(1 << 20)
            key.data.extend(data[: 64 - len(key.data)] if len(key.data) < 64 else b"")
            if not data:
                statuses.append(bytes(key.data[9:12]).decode())
                selector.unregister(key.fileobj)
                key.fileobj.close()
    return statuses


def share_jobs(args, verdicts):
    """1,000 requests at once for one image that is not kept, with one process and with two."""
    allow_descriptors(2 * args.at_once + 100)
    original, description = photo(12)
    for processes in (1, 2):
        made, others = [], 0
        with running(args, lambda home: Images(home, f"--processes={processes}")) as (ours,):
            id = ours.keep(original)
            for number in range(args.rounds):
                before = ours.jobs()
                statuses = ask_at_once(ours.program.address, f"/images/{id}?w={1000 + number}&fm=webp", args.at_once)
                others += sum(status != "200" for status in statuses)
                made.append(ours.jobs() - before)
        print(f"\n{args.at_once} requests at once for one image of a {description}, {processes} process(es): jobs {spread(made)}, not 200: {others}")
        name = f"{args.at_once} requests at once, {processes} process(es)"
        verdicts.exactly(f"{name}: jobs at most", max(made), max(made) == 1, "1")
        verdicts.exactly(f"{name}: responses that are no 200", others, others == 0, "0")


# ---- Cold images, against ipx and sharp ----

WIDTHS = range(281, 321)  # no image is asked for twice at a time
LIKE_75 = {"jpeg": 75, "webp": 79, "avif": 56}  # ipx hands the numbers on as they are; see src/media/image/quality.c
COLD = {"jpeg": 1.0, "webp": 0.7, "avif": 0.3}  # of --images


def show_outputs(servers, names):
    for server in servers:
        with contextlib.closing(http.client.HTTPConnection(*server.program.address, timeout=60)) as connection:
            path = server.downloads().removeprefix(server.url) + names[server.name][19]
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                sys.exit(f"bench: {path}: {response.status} {body[:300]!r}")
            print(f"  {server.name}: {response.headers['Content-Type']}, {len(body)} bytes, {decode(body).size}")


def race_cold(args, verdicts):
    """JPEG, WebP and AVIF that are made for each request, against npm's ipx and a small server with sharp."""
    home = install_node_servers()
    if not home:
        print("left out, as there is no node or no npm: cold images")
        return
    original, description = photo()
    for kind, share in COLD.items():
        count = max(int(args.images * share), 20)
        with running(
            args,
            lambda own: Images(own, f"--workers={args.workers}", *uncached()),
            lambda _: Node("ipx", ipx(home, args.workers, original.parent)),
            lambda _: Node("sharp", sharp(home, args.workers, original.parent)),
        ) as servers:
            id = servers[0].keep(original)
            names = {
                "millrace": [f"{id}?w={width}&fm={kind}" for width in WIDTHS],
                "ipx": [f"w_{width},f_{kind},q_{LIKE_75[kind]}/{original.name}" for width in WIDTHS],
                "sharp": [f"{original.name}?w={width}&fm={kind}" for width in WIDTHS],
            }
            for server in servers:
                names_file(server).write_text("\n".join(names[server.name]))
            print(f"\ncold, {kind}, of a {description}")
            show_outputs(servers, names)
            before = servers[0].jobs()
            race = Race(servers, args.rounds, (4,), lambda server, clients, _: download(server, count, 0, clients))
            made = servers[0].jobs() - before
        race.report(f"cold, {kind}: {count} images, {args.workers} threads each", "requests")
        verdicts.exactly(f"cold, {kind}: jobs, of {count * args.rounds} requests", made, made == count * args.rounds, "all")
        verdicts.at_least(f"cold, {kind}: images/s, millrace / ipx", race.ratio("ipx", "millrace", 4), 1.2)
        if kind == "jpeg":
            verdicts.at_least("cold, jpeg: images/s, millrace / sharp", race.ratio("sharp", "millrace", 4), PAR)
        else:
            print(f"  images/s, millrace / sharp: {spread(race.ratio('sharp', 'millrace', 4))}")


# ---- Overload ----

MIX = {"jpg": 6, "webp": 3, "avif": 1}
FACTORS = (0.8, 1.0, 1.2, 3.0)
WARMUP = 4  # longer than a job waits
DEADLINE = 2


def cold_target(url, id, kind, run):
    """Each request has another focal point, and so another image."""
    return f"{url}/images/{id}?w=300&h=200&fit=crop&crop=focalpoint&fm={kind}&fp-y=0.{run:03d}&fp-x=0.{{n}}"


class Runs:
    """Numbers that no two runs on a server share."""

    def __init__(self):
        self.count = 0

    def next(self):
        self.count += 1
        return self.count


def load_of_mix(url, id, runs, rates, seconds):
    """Statuses by kind: {kind: {status: count}}, and what the generator complains of."""
    words = []
    for kind, rate in rates.items():
        words += ["+"] if words else ["--json", f"--grace={10 * DEADLINE}s", "--slot=0"]
        words += [cold_target(url, id, kind, runs.next()), f"--name={kind}", f"--rate={rate}", "--connections=400", f"--warmup={WARMUP}s", f"--duration={seconds}s"]
    done = subprocess.run([BUILD / "millrace-bench", "load", *words], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: {done.stderr}")
    streams = json.loads(done.stdout)["streams"]
    lost = sum(stream["unanswered"] + sum(stream["errors"].values()) for stream in streams)
    return {stream["name"]: stream["status"] for stream in streams}, lost


class Refusals(threading.Thread):
    """Asks a few times a second meanwhile, and looks at what a refusal says."""

    def __init__(self, address, id, run):
        super().__init__(daemon=True)
        self.address, self.id, self.run_number = address, id, run
        self.is_over = threading.Event()
        self.seen, self.wrong = 0, []
        self.start()

    def run(self):
        number = 0
        while not self.is_over.wait(0.2):
            number += 1
            connection = http.client.HTTPConnection(*self.address, timeout=120)
            connection.request("GET", cold_target("", self.id, "jpg", self.run_number).replace("{n}", f"{number:06d}"))
            response = connection.getresponse()
            response.read()
            connection.close()
            if response.status == 503:
                self.seen += 1
            if response.status not in (200, 503) or (response.status == 503 and not 1 <= int(response.headers.get("Retry-After", 0)) <= 600):
                self.wrong.append((response.status, response.headers.get("Retry-After")))

    def stop(self):
        self.is_over.set()
        self.join(150)


def solo_rate(server, id, kind, run, seconds):
    result = Load(cold_target(server.url, id, kind, run), rate=0, connections=8, warmup=0.5, duration=seconds).result()
    if failed := failures(result):
        print(f"  {kind}: {failed}")
    return result["answered_per_second"]


def overload(args, verdicts):
    """Mixed cold images at three times what the server can do: it keeps its goodput, and refuses clearly."""
    original, description = photo()
    runs, goodputs, counts = Runs(), {factor: [] for factor in FACTORS}, {factor: [] for factor in FACTORS}
    wrong, seen, lost = [], 0, 0
    with running(args, lambda home: Images(home, f"--workers={args.workers}", f"--job-deadline={DEADLINE}s")) as (ours,):
        id = ours.keep(original)
        cost = {kind: 1 / solo_rate(ours, id, kind, runs.next(), args.seconds) for kind in MIX}
        unit = 1 / sum(MIX[kind] * cost[kind] for kind in MIX)
        for _, factor in interleave(args.rounds, list(FACTORS)):
            refusals = Refusals(ours.program.address, id, runs.next())
            rates = {kind: round(factor * unit * MIX[kind], 2) for kind in MIX}
            statuses, missing = load_of_mix(ours.url, id, runs, rates, args.seconds)
            refusals.stop()
            done = {kind: statuses[kind].get("200", 0) for kind in MIX}
            goodputs[factor].append(sum(done[kind] * cost[kind] for kind in MIX) / args.seconds)
            counts[factor].append((sum(done.values()) / args.seconds, sum(statuses[kind].get("503", 0) for kind in MIX) / args.seconds))
            wrong += refusals.wrong + [(status, kind) for kind in MIX for status in statuses[kind] if status not in ("200", "503")]
            seen, lost = seen + refusals.seen, lost + missing
    print(f"\noverload: a {description} as {MIX} (parts of the requests), each another image; --job-deadline={DEADLINE}s; goodput: the work of images that were sent, as a share of what "
          "one kind alone reaches; median [spread]")
    table(["times saturation", "goodput", "200/s", "503/s"],
          [[factor, spread(goodputs[factor]), *(spread([pair[i] for pair in counts[factor]]) for i in (0, 1))] for factor in FACTORS])
    peak = [max(values) for values in zip(*(goodputs[factor] for factor in FACTORS if factor < 3))]
    verdicts.at_least("goodput at 3 times saturation, to its peak", per_round(goodputs[3.0], peak, lambda a, b: a / b), PAR)
    verdicts.exactly("requests without a response", lost, lost == 0, "0")
    print(f"refusals looked at: {seen}; {wrong[:5]}")
    verdicts.exactly("responses that are neither 200 nor 503 with Retry-After", len(wrong), not wrong, "0")


# ---- Who waits meanwhile ----

FIGURES = ("lag p50", "lag p99", "light p50", "light p99", "lateness p99", "images/s")
BY_URL, PIPED = "by URL", "through /pipe/image"


def watch(args, case):
    """One round: the loop's lag and light requests beside images of one kind or the other."""
    original, _ = photo()
    with running(args, lambda home: Images(home, f"--workers={args.workers}")) as (ours,):
        scraper = Scraper(ours.program)
        target = cold_target(ours.url, ours.keep(original), "jpg", 1)
        more = {} if case == BY_URL else {"body": original}
        if case == PIPED:
            target = f"{ours.url}/pipe/image?{target.partition('?')[2]}"
        light = Load(f"{ours.url}/healthz", rate=200, connections=64, warmup=2.5, duration=args.seconds, grace=30)
        began = time.monotonic()
        heavy = Load(target, rate=0, connections=16, warmup=1.5, duration=args.seconds + 1, grace=30, **more)
        time.sleep(max(0, began + 2.5 - time.monotonic()))
        before = scraper.scrape()
        time.sleep(max(0, began + 2.5 + args.seconds - 0.2 - time.monotonic()))
        lag = Buckets("millrace_loop_lag_seconds", before, scraper.scrape())
        light, heavy = light.result(), heavy.result()
    for what, result in (("light", light), ("heavy", heavy)):
        if failed := failures(result):
            print(f"  {case}, {what}: {failed}")
    if not light["valid"]:
        print(f"  {case}: {light['invalid_reason']}")
        return [None] * len(FIGURES)
    latency = light["latency"]
    return lag.quantile(0.5), lag.quantile(0.99), latency["p50"], latency["p99"], light["lateness"]["p99"], heavy["answered_per_second"]


def watch_waiting(args, verdicts):
    """Loop lag and light requests beside cold images by URL, and beside the same through /pipe/image."""
    rounds = {case: {name: [] for name in FIGURES} for case in (BY_URL, PIPED)}
    for _, case in interleave(args.rounds, list(rounds)):
        for name, value in zip(FIGURES, watch(args, case)):
            rounds[case][name].append(value)
    print("\nGET /healthz at 200/s beside 16 connections that ask for images as fast as they are made; ms, median [spread]")
    table(["", *FIGURES], [[case, *(spread(values, 1 if name == "images/s" else 1e3) for name, values in figures.items())] for case, figures in rounds.items()])
    for name in ("lag p99", "light p99"):
        ratio = per_round(rounds[BY_URL][name], rounds[PIPED][name], lambda a, b: a / b if b else None)
        verdicts.at_most(f"{name} beside images by URL, to that beside /pipe/image", ratio, TIE)


CASES = {
    "memory-hits": race_memory_hits,
    "disk-hits": race_disk_hits,
    "shared": share_jobs,
    "cold": race_cold,
    "overload": overload,
    "lag": watch_waiting,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:<12} {case.__doc__.splitlines()[0]}" for name, case in CASES.items()),
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20000, help="for images that are kept, in each run")
    parser.add_argument("--images", type=int, default=600, help="JPEGs that are made in each run; of WebP and AVIF fewer")
    parser.add_argument("--at-once", type=int, default=1000, help="requests for one image")
    parser.add_argument("--seconds", type=float, default=8, help="of each round of overload and lag")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="threads on each side")
    parser.add_argument("--directory", type=Path, default=CACHE, help="where the servers keep their files")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE", help="see below")
    parser.add_argument("--quick", action="store_true", help="a look, in two minutes: 2 rounds, all is undecided but for what is counted")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.requests, args.images, args.at_once, args.seconds = 2, 2000, 100, 300, 2
    CACHE.mkdir(parents=True, exist_ok=True)
    print(f"{machine()}\nclient and servers on the same cores; {args.rounds} rounds, interleaved; files in {args.directory}")
    verdicts = Verdicts()
    for name in args.cases:
        CASES[name](args, verdicts)
    verdicts.finish()


main()
