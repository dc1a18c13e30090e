"""Cheap when idle: memory of 10,000 idle keep-alive connections, and no wake-up at rest."""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchlib import Verdicts, allow_descriptors, connect_from, hello, machine, millrace

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def switches(pid):
    """Voluntary context switches of every thread: a thread that was woken has gone to sleep again."""
    counts = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        counts[f"{status.split()[1]} {task.name}"] = int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", status)[1])
    return counts


def connect(address, number):
    """One connection that has had one answer."""
    peer = connect_from(address, number)
    peer.sendall(REQUEST)
    if not peer.recv(4096).startswith(b"HTTP/1.1 200"):
        sys.exit("bench: /healthz did not answer 200")
    return peer


def wake_ups(server, seconds):
    """How often any thread was woken: (by thread, only those that were)."""
    before = switches(server.pid)
    time.sleep(seconds)
    after = switches(server.pid)
    return {thread: count - before.get(thread, 0) for thread, count in after.items() if count != before.get(thread, 0)}


def system_calls(server, seconds):
    """What strace sees of all threads while nothing happens. What attaching itself causes, within the first half second
    (waits are interrupted and begun again), is left out. None without strace or the right to trace."""
    if shutil.which("strace") is None:
        return None
    with tempfile.NamedTemporaryFile("r") as log:
        strace = subprocess.Popen(
            ["strace", "-f", "-qq", "-ttt", "-o", log.name, "-p", str(server.pid)], stderr=subprocess.DEVNULL
        )
        time.sleep(0.5)
        settled = time.time()
        time.sleep(seconds)
        refused = strace.poll() is not None
        until = time.time()
        strace.send_signal(signal.SIGINT)
        strace.wait()
        lines = [line for line in log.read().splitlines() if settled < float(line.split()[1]) < until]
    return None if refused else lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10000)
    parser.add_argument("--seconds", type=float, default=5, help="of rest that are watched")
    parser.add_argument("--hello", action="store_true", help="measure the hello-world instead, for comparison")
    args = parser.parse_args()
    allow_descriptors(args.connections + 100)

    print(machine())
    with hello() if args.hello else millrace() as server:
        for number in range(100):
            connect(server.address, number).close()  # what is set up once is not the connections' cost
        time.sleep(1)
        before = server.memory_kib()
        began = time.monotonic()
        peers = [connect(server.address, number) for number in range(args.connections)]
        print(f"{len(peers)} connections with one answer each in {time.monotonic() - began:.1f} s")
        time.sleep(2)
        grown = server.memory_kib() - before
        print(f"resident memory {before} KiB before, {before + grown} KiB with them")
        woken = wake_ups(server, args.seconds)
        print(f"threads woken in {args.seconds:g} s of rest: {woken or 'none'}")
        calls = system_calls(server, args.seconds)
        print("system calls under strace: not measured" if calls is None else f"system calls under strace: {len(calls)}")
        print("\n".join((calls or [])[:10]))
        for peer in peers:
            peer.close()

    verdicts = Verdicts()
    verdicts.exactly("resident KiB a connection", grown / len(peers), grown / len(peers) <= 4, "<= 4")
    verdicts.exactly("wake-ups at rest", sum(woken.values()), not woken, "0")
    if calls is not None:
        verdicts.exactly("system calls at rest", len(calls), not calls, "0")
    verdicts.finish()


main()
