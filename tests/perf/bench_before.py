"""Nothing lost: this build against the build of an earlier commit, in interleaved pairs of every kind of load."""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time

from benchlib import BUILD, CACHE, ROOT, Buckets, Load, Program, Scraper, allow_descriptors, connect_from
from benchlib import failures, machine, per_round, photo, spread, table
from streamlib import MIB, recipient

IDLE = 4000  # connections


def build_of(commit):
    """The build directory of a commit, which is built once and kept."""
    name = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", commit], capture_output=True, text=True, check=True
    ).stdout.strip()
    tree = CACHE / f"before-{name}"
    if not (tree / "build/millrace").exists():
        tree.mkdir(parents=True, exist_ok=True)
        archive = subprocess.run(["git", "-C", ROOT, "archive", commit], capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", tree], input=archive, check=True)
        for words in (["--preset", "release"], ["--build", "--preset", "release", "--target", "millrace"]):
            subprocess.run(["cmake", *words], cwd=tree, stdout=subprocess.DEVNULL, check=True)
    return tree / "build"


def zeros_and_noise(size):
    """A file that deflates to about a half."""
    path = CACHE / f"half-{size}"
    if not path.exists():
        path.write_bytes(b"".join(os.urandom(512) + bytes(512) for _ in range(size // 1024)))
    return path


def closed(server, path, connections, seconds, body=None):
    """Responses a second, and the CPU time of one."""
    options = {"body": body} if body else {}
    load = Load(f"{server.url}{path}", rate=0, connections=connections, warmup=0.5, duration=seconds, grace=60, **options)
    before = server.cpu_seconds()
    result = load.result()
    if failed := failures(result):
        print(f"  {path}: {failed}")
    return result["answered_per_second"], (server.cpu_seconds() - before) / max(1, result["answered"])


def healthz(server, seconds):
    rate, cpu = closed(server, "/healthz", 64, seconds)
    return {"/s": rate, "CPU": cpu}


def posts(path, connections, body):
    def run(server, seconds):
        rate, cpu = closed(server, path, connections, seconds, body)
        return {"/s": rate, "CPU": cpu, "peak": server.memory_kib("VmHWM")}

    return run


def lag(body):
    """Light requests, and the loop's own lag, while images saturate the workers."""

    def run(server, seconds):
        scraper = Scraper(server)
        light = Load(f"{server.url}/healthz", rate=500, connections=64, warmup=1, duration=seconds, grace=30)
        heavy = Load(f"{server.url}/pipe/image?w=300", rate=0, connections=16, warmup=0.5, duration=seconds + 1, grace=30,
                     body=body)
        time.sleep(1)
        before = scraper.scrape()
        result = light.result()
        buckets = Buckets("millrace_loop_lag_seconds", before, scraper.scrape())
        heavy.result()
        return {"light p99": result["latency"]["p99"], "loop lag p99": buckets.quantile(0.99)}

    return run


def idle(server, _):
    base = server.memory_kib()
    peers = [connect_from(server.address, number) for number in range(IDLE)]
    for peer in peers:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for peer in peers:
        peer.recv(4096)
    grown = server.memory_kib() - base
    for peer in peers:
        peer.close()
    return {"KiB each": grown / IDLE}


def cases():
    image, _ = photo(2)
    small, _ = photo(0.5)
    large, little = zeros_and_noise(32 * MIB), zeros_and_noise(MIB)
    to = f"/pipe/encrypt?recipient={recipient()}"
    return {
        "healthz": healthz,
        "image 0.5 MP": posts("/pipe/image?w=300", 8, small),
        "image 2 MP": posts("/pipe/image?w=300", 8, image),
        "gzip 32 MiB": posts("/pipe/gzip", 2, large),
        "encrypt 32 MiB": posts(to, 2, large),
        "encrypt 1 MiB": posts(to, 16, little),
        "lag beside images": lag(image),
        "idle connections": idle,
    }


def server_of(build):
    return Program(build / "millrace", "--listen=127.0.0.1:0", "--log-level=warn")


def verdict(ratios, larger_is_better):
    """`tie` within 10 %, or where the middle half of the pairs lies on both sides of 1."""
    known = [value for value in ratios if value is not None]
    if len(known) < 2:
        return "-"
    lower, middle, upper = statistics.quantiles(known, n=4, method="inclusive")
    if 0.9 <= middle <= 1.1 or lower < 1 < upper:
        return "tie"
    return "better" if (middle > 1) == larger_is_better else "WORSE"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", help="the earlier one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each run")
    parser.add_argument("--only", default="", help="cases whose name matches this expression")
    args = parser.parse_args()
    allow_descriptors(IDLE + 100)
    builds = {"now": BUILD, "before": build_of(args.commit)}
    print(f"{machine()}\n{args.rounds} pairs, interleaved, {args.seconds:g} s each; before: {args.commit}")
    rows, worse = [], False
    for name, run in cases().items():
        if not re.search(args.only, name):
            continue
        found = {side: [] for side in builds}
        for number in range(args.rounds):
            for side in sorted(builds, reverse=number % 2 == 1):
                with server_of(builds[side]) as server:
                    found[side].append(run(server, args.seconds))
        for figure in found["now"][0]:
            now, before = ([one[figure] for one in found[side]] for side in ("now", "before"))
            ratios = per_round(now, before, lambda a, b: a / b if b else None)
            judged = verdict(ratios, figure == "/s")
            worse |= judged == "WORSE"
            rows.append([name, figure, spread(now), spread(before), spread(ratios), judged])
            print("  ".join(rows[-1]), flush=True)
    print()
    table(["", "", "now", "before", "now / before", ""], rows)
    sys.exit(worse)


main()
