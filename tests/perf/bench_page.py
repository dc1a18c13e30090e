"""The page: what a browser feels when jobs run on the loop, and how soon the page is painted."""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchlib import ROOT, Verdicts, interleave, machine, millrace, per_round, spread, table

PLAYWRIGHT = ROOT / ".cache/npm/node_modules/playwright-core"
SCRIPT = Path(__file__).with_name("page.mjs")
OFFLOADS = ("workers", "inline")
BLANK = "/healthz"  # a line of text from the same server


def browse(*words):
    command = ["node", SCRIPT, shutil.which("chromium"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        sys.exit(f"bench: {done.stderr}")
    return json.loads(done.stdout)


def find_rate(server, kind):
    """A load that keeps one thread busier than it can be, and two not: 1.4 times what the loop alone could do."""
    row = browse("felt", server.url, "workers", kind, 10, 3)
    return max(2, round(1.4 / row["run_mean"]))


def feel(args):
    """A row of the page's own table for each round and offload: its switch, its load, its pings."""
    rows = {offload: [] for offload in OFFLOADS}
    with millrace("--lab") as server:
        rate = args.rate or find_rate(server, args.kind)
        print(f"\nthe page's load: {rate} {args.kind} jobs a second for {args.seconds} s")
        for number, offload in interleave(args.rounds, list(OFFLOADS)):
            rows[offload].append(browse("felt", server.url, offload, args.kind, rate, args.seconds))
            print(f"  round {number + 1}, {offload}: done", flush=True)
    print("what the browser felt, and what the loop said; ms, median [spread]")
    figures = [("felt", "p50"), ("felt", "p99"), ("felt", "max"), ("loop", "p99"), ("loop", "max")]
    table(
        ["", *(" ".join(figure) for figure in figures), "jobs done", "refused"],
        [
            [offload, *(spread([row[who][what] for row in of], 1e3) for who, what in figures)]
            + [spread([row[what] for row in of]) for what in ("done", "refused")]
            for offload, of in rows.items()
        ],
    )
    return {offload: [row["felt"]["p99"] for row in of] for offload, of in rows.items()}


def paint(args):
    """Seconds until the first paint of the page, and of a line of text, in pairs: each in a browser that knows nothing yet."""
    with millrace("--lab") as server:
        pairs = browse("paint", server.url, BLANK, args.pairs)
    page, blank = ([pair[name] for pair in pairs] for name in ("page", "blank"))
    print(f"\nfirst paint after the navigation began, {args.pairs} pairs; ms, median [spread]")
    table(["", "ms"], [["the page", spread(page, 1e3)], [f"a line of text ({BLANK})", spread(blank, 1e3)]])
    return page, blank


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6, help="of load in each round")
    parser.add_argument("--kind", default="image")
    parser.add_argument("--rate", type=int, help="jobs a second (default: 1.4 times what one thread does)")
    parser.add_argument("--pairs", type=int, default=15, help="of first paints")
    args = parser.parse_args()
    if shutil.which("chromium") is None or shutil.which("node") is None or not PLAYWRIGHT.exists():
        sys.exit("bench: needs chromium, node and playwright-core (script/bootstrap --test)")
    print(machine())
    felt = feel(args)
    page, blank = paint(args)
    verdicts = Verdicts()
    verdicts.at_least("browser-felt p99, inline / workers", per_round(felt["inline"], felt["workers"], lambda a, b: a / b), 10)
    verdicts.at_most("first paint above that of a line of text", per_round(page, blank, lambda a, b: a - b), 50e-3, 1e3, " ms")
    verdicts.finish()


main()
