"""What the benchmarks of the image stage share: pictures in all formats and sizes, and clients that work a list off."""

import io
import subprocess
import sys
import tempfile
import threading

from PIL import Image

from benchlib import ROOT, photo

sys.path.insert(0, str(ROOT / "tests/http"))
from wire import Closed, Wire, request  # noqa: E402, F401

SUFFIXES = (".jpg[Q=92]", ".jpg[Q=85,interlace]", ".png", ".webp[Q=85]", ".gif", ".tif[compression=deflate]", ".avif[Q=70,effort=2]")


def pictures(megapixels, suffixes=SUFFIXES):
    """The photograph in each format: [bytes]."""
    return [photo(megapixels, suffix)[0].read_bytes() for suffix in suffixes]


def animations(width, frames=6):
    """Moving pictures cut out of the photograph, as GIF and WebP: [bytes]."""
    path, _ = photo(0.5)
    still = Image.open(path).convert("RGB")
    height = width * 2 // 3
    images = [still.crop((8 * i, 8 * i, 8 * i + width, 8 * i + height)) for i in range(frames)]
    return [animate(images, "GIF"), animate(images, "WEBP")]


def animate(images, kind):
    out = io.BytesIO()
    images[0].save(out, kind, save_all=True, append_images=images[1:], duration=80, loop=0)
    return out.getvalue()


def decode(data):
    if data[4:12] == b"ftypavif":  # which Pillow does not read
        with tempfile.NamedTemporaryFile(suffix=".avif") as file:
            file.write(data)
            file.flush()
            data = subprocess.run(["vips", "copy", file.name, ".png"], capture_output=True, check=True).stdout
    return Image.open(io.BytesIO(data)).convert("RGB")


class Clients:
    """`connections` threads, each with a connection of its own, work `jobs` off; work(client, job) does one. `done` is
    called after each job with how many are done, by one thread at a time. The first exception ends the run."""

    def __init__(self, server, connections, work, done=lambda count: None):
        self.address = server.address
        self.work, self.done = work, done
        self.connections = connections
        self.lock = threading.Lock()
        self.count = 0
        self.failure = None

    def run(self, jobs):
        self.jobs = iter(jobs)
        threads = [threading.Thread(target=self._client) for _ in range(self.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failure:
            raise self.failure

    def _next(self):
        with self.lock:
            return None if self.failure else next(self.jobs, None)

    def _client(self):
        client = Client(self.address)
        try:
            while (job := self._next()) is not None:
                self.work(client, job)
                with self.lock:
                    self.count += 1
                    self.done(self.count)
        except BaseException as failure:  # also a failed assertion of the wire's
            self.failure = self.failure or failure
        finally:
            client.close()


class Client:
    """One connection that is opened again when it was closed."""

    def __init__(self, address):
        self.address = address
        self.wire = None

    def connect(self):
        if self.wire is None:
            self.wire = Wire(self.address, timeout=120)
        return self.wire

    def close(self):
        if self.wire is not None:
            self.wire.close()
            self.wire = None

    def reset(self):
        self.connect().reset()
        self.wire = None

    def get(self, target):
        return self.ask("GET", target)

    def post(self, target, body):
        return self.ask("POST", target, body)

    def ask(self, method, target, body=None):
        response = self.connect().request(method, target, body=body)
        if response.closes:
            self.close()
        return response
