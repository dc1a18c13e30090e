"""Files: uploads and downloads against nginx and against floor programs; who waits meanwhile; slow uploads."""

import argparse
import contextlib
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchlib import CACHE, Buckets, Load, Scraper, Verdicts, allow_descriptors, connect_from, failures, interleave
from benchlib import machine, millrace, per_round, spread, table
from filelib import CLIENTS, GIB, KIB, MIB, Floor, Millrace, Nginx, Race, client, download, find_nginx, result_of
from filelib import names_file, stored_names, upload

PAR = 0.9  # at least on par: 10 % is a tie


@contextlib.contextmanager
def running(args, *makers):
    """Servers on the same file system, whose files are removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="files-", dir=args.directory))
    servers = []
    try:
        for make in makers:
            servers.append(make(home))
        yield servers
    finally:
        for server in servers:
            server.end()
        shutil.rmtree(home)


def ours(durability):
    return lambda home: Millrace(home, durability=durability)


def with_nginx(what):
    if find_nginx():
        return [Nginx]
    print(f"left out, as there is no nginx: {what}")
    return []


def small_upload(args):
    def run(server, connections, label):
        return upload(server, label, args.files, 10 * KIB, connections)
    return run


# ---- The cases ----


def race_small_up(args, verdicts):
    """Uploads of 10 KiB without durability, against nginx."""
    makers = [ours("none"), *with_nginx("small uploads")]
    with running(args, *makers) as servers:
        race = Race(servers, args.rounds, CLIENTS, small_upload(args))
    race.report(f"{args.files} uploads of 10 KiB, --durability=none", "requests")
    for connections in CLIENTS if len(servers) > 1 else ():
        verdicts.at_least(f"uploads of 10 KiB, {connections} clients, speed to nginx's", race.ratio("nginx", "millrace", connections), PAR)


def race_downloads(args, verdicts, different, what):
    """args.files downloads of 10 KiB, of so many different files."""
    def run(server, connections, _):
        return download(server, args.files, 10 * KIB, connections)

    makers = [ours("none"), *with_nginx(what)]
    with running(args, *makers) as servers:
        for server in servers:
            upload(server, "0", different, 10 * KIB, 4)
            names = stored_names(server, "0") * (args.files // different + 1)
            names_file(server).write_text("\n".join(names[:args.files]))
        race = Race(servers, args.rounds, CLIENTS, run)
    race.report(f"{args.files} downloads of 10 KiB, of {different} files", "requests")
    for connections in CLIENTS if len(servers) > 1 else ():
        verdicts.at_least(f"{what}, {connections} clients, speed to nginx's", race.ratio("nginx", "millrace", connections), PAR)


def race_small_down(args, verdicts):
    """Downloads of 10 KiB, each of another file, against nginx."""
    race_downloads(args, verdicts, args.files, "downloads of 10 KiB")


def race_hot_down(args, verdicts):
    """The same of 200 files that are asked for again and again."""
    race_downloads(args, verdicts, 200, "downloads of 10 KiB of a few files")


def race_large_down(args, verdicts):
    """Each client downloads 1 GiB, against nginx."""
    def run(server, connections, _):
        return download(server, connections, args.size, connections)

    makers = [ours("none"), *with_nginx("large downloads")]
    with running(args, *makers) as servers:
        for server in servers:
            upload(server, "0", 1, args.size, 1)
            names_file(server).write_text("\n".join(stored_names(server, "0")))
        race = Race(servers, args.rounds, CLIENTS, run)
    race.report(f"downloads of {args.size // MIB} MiB, one by each client", "GiB")
    for connections in CLIENTS if len(servers) > 1 else ():
        verdicts.at_least(f"large downloads, {connections} clients, speed to nginx's", race.ratio("nginx", "millrace", connections), PAR)
        print(f"  CPU of millrace / nginx, {connections} clients: {spread(race.ratio('millrace', 'nginx', connections, lambda run: run.cpu))}")


def race_large_up(args, verdicts):
    """1 GiB uploaded by all clients together, without durability, against a floor that receives, hashes and writes."""
    def run(server, connections, label):
        done = upload(server, label, connections, args.size // connections, connections)
        server.remove(stored_names(server, label))
        return done

    makers = [ours("none"), lambda home: Floor(home, "hash"), *with_nginx("large uploads")]
    with running(args, *makers) as servers:
        race = Race(servers, args.rounds, CLIENTS, run)
    race.report(f"uploads of {args.size // MIB} MiB together, --durability=none", "GiB")
    for connections in CLIENTS:
        verdicts.at_least(f"large uploads, {connections} clients, speed to the floor's", race.ratio("floor", "millrace", connections), PAR)
        cpu = race.ratio("millrace", "floor", connections, lambda run: run.cpu)
        verdicts.at_most(f"CPU a GiB uploaded, {connections} clients, to the floor's", cpu, 1.2)


def race_durable(args, verdicts):
    """Uploads of 10 KiB with full durability, against a floor that writes and syncs."""
    with running(args, ours("full"), lambda home: Floor(home, "durable")) as servers:
        race = Race(servers, args.rounds, CLIENTS, small_upload(args))
    race.report(f"{args.files} uploads of 10 KiB, --durability=full", "requests")
    for connections in CLIENTS:
        ratio = race.ratio("floor", "millrace", connections)
        verdicts.at_least(f"durable uploads, {connections} clients, speed to the floor's", ratio, 1.0 if connections == 16 else PAR)


# ---- Who waits meanwhile ----

WARMUP = 1.5
FIGURES = ("lag p50", "lag p99", "light p50", "light p99", "lateness p99")
UPLOADED, DROPPED = "uploads", "into a 404"


def watch(args, case):
    """One round of one case: the loop's lag and light requests beside 16 clients that send bodies of 1 MiB."""
    home = Path(tempfile.mkdtemp(prefix="files-", dir=args.directory))
    with millrace(f"--data={home}/data", "--durability=none", "--max-requests-per-connection=0") as server:
        scraper = Scraper(server)
        light = Load(f"{server.url}/healthz", rate=200, connections=64, warmup=WARMUP, duration=args.seconds, grace=30)
        began = time.monotonic()
        count = int(args.rate * (args.seconds + WARMUP))
        target, method = ("/files", "POST") if case == UPLOADED else ("/nowhere", "DROP")
        load = client(server.url + target, method, count, MIB, 16, args.rate)
        time.sleep(max(0, began + WARMUP - time.monotonic()))
        before = scraper.scrape()
        time.sleep(max(0, began + WARMUP + args.seconds - 0.2 - time.monotonic()))
        lag = Buckets("millrace_loop_lag_seconds", before, scraper.scrape())
        took = result_of(load)["seconds"]
        if took > 1.1 * count / args.rate:
            print(f"  {case}: the bodies took {took:.1f} s in place of {count / args.rate:.1f}: --rate is too high for this machine")
        result = light.result()
    shutil.rmtree(home)
    if failed := failures(result):
        print(f"  {case}, light: {failed}")
    if not result["valid"]:
        print(f"  {case}, light: {result['invalid_reason']}")
        return [None] * len(FIGURES)
    latency = result["latency"]
    return lag.quantile(0.5), lag.quantile(0.99), latency["p50"], latency["p99"], result["lateness"]["p99"]


def watch_waiting(args, verdicts):
    """Loop lag and light requests beside uploads, and beside the same bytes sent into a 404."""
    rounds = {case: {name: [] for name in FIGURES} for case in (UPLOADED, DROPPED)}
    for _, case in interleave(args.rounds, list(rounds)):
        for name, value in zip(FIGURES, watch(args, case)):
            rounds[case][name].append(value)
    print(f"\nGET /healthz at 200/s beside {args.rate:g} bodies of 1 MiB a second from 16 clients, --durability=none; ms, median [spread]")
    table(["", *FIGURES], [[case, *(spread(values, 1e3) for values in figures.values())] for case, figures in rounds.items()])
    for name in ("lag p99", "light p99"):
        ratio = per_round(rounds[UPLOADED][name], rounds[DROPPED][name], lambda a, b: a / b)
        verdicts.at_most(f"{name} beside uploads, to that beside bytes that are dropped", ratio, 1.5)


# ---- Slow uploads ----

PIECE, PERIOD = 10 * KIB, 1.0


class SlowUploads(threading.Thread):
    """Clients that each send a piece in each period, and never end."""

    def __init__(self, server, count):
        super().__init__(daemon=True)
        self.peers = []
        self.is_over = threading.Event()
        head = b"POST /files HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        for number in range(count):
            peer = connect_from(server.address, number)
            peer.sendall(head)
            self.peers.append(peer)
        self.start()

    def run(self):
        piece = b"%x\r\n%s\r\n" % (PIECE, b"\x00\xff" * (PIECE // 2))
        while not self.is_over.is_set():
            began = time.monotonic()
            for number, peer in enumerate(self.peers):
                peer.sendall(piece)
                if number % 50 == 0:
                    self.is_over.wait(max(0, began + PERIOD * number / len(self.peers) - time.monotonic()))
            self.is_over.wait(max(0, began + PERIOD - time.monotonic()))

    def stop(self):
        self.is_over.set()
        self.join(60)
        for peer in self.peers:
            peer.close()


def weigh_slow(args, verdicts):
    """Resident memory that 1,000 uploads of 10 KiB/s add."""
    home = Path(tempfile.mkdtemp(prefix="files-", dir=args.directory))
    allow_descriptors(args.uploads + 100)
    with millrace(f"--data={home}/data") as server:
        before, most = server.memory_kib(), 0
        uploads = SlowUploads(server, args.uploads)
        for _ in range(int(4 * max(args.seconds, 12))):
            time.sleep(0.25)
            most = max(most, server.memory_kib())
        opened = Scraper(server).scrape()["millrace_store_uploads_open"]
        uploads.stop()
    shutil.rmtree(home)
    added = (most - before) / 1024
    print(f"\n{args.uploads} uploads of {PIECE // KIB} KiB/s for {max(args.seconds, 12):g} s: {before / 1024:.0f} MiB before, {most / 1024:.0f} MiB at most")
    verdicts.exactly("slow uploads that were open at the end", opened, opened == args.uploads, f"{args.uploads}")
    verdicts.exactly("resident MiB that slow uploads add", added, added <= 64, "<= 64")


CASES = {
    "small-up": race_small_up,
    "small-down": race_small_down,
    "hot-down": race_hot_down,
    "large-down": race_large_down,
    "large-up": race_large_up,
    "durable": race_durable,
    "lag": watch_waiting,
    "slow": weigh_slow,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:<10} {case.__doc__.splitlines()[0]}" for name, case in CASES.items()),
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=10000, help="small ones, in each run")
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="of a large file")
    parser.add_argument("--seconds", type=float, default=8, help="of each round of lag")
    parser.add_argument("--rate", type=float, default=100, help="bodies of 1 MiB a second beside the light requests")
    parser.add_argument("--uploads", type=int, default=1000, help="slow ones")
    parser.add_argument("--directory", type=Path, default=CACHE, help="where all servers keep their files")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE", help="see below")
    parser.add_argument("--quick", action="store_true", help="a look, in two minutes: 3 rounds, 2,000 files, 256 MiB; all is undecided")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.files, args.size, args.seconds = 3, 2000, 256, 4
    args.size *= MIB
    CACHE.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(args.directory).free < 3 * args.size + 8 * GIB:
        sys.exit(f"bench: {args.directory} has too little room")
    print(f"{machine()}\nall servers with one loop, client and servers on the same cores; {args.rounds} rounds, interleaved; files in {args.directory}")
    verdicts = Verdicts()
    for name in args.cases:
        CASES[name](args, verdicts)
    verdicts.finish()


main()
