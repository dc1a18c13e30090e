"""Bodies that go through stages: sent and read at the same time, in any pieces, and whether they ended as they should."""

import os
import random
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from server import wait_for
from wire import Closed, Response, request

WORDS = b"the race of a mill carries water to the wheel and away from it again whatever the miller does".split()
MIB = 1 << 20


@lru_cache(maxsize=None)
def sample(size, seed=1):
    """Bytes of which a part is easy to compress, a part is hard, and a part is zeros."""
    chance = random.Random(seed)
    out = bytearray()
    while len(out) < min(size, 200_003):  # longer than what deflate looks back
        kind, length = chance.randrange(4) if out else 2, chance.randrange(1, 4000)
        if kind == 0:
            out += chance.randbytes(length)
        elif kind == 1:
            out += bytes(length)
        else:
            out += b" ".join(chance.choice(WORDS) for _ in range(length // 5))
    return bytes((bytes(out) * (size // max(len(out), 1) + 1))[:size])


@lru_cache(maxsize=None)
def _noise_unit():
    return random.Random(7).randbytes(MIB)


def noise_pieces(size):
    """The same size in pieces of a MiB that deflate cannot make smaller, no two alike."""
    for at in range(0, size, MIB):
        yield (b"%016x" % at + _noise_unit()[16:])[: size - at]


def noise_bytes(size):
    return b"".join(noise_pieces(size))


def random_cuts(body, chance, longest):
    """The body in pieces of random lengths."""
    at = 0
    while at < len(body):
        length = chance.randint(1, longest)
        yield body[at : at + length]
        at += length


def cut(body, size):
    return (body[at : at + size] for at in range(0, len(body), size))


def chunk_frames(pieces):
    """The pieces as chunks of a chunked body, without its end."""
    for piece in pieces:
        yield b"%x\r\n%s\r\n" % (len(piece), piece)


LAST_CHUNK = b"0\r\n\r\n"


# ---- sending while reading


class Upload(threading.Thread):
    """Sends pieces from a thread of its own, so that the answer can be read meanwhile."""

    def __init__(self, wire, pieces):
        super().__init__(daemon=True)
        self.wire = wire
        self.pieces = pieces
        self.sent = 0  # bytes that the kernel took
        self.failed = None
        self.stopping = False
        self.start()

    def run(self):
        try:
            for piece in self.pieces:
                left = memoryview(piece)
                while left:
                    count = self.wire.socket.send(left)
                    self.sent += count
                    left = left[count:]
                if self.stopping:
                    return
        except OSError as error:
            self.failed = error

    def wait_until_held(self, seconds=0.5):
        """Wait until nothing has gone out for that long."""
        wait_until_all_are_held([self], seconds)

    def stop(self):
        """The rest need not be sent."""
        self.stopping = True
        self.join(0.2)
        if self.is_alive():
            try:
                self.wire.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.join(10)
        assert not self.is_alive()


def wait_until_all_are_held(uploads, seconds=0.5):
    """Wait until nothing of any of them has gone out for that long."""
    last = (None, time.monotonic())

    def are_held():
        nonlocal last
        sent = [upload.sent for upload in uploads]
        if sent != last[0]:
            last = (sent, time.monotonic())
        for upload in uploads:
            assert upload.failed is None, f"sending failed after {upload.sent} bytes: {upload.failed}"
            assert upload.is_alive(), f"all {upload.sent} bytes were taken: nothing holds the sender"
        return 0 not in sent and time.monotonic() - last[1] > seconds

    wait_for(are_held, "the senders to be held")


@dataclass
class Outcome:
    """What came of an answer. Not `whole`: the connection ended before the answer did."""

    response: Response = None  # its head and trailers
    body: bytes = b""
    length: int = 0  # of the body; it is counted also where it is not kept
    whole: bool = False
    sent: int = 0  # bytes of the request that went out
    trailers: list = field(default_factory=list)

    @property
    def status(self):
        return self.response.status if self.response else None

    def trailer(self, name):
        return ", ".join(value for key, value in self.trailers if key.lower() == name.lower()) or None


def receive_stream(wire, take=None, head=None):
    """Read one answer, complete or not. `take` gets each piece of the body instead of keeping it."""
    outcome = Outcome(head)
    pieces = []

    def got(piece):
        outcome.length += len(piece)
        (take or pieces.append)(piece)

    def rest_of(length):
        while length:
            if not wire.buffer:
                wire._more()
            piece, wire.buffer = wire.buffer[:length], wire.buffer[length:]
            length -= len(piece)
            got(piece)

    try:
        if head is None:
            outcome.response = wire.receive_head()
        response = outcome.response
        assert response.status >= 200, f"an interim answer nobody asked for: {response.status}"
        coding, length = response.get("Transfer-Encoding"), response.get("Content-Length")
        assert coding is None or length is None, "both Transfer-Encoding and Content-Length"
        assert coding in (None, "chunked"), coding
        if coding:
            while size := int(wire._line().split(b";")[0], 16):
                rest_of(size)
                assert wire._take(2) == b"\r\n"
            outcome.trailers = wire._fields()
        elif length is not None:
            rest_of(int(length))
        else:
            assert response.closes, "an answer without a length on a connection that stays open"
            got(wire.read_to_close())
        outcome.whole = True
    except (Closed, ConnectionError):
        pass
    outcome.body = b"".join(pieces)
    return outcome


def post_pieces(target, body, fields=(), chunk=None, size=None):
    """The pieces of a POST. `body`: bytes, or pieces of bytes that are `size` bytes together.

    `chunk` None: with a length; a number: in chunks of that size; "pieces": each piece is a chunk.
    """
    whole = isinstance(body, (bytes, bytearray))
    if chunk is None:
        yield request("POST", target, dict(fields) | {"Content-Length": len(body) if whole else size})
        yield from [body] if whole else body
        return
    yield request("POST", target, dict(fields) | {"Transfer-Encoding": "chunked"})
    frames = chunk_frames(body if chunk == "pieces" else cut(body, chunk))
    batch = bytearray()  # one send for many small chunks
    for frame in frames:
        batch += frame
        if len(batch) > 60_000:
            yield bytes(batch)
            batch.clear()
    yield bytes(batch) + LAST_CHUNK


def exchange(server, target, body, fields=(), chunk=None, size=None, take=None, **connection):
    """One POST on a connection of its own, which is sent and read at the same time; what came of it."""
    with server.connect(**connection) as wire:
        upload = Upload(wire, post_pieces(target, body, fields, chunk, size))
        try:
            outcome = receive_stream(wire, take)
        finally:
            upload.stop()
        outcome.sent = upload.sent
        return outcome


def through(server, target, body, fields=(), chunk=None, **more):
    """What the stages make of the body: all of it, ended as its framing says."""
    outcome = exchange(server, target, body, fields, chunk, **more)
    assert outcome.status == 200, (outcome.status, outcome.body[:500])
    assert outcome.whole, f"the answer was cut after {outcome.length} bytes"
    return outcome.body


def assert_refused_or_cut(outcome, statuses=(422,), original=None):
    """Either a problem with one of these statuses, or a stream that does not end in good order.

    `original`: then nothing came but what this begins with.
    """
    if outcome.whole:
        assert outcome.status in statuses, f"{outcome.status} with {outcome.length} bytes ended in good order: {outcome.body[:300]!r}"
        assert outcome.response["Content-Type"] == "application/problem+json"
        return
    assert outcome.status in (None, 200), outcome.status
    if original is not None:
        assert original.startswith(outcome.body), "bytes came that were never in it"


# ---- programs to compare with


def run(*command, data=b""):
    """What a program makes of these bytes."""
    result = subprocess.run([str(part) for part in command], input=data, capture_output=True)
    assert result.returncode == 0, (command, result.stderr[-500:])
    return result.stdout


# ---- the server as the kernel sees it


def cpu_seconds(server):
    """That all its threads used until now, in ticks of a hundredth."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes(server):
    """The largest resident size since forget_peak()."""
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def forget_peak(server):
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


def open_files(server):
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
