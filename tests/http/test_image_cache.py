"""Images of stored files on the disk: kept over restarts, shared by processes, never wrong, and missed by nobody."""

import errno
import os
import random
import signal
import subprocess
import threading

import pytest
from images import noise, photo
from server import BINARY, HANG, environment, wait_for
from test_disk import tmpfs  # noqa: F401: a fixture
from test_failing_disk import disk, faulty_start  # noqa: F401: fixtures
from test_images_by_url import UNTIL_DONE, jobs, keep, slow_image
from wire import Closed, request

pytestmark = pytest.mark.once  # what is kept does not depend on the offload

MISS, HIT, DISK, COLLAPSED = "millrace; fwd=miss", "millrace; hit", "millrace; hit; detail=disk", "millrace; fwd=miss; collapsed"
NO_MEMORY = "--cache-memory=0"
WIDTHS = range(40, 60)


def status(server, target):
    response = server.get(target)
    assert response.status == 200, response.body
    return response["Cache-Status"]


def written(server):
    return server.metric("millrace_image_disk_written_total")


def make(server, image, widths=WIDTHS):
    """Images of these widths, on the disk: (target, bytes)."""
    before, made = written(server), []
    for width in widths:
        response = server.get(f"{image}?w={width}&fm=png")
        assert response.status == 200 and response["Cache-Status"] == MISS
        made.append((f"{image}?w={width}&fm=png", response.body))
    server.wait_for_metric("millrace_image_disk_written_total", before + len(made))
    return made


def files(data):
    return sorted((data / "variants").glob("*.cache"))


def assert_hits(server, made):
    for target, body in made:
        response = server.get(target)
        assert response["Cache-Status"] == DISK and response.body == body, target


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def alone(start, data):
    """start() of servers of one process, each on the same directory."""
    return lambda *options: start(f"--data={data}", "--processes=1", *options)


# ---- over restarts


def test_images_are_kept_over_a_restart(alone):
    server = alone()
    image = keep(server, photo())
    made = make(server, image)
    assert server.metric("millrace_image_disk_bytes") > sum(len(body) for _, body in made)
    server.assert_drains()
    server = alone()
    assert_hits(server, made)
    assert [status(server, target) for target, _ in made] == [HIT] * len(made), "they are in memory now"
    assert jobs(server) == 0
    assert server.metric("millrace_image_seconds_count", cache="disk") == len(made)
    made += make(server, image, range(70, 75))
    server.assert_drains()
    assert_hits(alone(), made)


def test_images_are_kept_by_a_server_that_is_killed(alone, data):
    server = alone()
    made = make(server, keep(server, photo()))
    server.kill()
    server.drained = True
    (path,) = files(data)
    os.truncate(path, path.stat().st_size - 1)  # the last record was torn
    server = alone()
    assert_hits(server, made[:-1])
    assert status(server, made[-1][0]) == MISS
    assert server.metric("millrace_image_disk_damaged_total") == 0


def test_a_flipped_bit_is_a_miss(alone, data):
    server = alone(NO_MEMORY)
    made = make(server, keep(server, photo()))
    target, body = made[5]
    (path,) = files(data)
    whole = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(whole.index(body) + len(body) // 2)
        file.write(bytes([whole[file.tell()] ^ 1]))
    response = server.get(target)
    assert response["Cache-Status"] == MISS and response.body == body
    assert server.metric("millrace_image_disk_damaged_total") == 1
    wait_for(lambda: any("damaged" in line and "level=warn" in line for line in server.log), "the line in the log")
    server.wait_for_metric("millrace_image_disk_written_total", len(made) + 1)
    assert_hits(server, made)


def test_what_is_no_file_of_this_version_is_removed(alone, data):
    server = alone()
    made = make(server, keep(server, photo()))
    server.assert_drains()
    (path,) = files(data)
    path.write_bytes(path.read_bytes().replace(b"millrace-variants 2", b"millrace-variants 9"))
    server = alone()
    assert files(data) == []
    assert status(server, made[0][0]) == MISS


def test_a_file_that_was_deleted_has_no_images_on_the_disk(alone):
    server = alone(NO_MEMORY)
    image = keep(server, photo())
    made = make(server, image, [50])
    assert status(server, made[0][0]) == DISK
    assert server.request("DELETE", image.replace("/images/", "/files/")).status == 204
    assert server.get(made[0][0]).status == 404
    server.assert_drains()
    assert alone().get(made[0][0]).status == 404


def test_large_images_are_read_from_the_disk(alone):
    server = alone(NO_MEMORY)
    image = keep(server, noise(900, 700))
    target = f"{image}?fm=png"
    first = server.get(target)
    assert len(first.body) > 500_000
    server.wait_for_metric("millrace_image_disk_written_total", 1)
    second = server.get(target)
    assert second["Cache-Status"] == DISK and second.body == first.body


def test_the_check_of_a_store_passes_them_over(alone, data):
    server = alone()
    make(server, keep(server, photo()))
    server.assert_drains()
    done = subprocess.run([BINARY, "store", "check", data], capture_output=True, timeout=HANG, env=environment(), check=False)
    assert done.returncode == 0 and b"0 damaged, 0 stray files" in done.stdout


def test_an_object_that_is_deleted_while_its_image_is_made_leaves_none(start, data):
    server = start(f"--data={data}", "--processes=1", "--workers=1", *UNTIL_DONE)
    target = slow_image(server)
    with server.connect() as wire:
        wire.send(request("GET", target))
        server.wait_for_metric("millrace_workers_busy", 1)
        assert server.request("DELETE", target.split("?")[0].replace("/images/", "/files/")).status == 204
        assert wire.receive().status == 200, "it was there when it was asked for"
    assert server.get(target).status == 404
    assert written(server) == 0


class Viewer(threading.Thread):
    """Asks for one image after the other, and compares what it has seen before, until the server is gone."""

    def __init__(self, server, image, seen, seed):
        super().__init__(daemon=True)
        self.server, self.image, self.seen, self.random = server, image, seen, random.Random(seed)
        self.failure = None
        self.start()

    def run(self):
        try:
            while True:
                target = f"{self.image}?w={self.random.randrange(20, 220)}&fm=png"
                response = self.server.get(target)
                assert response.status == 200, response.body
                assert self.seen.setdefault(target, response.body) == response.body, target
        except (Closed, OSError):
            pass
        except BaseException as failure:
            self.failure = failure


@pytest.mark.slow
def test_what_a_killed_server_has_written_is_right(alone):
    seen, image = {}, None
    for number in range(5):
        server = alone(NO_MEMORY)
        image = image or keep(server, noise(250, 250))
        before = written(server)
        viewers = [Viewer(server, image, seen, f"{number} {index}") for index in range(4)]
        server.wait_for_metric("millrace_image_disk_written_total", before + 10)
        server.kill()
        server.drained = True
        for viewer in viewers:
            viewer.join(HANG)
            assert not viewer.is_alive() and viewer.failure is None, viewer.failure
    server = alone()
    ways = [status(server, target) for target in seen]
    assert all(server.get(target).body == body for target, body in seen.items())
    assert set(ways) <= {DISK, MISS} and ways.count(DISK) >= 30, "but for those whose response was lost"
    assert server.metric("millrace_image_disk_damaged_total") == 0


# ---- bounds


def test_without_a_size_nothing_is_kept_and_what_was_is_removed(alone, data):
    server = alone()
    made = make(server, keep(server, photo()))
    server.assert_drains()
    server = alone("--cache-size=0", NO_MEMORY)
    assert [status(server, made[0][0]) for _ in range(2)] == [MISS] * 2
    assert files(data) == []
    assert server.metric("millrace_image_disk_bytes") == 0


def test_the_size_is_bounded_and_the_oldest_files_make_way(alone, data):
    size = 400_000
    server = alone(f"--cache-size={size}", NO_MEMORY)
    image = keep(server, noise(200, 200))
    made = []
    for width in range(60, 120):
        made += make(server, image, [width])
        assert sum(path.stat().st_size for path in files(data)) <= size
    assert 0 < server.metric("millrace_image_disk_bytes") <= size
    assert server.metric("millrace_image_disk_evicted_total") > 0
    assert status(server, made[0][0]) == MISS
    assert_hits(server, made[-1:])
    server.assert_drains()
    server = alone("--cache-size=100000", NO_MEMORY)
    assert sum(path.stat().st_size for path in files(data)) <= 100_000
    assert_hits(server, made[-1:])


def test_files_that_are_removed_while_they_are_open_take_no_room(alone):
    server = alone("--cache-size=400000", NO_MEMORY)
    image = keep(server, noise(200, 200))
    for width in range(60, 120):
        assert_hits(server, make(server, image, [width]))  # it is open to be read
    opened = [f"/proc/{server.process.pid}/fd/{number}" for number in os.listdir(f"/proc/{server.process.pid}/fd")]
    removed = [path for path in opened if os.path.lexists(path) and os.readlink(path).endswith(".cache (deleted)")]
    assert sum(os.stat(path).st_size for path in removed) == 0
    assert server.metric("millrace_image_disk_evicted_total") > 0
    assert server.metric("millrace_image_disk_damaged_total") == 0


def test_an_image_that_fits_into_no_file_is_served(alone, data):
    server = alone("--cache-size=100000", NO_MEMORY)
    image = keep(server, noise(300, 300))
    assert [status(server, f"{image}?fm=png") for _ in range(2)] == [MISS] * 2
    assert files(data) == []


# ---- disks that fail


def test_a_disk_that_fails_costs_no_response(faulty_start, disk, data):
    server = faulty_start(f"--data={data}", NO_MEMORY, "--processes=1")
    image = keep(server, photo())
    made = make(server, image)
    for number in (errno.EIO, errno.ENOSPC, errno.EROFS):
        disk.fails("changes", number)
        assert status(server, f"{image}?w={number}&fm=png") == MISS
    wait_for(lambda: any("level=warn" in line and "no image is kept on the disk" in line for line in server.log), "the line in the log")
    assert server.metric("millrace_image_disk_failed_total") == 1, "the others were not tried"
    assert_hits(server, made)
    disk.fails("read", errno.EIO)
    assert server.get(made[0][0]).status in (200, 500), "the original cannot be read either"
    disk.works()
    assert_hits(server, made[1:])


def test_a_disk_that_is_full_costs_no_response(start, tmpfs):
    server = start(f"--data={tmpfs / 'data'}", "--min-free=0", NO_MEMORY, "--processes=1")
    image = keep(server, noise(200, 200))
    for width in range(60, 130):
        assert status(server, f"{image}?w={width}&fm=png") == MISS
    assert 0 < written(server) < 70
    assert server.metric("millrace_image_disk_failed_total") == 0, "it is not filled to its end"
    assert status(server, f"{image}?w=60&fm=png") == DISK


def test_what_is_to_stay_free_stays_free(start, tmpfs):
    server = start(f"--data={tmpfs / 'data'}", "--min-free=512KiB", NO_MEMORY, "--processes=1")
    image = keep(server, noise(200, 200))
    for width in range(60, 130):
        assert status(server, f"{image}?w={width}&fm=png") == MISS
    room = os.statvfs(tmpfs)
    assert room.f_bavail * room.f_frsize >= 512 << 10
    assert written(server) > 0
    assert server.post("/files", b"x").status == 201, "what images leave free is for uploads"


# ---- several processes


def connections(server, each):
    """`each` connections to each process, by its pid."""
    held, others = {pid: [] for pid in server.children()}, []
    while any(len(wires) < each for wires in held.values()):
        wire = server.connect()
        assert wire.request("GET", "/healthz").status == 200
        wires = held[server.holder(wire)]
        (wires if len(wires) < each else others).append(wire)
    for wire in others:
        wire.close()
    return held


def close_all(held):
    for wires in held.values():
        for wire in wires:
            wire.close()


def test_what_one_process_made_another_one_finds(start, data):
    server = start(f"--data={data}", "--processes=2", "--workers=1")
    image = keep(server, photo())
    held = connections(server, 1)
    (one,), (other,) = held.values()
    first = one.request("GET", f"{image}?w=70")
    assert first["Cache-Status"] == MISS
    server.wait_for_metric("millrace_image_disk_written_total", 1)
    second = other.request("GET", f"{image}?w=70")
    assert second["Cache-Status"] == DISK and second.body == first.body
    assert jobs(server) == 1
    close_all(held)


def test_those_that_ask_two_processes_at_once_share_one_job(start, data):
    server = start(f"--data={data}", "--processes=2", "--workers=1", *UNTIL_DONE)
    target = slow_image(server)
    held = connections(server, 20)
    for wires in zip(*held.values()):
        for wire in wires:
            wire.send(request("GET", target))
    responses = [wire.receive() for wires in held.values() for wire in wires]
    close_all(held)
    assert {response.status for response in responses} == {200}
    assert len({response.body for response in responses}) == 1
    assert jobs(server) == 1
    ways = [response["Cache-Status"] for response in responses]
    assert ways.count(MISS) == 1 and ways.count(COLLAPSED) == 39, "each has waited"


def test_an_image_whose_maker_is_killed_is_made_by_another(start, data):
    server = start(f"--data={data}", "--processes=2", "--workers=1", *UNTIL_DONE)
    target = slow_image(server)
    held = connections(server, 5)
    maker, waiter = held
    for wire in held[maker]:
        wire.send(request("GET", target))
    server.wait_for_metric("millrace_workers_busy", 1)
    for wire in held[waiter]:
        wire.send(request("GET", target))
    server.wait_for_metric("millrace_requests_in_flight", 11)
    assert server.metric("millrace_workers_busy") == 1, "it is not made twice"
    os.kill(maker, signal.SIGKILL)
    responses = [wire.receive() for wire in held[waiter]]
    close_all(held)
    assert {response.status for response in responses} == {200}
    assert [response["Cache-Status"] for response in responses].count(MISS) == 1
    wait_for(lambda: len(server.children()) == 2 and maker not in server.children(), "another process")


def test_a_job_goes_on_for_those_that_wait_in_another_process(start, data):
    server = start(f"--data={data}", "--processes=2", "--workers=1", *UNTIL_DONE)
    target = slow_image(server)
    held = connections(server, 1)
    (leaves,), (stays,) = held.values()
    leaves.send(request("GET", target))
    server.wait_for_metric("millrace_workers_busy", 1)
    stays.send(request("GET", target))
    server.wait_for_metric("millrace_requests_in_flight", 3)
    leaves.reset()
    assert stays.receive()["Cache-Status"] == COLLAPSED
    stays.close()
    assert jobs(server) == 1 and server.metric("millrace_jobs_total", outcome="cancelled") == 0


def test_a_job_ends_when_its_last_client_in_any_process_has_left(start, data):
    server = start(f"--data={data}", "--processes=2", "--workers=1", *UNTIL_DONE)
    target = slow_image(server)
    held = connections(server, 2)
    maker, waiter = held
    for wires in held.values():
        for wire in wires:
            wire.send(request("GET", target))
        server.wait_for_metric("millrace_workers_busy", 1)
    server.wait_for_metric("millrace_requests_in_flight", 5)
    for wire in (*held[maker], *held[waiter]):
        wire.reset()
    server.wait_for_metric("millrace_jobs_total", 1, outcome="cancelled")
    assert server.get(target).status == 200, "it can be asked for again"


def test_clients_that_wait_for_another_process_may_leave(start, data):
    server = start(f"--data={data}", "--processes=2", "--workers=1", *UNTIL_DONE)
    target = slow_image(server)
    held = connections(server, 3)
    maker, waiter = held
    held[maker][0].send(request("GET", target))
    server.wait_for_metric("millrace_workers_busy", 1)
    for wire in held[waiter]:
        wire.send(request("GET", target))
    server.wait_for_metric("millrace_requests_in_flight", 5)
    for wire in held[waiter]:
        wire.reset()
    server.wait_for_metric("millrace_requests_in_flight", 2)
    assert held[maker][0].receive().status == 200
    assert jobs(server) == 1
    close_all({maker: held[maker]})
