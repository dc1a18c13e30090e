"""Slow uploads: are photographs served beside 8,000 bodies of each stage that hardly come?"""

import argparse
import http.client
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from benchlib import BUILD, Scraper, Verdicts, allow_descriptors, connect_from, machine, millrace, photo, table

STAGES = ("image", "gzip", "gunzip", "zstd", "unzstd", "encrypt", "decrypt")
PERIOD = 2.0  # seconds between two pieces of one upload
PIECE = 2400  # bytes: a little more than --min-rate


def keygen(path):
    """The recipient of a new identity in that file."""
    path.write_bytes(subprocess.run([BUILD / "millrace", "keygen"], capture_output=True, check=True).stdout)
    path.chmod(0o600)
    return next(line.rsplit(None, 1)[1] for line in path.read_text().splitlines() if "age1" in line)


def through(stages, data, *options):
    return subprocess.run([BUILD / "millrace", "pipe", stages, *options], input=data, capture_output=True, check=True).stdout


def body_of(stage, picture, recipient):
    """What this stage takes for a body, and is not done with before the run ends."""
    made = {"gunzip": ("gzip", "--level=1"), "unzstd": ("zstd", "--level=1"), "decrypt": ("encrypt", f"--recipient={recipient}")}
    return through(made[stage][0], picture, made[stage][1]) if stage in made else picture


class Uploads:
    """All slow clients, on this thread."""

    def __init__(self, server, stage, body, recipient, count):
        target = f"/pipe/{stage}" + (f"?recipient={recipient}" if stage == "encrypt" else "?w=100" if stage == "image" else "")
        self.head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        self.body = body
        self.ended = []  # the first line of what those were told that are over
        self.peers = []
        for number in range(count):
            peer = connect_from(server.address, number)
            peer.setblocking(False)
            self.peers.append(peer)
            self.send(peer, self.head)

    def send(self, peer, data):
        try:
            peer.send(data)
            return True
        except BlockingIOError:
            return True  # it is held back: that is for the server to say
        except OSError as failure:
            self.ended.append(str(failure))
            return False

    def is_answered(self, peer):
        try:
            said = peer.recv(4096)
        except BlockingIOError:
            return False
        except OSError as failure:
            said = str(failure).encode()
        self.ended.append(said.split(b"\r\n")[0].decode(errors="replace"))
        return True

    def run(self, seconds):
        """A piece to each of them in each period, evenly spread."""
        began = time.monotonic()
        at = 0
        while time.monotonic() - began < seconds:
            part = self.body[at : at + PIECE]
            at += PIECE
            piece = b"%x\r\n%s\r\n" % (len(part), part)
            round_began = time.monotonic()
            kept = []
            for number, peer in enumerate(self.peers):
                if not self.is_answered(peer) and self.send(peer, piece):
                    kept.append(peer)
                else:
                    peer.close()
                if number % 100 == 0:
                    ahead = round_began + PERIOD * number / len(self.peers) - time.monotonic()
                    time.sleep(max(0, ahead))
            self.peers = kept

    def close(self):
        for peer in self.peers:
            peer.close()


class Photographs(threading.Thread):
    """One a second, each over a connection of its own."""

    def __init__(self, server, picture):
        super().__init__(daemon=True)
        self.server, self.picture = server, picture
        self.is_over = threading.Event()
        self.seconds, self.failed = [], []
        self.start()

    def run(self):
        while not self.is_over.wait(1):
            began = time.monotonic()
            try:
                connection = http.client.HTTPConnection(*self.server.address, timeout=60)
                connection.request("POST", "/pipe/image?w=300&fm=jpg", self.picture)
                response = connection.getresponse()
                said = response.read()
                connection.close()
                if response.status != 200:
                    self.failed.append(f"{response.status} {said[:200]!r}")
                    continue
            except OSError as failure:
                self.failed.append(str(failure))
                continue
            self.seconds.append(time.monotonic() - began)

    def stop(self):
        self.is_over.set()
        self.join(70)


def measure(stage, picture, identity, recipient, args):
    with millrace("--lag-warn=0", f"--identity={identity}") as server:
        scraper = Scraper(server)
        uploads = Uploads(server, stage, body_of(stage, picture, recipient), recipient, args.uploads)
        photographs = Photographs(server, picture)
        uploads.run(args.seconds)
        photographs.stop()
        budget = scraper.scrape()["millrace_memory_budget_used_bytes"]
        resident = server.memory_kib("VmHWM") / 1024
        uploads.close()
    return uploads, photographs, budget / (1 << 20), resident


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=8000, help="of each stage (8000)")
    parser.add_argument("--seconds", type=float, default=16, help="of each stage (16)")
    parser.add_argument("--stages", default=",".join(STAGES), help="all of them, unless they are named")
    args = parser.parse_args()
    allow_descriptors(args.uploads + 100)
    path, words = photo()
    picture = path.read_bytes()
    verdicts, rows = Verdicts(), []
    print(f"{machine()}\n{args.uploads} uploads at {PIECE / PERIOD:.0f} bytes/s, each second one photograph: {words}\n")
    with tempfile.TemporaryDirectory() as directory:
        identity = Path(directory, "identity")
        recipient = keygen(identity)
        for stage in args.stages.split(","):
            uploads, photographs, budget, resident = measure(stage, picture, identity, recipient, args)
            served, asked = len(photographs.seconds), len(photographs.seconds) + len(photographs.failed)
            median = statistics.median(photographs.seconds) if served else float("nan")
            most = max(photographs.seconds, default=float("nan"))
            rows.append([stage, str(len(uploads.peers)), f"{served} of {asked}", f"{median:.2f}", f"{most:.2f}", f"{budget:.0f}", f"{resident:.0f}"])
            verdicts.exactly(f"{stage}: photographs that were not served", asked - served, asked > 0 and served == asked, "0")
            verdicts.exactly(f"{stage}: uploads that were ended", len(uploads.ended), not uploads.ended, "0")
            for said in sorted(set(uploads.ended + photographs.failed)):
                print(f"{stage}: {said}")
    table(["stage", "uploads open", "photographs", "s, median", "most", "budget, MiB", "peak RSS, MiB"], rows)
    verdicts.finish()


if __name__ == "__main__":
    main()
