"""The latency lab: one mixed load on each concurrency model, and a report of it."""

import argparse
import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import lockwaits
from benchlib import BUILD, photo, table
from nodelib import install_node_servers, lab

WAYS = {  # names of peers, and how the server computes: tests/perf/sharp/lab.js
    "node-handler": "handler",
    "node-pool": "pool",
    "node-threads": "threads",
}
PATHS = "light=/healthz image=/image gzip=/gzip encrypt=/encrypt"
WAITS_SECONDS = 7.0  # as long as the heavy load of a round
LOOPS = {  # models whose threads are known: the main thread of a process that serves is its loop
    "inline": ("--offload=inline", "--loops=1"),
    "none": ("--offload=none", "--loops=1"),
    "libuv": ("--offload=libuv", "--loops=1"),
    "workers": ("--offload=workers", "--loops=1"),
    "cluster-none": ("--processes=2", "--offload=none", "--loops=1"),
    "cluster-workers": ("--processes=2", "--offload=workers", "--loops=1"),
}


def start_node(stack):
    """The options that put three servers in Node.js into the lab's table; they end with `stack`."""
    home = install_node_servers()
    if home is None:
        print("bench: no Node.js servers in the table: node and npm are needed, and what npm fetches", file=sys.stderr)
        return []
    servers = {name: stack.enter_context(lab(home, way)) for name, way in WAYS.items()}
    return [f"--peer={name}={server.url} {PATHS}" for name, server in servers.items()]


def count_waits():
    """A round of its own for each model, since strace makes a server slower: it stops the thread at each futex call."""
    picture, _ = photo()
    rows = []
    for name, options in LOOPS.items():
        waits, answered = lockwaits.measure_lab(options, picture, WAITS_SECONDS)
        rows.append(lockwaits.row(name, waits, answered))
    print(f"\nHow often the loops' threads waited for a lock in {WAITS_SECONDS:g} s of the same load, in a round of its own "
          "under strace, which slows the server down: these rates are no others'.")
    table(["", "waits", "longest, ms", "images + gzip + encrypt, 1/s"], rows)


def run_lab(command):
    """Its exit status. Ctrl-C reaches the lab by itself, which then cleans up; what else ends this program ends the lab first."""
    with subprocess.Popen(command) as process:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        status = process.wait()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return status


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, add_help=False, usage="script/bench lab [--node] [--waits] [OPTION of millrace-bench lab]...",
        epilog="All other options, and those of --peer, are millrace-bench lab's:")
    parser.add_argument("--node", action="store_true",
                        help="put three servers in Node.js into the table, which do the same work: in the handler, on "
                        "libuv's pool, in worker_threads")
    parser.add_argument("--waits", action="store_true",
                        help="then count, with strace, how often the loops wait for a lock")
    parser.add_argument("--help", action="store_true")
    arguments, others = parser.parse_known_args()
    command = [BUILD / "millrace-bench", "lab", *others]
    if arguments.help:
        print(parser.format_help(), flush=True)
        os.execv(command[0], [*command, "--help"])
    if not (arguments.node or arguments.waits):
        os.execv(command[0], command)
    with ExitStack() as stack:
        if arguments.node:
            command += start_node(stack)
        status = run_lab(command)
    if status == 0 and arguments.waits:
        count_waits()
    sys.exit(status)


main()
