"""Slow uploads: are photographs served beside 8,000 bodies of each stage that hardly come?"""

import argparse
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from benchlib import BUILD, Load, Scraper, Verdicts, allow_descriptors, connect_from, failures, machine, millrace, photo, table

STAGES = ("image", "gzip", "gunzip", "zstd", "unzstd", "encrypt", "decrypt")
OPENED = 500  # uploads a second: a rush of them is another matter
PERIOD = 4.0  # seconds between two pieces of one upload
PIECE = 600  # bytes


def keygen(path):
    """The recipient of a new identity in that file."""
    path.write_bytes(subprocess.run([BUILD / "millrace", "keygen"], capture_output=True, check=True).stdout)
    path.chmod(0o600)
    return next(line.rsplit(None, 1)[1] for line in path.read_text().splitlines() if "age1" in line)


def body_of(stage, picture, recipient):
    """What this stage takes for a body."""
    made = {"gunzip": ("gzip", "--level=1"), "unzstd": ("zstd", "--level=1"), "decrypt": ("encrypt", f"--recipient={recipient}")}
    if stage not in made:
        return picture
    return subprocess.run([BUILD / "millrace", "pipe", *made[stage]], input=picture, capture_output=True, check=True).stdout


class Uploads(threading.Thread):
    """All slow clients: each is opened in its turn, and then sends a piece in each period."""

    def __init__(self, server, target, body, count):
        super().__init__(daemon=True)
        self.server, self.body, self.count = server, body, count
        self.head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        self.peers = []
        self.refused = 0  # with 503, as the queue was full
        self.ended = []  # the first line of what others were told that are over
        self.all_open, self.is_over = threading.Event(), threading.Event()
        self.start()

    def piece(self, number):
        part = self.body[number * PIECE :][:PIECE]
        return b"%x\r\n%s\r\n" % (len(part), part)

    def is_open(self, peer, data):
        """Send it. False: the server has said something, or closed."""
        try:
            said = peer.recv(4096).split(b"\r\n")[0].decode(errors="replace")
        except BlockingIOError:
            try:
                peer.send(data)
            except BlockingIOError:
                pass  # the server does not read it now: it may do so
            return True
        except OSError as failure:
            said = str(failure)
        if said.startswith("HTTP/1.1 503"):
            self.refused += 1
        else:
            self.ended.append(said or "closed")
        peer.close()
        return False

    def pace(self, began, rate, number):
        if number % 50 == 0:
            self.is_over.wait(max(0, began + number / rate - time.monotonic()))

    def run(self):
        began = time.monotonic()
        for number in range(self.count):
            peer = connect_from(self.server.address, number)
            peer.sendall(self.head + self.piece(0))
            peer.setblocking(False)
            self.peers.append(peer)
            self.pace(began, OPENED, number)
        self.all_open.set()
        sent = 1
        while not self.is_over.is_set():
            began = time.monotonic()
            piece = self.piece(sent)
            sent += 1
            kept = []
            for number, peer in enumerate(self.peers):
                if self.is_over.is_set() or self.is_open(peer, piece):
                    kept.append(peer)
                self.pace(began, self.count / PERIOD, number)
            self.peers = kept

    def stop(self):
        self.is_over.set()
        self.join(60)
        for peer in self.peers:
            peer.close()


def measure(stage, path, identity, recipient, args):
    target = f"/pipe/{stage}" + (f"?recipient={recipient}" if stage == "encrypt" else "?w=100" if stage == "image" else "")
    with millrace("--lag-warn=0", "--min-rate=0", f"--identity={identity}") as server:
        scraper = Scraper(server)
        uploads = Uploads(server, target, body_of(stage, path.read_bytes(), recipient), args.uploads)
        uploads.all_open.wait(300)
        result = Load(f"{server.url}/pipe/image?w=300", rate=1, connections=1, warmup=1, duration=args.seconds, grace=60, body=path).result()
        budget = scraper.scrape()["millrace_memory_budget_used_bytes"]
        resident = server.memory_kib()
        uploads.stop()
    return uploads, result, budget / (1 << 20), resident / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=8000, help="of each stage (8000)")
    parser.add_argument("--seconds", type=float, default=15, help="of each stage (15)")
    parser.add_argument("--stages", default=",".join(STAGES), help="all of them, unless they are named")
    args = parser.parse_args()
    allow_descriptors(args.uploads + 100)
    path, words = photo()
    verdicts, rows = Verdicts(), []
    print(f"{machine()}\n{args.uploads} uploads at {PIECE / PERIOD:.0f} bytes/s, each second one photograph: {words}\n", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        identity = Path(directory, "identity")
        recipient = keygen(identity)
        for stage in args.stages.split(","):
            uploads, result, budget, resident = measure(stage, path, identity, recipient, args)
            served, failed = result["status"].get("200", 0), failures(result)
            rows.append([stage, len(uploads.peers), uploads.refused, served, *(f"{result['latency'][key] * 1000:.0f}" for key in ("mean", "max")), f"{budget:.0f}", f"{resident:.0f}"])
            verdicts.exactly(f"{stage}: photographs that were served", served, served > 0 and not failed, f"all {failed}")
            verdicts.exactly(f"{stage}: uploads that were cut", len(uploads.ended), not uploads.ended, "0")
            for said in sorted(set(uploads.ended)):
                print(f"{stage}: {said}")
    table(["stage", "uploads open", "refused", "photographs", "ms, mean", "max", "budget, MiB", "RSS, MiB"], rows)
    verdicts.finish()


if __name__ == "__main__":
    main()
