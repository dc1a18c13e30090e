"""Lists: pages of 1,000,000 files whose times span a year: what is read, how long it takes, who waits."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchlib import BUILD, CACHE, Buckets, Load, Scraper, Verdicts, failures, interleave, machine, millrace, per_round
from benchlib import spread, table

DAYS = 365
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
DIRECTORY_MS = 1 << 20  # of time in a directory: 17.5 minutes


def check_room(directory, objects):
    """A file and its block for each, and some directories."""
    found = os.statvfs(directory)
    directories = DAYS * 86400e3 / DIRECTORY_MS * 1.1
    if found.f_files and found.f_favail < objects + directories:
        sys.exit(f"bench: {objects} objects need {objects + directories:.0f} inodes; {found.f_favail} are free in {directory}")
    if found.f_bavail * found.f_frsize < (objects + directories) * 4096 * 1.3:
        sys.exit(f"bench: {objects} objects need {(objects + directories) * 4096 * 1.3 / (1 << 30):.1f} GiB in {directory}")


def fill(data, objects):
    with millrace(f"--data={data}"):
        pass
    began = time.monotonic()
    subprocess.run([str(word) for word in (BUILD / "tests/perf_objects", data, objects, DAYS)], check=True)
    print(f"{objects} objects over {DAYS} days were made in {time.monotonic() - began:.0f} s", flush=True)


def ulid_at(ms):
    """The smallest ID of that time."""
    return "".join(DIGITS[ms >> shift & 31] for shift in range(45, -5, -5)) + "0" * 16


def places():
    """{name: query} of pages at the begin, in the middle and at the end of the list, in both orders."""
    now, year = int(time.time() * 1000), DAYS * 86400 * 1000
    middle, near_begin = ulid_at(now - year // 2), ulid_at(now - year + year // 5000)
    return {
        "newest": "",
        "middle, new": f"&after={middle}",
        "last, new": f"&after={near_begin}",
        "oldest": "&order=old",
        "middle, old": f"&order=old&after={middle}",
        "last, old": f"&order=old&after={ulid_at(now - year // 5000)}",
    }


def get(server, query):
    with urllib.request.urlopen(f"{server.url}/files?{query}", timeout=600) as response:
        return json.load(response)


def calls_of_page(server, query):
    """What the server opens for a page: (names of directories, metas), and the page."""
    log = CACHE / "list.strace"
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=openat2,getdents64", "-o", log, "-p", str(server.pid)],
                              stderr=subprocess.DEVNULL)
    for _ in range(200):
        time.sleep(0.05)
        if "TracerPid:\t0" not in Path(f"/proc/{server.pid}/status").read_text():
            break
    page = get(server, query)
    tracer.terminate()
    tracer.wait()
    text = log.read_text()
    opened = re.findall(r'openat2\(\d+, "([^"]*)"', text)
    return [name for name in opened if not name.endswith(".meta")], [name for name in opened if name.endswith(".meta")], page


def count_calls(server, args, verdicts):
    """By outcome: each page reads its own metas and the one behind, and the directories between them."""
    if not shutil.which("strace"):
        print("left out, as there is no strace: what a page reads")
        return
    each = args.objects / (DAYS * 86400e3 / DIRECTORY_MS)  # objects in a directory
    most = 100 / each + 2  # directories that a page passes
    rows = []
    for name, query in places().items():
        directories, metas, page = calls_of_page(server, "limit=100" + query)
        inner = {each for each in directories if len(each) == 2}
        rows.append([name, len(page["files"]), len(directories), len(inner), len(metas)])
        verdicts.exactly(f"{name}: metas read for a page of {len(page['files'])}", len(metas), len(metas) <= 101, "<= 101")
        verdicts.exactly(f"{name}: time directories read", len(inner), len(inner) <= 2 * most + 2, f"<= {2 * most + 2:.0f}")
    print("\na page of 100: what is opened for it")
    table(["", "files", "directories", "of those with objects", "metas"], rows)


def time_pages(server, args):
    pages = {(name, limit): [] for limit in (100, 1000) for name in places()}
    queries = places()
    for _, case in interleave(args.rounds, list(pages)):
        began = time.monotonic()
        get(server, f"limit={case[1]}{queries[case[0]]}")
        pages[case].append(time.monotonic() - began)
    print("\ntime of a page, with the client's part, ms; median [spread]")
    table(["", "100 a page", "1,000 a page"],
          [[name, spread(pages[name, 100], 1e3), spread(pages[name, 1000], 1e3)] for name in queries])


def watch_pages(server, args, verdicts):
    """The loop's lag beside pages of 1,000, one after the other, and without. Light requests run in both: the probe sleeps
    while the server does."""
    scraper = Scraper(server)
    figures = {case: {"lag p50": [], "lag p99": [], "lag max": [], "pages/s": []} for case in ("no pages", "pages")}
    for _, case in interleave(args.rounds, list(figures)):
        load = None
        light = Load(f"{server.url}/healthz", rate=200, connections=16, warmup=0.5, duration=args.seconds, grace=30)
        if case == "pages":
            load = Load(f"{server.url}/files?limit=1000", rate=0, connections=2, warmup=0.5, duration=args.seconds, grace=30)
        time.sleep(0.5)
        before = scraper.scrape()
        time.sleep(args.seconds - 0.5)
        lag = Buckets("millrace_loop_lag_seconds", before, scraper.scrape())
        result = load.result() if load else None
        light.result()
        if result and (failed := failures(result)):
            print(f"  {failed}")
        for name, value in zip(figures[case], (lag.quantile(0.5), lag.quantile(0.99), lag.max(), result and result["answered_per_second"])):
            figures[case][name].append(value)
    print(f"\nloop lag beside 2 clients that read pages of 1,000, ms (max: the upper edge of the highest bucket), {args.rounds} rounds")
    table(["", "lag p50", "lag p99", "lag max", "pages/s"],
          [[case, *(spread(values[name], 1e3) for name in ("lag p50", "lag p99", "lag max")), spread(values["pages/s"])]
           for case, values in figures.items()])
    above = per_round(figures["pages"]["lag p99"], figures["no pages"]["lag p99"], lambda a, b: a - b)
    verdicts.at_most("loop lag p99 beside pages of 1,000, above that without them", above, 1e-3, 1e3, " ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8, help="of each round of lag")
    parser.add_argument("--directory", type=Path, default=CACHE, help="where the files are made, and removed afterwards")
    args = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    check_room(args.directory, args.objects)
    print(machine())
    verdicts = Verdicts()
    home = Path(tempfile.mkdtemp(prefix="list-", dir=args.directory))
    try:
        fill(home / "data", args.objects)
        with millrace(f"--data={home}/data", "--lag-warn=0", "--scrub-rate=0") as server:  # which would read metas, too
            count_calls(server, args, verdicts)
            time_pages(server, args)
            watch_pages(server, args, verdicts)
    finally:
        shutil.rmtree(home)
    verdicts.finish()


main()
