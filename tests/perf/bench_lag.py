"""The loop stays free: light requests and loop lag while the workers are saturated, for each offload; and how often it waits for a lock."""

import argparse
import time

import lockwaits
from benchlib import CACHE, Buckets, Bystander, Load, Scraper, Verdicts, failures, interleave, machine, millrace
from benchlib import per_round, photo, spread, table

WAITS_MAX = 5  # of the loop's thread for a lock, in 8 seconds

MODELS = ("workers", "libuv", "none")
LARGE = "large bodies"  # a fourth case: bytes instead of computing, under `workers`
LIGHT_WARMUP, HEAVY_WARMUP = 2.5, 1.5
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


def large_body(picture, size=8 << 20):
    """A small picture and zeros behind its end: read whole, decoded quickly."""
    path = CACHE / "large.jpg"
    path.write_bytes(picture.read_bytes().ljust(size, b"\0"))
    return path


def measure(case, bodies, seconds):
    """One round of one case. The light connections, and that of the scraper, are opened before the heavy load begins."""
    offload = "workers" if case == LARGE else case
    with millrace(f"--offload={offload}") as server:
        scraper = Scraper(server)
        light = Load(
            f"{server.url}/healthz", rate=200, connections=64, warmup=LIGHT_WARMUP, duration=seconds, grace=30
        )
        began = time.monotonic()
        heavy = Load(
            f"{server.url}/pipe/image?w=300",
            rate=0,
            connections=16,
            warmup=HEAVY_WARMUP,
            duration=seconds + 1,
            grace=30,
            body=bodies[case == LARGE],
        )
        time.sleep(max(0, began + LIGHT_WARMUP - time.monotonic()))
        before, bystander = scraper.scrape(), Bystander(seconds)
        time.sleep(max(0, began + LIGHT_WARMUP + seconds - time.monotonic()))
        after = scraper.scrape()
        lag = Buckets("millrace_loop_lag_seconds", before, after)
        return light.result(), heavy.result(), lag, bystander.lag()


def measure_validly(case, bodies, seconds):
    """A round in which the generator was late says nothing about the server: it is run again, twice at most."""
    for _ in range(3):
        light, heavy, lag, floor = measure(case, bodies, seconds)
        for what, result in (("light", light), ("heavy", heavy)):
            if failed := failures(result):
                print(f"  {case}, {what}: {failed}")
        if light["valid"]:
            return light, heavy, lag, floor
        print(f"  {case}: {light['invalid_reason']}", flush=True)
    return None


class Rounds:
    """What all rounds of one case measured, as lists in seconds (and images/s)."""

    def __init__(self):
        self.light = {name: [] for name in ("p50", "p90", "p99", "max")}
        self.lateness = {name: [] for name in ("p50", "p99")}
        self.lag = {name: [] for name in (*QUANTILES, "max")}
        self.floor = {name: [] for name in ("p50", "p90", "p99")}
        self.heavy = []

    def add(self, light, heavy, lag, floor):
        for name, values in self.light.items():
            values.append(light["latency"][name])
        for name, values in self.lateness.items():
            values.append(light["lateness"][name])
        for name, q in QUANTILES.items():
            self.lag[name].append(lag.quantile(q))
        self.lag["max"].append(lag.max())
        for name, values in self.floor.items():
            values.append(floor[name])
        self.heavy.append(heavy["answered_per_second"])

    def add_nothing(self):
        """A round that could not be measured keeps its place, so that rounds stay pairs."""
        for figures in (self.light, self.lateness, self.lag, self.floor):
            for values in figures.values():
                values.append(None)
        self.heavy.append(None)


def report(results):
    def rows(figures):
        return [[case, *(spread(values, 1e3) for values in figures(rounds).values())] for case, rounds in results.items()]

    print("\nlight requests: GET /healthz at 200/s, open loop, connections opened before the load; ms, median [spread]")
    table(["", "p50", "p90", "p99", "max", "lateness p50", "lateness p99"],
          [a + b[1:] for a, b in zip(rows(lambda r: r.light), rows(lambda r: r.lateness))])
    print("\nloop lag, from the server's probe; ms (max: the upper edge of the highest bucket)")
    table(["", *QUANTILES, "max"], rows(lambda r: r.lag))
    print("\nlag of an idle loop in a process of its own, in the same seconds: the machine's part; ms")
    table(["", "p50", "p90", "p99"], rows(lambda r: r.floor))
    print("\nheavy requests answered per second, 16 connections, closed loop")
    table(["", "1/s"], [[case, spread(rounds.heavy)] for case, rounds in results.items()])


def count_waits(picture, seconds):
    """{load: (seconds of each wait, heavy requests answered per second)}"""
    counted = {load: lockwaits.measure(load, picture, seconds) for load in lockwaits.LOADS}
    print(f"\nhow often the loop's thread waited for a lock in {seconds:g} s (by strace, which slows the workers down)")
    table(["", "waits", "longest, ms", "heavy 1/s"], [lockwaits.row(load, *one) for load, one in counted.items()])
    return counted


def judge(results, counted):
    verdicts = Verdicts()
    for load, (waits, _) in counted.items():
        verdicts.exactly(f"waits of the loop for a lock, {load}", len(waits), len(waits) <= WAITS_MAX, f"<= {WAITS_MAX}")
    workers = results.get("workers")
    if workers:
        verdicts.at_most("loop lag p99 with workers", workers.lag["p99"], 1e-3, 1e3, " ms")
        above = per_round(workers.lag["p99"], workers.floor["p99"], lambda a, b: a - b)
        verdicts.at_most("loop lag p99 with workers, above an idle loop's in the same seconds", above, 1e-3, 1e3, " ms")
        verdicts.at_most("light p50 with workers", workers.light["p50"], 0.3e-3, 1e3, " ms")
        above = per_round(workers.light["p99"], workers.lateness["p99"], lambda a, b: a - b)
        verdicts.at_most("light p99 with workers, above the generator's own", above, 2.5e-3, 1e3, " ms")
    if workers and "libuv" in results:
        ratio = per_round(workers.light["p99"], results["libuv"].light["p99"], lambda a, b: a / b)
        verdicts.at_most("light p99, workers / libuv (10 % is a tie)", ratio, 1.1)
    if LARGE in results:
        verdicts.at_most("light p99 beside 16 uploads of 8 MiB", results[LARGE].light["p99"], 5e-3, 1e3, " ms")
    verdicts.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8, help="measured in each round")
    parser.add_argument("--cases", nargs="+", default=[*MODELS, LARGE], choices=[*MODELS, LARGE])
    parser.add_argument("--only-waits", action="store_true", help="count the waits for locks, and measure nothing else")
    args = parser.parse_args()

    picture, description = photo()
    bodies = (picture, large_body(picture))
    print(f"{machine()}\nheavy load: 16 connections post a {description} to /pipe/image?w=300; {LARGE}: the same picture "
          f"padded to 8 MiB\n{args.rounds} rounds of {args.seconds:g} s, interleaved")
    results = {} if args.only_waits else {case: Rounds() for case in args.cases}
    for number, case in interleave(args.rounds if results else 0, list(results)):
        measured = measure_validly(case, bodies, args.seconds)
        if measured:
            results[case].add(*measured)
        else:
            results[case].add_nothing()
        print(f"  round {number + 1}, {case}: {'done' if measured else 'given up'}", flush=True)
    if results:
        report(results)
    counted = count_waits(picture, args.seconds)
    judge(results, counted)


main()
