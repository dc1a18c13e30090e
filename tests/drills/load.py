"""Clients that upload, read and resize until they are told to stop, and what they saw."""

import collections
import hashlib
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
from images import photo  # noqa: E402
from wire import Closed, Wire, failure_of  # noqa: E402

PATIENCE = 40.0  # seconds that a client waits for a response
PICTURE = photo(1200, 800)
KINDS = ("put", "put", "read", "image", "health")


class Client(threading.Thread):
    """One connection, which it opens again when it is closed."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.random = load, random.Random(number)
        self.wire = None
        self.start()

    def run(self):
        try:
            while not self.load.stops.is_set():
                kind = self.random.choice(self.load.kinds)
                began = time.monotonic()
                outcome = self.attempt(kind)
                self.load.saw(kind, outcome, began, time.monotonic())
                if not (isinstance(outcome, int) and outcome < 400):
                    time.sleep(0.02)
        except BaseException as failure:  # told by Load.end()
            self.load.broken.append(failure)
        finally:
            self.close()

    def close(self):
        if self.wire:
            self.wire.close()
        self.wire = None

    def attempt(self, kind):
        try:
            if self.wire is None:
                self.wire = Wire(self.load.address, timeout=PATIENCE)
            response = getattr(self, kind)()
        except (Closed, OSError) as error:
            self.close()
            return failure_of(error)
        if response.closes:
            self.close()
        return response.status

    def put(self):
        body = self.random.randbytes(self.random.randrange(self.load.largest))
        response = self.wire.request("PUT", f"/files/{self.random.randrange(1 << 60)}.bin", (), body)
        if response.status == 201:
            self.load.kept[response.json()["url"]] = hashlib.sha256(body).digest()
        return response

    def read(self):
        kept = list(self.load.kept)
        if not kept:
            return self.health()
        url = self.random.choice(kept)
        response = self.wire.request("GET", url)
        if response.status == 200 and hashlib.sha256(response.body).digest() != self.load.kept[url]:
            self.load.wrong.append(url)
        return response

    def image(self):
        return self.wire.request("POST", self.load.target, (), self.load.picture)

    def health(self):
        return self.wire.request("GET", "/healthz")


class Load:
    """Runs from its creation to end()."""

    def __init__(self, server, clients=6, kinds=KINDS, largest=60_000, picture=PICTURE, target="/pipe/image?w=300"):
        self.address, self.kinds, self.largest, self.picture, self.target = server.address(), kinds, largest, picture, target
        self.kept = {}  # digests of acknowledged files, by URL
        self.wrong = []  # URLs of files that were read with other bytes
        self.broken = []  # responses that are none
        self.seen = []  # (kind, status or failure, began, ended)
        self.stops = threading.Event()
        self.clients = [Client(self, number) for number in range(clients)]

    def saw(self, *what):
        self.seen.append(what)

    def succeeded(self, after=0.0):
        """Requests with a status below 400 that began after that time."""
        return [each for each in list(self.seen) if isinstance(each[1], int) and each[1] < 400 and each[2] > after]

    def end(self):
        self.stops.set()
        for client in self.clients:
            client.join(PATIENCE + 5)
        assert not any(client.is_alive() for client in self.clients), "a client hangs"
        if self.broken:
            raise self.broken[0]

    def outcomes(self):
        return collections.Counter(outcome for _, outcome, _, _ in self.seen)

    def longest(self, *kinds):
        """Seconds of the longest wait for a response."""
        return max((ended - began for kind, _, began, ended in self.seen if kind in (kinds or KINDS)), default=0.0)

    def outage(self):
        """Seconds of the longest time in which no request succeeded."""
        ends = sorted(ended for _, _, _, ended in self.succeeded())
        return max((later - earlier for earlier, later in zip(ends, ends[1:])), default=0.0)

    def lost(self, server):
        """URLs of acknowledged files that are not there, or not what was sent."""
        bad = set(self.wrong)
        with server.connect() as wire:
            for url, digest in self.kept.items():
                response = wire.request("GET", url)
                if response.status != 200 or hashlib.sha256(response.body).digest() != digest:
                    bad.add(url)
                if response.closes:
                    wire.close()
                    wire.__init__(server.address())
        return sorted(bad)
