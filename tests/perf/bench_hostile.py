"""The loop stays free under hostile images, and none holds a worker for longer than its time.

Each input of tests/http/hostile.py is posted alone. The processor time of the loop's longest iteration is at most two
things that can be measured: what its thread spent in all iterations meanwhile (much, where a job runs for long or a body
is large), and how long the longest one lasted by the clock (much, where other threads took the core). The lesser counts.
A loop with nothing to endure gets as many bytes of a plain JPEG, cut or padded with zeros."""

import argparse
import http.client
import sys
import time
from pathlib import Path

from benchlib import Buckets, Scraper, Verdicts, interleave, machine, millrace, per_round, spread, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
import hostile  # noqa: E402
from images import heic, photo  # noqa: E402

JOB_TIME = 1.0
POSTS = 3  # of each input in a round: what it costs is the same each time, what the machine adds is not
GRACE = 0.5  # a job looks at its time once a strip
LOOP_ABOVE = 5e-3
PLAIN, HOSTILE = "plain", "hostile"
PICTURE = photo()


class Client:
    """Posts one body after the other, and knows what each cost the server."""

    def __init__(self, server):
        self.server = server
        self.connection = http.client.HTTPConnection(*server.address, timeout=120)
        self.scraper = Scraper(server)
        self.scraped = self.scraper.scrape()

    def loop_seconds(self):
        """Of the thread of the one loop, which is the process's first."""
        return int(Path(f"/proc/{self.server.pid}/task/{self.server.pid}/schedstat").read_text().split()[0]) / 1e9

    def post(self, target, body):
        self.connection.request("POST", target, body)
        response = self.connection.getresponse()
        response.body = response.read()
        return response

    def longest_iteration(self):
        """Since the last call, by the clock, to the upper edge of its bucket. The scrape counts in the next one."""
        before, self.scraped = self.scraped, self.scraper.scrape()
        return Buckets("millrace_loop_busy_seconds", before, self.scraped).max()

    def cost(self, body):
        """(status, at most the processor time of the loop's longest iteration, the process's)"""
        loop, process = self.loop_seconds(), self.server.cpu_seconds()
        try:
            status = self.post("/pipe/image?w=40&fm=png", body).status
        except (http.client.HTTPException, OSError):  # refused and closed before all of it was sent
            self.connection.close()
            status = 0
        time.sleep(0.002)  # the loop goes to sleep, and its time is counted
        loop, process = self.loop_seconds() - loop, self.server.cpu_seconds() - process
        return status, min(loop, self.longest_iteration()), process


def inputs():
    with millrace() as server:
        images = hostile.good(hostile.good_avif(Client(server)))
    yield from ((name, body) for group in hostile.GROUPS for name, body, _ in group(images))
    for number, body in enumerate(hostile.heics_of_odd_parameters(heic(64, 64))):
        if number % 16 == 0:
            yield f"heic of odd parameters {number}", body


class Rounds:
    """What all rounds of one case measured: one list of seconds for each input."""

    def __init__(self, names):
        self.loop = {name: [] for name in names}
        self.process = {name: [] for name in names}
        self.statuses = {}

    def add(self, name, status, loop, process):
        self.loop[name].append(loop)
        self.process[name].append(process)
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def worst(self, figures):
        """The greatest of each round."""
        return [max(values) for values in zip(*figures.values())]


def measure(case, bodies, rounds):
    with millrace(f"--job-time={JOB_TIME * 1000:.0f}ms", "--loops=1") as server:
        client = Client(server)
        client.cost(b"")  # the connection is open
        for name, body in bodies.items():
            sent = PICTURE[: len(body)].ljust(len(body), b"\0") if case == PLAIN else body
            rounds.add(name, *min(client.cost(sent) for _ in range(POSTS)))


def report(results, bodies, above):
    print("\nanswers by status (0: closed before the body was sent)")
    table(["", "count"], [[status, count] for status, count in sorted(results[HOSTILE].statuses.items())])
    for what, figures in (("longest iteration of the loop, above that of plain bytes", above), ("processor time of the process", results[HOSTILE].process)):
        first = sorted(bodies, key=lambda name: -sorted(figures[name])[len(figures[name]) // 2])[:8]
        print(f"\n{what}; ms, median [spread], the greatest eight")
        table(["input", "bytes", "ms"], [[name, len(bodies[name]), spread(figures[name], 1e3)] for name in first])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="inputs whose name contains this")
    args = parser.parse_args()

    bodies = {name: body for name, body in inputs() if args.only in name}
    print(f"{machine()}\n{len(bodies)} inputs, one at a time, --job-time={JOB_TIME:g}s\n{args.rounds} rounds, interleaved", flush=True)
    results = {case: Rounds(bodies) for case in (PLAIN, HOSTILE)}
    for number, case in interleave(args.rounds, [PLAIN, HOSTILE]):
        measure(case, bodies, results[case])
        print(f"  round {number + 1}, {case}: done", flush=True)
    above = {
        name: per_round(results[HOSTILE].loop[name], results[PLAIN].loop[name], lambda a, b: a - b) for name in bodies
    }
    report(results, bodies, above)
    verdicts = Verdicts()
    worst = results[HOSTILE].worst(above)
    verdicts.at_most("processor time of the loop's longest iteration, above that of plain bytes", worst, LOOP_ABOVE, 1e3, " ms")
    worst = results[HOSTILE].worst(results[HOSTILE].process)
    verdicts.at_most("the process's time for an input", worst, JOB_TIME + GRACE, 1e3, " ms")
    verdicts.finish()


main()
