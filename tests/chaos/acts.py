"""What clients do to a server under chaos: exchanges that are right, and such that break off, stop, or make no sense."""

import itertools
import random
import threading
import time
from functools import partial

from images import noise, photo
from streams import MIB, chunk_frames, noise_bytes, random_cuts, sample
from test_file_forms import BOUNDARY, form
from wire import Closed, Wire, chunked, failure_of, request

PHOTO, NOISE = photo(), noise(900, 700)
STREAM = noise_bytes(3 * MIB)
TARGETS = ("/healthz", "/metrics", "/openapi.yaml", "/files", "/files?limit=1", "/nothing", "/files/01M8K7V3J9WCZ0Q2T5XYE8RNAB")
ACTS = {}


def act(function):
    ACTS[function.__name__] = function
    return function


class Client(threading.Thread):
    """Acts, each on a connection of its own, until the run has had enough."""

    def __init__(self, run, seed):
        super().__init__(daemon=True)
        self.chaos, self.seed = run, seed
        self.act = None
        self.start()

    def run(self):
        for number in itertools.count():
            if not self.chaos.take():
                return
            self.random = random.Random(f"{self.seed} {number}")  # however much the one before has drawn
            self.act = self.random.choice(list(ACTS))
            self.perform(ACTS[self.act])

    @staticmethod
    def once(run, name):
        """That act alone, by the caller itself."""
        client = Client.__new__(Client)
        client.chaos, client.random, client.act = run, random.Random(0), name
        client.perform(ACTS[name])

    def perform(self, what):
        try:
            with Wire(self.chaos.server.address()) as wire:
                what(self, wire)
        except (Closed, OSError) as error:
            outcome = failure_of(error)
            self.chaos.seen[outcome] += 1
            if outcome == "timeout":
                self.fail("the server neither responds nor closes")
            if outcome == "refused":  # it is being restarted
                time.sleep(0.1)
                self.chaos.give_back()
        except Exception as error:
            self.fail(f"{type(error).__name__}: {error}")

    def fail(self, text):
        self.chaos.failures.append(f"{self.act}: {text}")

    def saw(self, response):
        self.chaos.seen[response.status] += 1
        assert response.status != 500, response.body
        return response

    def receive(self, wire, method="GET"):
        return self.saw(wire.receive(method))

    def chance(self, of):
        return self.random.randrange(of) == 0

    def bytes(self, most):
        return self.random.randbytes(self.random.randrange(most))

    def file(self):
        """The URL and body of an acknowledged file, or of none."""
        kept = list(self.chaos.kept.items())
        return self.random.choice(kept) if kept else ("/nothing", None)

    def upload_bytes(self):
        """A request that takes some work: the bytes of it."""
        body = self.bytes(300_000)
        return self.random.choice(
            [
                lambda: request("PUT", f"/files/{self.random.randrange(1 << 60)}", (), body),
                lambda: request("POST", "/pipe/image?w=200", (), self.random.choice([PHOTO, NOISE])),
                lambda: request("POST", "/pipe/gzip", {"Transfer-Encoding": "chunked"}) + chunked(body),
                lambda: request("POST", "/files", {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}, form(("a", "a.bin", None, body))),
            ]
        )()


# ---- what is right


@act
def ordinary(client, wire):
    method = client.random.choice(["GET", "GET", "HEAD", "DELETE", "OPTIONS"])
    wire.send(request(method, client.random.choice(TARGETS)))
    client.receive(wire, method)


@act
def upload(client, wire):
    body = client.bytes(300_000)
    response = client.saw(wire.request("PUT", f"/files/{client.random.randrange(1 << 60)}.bin", (), body))
    if response.status == 201:
        client.chaos.kept[response.json()["url"]] = body


@act
def read(client, wire):
    url, body = client.file()
    response = client.saw(wire.request("GET", url))
    assert response.status != 200 or response.body == body, f"{url} is another file"
    assert response.status != 404 or body is None, f"{url} is gone"


@act
def image(client, wire):
    client.saw(wire.request("POST", f"/pipe/image?w={client.random.randrange(1, 400)}", (), client.random.choice([PHOTO, NOISE])))


@act
def stream(client, wire):
    """There and back."""
    body, stages = sample(client.random.randrange(1, 200_000)), client.random.choice(["gzip,gunzip", "zstd,unzstd"])
    response = client.saw(wire.request("POST", f"/pipe/{stages}", (), body))
    assert response.status != 200 or response.body == body, "other bytes came back"


@act
def pipelined(client, wire):
    """Responses come in the order of their requests."""
    files = [client.file() for _ in range(client.random.randrange(2, 9))]
    wire.send(b"".join(request("GET", url) + request("HEAD", "/healthz") for url, _ in files))
    for url, body in files:
        response = client.receive(wire)
        assert response.status != 200 or response.body == body, f"{url} has another's response"
        if response.closes or client.receive(wire, "HEAD").closes:
            return


# ---- what breaks off


@act
def cut(client, wire):
    """A request that ends somewhere: with FIN, with RST, or half, so that there must be a response or an end."""
    data = client.upload_bytes()
    wire.send(data[: client.random.randrange(len(data))])
    client.random.choice([wire.close, wire.reset, partial(half_close, client, wire)])()


def half_close(client, wire):
    wire.half_close()
    client.receive(wire)


@act
def half_closed(client, wire):
    """A whole request behind which nothing can come: it has its response."""
    wire.send(client.upload_bytes())
    half_close(client, wire)


@act
def leaves(client, wire):
    """Before, or in the middle of, the response."""
    wire.send(client.upload_bytes())
    time.sleep(client.random.random() * 0.05)
    if client.chance(2):
        wire.is_readable(0.2)
    client.random.choice([wire.close, wire.reset])()


@act
def leaves_pipeline(client, wire):
    wire.send(request("GET", "/healthz") * client.random.randrange(1, 60) + client.upload_bytes())
    if client.chance(2):
        client.receive(wire)
    wire.reset()


@act
def expects(client, wire):
    """Asks to go on, and does not, or too late."""
    wire.send(request("POST", "/pipe/image", {"Content-Length": len(NOISE), "Expect": "100-continue"}))
    first = wire.receive_head()
    if first.status == 100 and client.chance(2):
        wire.send(NOISE)
        client.receive(wire)


# ---- what is slow


@act
def trickles(client, wire):
    """A head or a body, byte by byte for a while."""
    data = client.upload_bytes()
    start = 0 if client.chance(2) else min(data.find(b"\r\n\r\n") + 4, len(data))
    wire.send(data[:start])
    wire.trickle(data[start : start + client.random.randrange(1, 40)], 0.02)
    if client.chance(2):
        wire.send(data[start:])
    else:
        client.random.choice([wire.close, wire.reset])()


@act
def waits(client, wire):
    """Opens a connection and does not use it; or an upload, and does not go on: there is a timeout for each."""
    if client.chance(2):
        wire.send(request("PUT", "/files/x", {"Content-Length": 1000}) + bytes(10))
        client.receive(wire)
    else:
        rest = wire.read_to_close()
        assert not rest or rest.startswith(b"HTTP/1.1 503 "), "bytes that were not asked for"


@act
def never_reads(client, wire):
    """Sends what makes a large response, and reads none or a part of it."""
    wire.close()
    with Wire(client.chaos.server.address(), receive_buffer=4096) as narrow:
        narrow.socket.settimeout(client.random.uniform(0.1, 2.5))
        try:
            narrow.send(request("POST", "/pipe/gzip", {"Transfer-Encoding": "chunked"}))
            for frame in chunk_frames(random_cuts(STREAM, client.random, 200_000)):
                narrow.send(frame)
            narrow.send(b"0\r\n\r\n")
        except TimeoutError:
            pass
        time.sleep(client.random.random() * 0.5)
        if client.chance(2):
            narrow.reset()


@act
def listens(client, wire):
    """To events, for a while."""
    wire.send(request("GET", "/events"))
    client.saw(wire.receive_head())
    time.sleep(client.random.random())
    client.random.choice([wire.close, wire.reset])()


# ---- what makes no sense


@act
def garbage(client, wire):
    data = bytearray(client.upload_bytes()[:2000])
    for _ in range(client.random.randrange(1, 20)):
        data[client.random.randrange(min(len(data), 200))] = client.random.randrange(256)
    wire.send(bytes(data))
    wire.half_close()
    while not client.receive(wire).closes:
        pass


@act
def broken_chunks(client, wire):
    wire.send(request("POST", "/pipe/gzip", {"Transfer-Encoding": "chunked"}) + b"5\r\nhello\r\n" + client.random.choice([b"-1\r\n", b"ffffffffffffffffff\r\n", b"5;\r\nhel", b"\0"]))
    wire.half_close()
    client.saw(wire.receive_head())
