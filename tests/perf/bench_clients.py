"""Refusals: do real clients that send a large file get to read why it was refused?"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchlib import machine, millrace, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
from clients import CLIENTS, is_here, post  # noqa: E402

# By status: what is asked for, and the problem that comes.
REFUSALS = {"400": ("/pipe/image?w=bogus", "bad-parameter"), "404": ("/nothing", "not-found"), "413": ("/pipe/gzip", "body-too-large")}


def judge(name, url, status, kind, file, timeout):
    began = time.monotonic()
    said = post(name, url, file, timeout)
    if name == "Node FormData" and status == "400":  # a form is refused first
        status, kind = "415", "wrong-format"
    return f"{status}, {time.monotonic() - began:.1f} s" if status in said and f"urn:millrace:problem:{kind}" in said else f"FAIL: {said[-60:].strip()!r}"


def column(status, file, timeout, limit):
    """What each client that is here makes of one refusal."""
    path, kind = REFUSALS[status]
    with millrace(f"--max-body={limit if status == '413' else 2 * limit + 1_000_000}", "--respond=after-body", "--lag-warn=0") as server:
        url = f"http://127.0.0.1:{server.address[1]}{path}"
        return {name: judge(name, url, status, kind, file, timeout) if is_here(name) else "not here" for name in CLIENTS}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200, help="of the file; --max-body is half of it for the 413 (200)")
    parser.add_argument("--timeout", type=int, default=120, help="seconds after which a client is given up (120)")
    arguments = parser.parse_args()
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(arguments.megabytes * 1_000_000)
        columns = [column(status, file.name, arguments.timeout, arguments.megabytes * 500_000) for status in REFUSALS]
    rows = [[name, *(words[name] for words in columns)] for name in CLIENTS]
    print(f"{machine()}\n{arguments.megabytes} MB sent into a refusal\n")
    table(["client", *REFUSALS], rows)
    failed = any("FAIL" in word for row in rows for word in row)
    print("FAIL" if failed else "pass")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
