"""Cheap to close: the loop's CPU time for each stream whose client leaves, when 1,000 and when 8,000 leave at once."""

import argparse
import os
import random
import signal
import socket
import time
from pathlib import Path

from benchlib import Scraper, Verdicts, allow_descriptors, connect_from, interleave, machine, millrace, per_round, spread, table

FEW, MANY = 1000, 8000
UPLOAD = b"POST /pipe/gzip HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
# The streams stay idle for as long as the benchmark takes; their memory is charged and never touched.
OPTIONS = ("--memory-budget=64GiB", "--body-timeout=600s", "--min-rate=0", "--loops=1")


def loop_seconds(server):
    """CPU time of the first thread, which runs the loop."""
    return int(Path(f"/proc/{server.pid}/task/{server.pid}/schedstat").read_text().split()[0]) / 1e9


def descriptors(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def hold_uploads(address, count):
    """A process with `count` idle uploads: when it is killed, all of them leave at once, in another order than they began.
    Returns its pid."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        peers = [connect_from(address, number) for number in range(count)]
        for peer in random.Random(count).sample(peers, count):
            peer.sendall(UPLOAD)
        os.write(tell, b"1")
        signal.pause()
        os._exit(0)
    os.close(tell)
    if os.read(ready, 1) != b"1":
        raise SystemExit("bench: the clients could not connect")
    os.close(ready)
    return pid


def answer_time(bystander):
    began = time.monotonic()
    bystander.sendall(HEALTH)
    if not bystander.recv(4096).startswith(b"HTTP/1.1 200"):
        raise SystemExit("bench: /healthz did not answer 200")
    return time.monotonic() - began


def measure(count):
    """(CPU seconds of the loop for each stream, longest /healthz in seconds) while `count` leave."""
    with millrace(*OPTIONS) as server:
        bystander, scraper = socket.create_connection(server.address), Scraper(server)
        answer_time(bystander)
        at_rest = descriptors(server)
        holder = hold_uploads(server.address, count)
        while scraper.scrape()["millrace_requests_in_flight"] < count + 1:  # its own, too
            time.sleep(0.05)
        time.sleep(0.2)
        before = loop_seconds(server)
        os.kill(holder, signal.SIGKILL)
        longest = 0.0
        while descriptors(server) > at_rest:
            longest = max(longest, answer_time(bystander))
            time.sleep(0.02)
        os.waitpid(holder, 0)
        time.sleep(0.2)
        return (loop_seconds(server) - before) / count, longest


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=MANY)
    args = parser.parse_args()
    allow_descriptors(args.many + 100)

    print(machine())
    cases = [FEW, args.many]
    measured = {count: [None] * args.rounds for count in cases}
    for number, count in interleave(args.rounds, cases):
        measured[count][number] = measure(count)
    cpu = {count: [one for one, _ in rounds] for count, rounds in measured.items()}
    longest = {count: [one for _, one in rounds] for count, rounds in measured.items()}
    table(
        ["streams that leave at once", "loop CPU a stream, us", "longest /healthz meanwhile, ms"],
        [[count, spread(cpu[count], 1e6), spread(longest[count], 1e3)] for count in cases],
    )

    verdicts = Verdicts()
    ratios = per_round(cpu[args.many], cpu[FEW], lambda many, few: many / few)
    verdicts.at_most(f"loop CPU a closed stream, {args.many:,} against {FEW:,}", ratios, 1.5)
    verdicts.finish()


main()
