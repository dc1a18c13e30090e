"""An upgrade as systemd does it: the old server is told to end, and when it has, the new one gets the same socket."""

import os
import socket
import threading
import time
from contextlib import contextmanager

from images import photo
from server import wait_for
from wire import Wire

CLIENTS = 6


class Load:
    """Clients that upload, ask for an image of it and delete it, each request on a connection of its own, one after the other."""

    def __init__(self, address):
        self.address = address
        self.failures = []
        self.longest = 0.0
        self.done = 0
        self.over = False
        self.body = photo(1200, 900)
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _request(self, wanted, *request, **more):
        began = time.monotonic()
        with Wire(self.address) as wire:
            response = wire.request(*request, **more)
        self.longest = max(self.longest, time.monotonic() - began)
        self.done += 1
        assert response.status == wanted, (request, response.status, response.body[:300])
        return response

    def _run(self, number):
        while not self.over:
            try:
                file = self._request(201, "PUT", f"/files/{number}.jpg", body=self.body).json()["id"]
                self._request(200, "GET", f"/images/{file}?w={300 + number}")
                self._request(204, "DELETE", f"/files/{file}")
            except Exception as error:  # noqa: BLE001 whatever it is, a client saw it
                self.failures.append(repr(error)[:500])
                return

    def wait_for_more(self, count):
        """Until so many more requests are done, or one has failed."""
        wanted = self.done + count
        wait_for(lambda: self.done >= wanted or self.failures, f"{count} more requests")

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()


@contextmanager
def readiness(path):
    """A notify socket; yields a function that waits until it was told a state."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        os.chmod(path, 0o666)
        notify.settimeout(200)

        def wait_until(state):
            while notify.recv(1000) != state:
                pass

        yield wait_until


def upgrade_under_load(start, notify_path, between=lambda: None, upgrades=3):
    """start(listening socket) starts a server that tells readiness at notify_path, and returns its process. `between` runs when the load is
    on, before each upgrade. Returns the load; all its requests have been answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as passed, readiness(notify_path) as wait_until:
        process = start(passed)
        try:
            wait_until(b"READY=1")
            load = Load(passed.getsockname())
            try:
                for _ in range(upgrades):
                    load.wait_for_more(3 * CLIENTS)
                    between()
                    process.terminate()
                    assert (status := process.wait(200)) == 0, status
                    process = start(passed)
                    wait_until(b"READY=1")
                load.wait_for_more(3 * CLIENTS)
            finally:
                load.end()
            assert not load.failures, load.failures
            return load
        finally:
            process.terminate()
            assert (status := process.wait(200)) == 0, status
