"""Behind proxies: five of them, small and large bodies, responses and refusals, with the configurations of docs/behind-a-proxy.md."""

import argparse
import hashlib
import http.client
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

from benchlib import machine, millrace, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
from proxies import PROXIES, Proxy, program  # noqa: E402

SMALL = 1000
PIECE = os.urandom(1 << 20)  # not to be compressed: the response is as large as the request
MODES = {"after-body": ("--respond=after-body",), "streaming": ()}


def pieces(size):
    for at in range(0, size, len(PIECE)):
        yield PIECE[: min(len(PIECE), size - at)]


def digest_of(parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def ask(port, target, size, fields, timeout):
    """A client that sends all before it reads. Returns (status, the body, in pieces)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    connection.request("POST", target, pieces(size), fields | {"Content-Length": str(size)})
    response = connection.getresponse()
    parts = iter(lambda: response.read(1 << 20), b"")
    return response.status, parts


def inflated(parts):
    inflate = zlib.decompressobj(31)
    for part in parts:
        yield inflate.decompress(part)
    yield inflate.flush()
    if not inflate.eof:
        raise ValueError("cut")


def is_told_to_curl(port, target, size, timeout):
    """Does a client that reads while it sends get the refusal?"""
    command = ["curl", "-sS", "-m", str(timeout), "-o", "-", "-w", "%{http_code}", "-T", "-", "-X", "POST", f"http://127.0.0.1:{port}{target}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as curl:
        try:
            for piece in pieces(size):
                curl.stdin.write(piece)
            curl.stdin.close()
        except BrokenPipeError:
            pass
        return curl.stdout.read().endswith(b"400")


def judge(port, is_refusal, size, timeout):
    """A word for the table."""
    target = "/pipe/image?w=bogus" if is_refusal else "/pipe/gzip?level=1"
    began = time.monotonic()
    try:
        status, parts = ask(port, target, size, {}, timeout)
        if is_refusal:
            good = status == 400 and b"urn:millrace:problem:" in b"".join(parts)
        else:
            good = status == 200 and digest_of(inflated(parts)) == digest_of(pieces(size))
    except (OSError, http.client.HTTPException, ValueError, zlib.error) as fault:
        if is_refusal and is_told_to_curl(port, target, size, timeout):
            return "to curl only"
        return f"FAIL: {type(fault).__name__}"
    return f"whole, {time.monotonic() - began:.1f} s" if good else f"FAIL: {status}"


def judge_all(port, large, timeout):
    return [judge(port, is_refusal, size, timeout) for is_refusal in (False, True) for size in (SMALL, large)]


def row(name, large, mode, timeout):
    with millrace("--open", "--trust-proxy=127.0.0.1", "--lag-warn=0", *MODES[mode]) as server:
        if name == "none":
            return judge_all(server.address[1], large, timeout)
        with Proxy(name, server.address[1]) as proxy:
            return judge_all(proxy.port, large, timeout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200, help="of a large body (200)")
    parser.add_argument("--mode", choices=MODES, default="after-body", help="--respond of the server (after-body)")
    parser.add_argument("--timeout", type=int, default=120, help="seconds after which a client gives up (120)")
    arguments = parser.parse_args()
    large = arguments.megabytes * 1_000_000
    print(f"{machine()}\n--respond={arguments.mode}; a client that sends all before it reads; small: {SMALL} bytes\n")
    rows, failed = [], False
    for name in ("none", *PROXIES):
        if name != "none" and program(PROXIES[name][1]) is None:
            rows.append([name, *["not here"] * 4])
            continue
        rows.append([name, *row(name, large, arguments.mode, arguments.timeout)])
        failed |= any("FAIL" in word for word in rows[-1])
    heads = ["proxy", "small, response", f"{arguments.megabytes} MB, response", "small, refusal", f"{arguments.megabytes} MB, refusal"]
    table(heads, rows)
    print("FAIL" if failed else "pass")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
