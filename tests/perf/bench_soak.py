"""Many image jobs over many starts: every answer is right, and the server never dies."""

import argparse
import random
import signal
import time

from benchlib import PHOTO_KIND, Verdicts, machine, millrace
from mixlib import Clients, Closed, animations, decode, pictures

SEED = 21
QUERIES = (
    "w=48", "w=100&fm=jpg", "w=64&h=64&fit=crop&crop=attention&fm=webp", "w=120&fm=png", "w=90&fm=webp&q=60", "w=150&fit=scale&h=70&fm=jpg",
    "w=80&fm=tiff", "w=60&fm=gif", "w=100&rot=90&sharp=20&fm=jpg", "w=100&blur=40&fm=png", "w=64&pad=8&bg=f00&fm=jpg", "w=400&fm=jpg",
    "trim=auto&w=70&fm=webp", "w=100&mono=884400&fm=jpg&interlace",
)  # fmt: skip
DEAR = ("w=48&fm=avif", "w=32&fm=avif&q=50")  # asked for rarely


def make_kinds():
    """[(target, body)]: each always gets the same answer. Every picture with every query."""
    bodies = [*pictures(0.05), *pictures(0.01), *animations(96)]
    kinds = [(f"/pipe/image?{query}", body) for body in bodies for query in QUERIES]
    return kinds + [(f"/pipe/image?{query}", body) for body in bodies[:2] for query in DEAR]


class Answers:
    """The first answer of each kind is decoded; every later one must be the same bytes, which says more than that it can be
    decoded: a run that was disturbed by another one does not get there."""

    def __init__(self, kinds):
        self.kinds = kinds
        self.bodies = [None] * len(kinds)
        self.wrong = []

    def work(self, client, number):
        target, body = self.kinds[number]
        response = client.post(target, body)
        if response.status != 200:
            self.wrong.append(f"{target}: {response.status} {response.body[:200]!r}")
        elif self.bodies[number] is None:
            self.bodies[number] = response.body
        elif response.body != self.bodies[number]:
            self.wrong.append(f"{target}: {len(response.body)} bytes are not the {len(self.bodies[number])} of the first answer")

    def check(self):
        """Can what all answers were compared with be decoded?"""
        for (target, _), body in zip(self.kinds, self.bodies):
            if body is None:
                continue
            try:
                width, height = decode(body).size
                assert 1 <= width <= 600 and 1 <= height <= 600, f"{width} x {height}"
            except Exception as failure:  # whatever Pillow says of it
                self.wrong.append(f"{target}: the answer is no picture: {failure}")


def start_and_ask(answers, jobs, args):
    """One life of the server. Its exit status."""
    with millrace(f"--workers={args.workers}") as server:
        try:
            Clients(server, args.workers * 2, answers.work).run(jobs)
        except (OSError, AssertionError, Closed) as failure:
            answers.wrong.append(f"a connection failed: {failure!r}")
    return server.status


def died(status):
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200000)
    parser.add_argument("--starts", type=int, default=40)
    parser.add_argument("--workers", type=int, default=6, help="more than cores, so that they are stopped anywhere")
    args = parser.parse_args()

    kinds = make_kinds()
    answers, statuses = Answers(kinds), []
    rng = random.Random(SEED)
    print(f"{machine()}\n{args.jobs} jobs of {len(kinds)} kinds over {args.starts} starts, {args.workers} workers, "
          f"{args.workers * 2} connections, seed {SEED}; the source is {PHOTO_KIND}", flush=True)
    began = time.monotonic()
    for start in range(args.starts):
        jobs = rng.choices(range(len(kinds)), k=args.jobs // args.starts)
        statuses.append(start_and_ask(answers, jobs, args))
        print(f"  start {start + 1}: {died(statuses[-1])}, {len(answers.wrong)} wrong so far, {time.monotonic() - began:.0f} s",
              flush=True)
    answers.check()
    for line in answers.wrong[:20]:
        print(line)
    verdicts = Verdicts()
    verdicts.exactly("answers that are wrong", len(answers.wrong), not answers.wrong, "0")
    bad = [status for status in statuses if status != 0]
    verdicts.exactly("servers that did not end with status 0", len(bad), not bad, "0")
    verdicts.finish()


main()
