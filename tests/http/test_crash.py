"""A server that is killed at random moments while it keeps, changes and deletes files: what it has acknowledged is there,
whole, when it is started again. tests/unit/store/fs/test_crash.c does the same without HTTP.

MILLRACE_CRASH_ROUNDS  rounds of each test (3); `script/test crash` has hundreds
"""

import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest
from server import BINARY, HANG, PROCESSES, environment, wait_for
from test_file_forms import form, post_form
from test_files import stored
from wire import Closed, request

pytestmark = [pytest.mark.once, pytest.mark.unsanitized]

ROUNDS = int(os.environ.get("MILLRACE_CRASH_ROUNDS", "3"))
ROUNDS_OF_A_DIRECTORY = 10  # each round looks at all that is there
WRITERS = 5


def body_of(number):
    """An object has its number as its name, so that all that is found can be compared, acknowledged or not."""
    source = random.Random(number)
    return source.randbytes(source.choice([source.randrange(3000), source.randrange(33_000), source.randrange(300_000)]))


class Known:
    """What was begun and what the client has read of it, by number. Each number is one thread's."""

    def __init__(self):
        self.next = 0
        self.lock = threading.Lock()
        self.urls = {}  # acknowledged
        self.changes_begun, self.changes = {}, {}
        self.delete_begun, self.deleted = set(), set()
        self.acknowledged = 0

    def take(self):
        with self.lock:
            self.next += 1
            return self.next

    def count(self):
        with self.lock:
            self.acknowledged += 1


class Writer(threading.Thread):
    """A client that keeps files, changes and deletes them until it is told to stop. A connection that ends is no failure:
    then nothing is known of the request that was sent on it."""

    def __init__(self, server, known, seed):
        super().__init__(daemon=True)
        self.server, self.known, self.random = server, known, random.Random(seed)
        self.mine = []
        self.stops = threading.Event()
        self.failure = None
        self.start()

    def run(self):
        while not self.stops.is_set():
            try:
                self.act()
            except (Closed, OSError):
                time.sleep(0.001)
            except BaseException as failure:  # told by join_well()
                self.failure = failure
                return

    def join_well(self):
        self.stops.set()
        self.join(HANG)
        assert not self.is_alive()
        if self.failure is not None:
            raise self.failure

    def act(self):
        if self.mine and self.random.random() < 0.4:
            number = self.random.choice(self.mine)
            self.random.choice([self.change, self.change, self.change, self.delete])(number)
        else:
            self.random.choice([self.put, self.put_in_chunks, self.send_form, self.leave])()

    def keep(self, number, told):
        assert told["name"] == str(number)
        self.known.urls[number] = told["url"]
        self.known.count()
        self.mine.append(number)

    def put(self):
        number = self.known.take()
        response = self.server.request("PUT", f"/files/{number}", (), body_of(number))
        assert response.status == 201, response.body
        self.keep(number, response.json())

    def put_in_chunks(self):
        """Its length is not known."""
        number = self.known.take()
        body = body_of(number)
        head = f"PUT /files/{number} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        response = self.server.raw(head.encode() + (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n")
        assert response.status == 201, response.body
        self.keep(number, response.json())

    def send_form(self):
        numbers = [self.known.take() for _ in range(3)]
        response = post_form(self.server, form(*[(f"f{n}", f"{n}", None, body_of(n)) for n in numbers]))
        assert response.status == 201, response.body
        for number, told in zip(numbers, response.json()["files"]):
            self.keep(number, told)

    def leave(self):
        """In mid-upload."""
        number = self.known.take()
        with self.server.connect() as wire:
            wire.send(request("PUT", f"/files/{number}", {"Content-Length": 200_000}) + bytes(100_000))

    def change(self, number):
        count = self.known.changes_begun[number] = self.known.changes_begun.get(number, 0) + 1
        fields = [("Content-Type", "application/merge-patch+json")]
        body = json.dumps({"meta": {"count": count}}).encode()
        response = self.server.request("PATCH", f"{self.known.urls[number]}/info", fields, body)
        assert response.status == 200, response.body
        self.known.changes[number] = count
        self.known.count()

    def delete(self, number):
        self.mine.remove(number)
        self.known.delete_begun.add(number)
        response = self.server.request("DELETE", self.known.urls[number])
        assert response.status == 204, response.body
        self.known.deleted.add(number)
        self.known.count()


def assert_kept(server, known):
    found = {int(file["name"]): file for file in stored(server)}
    assert not found.keys() & known.deleted, "nothing that was deleted comes back"
    assert known.urls.keys() - known.delete_begun <= found.keys(), "what was acknowledged is there"
    for number, file in found.items():
        response = server.get(file["url"])
        assert response.status == 200 and response.body == body_of(number), "it is whole"
        count = file["meta"].get("count", 0)
        assert known.changes.get(number, 0) <= count <= known.changes_begun.get(number, 0)
    for number in known.deleted:
        assert server.get(known.urls[number]).status == 404


def end_all(pids):
    """SIGKILL to each, the supervisor first, so that it replaces none."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids[1:]), "its processes to end")


def load(server, known, seed, until):
    """Writers that are at work, once `until` more of what they did was acknowledged."""
    wanted = known.acknowledged + until
    writers = [Writer(server, known, f"{seed} {index}") for index in range(WRITERS)]
    wait_for(lambda: known.acknowledged >= wanted or any(w.failure for w in writers), f"{until} responses")
    return writers


def is_last_of_a_directory(number):
    return (number + 1) % ROUNDS_OF_A_DIRECTORY == 0 or number == ROUNDS - 1


def assert_sound(data):
    done = subprocess.run([BINARY, "store", "check", data], capture_output=True, timeout=HANG, env=environment(), check=False)
    assert done.returncode == 0 and b" 0 damaged, 0 stray files, 0 files of interrupted" in done.stdout, done


@pytest.mark.skipif(PROCESSES != "1", reason="it has processes of its own")
@pytest.mark.parametrize("processes", [1, 2])
def test_what_was_acknowledged_survives_a_kill_of_the_server(start, tmp_path, processes):
    seed = random.randrange(1 << 32)
    moments = random.Random(seed)
    for number in range(ROUNDS):
        print(f"round {number}, seed {seed}")
        if number % ROUNDS_OF_A_DIRECTORY == 0:
            data, known = tmp_path / f"data{number}", Known()
        server = start(f"--data={data}", f"--processes={processes}", "--workers=1")
        assert os.listdir(data / "uploads") == []
        assert_kept(server, known)
        writers = load(server, known, f"{seed} {number}", 1 + moments.randrange(60))
        time.sleep(moments.random() * 0.005)
        end_all([server.process.pid, *server.children()])
        server.wait()
        for writer in writers:
            writer.join_well()
        if is_last_of_a_directory(number):
            server = start(f"--data={data}", "--processes=1", "--workers=1")
            assert os.listdir(data / "uploads") == []
            assert_kept(server, known)
            server.assert_drains()
            assert_sound(data)


@pytest.mark.skipif(PROCESSES != "1", reason="it has processes of its own")
def test_a_process_that_is_killed_takes_nothing_with_it(start, tmp_path):
    """Its clients lose their connections; another takes its place, and sweeps what it had under way."""
    seed = random.randrange(1 << 32)
    for number in range(ROUNDS):
        print(f"round {number}, seed {seed}")
        if number % ROUNDS_OF_A_DIRECTORY == 0:
            data, known = tmp_path / f"data{number}", Known()
            server = start(f"--data={data}", "--processes=2", "--workers=1")
        before = server.children()
        writers = load(server, known, f"{seed} {number}", 30)
        os.kill(before[number % 2], signal.SIGKILL)
        wait_for(lambda: len(server.children()) == 2 and server.children() != before, "another process")
        wanted = known.acknowledged + 30
        wait_for(lambda: known.acknowledged >= wanted, "them to go on")
        for writer in writers:
            writer.join_well()
        wait_for(lambda: os.listdir(data / "uploads") == [], "what is left of it to be removed")
        assert_kept(server, known)
        if is_last_of_a_directory(number):
            server.assert_drains()
            assert_sound(data)
