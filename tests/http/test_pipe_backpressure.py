"""Streams whose client stops reading, stops writing, does all of one before the other, or dies: they are held, timed out or finished,
cost no more memory than they should, and leave nothing behind.

That all gauges come back to rest is checked by the fixtures at the end of every test.
"""

import gzip
import random
import signal
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import agefiles
import pytest
from images import photo
from server import SANITIZER, wait_for
from streams import (
    LAST_CHUNK, MIB, Upload, assert_refused_or_cut, chunk_frames, cpu_seconds, cut, exchange, forget_peak, noise_bytes, noise_pieces,
    open_files, peak_bytes, post_pieces, receive_stream, run, sample, through, wait_until_all_are_held,
)  # fmt: skip
from wire import request

pytestmark = pytest.mark.threads

GROWTH = 64 * MIB  # more than this no stream may cost
LARGE = (24 if SANITIZER else 64) * MIB  # more than sockets hold
ONCE = pytest.mark.once  # under the other offloads one stage shows who is held and who is not


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    return agefiles.new_key(tmp_path_factory.mktemp("keys") / "one.key")


def endless():
    """Chunks without end that cannot be packed."""
    unit = noise_bytes(MIB)
    while True:
        yield from chunk_frames(cut(unit, 65536))


def assert_small(server, before):
    if not SANITIZER:
        assert peak_bytes(server) - before < GROWTH, f"from {before >> 20} MiB to {peak_bytes(server) >> 20} MiB"


def wait_for_rest(server):
    """Until it uses (almost) no CPU time for a second: what waits actively for a held client never does."""

    def is_idle():
        before = cpu_seconds(server)
        time.sleep(1)
        return cpu_seconds(server) - before <= 0.05

    wait_for(is_idle, "the server to rest")


# ---- a reader that stops


def packed_length(data, stages, key):
    """Of what was packed and encrypted to this."""
    if "encrypt" in stages:
        data = agefiles.decrypt(data, key)
    if stages.startswith("zstd"):
        return len(run("zstd", "-q", "-d", "-c", data=data))
    if stages.startswith("gzip?"):
        return len(zlib.decompress(data, 31))
    return len(data)


@pytest.mark.parametrize(
    "stages, spill",
    [
        ("zstd?level=1", 0),
        ("zstd?level=1", 16 * MIB),
        pytest.param("gzip?level=1", 0, marks=ONCE),
        pytest.param("gzip?level=1", 16 * MIB, marks=ONCE),
        pytest.param("encrypt?recipient={}", 0, marks=ONCE),
        pytest.param("encrypt?recipient={}", 16 * MIB, marks=ONCE),
        pytest.param("gzip/gunzip?level=1", 0, marks=ONCE),
        pytest.param("zstd/encrypt?recipient={}", 0, marks=ONCE),
    ],
)
@pytest.mark.slow
def test_a_reader_that_stops_holds_the_writer_and_gets_the_rest_later(start, key, stages, spill):
    """For a while the answer goes to a file: then that is full."""
    server = start("--max-body=0", "--min-rate=0", f"--max-spill={spill}")
    assert server.post("/pipe/gzip", b"x").status == 200
    before = server.resident_bytes()
    forget_peak(server)
    sent = {"pieces": 0, "stop": False}

    def pieces():
        yield request("POST", "/pipe/" + stages.format(key.recipient), {"Transfer-Encoding": "chunked"})
        unit = noise_bytes(MIB)
        while not sent["stop"]:
            sent["pieces"] += 1
            yield b"%x\r\n%s\r\n" % (MIB, unit)
        yield LAST_CHUNK

    with server.connect() as wire:
        upload = Upload(wire, pieces())
        upload.wait_until_held(1.5 if spill else 0.5)
        assert spill < upload.sent < spill + 32 * MIB
        wait_for_rest(server)
        assert_small(server, before)
        sent["stop"] = True
        outcome = receive_stream(wire)
        upload.join(30)
    assert outcome.status == 200 and outcome.whole
    assert not upload.failed
    assert_small(server, before)
    assert packed_length(outcome.body, stages, key) == sent["pieces"] * MIB


@pytest.mark.parametrize("spill", [0, 4 * MIB])
def test_a_reader_that_stops_is_cut_when_its_time_is_over(start, spill):
    server = start("--max-body=0", "--body-timeout=1s", "--min-rate=0", f"--max-spill={spill}")
    files = open_files(server)
    with server.connect() as wire:
        upload = Upload(wire, [request("POST", "/pipe/zstd?level=1", {"Transfer-Encoding": "chunked"})])
        upload.join()
        upload = Upload(wire, endless())
        wait_for(lambda: not upload.is_alive(), "the client to be cut")
        outcome = receive_stream(wire)
        assert outcome.status in (None, 200, 408) and not (outcome.whole and outcome.status == 200)
    wait_for(lambda: open_files(server) <= files, "its files to be closed")


def read_steadily(wire, seconds):
    """Twelve kilobytes a second."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        wire.buffer += wire.socket.recv(3_000)
        time.sleep(0.25)


@pytest.mark.under("workers", "threads")  # it is about clocks, which no offload changes
@pytest.mark.slow
def test_a_slow_reader_is_not_cut_as_long_as_its_kernel_takes_bytes(start):
    """Less than a buffer within the timeout; and the kernel of the server asks for more only when much of its own is free."""
    server = start("--body-timeout=3s", "--max-expansion-ratio=0")
    with server.connect(receive_buffer=16384) as wire:
        wire.send(request("POST", "/pipe/gunzip", body=gzip.compress(bytes(LARGE), 1)))
        read_steadily(wire, 9)
        outcome = receive_stream(wire, take=lambda piece: None)
    assert outcome.whole and outcome.length == LARGE


@pytest.mark.under("workers", "threads")  # it is about clocks, which no offload changes
@pytest.mark.slow
def test_a_reader_that_is_steady_but_below_the_minimal_rate_is_cut(start):
    server = start("--body-timeout=3s", "--min-rate=1MiB", "--max-expansion-ratio=0")
    with server.connect(receive_buffer=16384) as wire:
        wire.send(request("POST", "/pipe/gunzip", body=gzip.compress(bytes(LARGE), 1)))
        with pytest.raises(ConnectionResetError):
            read_steadily(wire, 20)


@pytest.mark.slow
def test_an_expansion_that_nobody_reads_is_held(start):
    """The whole body was sent; only the reader holds it now."""
    server = start("--max-expansion=0", "--max-expansion-ratio=0")
    bomb = gzip.compress(bytes(2 * LARGE), 1)
    assert server.post("/pipe/gzip", b"x").status == 200
    before = server.resident_bytes()
    forget_peak(server)
    with server.connect(receive_buffer=16384) as wire:
        wire.send(request("POST", "/pipe/gunzip", body=bomb))
        head = wire.receive_head()
        assert head.status == 200
        wait_for_rest(server)
        assert_small(server, before)
        outcome = receive_stream(wire, take=lambda piece: None, head=head)
    assert outcome.whole and outcome.length == 2 * LARGE
    assert_small(server, before)


@pytest.mark.slow
def test_readers_that_stop_do_not_hold_up_others(start):
    server = start("--max-body=0", "--min-rate=0", "--workers=2")
    slow = []
    try:
        for _ in range(8):
            wire = server.connect(receive_buffer=4096)
            wire.send(request("POST", "/pipe/zstd/unzstd?level=1", {"Transfer-Encoding": "chunked"}))
            slow.append((wire, Upload(wire, endless())))
        wait_until_all_are_held([upload for _, upload in slow])
        for index in range(10):
            body = sample(300_000, index)
            assert through(server, "/pipe/gzip/gunzip", body) == body
            assert server.post("/pipe/image?w=20", photo()).status == 200
    finally:
        for wire, upload in slow:
            upload.stop()
            wire.close()


def test_a_reader_that_is_slow_but_steady_is_not_cut(start):
    server = start("--body-timeout=2s", "--min-rate=0")
    body = noise_bytes(24 * MIB)
    with server.connect(receive_buffer=65536) as wire:
        upload = Upload(wire, post_pieces("/pipe/zstd/unzstd", body, chunk=65536))
        began = time.monotonic()

        def take(piece):
            if time.monotonic() - began < 3:
                time.sleep(0.01)

        outcome = receive_stream(wire, take)
        upload.stop()
    assert outcome.whole and outcome.length == len(body)


@pytest.mark.parametrize("seed", range(2))
def test_a_reader_that_comes_and_goes_while_the_body_is_sent_loses_no_byte(start, seed):
    """What it does not take goes to the file, out of it again, and past it, in turns."""
    server = start("--min-rate=0")
    chance = random.Random(seed)
    body = noise_bytes(16 * MIB)
    with server.connect(receive_buffer=65536) as wire:

        def pieces():
            yield request("POST", "/pipe/zstd/unzstd?level=1", {"Content-Length": len(body)})
            for index, piece in enumerate(cut(body, 65536)):
                yield piece
                time.sleep(0 if index < 130 else 0.02)  # what is on the way fills first

        upload = Upload(wire, pieces())
        got, left = [], 1

        def take(piece):
            nonlocal left
            got.append(piece)
            left -= len(piece)
            if left <= 0 and upload.is_alive():
                time.sleep(0.7)
                left = chance.randrange(500_000, 3_500_000)

        outcome = receive_stream(wire, take)
        upload.stop()
    assert outcome.whole and outcome.length == len(body)
    assert b"".join(got) == body


# ---- a writer that stops


@pytest.mark.under("workers", "threads")  # it is about clocks, which no offload changes
@pytest.mark.parametrize("sent", [0, 100, 5_000_000])
@pytest.mark.parametrize("stages", ["gzip", "zstd/unzstd"])
@pytest.mark.slow
def test_a_writer_that_stops_is_408_or_cut(start, stages, sent):
    server = start("--body-timeout=1s")
    body = noise_bytes(sent)
    with_length = [request("POST", f"/pipe/{stages}", {"Content-Length": 50_000_000}), body]
    in_chunks = [request("POST", f"/pipe/{stages}", {"Transfer-Encoding": "chunked"}), *chunk_frames(cut(body, 30_011))]
    with server.connect() as first, server.connect() as second:
        uploads = [Upload(first, with_length), Upload(second, in_chunks)]
        for wire, upload in zip((first, second), uploads):
            assert_refused_or_cut(receive_stream(wire), (408,), body if "/" in stages else None)
            upload.stop()


def test_a_writer_that_waits_costs_no_cpu_time(start):
    server = start()
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/gzip", {"Transfer-Encoding": "chunked"}) + b"".join(chunk_frames(cut(noise_bytes(3 * MIB), 65536))))
        head = wire.receive_head()
        wait_for_rest(server)
        wire.send(LAST_CHUNK)
        outcome = receive_stream(wire, head=head)
    assert outcome.whole and len(gzip.decompress(outcome.body)) == 3 * MIB


@pytest.mark.under("workers", "threads")  # it is about clocks, which no offload changes
@pytest.mark.slow
def test_a_writer_with_pauses_is_not_cut(start):
    server = start("--body-timeout=4s", "--min-rate=0")
    body = noise_bytes(600_000)
    with server.connect() as wire:

        def pieces():
            yield request("POST", "/pipe/zstd/unzstd", {"Content-Length": len(body)})
            for piece in cut(body, 100_000):
                yield piece
                time.sleep(0.8)

        upload = Upload(wire, pieces())
        outcome = receive_stream(wire)
        upload.stop()
    assert outcome.whole and outcome.body == body


@pytest.mark.under("workers", "threads")  # it is about clocks, which no offload changes
@pytest.mark.slow
def test_a_stream_below_the_minimal_rate_is_cut(start):
    server = start("--min-rate=4KiB")
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/gzip", {"Content-Length": 1_000_000}))
        wire.trickle(b"x" * 300, 0.1)
        outcome = receive_stream(wire)
    assert_refused_or_cut(outcome, (408,))


# ---- all of one before any of the other


@pytest.mark.parametrize(
    "stages, framing",
    [
        ("zstd?level=1", "chunked"),
        ("zstd/unzstd?level=1", "length"),
        pytest.param("gzip?level=1", "length", marks=ONCE),
        pytest.param("encrypt?recipient={}", "chunked", marks=ONCE),
        pytest.param("encrypt/decrypt?recipient={}", "chunked", marks=ONCE),
    ],
)
@pytest.mark.slow
def test_a_client_that_sends_all_of_its_body_before_it_reads_gets_its_answer(share, key, stages, framing):
    server = share(f"--identity={key.path}")
    size = LARGE
    target = "/pipe/" + stages.format(key.recipient)
    with server.connect() as wire:
        for piece in post_pieces(target, noise_pieces(size), chunk=None if framing == "length" else "pieces", size=size):
            wire.send(piece)
        outcome = receive_stream(wire)
    assert outcome.status == 200 and outcome.whole
    whole = noise_bytes(size)
    if "/" in stages:
        assert outcome.body == whole
    elif stages.startswith("encrypt"):
        assert agefiles.decrypt(outcome.body, key) == whole
    elif stages.startswith("zstd"):
        assert run("zstd", "-q", "-d", "-c", data=outcome.body) == whole
    else:
        assert zlib.decompress(outcome.body, 31) == whole


def test_what_waits_for_a_reader_lies_in_a_file_without_a_name(start, tmp_path):
    server = start(env={"TMPDIR": str(tmp_path)})
    files = open_files(server)
    before = server.resident_bytes()
    forget_peak(server)
    body = noise_bytes(32 * MIB)
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/zstd?level=1", body=body))
        assert list(tmp_path.iterdir()) == []
        outcome = receive_stream(wire)
    assert outcome.whole and run("zstd", "-q", "-d", "-c", data=outcome.body) == body
    assert_small(server, before)
    wait_for(lambda: open_files(server) <= files, "its files to be closed")


def test_a_temporary_directory_that_is_not_there_never_ends_a_stream_in_good_order(start, tmp_path):
    server = start(env={"TMPDIR": str(tmp_path / "nothing")}, *["--body-timeout=2s"])
    body = noise_bytes(32 * MIB)
    with server.connect() as wire:
        upload = Upload(wire, post_pieces("/pipe/zstd/unzstd?level=1", body, chunk=65536))
        upload.join(3)
        outcome = receive_stream(wire)
        upload.stop()
    if outcome.whole and outcome.status == 200:
        assert outcome.body == body
    else:
        assert_refused_or_cut(outcome, (408, 500), body)
    assert server.post("/pipe/gzip", b"x").status == 200


# ---- memory


@pytest.mark.once
@pytest.mark.parametrize("stages", ["zstd?level=1", "zstd/unzstd?level=1", "encrypt?recipient={}", "gunzip/zstd?level=1"])
def test_a_long_stream_costs_no_more_memory_than_a_short_one(start, key, stages):
    server = start("--max-expansion=0", "--max-expansion-ratio=0")
    target = "/pipe/" + stages.format(key.recipient)
    first = gzip.compress(b"x") if "gunzip" in stages else b"x"
    assert server.post(target, first).status == 200
    before = server.resident_bytes()
    forget_peak(server)
    if "gunzip" in stages:
        outcome = exchange(server, target, gzip.compress(bytes(2 * LARGE), 1), take=lambda piece: None)
    else:
        outcome = exchange(server, target, noise_pieces(LARGE), size=LARGE, take=lambda piece: None)
    assert outcome.status == 200 and outcome.whole
    assert_small(server, before)


@pytest.mark.once
@pytest.mark.unsanitized("sanitizers have an allocator of their own")
def test_memory_of_pieces_is_kept_for_the_next_request(start, key):
    """Given back to the kernel after each request, it would be faulted in anew: a hundred times and more for each."""
    server = start("--workers=2")
    body = bytes(MIB)

    def post_ten(wire):
        with wire:
            for _ in range(10):
                assert wire.request("POST", f"/pipe/encrypt?recipient={key.recipient}", body=body).status == 200

    def post_eighty():
        before = server.page_faults()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(post_ten, [server.connect() for _ in range(8)]))
        return server.page_faults() - before

    post_eighty()
    faults = min(post_eighty() for _ in range(2)) / 80
    assert faults < 20, f"{faults} page faults a request"


def test_forty_streams_at_once_stay_within_the_budget_or_are_refused(start):
    server = start("--memory-budget=96MiB", "--queue-depth=1024", "--job-deadline=120s", "--workers=2")
    body = noise_bytes(MIB)
    wires = [server.connect() for _ in range(40)]
    uploads = [Upload(wire, post_pieces("/pipe/zstd/unzstd?level=1", body, chunk=65536)) for wire in wires]
    outcomes = []
    for wire, upload in zip(wires, uploads):
        outcomes.append(receive_stream(wire))
        upload.stop()
        wire.close()
    done = [outcome for outcome in outcomes if outcome.status == 200 and outcome.whole]
    assert all(outcome.body == body for outcome in done)
    for outcome in outcomes:
        if outcome not in done:
            assert_refused_or_cut(outcome, (503,), body)
    assert done, "those that are refused make room"  # how many get through is the machine's
    wait_for(lambda: server.metric("millrace_memory_budget_used_bytes") == 0, "the budget to be given back")
    assert through(server, "/pipe/zstd/unzstd", body) == body


@pytest.mark.slow
def test_a_full_queue_refuses_streams_or_does_them(start, offload):
    server = start("--workers=1", "--loops=1", "--queue-depth=1", "--job-deadline=60s")
    body = sample(MIB + 1)
    wires = [server.connect() for _ in range(16)]
    uploads = [Upload(wire, post_pieces("/pipe/gzip?level=9", body, chunk=65536)) for wire in wires]
    outcomes = []
    for wire, upload in zip(wires, uploads):
        outcomes.append(receive_stream(wire))
        upload.stop()
        wire.close()
    for outcome in outcomes:
        if outcome.status == 200 and outcome.whole:
            assert gzip.decompress(outcome.body) == body
        else:
            assert_refused_or_cut(outcome, (503,))
            assert not outcome.whole or 1 <= int(outcome.response["Retry-After"]) <= 3600
    assert through(server, "/pipe/gzip/gunzip", body) == body


# ---- clients that die


def packed_body(stages, key):
    body = sample(400_000) + noise_bytes(300_000)
    if stages.startswith("gunzip"):
        return gzip.compress(body)
    if stages.startswith("unzstd"):
        return run("zstd", "-q", "-c", data=body)
    return agefiles.encrypt(body, key) if stages.startswith("decrypt") else body


@pytest.mark.parametrize(
    "stages", ["gzip", "gunzip", "zstd", "unzstd", "encrypt?recipient={}", "decrypt", "gunzip/zstd/encrypt?recipient={}", "image/gzip?w=30"]
)
def test_a_client_that_is_killed_at_any_byte_leaves_nothing_behind(share, key, stages):
    server = share(f"--identity={key.path}")
    chance = random.Random(stages)
    body = photo() if "image" in stages else packed_body(stages, key)
    target = "/pipe/" + stages.format(key.recipient)
    files = open_files(server)
    for index in range(40):
        chunk = chance.choice((None, 20_011))
        whole = b"".join(post_pieces(target, body, chunk=chunk))
        head = whole.index(b"\r\n\r\n") + 4
        within = chance.randrange(head, len(whole))
        length = chance.choice((chance.randrange(head), head, within, within, len(whole)))
        wire = server.connect()
        upload = Upload(wire, [whole[:length]])
        upload.join(chance.choice((0, 0.002, 0.02)))
        if index % 3 == 0 and not upload.is_alive():
            wire.is_readable(0.01)
        (wire.reset if index % 2 else wire.close)()
        upload.join(10)
    server.assert_at_rest()
    wait_for(lambda: open_files(server) <= files + 2, "its files to be closed")
    assert server.post("/pipe/gzip", b"x").status == 200


@pytest.mark.parametrize("stages", ["gzip/gunzip", "zstd", "encrypt?recipient={}"])
def test_a_client_that_is_killed_while_it_is_held_leaves_nothing_behind(start, key, stages):
    server = start("--max-body=0", "--min-rate=0")
    assert server.post("/pipe/gzip", b"x").status == 200
    files = open_files(server)
    for leave in ("reset", "close"):  # some of them while the file is written
        wires = [server.connect(receive_buffer=4096) for _ in range(4)]
        uploads = []
        for wire in wires:
            wire.send(request("POST", "/pipe/" + stages.format(key.recipient), {"Transfer-Encoding": "chunked"}))
            uploads.append(Upload(wire, (piece for _, piece in zip(range(400), endless()))))
        time.sleep(0.7)
        for wire, upload in zip(wires, uploads):
            upload.stopping = True
            getattr(wire, leave)()
        for upload in uploads:
            upload.join(10)
        server.assert_at_rest()
    wait_for(lambda: open_files(server) <= files, "its files to be closed")


@pytest.mark.slow
def test_a_client_that_is_killed_while_it_reads_leaves_nothing_behind(server):
    bomb = gzip.compress(bytes(20 * MIB) + noise_bytes(MIB))
    chance = random.Random(9)
    for index in range(30):
        wire = server.connect(receive_buffer=chance.choice((4096, 1 << 20)))
        wire.send(request("POST", "/pipe/gunzip", body=bomb))
        left = chance.randrange(3 * MIB)
        try:
            while left > 0:
                left -= len(wire.socket.recv(65536)) or left
        except ConnectionError:
            pass
        (wire.reset if index % 2 else wire.close)()
    server.assert_at_rest()
    assert server.post("/pipe/gzip", b"x").status == 200


def test_many_clients_that_come_and_leave_within_their_streams(server):
    whole = request("POST", "/pipe/zstd/unzstd", body=noise_bytes(200_000))
    for index in range(120):
        wire = server.connect()
        upload = Upload(wire, [whole[: len(whole) * (index % 10 + 1) // 10]])
        time.sleep(index % 7 / 2000)
        (wire.reset if index % 2 else wire.close)()
        upload.join(10)
    body = sample(100_000)
    assert through(server, "/pipe/zstd/unzstd", body) == body


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_hundreds_of_idle_streams_whose_clients_leave_at_once_all_end(start, leave):
    """More of them than the loop sees to in one turn."""
    server = start("--memory-budget=1GiB")
    head = request("POST", "/pipe/gzip", {"Transfer-Encoding": "chunked"})
    wires = [server.connect() for _ in range(300)]
    for wire in wires:
        wire.send(head + b"4\r\nsome\r\n")
    server.wait_for_metric("millrace_requests_in_flight", len(wires) + 1)
    with server.connect() as bystander:
        for wire in wires:
            getattr(wire, leave)()
        assert bystander.request("GET", "/healthz").status == 200
    server.assert_at_rest()
    # 400 was said to those whose end was heard, though nobody read it; 0: they were gone.
    ended = sum(server.metric("millrace_requests_total", route="/pipe/{stages*}", code=code) for code in (0, 400))
    assert ended == len(wires)
    assert through(server, "/pipe/gzip/gunzip", b"as before") == b"as before"


# ---- the end of the server


def test_a_drain_lets_a_stream_finish(start):
    server = start()
    server.drained = True
    body = noise_bytes(3 * MIB)
    frames = list(chunk_frames(cut(body, 65536)))
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/zstd/unzstd", {"Transfer-Encoding": "chunked"}))
        upload = Upload(wire, frames[:20])
        upload.join(30)
        server.signal(signal.SIGTERM)
        wait_for(lambda: not server.is_accepting(), "the listener to be closed")
        upload = Upload(wire, [*frames[20:], LAST_CHUNK])
        outcome = receive_stream(wire)
        upload.stop()
    assert outcome.whole and outcome.body == body
    assert server.wait() == 0
    server.assert_no_reports()


def test_a_stream_that_does_not_finish_is_cut_at_the_end_of_a_drain(start):
    server = start("--drain-timeout=1s", "--max-body=0")
    server.drained = True
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/zstd/unzstd", {"Transfer-Encoding": "chunked"}))
        upload = Upload(wire, endless())
        head = wire.receive_head()
        server.signal(signal.SIGTERM)
        assert server.wait() == 1, "something was cut"
        upload.join(10)
        assert not receive_stream(wire, take=lambda piece: None, head=head).whole
    server.assert_no_reports()
