"""A raw HTTP/1.1 client: it sends exactly the bytes it is told to and reads answers strictly.

Ordinary HTTP libraries repair or refuse what these tests are about, so this one knows no more than framing. An answer that
is not well formed is an AssertionError, a connection that ends before a complete answer is Closed.
"""

import json
import re
import socket
import struct
import time
from dataclasses import dataclass, field

TIMEOUT = 200.0  # seconds: far beyond anything a test waits for when the server is right, also on a busy machine


class Closed(Exception):
    """The server closed the connection (cleanly or not) before a complete answer. `.bytes` is what came."""

    def __init__(self, received: bytes, reset: bool = False):
        super().__init__(f"{'reset' if reset else 'closed'} after {received[:200]!r}")
        self.bytes = received
        self.reset = reset


def failure_of(error):
    """A word for why there is no response: of a Closed or an OSError."""
    if isinstance(error, Closed):
        return "reset" if error.reset else "closed"
    if isinstance(error, TimeoutError):
        return "timeout"
    return {ConnectionRefusedError: "refused", ConnectionResetError: "reset", BrokenPipeError: "reset"}.get(type(error), type(error).__name__)


@dataclass
class Response:
    version: str
    status: int
    reason: str
    fields: list
    body: bytes = b""
    trailers: list = field(default_factory=list)
    head: bytes = b""

    def get(self, name, default=None):
        """All values of a field, joined as RFC 9110, section 5.3 says; default when there is none."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        return ", ".join(values) if values else default

    def __getitem__(self, name):
        value = self.get(name)
        assert value is not None, f"no {name} in {self.fields}"
        return value

    def __contains__(self, name):
        return self.get(name) is not None

    def json(self):
        return json.loads(self.body)

    @property
    def closes(self):
        options = [option.strip().lower() for option in self.get("Connection", "").split(",")]
        return "close" in options or (self.version == "HTTP/1.0" and "keep-alive" not in options)


def request(method, target, fields=(), body=None, host="localhost", version="HTTP/1.1"):
    """The bytes of a request. `host` None: no Host field; `body` None: no Content-Length."""
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in dict(fields).items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def chunked(body, size=1000, extension=b"", trailers=b""):
    """The body in chunks of `size` bytes, with its last chunk and trailer section."""
    out = bytearray()
    for at in range(0, len(body), size):
        piece = body[at : at + size]
        out += b"%x%s\r\n%s\r\n" % (len(piece), extension, piece)
    return bytes(out) + b"0%s\r\n%s\r\n" % (extension, trailers)


class Wire:
    """One connection."""

    def __init__(self, address, timeout=TIMEOUT, receive_buffer=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- sending

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, target, fields=(), body=None, **more):
        """Send a request and read its answer."""
        self.send(request(method, target, fields, body, **more))
        return self.receive(method)

    def trickle(self, data, seconds_per_byte, until=lambda: False):
        """Send one byte after the other. Stops when the server has closed, has answered, or `until` says so."""
        for at in range(len(data)):
            if until() or self.is_readable(seconds_per_byte):
                return
            try:
                self.send(data[at : at + 1])
            except OSError:
                return

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Close with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    # ---- receiving

    def is_readable(self, seconds):
        """Does anything (bytes, an end, a reset) arrive within that time?"""
        if self.buffer:
            return True
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self.buffer += self.socket.recv(1, socket.MSG_PEEK) and self.socket.recv(65536)
            return True
        except (TimeoutError, BlockingIOError):
            return False
        except OSError:
            return True
        finally:
            self.socket.settimeout(before)

    def _more(self):
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionError:
            raise Closed(self.buffer, reset=True) from None
        if not data:
            raise Closed(self.buffer)
        self.buffer += data

    def _take(self, length):
        pieces = [self.buffer]
        have = len(self.buffer)
        while have < length:
            self.buffer = b""
            try:
                self._more()
            except Closed as closed:
                raise Closed(b"".join(pieces), closed.reset) from None
            pieces.append(self.buffer)
            have += len(self.buffer)
        whole = b"".join(pieces)
        self.buffer = whole[length:]
        return whole[:length]

    def _line(self):
        while b"\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r") and b"\r" not in line[:-1], f"a line does not end in CR LF: {line!r}"
        return line[:-1]

    def _fields(self):
        fields = []
        while line := self._line():
            match = re.fullmatch(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*", line)
            assert match, f"not a field line: {line!r}"
            fields.append((match[1].decode(), match[2].decode("latin-1")))
        return fields

    def receive_head(self):
        """One head, which may be an interim one (1xx)."""
        line = self._line()
        match = re.fullmatch(rb"(HTTP/1\.[01]) ([1-5][0-9][0-9]) ([\t\x20-\x7e]*)", line)
        assert match, f"not a status line: {line!r}"
        fields = self._fields()
        return Response(match[1].decode(), int(match[2]), match[3].decode(), fields)

    def receive(self, method="GET"):
        """One final answer. Interim answers must have been read with receive_head()."""
        response = self.receive_head()
        assert response.status >= 200, f"an interim answer nobody asked for: {response.status}"
        coding, length = response.get("Transfer-Encoding"), response.get("Content-Length")
        assert coding is None or length is None, "both Transfer-Encoding and Content-Length"
        if method == "HEAD" or response.status in (204, 304):
            return response
        if coding is not None:
            assert coding.lower() == "chunked", coding
            while size := int(self._line().split(b";")[0], 16):
                response.body += self._take(size)
                assert self._take(2) == b"\r\n"
            response.trailers = self._fields()
        elif length is not None:
            assert length.isdigit(), length
            response.body = self._take(int(length))
        else:
            assert response.closes, "an answer without a length on a connection that stays open"
            response.body = self.read_to_close()
        return response

    def read_to_close(self):
        """Everything up to a clean close. A reset is Closed."""
        while True:
            try:
                self._more()
            except Closed as closed:
                if closed.reset:
                    raise
                rest, self.buffer = self.buffer, b""
                return rest

    def is_closed(self, within=TIMEOUT):
        """Does the server close (or reset) within that time, without sending another byte?"""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            if not self.is_readable(left):
                return False
            if self.buffer:
                return False
            try:
                self._more()
            except Closed:
                return True
        return False
