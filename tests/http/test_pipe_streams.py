"""POST /pipe/{stages}: bodies through gzip, zstd and back, alone and in pipes, and how what is wrong is refused."""

import base64
import gzip
import hashlib
import json
import random
import re
import shutil
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import pytest
from images import decode, noise, photo
from server import SANITIZER
from streams import (
    LAST_CHUNK, MIB, Upload, assert_refused_or_cut, chunk_frames, cut, exchange, noise_bytes, random_cuts, receive_stream, run, sample,
    through,
)  # fmt: skip
from test_pipe_image import problem
from wire import request

pytestmark = pytest.mark.once  # beside what is marked `threads`

STAGES = ("image", "gzip", "gunzip", "zstd", "unzstd", "encrypt", "decrypt")
SIZES = (0, 1, 65535, 65536, 65537, MIB - 1, MIB, MIB + 1, 10_000_000)
CHUNKS = (None, 977, 65537, 1 << 30)  # None: with a length
SIZES_AND_CHUNKS = [(size, chunk) for size in SIZES for chunk in CHUNKS if size < 2 * MIB or chunk in (None, 65537)]


def one_member(data):
    """The content of a gzip file that is exactly one member."""
    reader = zlib.decompressobj(31)
    content = reader.decompress(data)
    assert reader.eof and reader.unused_data == b"", "not exactly one member"
    return content


@lru_cache(maxsize=None)
def zeros_in_gzip(size):
    return gzip.compress(bytes(size), 9, mtime=0)


@lru_cache(maxsize=None)
def zeros_in_zstd(size):
    return by_zstd(bytes(size))


def by_gzip(data, *options):
    return run("gzip", "-c", *options, data=data)


def by_zstd(data, *options):
    return run("zstd", "-q", "-c", *options, data=data)


def unzstd(data):
    return run("zstd", "-q", "-d", "-c", data=data)


# ---- round trips


@pytest.mark.parametrize("size, chunk", SIZES_AND_CHUNKS)
def test_gzip_makes_one_member_that_is_read_by_zlib_and_by_gunzip(server, size, chunk):
    body = sample(size)
    packed = through(server, "/pipe/gzip", body, chunk=chunk)
    assert one_member(packed) == body
    assert through(server, "/pipe/gunzip", packed, chunk=chunk) == body


@pytest.mark.parametrize("size, chunk", SIZES_AND_CHUNKS)
def test_zstd_makes_what_unzstd_reads(server, size, chunk):
    body = sample(size)
    packed = through(server, "/pipe/zstd", body, chunk=chunk)
    assert packed[:4] == b"\x28\xb5\x2f\xfd"
    assert through(server, "/pipe/unzstd", packed, chunk=chunk) == body


@pytest.mark.parametrize("size", [0, 1, 65536, MIB + 1, 4_000_000])
def test_the_programs_read_what_the_server_writes(server, size):
    body = sample(size)
    packed = through(server, "/pipe/gzip", body)
    assert run("gzip", "-d", "-c", data=packed) == body
    assert run("pigz", "-d", "-c", data=packed) == body
    assert unzstd(through(server, "/pipe/zstd", body)) == body


@pytest.mark.parametrize("size", [0, 1, 65536, MIB + 1, 4_000_000])
def test_the_server_reads_what_the_programs_write(server, size):
    body = sample(size)
    for packed in (by_gzip(body, "-1"), by_gzip(body, "-9"), run("pigz", "-c", "-p", "3", data=body), gzip.compress(body)):
        assert through(server, "/pipe/gunzip", packed) == body
    for packed in (by_zstd(body), by_zstd(body, "-1", "--no-check"), by_zstd(body, "-9"), by_zstd(body, "-T2", "-B512KB")):
        assert through(server, "/pipe/unzstd", packed) == body


def test_bytes_that_cannot_be_packed_come_back_too(server):
    body = noise_bytes(3 * MIB + 5)
    packed = through(server, "/pipe/gzip", body)
    assert one_member(packed) == body and len(packed) < len(body) * 1.01
    packed = through(server, "/pipe/zstd", body)
    assert unzstd(packed) == body and len(packed) < len(body) * 1.01


@pytest.mark.parametrize("level", range(1, 10))
def test_gzip_has_nine_levels(server, level):
    body = sample(300_000)
    assert one_member(through(server, f"/pipe/gzip?level={level}", body)) == body


@pytest.mark.parametrize("level", [1, 2, 5, 9, 12, 16, 19])
def test_zstd_has_nineteen_levels(server, level):
    body = sample(300_000)
    assert unzstd(through(server, f"/pipe/zstd?level={level}", body)) == body


def test_a_higher_level_makes_less_and_the_default_is_the_one_in_the_documentation(server):
    body = sample(1_500_000)
    sizes = {level: len(through(server, f"/pipe/gzip?level={level}", body)) for level in (1, 6, 9)}
    assert sizes[1] > sizes[6] >= sizes[9]
    assert len(through(server, "/pipe/gzip", body)) == sizes[6]
    sizes = {level: len(through(server, f"/pipe/zstd?level={level}", body)) for level in (1, 3, 19)}
    assert sizes[1] >= sizes[3] > sizes[19]
    assert len(through(server, "/pipe/zstd", body)) == sizes[3]


def test_a_body_that_was_streamed_is_packed_the_same_whatever_its_pieces(server):
    body = sample(3 * MIB)
    for stage in ("gzip", "zstd"):
        made = {through(server, f"/pipe/{stage}", body, chunk=chunk) for chunk in (1000, 65536, 300_007)}
        assert len(made) == 1


@pytest.mark.parametrize(
    "stages, media_type",
    [("gzip", "application/gzip"), ("zstd", "application/zstd"), ("gzip/gunzip", "application/octet-stream"),
     ("zstd/unzstd", "application/octet-stream"), ("gzip/zstd", "application/zstd"), ("gzip/zstd/unzstd", "application/octet-stream")],
)  # fmt: skip
@pytest.mark.parametrize("size", [10, 2 * MIB])
def test_the_media_type_is_that_of_the_last_stage(server, stages, media_type, size):
    outcome = exchange(server, f"/pipe/{stages}", sample(size))
    assert outcome.whole and outcome.response["Content-Type"] == media_type
    assert "no-store" in outcome.response["Cache-Control"]
    assert outcome.response["X-Content-Type-Options"] == "nosniff"


def test_a_client_of_http_1_0_gets_its_answer_without_chunks(server):
    for size in (1000, 3 * MIB):
        body = sample(size)
        with server.connect() as wire:
            upload = Upload(wire, [request("POST", "/pipe/gzip", {"Content-Length": size}, version="HTTP/1.0"), body])
            outcome = receive_stream(wire)
            upload.stop()
        assert outcome.status == 200 and outcome.whole
        assert "Transfer-Encoding" not in outcome.response
        assert one_member(outcome.body) == body


# ---- what gunzip reads


def member(content, flags=0, extra=b"", level=6):
    """A gzip member with these header flags (RFC 1952, section 2.3.1)."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\x01\x02\x03\x04\x00\x03" + extra
    if flags & 2:
        head += struct.pack("<H", zlib.crc32(head) & 0xFFFF)
    return head + packer.compress(content) + packer.flush() + struct.pack("<II", zlib.crc32(content), len(content))


HEADERS = {
    "a_name": (8, b"photo.jpg\0"),
    "a_comment": (16, b"no comment\0"),
    "an_extra_field": (4, b"\x05\x00AB\x01\x00x"),
    "a_header_checksum": (2, b""),
    "the_text_flag": (1, b""),
    "all_of_it": (31, b"\x05\x00AB\x01\x00x" + b"name\0" + b"comment\0"),
}


@pytest.mark.parametrize("flags, extra", HEADERS.values(), ids=HEADERS)
def test_gunzip_reads_a_header_with(server, flags, extra):
    body = sample(100_000)
    data = member(body, flags, extra)
    assert through(server, "/pipe/gunzip", data) == body
    assert through(server, "/pipe/gunzip", data, chunk=1) == body


def test_members_behind_each_other_are_one_content(server):
    parts = [sample(size, seed) for seed, size in enumerate((70_000, 0, 1, 300_000, 65_536))]
    whole = b"".join(parts)
    packed = b"".join(member(part) for part in parts)
    for chunk in (None, 1009, 65537):
        assert through(server, "/pipe/gunzip", packed, chunk=chunk) == whole
    assert through(server, "/pipe/gunzip", by_gzip(parts[0]) + run("pigz", "-c", data=parts[3])) == parts[0] + parts[3]


def test_thousands_of_small_members_are_one_content(server):
    assert through(server, "/pipe/gunzip", b"".join(member(b"%d," % i) for i in range(3000))) == b"".join(b"%d," % i for i in range(3000))


@pytest.mark.parametrize("zeros", [1, 511, 70_000])
def test_zeros_behind_the_last_member_are_padding(server, zeros):
    """As tapes have them, and the program gzip too."""
    for size in (100, 400_000):
        assert through(server, "/pipe/gunzip", member(sample(size)) + bytes(zeros)) == sample(size)


GARBAGE = {
    "text": b"garbage",
    "one_byte": b"x",
    "zeros_and_text": bytes(100) + b"x",
    "half_a_member": member(b"abc")[:15],
    "a_magic": b"\x1f\x8b",
}


@pytest.mark.parametrize("behind", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_garbage_behind_the_last_member_is_422(server, behind, size):
    body = sample(size)
    for chunk in (None, 4096):
        outcome = exchange(server, "/pipe/gunzip", member(body) + behind, chunk=chunk)
        assert_refused_or_cut(outcome, original=body + b"abc")  # the half member has its data, but not its end
        if size == 100:
            assert outcome.whole and json.loads(outcome.body)["type"] == "urn:millrace:problem:corrupt-input"


NO_GZIP = {
    "nothing": b"",
    "text": b"hello, world",
    "zeros": bytes(100),
    "one_byte_of_the_magic": b"\x1f",
    "compress": b"\x1f\x9d\x90" + b"x" * 50,
    "another_method": b"\x1f\x8b\x07" + bytes(30),
    "a_zlib_stream": zlib.compress(b"hello"),
    "a_zip_file": b"PK\3\4" + bytes(60),
    "a_zstd_frame": b"\x28\xb5\x2f\xfd\x04\x00\x09\x00\x00x",
}


@pytest.mark.parametrize("body", NO_GZIP.values(), ids=NO_GZIP)
def test_what_is_not_gzip_is_415(server, body):
    for chunk in (None, 1):
        outcome = exchange(server, "/pipe/gunzip", body, chunk=chunk)
        statuses = (415, 422) if body in (b"\x1f", NO_GZIP["another_method"]) else (415,)
        assert outcome.whole and outcome.status in statuses, (outcome.status, outcome.body)
        assert json.loads(outcome.body)["type"].startswith("urn:millrace:problem:")
    if body not in (b"\x1f", NO_GZIP["another_method"]):
        problem(server.post("/pipe/gunzip", body), 415, "wrong-format")


def test_a_wrong_format_is_refused_by_its_first_bytes(server):
    """Nobody has to send the rest."""
    for stage in ("gunzip", "unzstd", "decrypt"):
        with server.connect() as wire:
            wire.send(request("POST", f"/pipe/{stage}", {"Content-Length": 100 * MIB}) + b"This is no such file. " * 5000)
            problem(wire.receive(), 415, "wrong-format")


def test_reserved_flags_of_a_gzip_header_are_refused(server):
    for bit in (5, 6, 7):
        outcome = exchange(server, "/pipe/gunzip", member(b"abc", 1 << bit))
        assert outcome.whole and outcome.status in (415, 422)


# ---- what unzstd reads

SKIPPABLE = b"\x50\x2a\x4d\x18\x05\x00\x00\x00skip!"


def test_frames_behind_each_other_are_one_content(server):
    parts = [sample(size, seed) for seed, size in enumerate((70_000, 0, 1, 2_000_000, 65_536))]
    packed = b"".join(by_zstd(part) for part in parts)
    for chunk in (None, 1009, 65537):
        assert through(server, "/pipe/unzstd", packed, chunk=chunk) == b"".join(parts)


def test_skippable_frames_are_skipped(server):
    body = sample(200_000)
    frame = by_zstd(body)
    for packed in (SKIPPABLE + frame, frame + SKIPPABLE, frame + SKIPPABLE + frame):
        assert through(server, "/pipe/unzstd", packed, chunk=1000) == unzstd(packed)


def test_a_window_that_is_too_large_is_refused_with_both_numbers(server):
    packed = by_zstd(noise_bytes(10 * MIB), "--ultra", "--long=27", "-1")
    outcome = exchange(server, "/pipe/unzstd", packed)
    assert outcome.whole and outcome.status == 413
    document = json.loads(outcome.body)
    assert document["type"] == "urn:millrace:problem:expansion"
    assert document["value"] > document["limit"]["value"] > 0


NO_ZSTD = {
    "nothing": b"",
    "text": b"hello, world",
    "zeros": bytes(100),
    "gzip": member(b"hello"),
    "an_old_format": b"\x27\xb5\x2f\xfd" + bytes(50),
}


@pytest.mark.parametrize("body", NO_ZSTD.values(), ids=NO_ZSTD)
def test_what_is_not_zstd_is_415(server, body):
    problem(server.post("/pipe/unzstd", body), 415, "wrong-format")


@pytest.mark.parametrize("behind", [b"garbage", b"x", b"\x28\xb5\x2f", bytes(100)])
@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_garbage_behind_the_last_frame_is_422(server, behind, size):
    body = sample(size)
    outcome = exchange(server, "/pipe/unzstd", by_zstd(body) + behind)
    assert_refused_or_cut(outcome, original=body)
    if size == 100:
        assert outcome.whole and outcome.status == 422


# ---- damage

PACKED = {
    "gunzip": lambda body: gzip.compress(body, 1, mtime=0),
    "unzstd": by_zstd,
}


@pytest.mark.parametrize("stage", PACKED)
@pytest.mark.parametrize("size", [0, 1, 1000, 100_000])
def test_what_is_truncated_is_422_at_any_byte_while_nothing_was_sent(server, stage, size):
    body = sample(size)
    packed = PACKED[stage](body)
    chance = random.Random(size)
    points = {1, 2, 3, 5, 9, 10, 11, len(packed) // 2, *range(len(packed) - 9, len(packed))}
    points |= {chance.randrange(1, len(packed)) for _ in range(10)}
    for length in sorted(point for point in points if 0 < point < len(packed)):
        for chunk in (None, 100):
            outcome = exchange(server, f"/pipe/{stage}", packed[:length], chunk=chunk)
            assert_refused_or_cut(outcome, (415, 422) if length < 12 else (422,), body)


@pytest.mark.threads
@pytest.mark.parametrize("stage", PACKED)
def test_a_large_file_that_is_truncated_never_ends_in_good_order(server, stage):
    body = sample(3 * MIB) + noise_bytes(MIB)
    packed = PACKED[stage](body)
    chance = random.Random(1)
    points = {len(packed) - 1, len(packed) - 4, len(packed) - 8, len(packed) - 9, len(packed) // 2}
    points |= {chance.randrange(100, len(packed)) for _ in range(4)}
    for length in sorted(points):
        outcome = exchange(server, f"/pipe/{stage}", packed[:length])
        assert_refused_or_cut(outcome, original=body)


@pytest.mark.parametrize("stage", PACKED)
def test_bits_that_flip_never_end_in_good_order_with_other_content(server, stage):
    body = sample(150_000)
    packed = PACKED[stage](body)
    chance = random.Random(2)
    for place in [*(len(packed) - 1 - index for index in range(8)), *(chance.randrange(20, len(packed)) for _ in range(40))]:
        spoilt = bytearray(packed)
        spoilt[place] ^= 1 << chance.randrange(8)
        outcome = exchange(server, f"/pipe/{stage}", bytes(spoilt))
        if outcome.whole and outcome.status == 200:
            assert outcome.body == body, f"byte {place} of {len(packed)}: other content ended in good order"
        else:
            assert_refused_or_cut(outcome, (413, 415, 422))


@pytest.mark.parametrize("stage", PACKED)
def test_random_bytes_behind_a_good_beginning_do_no_harm(server, stage):
    chance = random.Random(3)
    for _ in range(30):
        start = PACKED[stage](sample(1000))[: chance.randrange(4, 40)]
        outcome = exchange(server, f"/pipe/{stage}", start + chance.randbytes(chance.randrange(1, 30_000)))
        assert_refused_or_cut(outcome, (413, 415, 422))


def test_an_upload_that_breaks_off_never_ends_in_good_order(server):
    body = sample(600_000)
    for stage in ("gzip", "zstd", "gzip/gunzip"):
        for framing in ({"Content-Length": len(body)}, {"Transfer-Encoding": "chunked"}):
            sent = body[:500_000]
            pieces = cut(sent, 9973) if "Content-Length" in framing else chunk_frames(cut(sent, 9973))
            with server.connect() as wire:
                upload = Upload(wire, [request("POST", f"/pipe/{stage}", framing), *pieces])
                upload.join(30)
                wire.half_close()
                outcome = receive_stream(wire)
            assert_refused_or_cut(outcome, (400,))


# ---- bombs


def assert_expansion(outcome, limit_name, limit, most):
    """413 with both numbers, or a stream that was cut before much came."""
    assert outcome.length <= most, f"{outcome.length} bytes came"
    assert_refused_or_cut(outcome, (413,))
    if outcome.whole:
        document = json.loads(outcome.body)
        assert document["type"] == "urn:millrace:problem:expansion"
        assert document["limit"] == {"name": limit_name, "value": limit}
        assert document["value"] > limit


GRACE = 64 * MIB  # what may come out before the ratio is looked at
BOMBS = {"gunzip": zeros_in_gzip, "unzstd": zeros_in_zstd}
BEST = {"gunzip": gzip.compress, "unzstd": by_zstd}
RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"


@pytest.mark.parametrize("stage", BOMBS)
def test_a_bomb_is_refused_with_both_numbers(share, stage):
    server = share("--max-expansion=20000")
    document = problem(server.post(f"/pipe/{stage}", BOMBS[stage](10_000_000)), 413, "expansion")
    assert document["limit"] == {"name": "max-expansion", "value": 20000}
    assert document["value"] > 20000


@pytest.mark.threads
@pytest.mark.parametrize("stage", BOMBS)
@pytest.mark.parametrize("limit", [100_000, MIB, 5_000_000])
def test_max_expansion_bounds_what_comes_out(share, stage, limit):
    server = share(f"--max-expansion={limit}", "--max-expansion-ratio=0")
    bomb = BOMBS[stage](10_000_000)
    assert_expansion(exchange(server, f"/pipe/{stage}", bomb), "max-expansion", limit, limit)
    assert_expansion(exchange(server, f"/pipe/{stage}", bomb, chunk=7), "max-expansion", limit, limit)
    good = BOMBS[stage](limit)
    assert through(server, f"/pipe/{stage}", good) == bytes(limit)


@pytest.mark.parametrize("stage", BOMBS)
def test_max_expansion_counts_all_members_and_frames_together(share, stage):
    server = share(f"--max-expansion={MIB}")
    packed = BOMBS[stage](300_000)
    assert through(server, f"/pipe/{stage}", packed * 3) == bytes(900_000)
    assert_expansion(exchange(server, f"/pipe/{stage}", packed * 4), "max-expansion", MIB, MIB)


@pytest.mark.parametrize("stage", BOMBS)
def test_max_expansion_ratio_bounds_it_by_what_came_in(share, stage):
    server = share("--max-expansion-ratio=50")
    bomb = BOMBS[stage](100_000_000)
    assert_expansion(exchange(server, f"/pipe/{stage}", bomb), "max-expansion-ratio", 50, GRACE)
    body = sample(200_000) + noise_bytes(5 * MIB)
    assert through(server, f"/pipe/{stage}", PACKED[stage](body)) == body


@pytest.mark.parametrize("limit", [100_000, 500_000, MIB])
@pytest.mark.parametrize("chunk", [None, 100])
@pytest.mark.parametrize("stage", BOMBS)
def test_a_bomb_that_passes_the_bound_in_its_first_mebibyte_is_a_problem(share, stage, limit, chunk):
    server = share(f"--max-expansion={limit}")
    outcome = exchange(server, f"/pipe/{stage}", BOMBS[stage](10_000_000), chunk=chunk)
    assert outcome.whole and outcome.status == 413
    document = json.loads(outcome.body)
    assert document["type"] == "urn:millrace:problem:expansion"
    assert document["limit"] == {"name": "max-expansion", "value": limit}
    assert document["value"] > limit


@pytest.mark.parametrize("behind", ["", "/encrypt?recipient=" + RECIPIENT, "/zstd?level=1"], ids=["alone", "encrypt", "zstd"])
@pytest.mark.parametrize("front", [b"", b"a few words in front" * 20], ids=["zeros", "words"])
@pytest.mark.parametrize("stage", BOMBS)
@pytest.mark.slow
def test_a_bomb_that_passes_the_ratio_is_a_problem_although_it_may_expand_to_64_mebibytes(server, stage, front, behind):
    """Nothing of it was sent before it was known."""
    outcome = exchange(server, f"/pipe/{stage}{behind}", BEST[stage](front + bytes(100_000_000)))
    assert outcome.whole and outcome.status == 413
    document = json.loads(outcome.body)
    assert document["type"] == "urn:millrace:problem:expansion"
    assert document["limit"] == {"name": "max-expansion-ratio", "value": 250}
    assert document["value"] > 250


@pytest.mark.threads
@pytest.mark.parametrize("stage", BOMBS)
@pytest.mark.parametrize("chunk", [None, 100])
def test_zeros_before_other_bytes_are_no_bomb(server, stage, chunk):
    body = bytes(20_000_000) + noise_bytes(200_000) + bytes(3 * MIB)
    assert through(server, f"/pipe/{stage}", BEST[stage](body), chunk=chunk) == body


@pytest.mark.parametrize("stage", BOMBS)
@pytest.mark.parametrize("size", [5_000_000, 64 * MIB])
@pytest.mark.slow
def test_what_was_made_of_zeros_can_be_taken_back(server, stage, size):
    packed = through(server, "/pipe/" + {"gunzip": "gzip", "unzstd": "zstd"}[stage], bytes(size))
    assert size / len(packed) > 250, "it is not packed well enough to show anything"
    assert through(server, f"/pipe/{stage}", packed) == bytes(size)


def test_a_bomb_in_a_bomb_is_refused(share):
    server = share(f"--max-expansion={MIB}")
    outcome = exchange(server, "/pipe/gunzip/unzstd", gzip.compress(by_zstd(bytes(10_000_000))))
    assert_expansion(outcome, "max-expansion", MIB, MIB)
    outcome = exchange(server, "/pipe/gunzip/image?w=10", zeros_in_gzip(10_000_000))
    assert outcome.whole and outcome.status in (413, 415)


def test_a_bomb_costs_the_server_no_memory(start):
    server = start("--max-expansion-ratio=0")
    before = server.resident_bytes()
    outcome = exchange(server, "/pipe/gunzip", zeros_in_gzip(100_000_000), take=lambda piece: None)
    assert outcome.whole and outcome.length == 100_000_000
    if not SANITIZER:
        assert server.resident_bytes() - before < 64 * MIB


# ---- what is asked for


@pytest.mark.parametrize(
    "path",
    ["/pipe/gunzp", "/pipe/GZIP", "/pipe/gzip/nothing", "/pipe/nothing/gzip", "/pipe/gzip/", "/pipe/gzip//gunzip", "/pipe//gzip", "/pipe/",
     "/pipe/gzip/gunzip/zstd/unzstd/x", "/pipe/armor", "/pipe/dearmor", "/pipe/gzip,gunzip", "/pipe/gzip;level=3", "/pipe/" + "a" * 3000,
     "/pipe" + "/gzip" * 500 + "/x"],
)  # fmt: skip
def test_a_stage_that_is_not_there_is_404(server, path):
    response = server.post(path, b"x")
    assert response.status in ((404,) if path.count("/gzip") < 2 else (400, 404)), response.body
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("stages", ["gzip/gzip", "gzip/gunzip/gzip", "zstd/unzstd/zstd", "image/gzip/image", "gzip/" * 300 + "gzip"])
def test_a_stage_that_is_there_twice_is_400(server, stages):
    problem(server.post(f"/pipe/{stages}", b"x"), 400, "bad-parameter")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_only_what_is_sent_goes_through_stages(server, method):
    for path in ("/pipe/gzip", "/pipe/gzip/gunzip"):
        response = server.request(method, path)
        assert response.status == 405 and "POST" in response["Allow"]


@pytest.mark.parametrize(
    "target, name",
    [
        ("gzip?levl=3", "levl"),
        ("gzip?level=0", "level"),
        ("gzip?level=10", "level"),
        ("gzip?level=-1", "level"),
        ("gzip?level=", "level"),
        ("gzip?level", "level"),
        ("gzip?level=six", "level"),
        ("gzip?level=6.0", "level"),
        ("gzip?level=6&level=6", "level"),
        ("gzip?level=6&level=7", "level"),
        ("gzip?level=99999999999999999999", "level"),
        ("gzip?w=100", "w"),
        ("gzip?recipient=age1", "recipient"),
        ("gunzip?level=3", "level"),
        ("zstd?level=20", "level"),
        ("zstd?level=0", "level"),
        ("zstd?level=3&level=3", "level"),
        ("unzstd?level=3", "level"),
        ("unzstd?window=3", "window"),
        ("gunzip/zstd?level=30", "level"),
        ("gunzip/unzstd?level=3", "level"),
        ("decrypt?recipient=age1", "recipient"),
        ("decrypt?armor=1", "armor"),
        ("decrypt?passphrase=open", "passphrase"),
        ("image/gzip?w=0", "w"),
        ("image/gzip?w=10&level=11", "level"),
        ("image/gzip?w=10&w=10", "w"),
        ("image/gzip?wdth=10", "wdth"),
    ],
)
def test_an_unknown_malformed_or_duplicate_parameter_of_a_stage_is_named(server, target, name):
    document = problem(server.post(f"/pipe/{target}", b"x"), 400, "bad-parameter")
    assert re.search(rf"\b{name}\b", document["detail"]), document


@pytest.mark.parametrize("query", ["level=%zz", "level=%4", "level=%", "level=%00", "level=6%ff", "%00=1"])
def test_malformed_escapes_are_refused_by_every_stage(server, query):
    problem(server.post(f"/pipe/gzip?{query}", b"x"), 400, "bad-parameter")


def test_escaped_parameters_are_decoded_for_every_stage(server):
    body = sample(200_000)
    assert through(server, "/pipe/gzip?%6cevel=%39", body) == through(server, "/pipe/gzip?level=9", body)


@pytest.mark.parametrize(
    "target, status",
    [("gzip?level=0", 400), ("gzip/gunzip/nothing", 404), ("gzip/zstd/gzip", 400), ("encrypt", 400), ("image/gzip?w=0&level=3", 400),
     ("gzip/encrypt?level=3&recipient=age1nobody", 400)],
)  # fmt: skip
def test_a_wrong_request_is_refused_before_the_body(server, target, status):
    for framing in ({"Content-Length": 5_000_000}, {"Transfer-Encoding": "chunked"}):
        with server.connect() as wire:
            wire.send(request("POST", f"/pipe/{target}", {"Expect": "100-continue"} | framing))
            assert wire.receive().status == status


def test_a_right_request_is_told_to_go_on(server):
    body = sample(100_000)
    for stage in ("gzip", "gzip/gunzip"):
        with server.connect() as wire:
            wire.send(request("POST", f"/pipe/{stage}", {"Expect": "100-continue", "Content-Length": len(body)}))
            assert wire.receive_head().status == 100
            wire.send(body)
            assert wire.receive().status == 200


def test_a_content_coding_is_refused_as_for_images(server):
    problem(server.post("/pipe/gunzip", member(b"x"), {"Content-Encoding": "gzip"}), 415, "unsupported-coding")


def test_a_body_above_max_body_is_413_or_cut(share):
    server = share("--max-body=1MiB")
    body = sample(MIB)
    assert one_member(through(server, "/pipe/gzip", body)) == body
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/gzip", {"Content-Length": MIB + 1, "Expect": "100-continue"}))
        document = problem(wire.receive(), 413, "body-too-large")
        assert document["limit"] == {"name": "max-body", "value": MIB}
    assert_refused_or_cut(exchange(server, "/pipe/gzip", sample(MIB + 1), chunk=5000), (413,))


def test_pipe_lists_every_stage_with_its_parameters(server):
    stages = {stage["name"]: stage for stage in server.get("/pipe").json()["stages"]}
    assert set(stages) == set(STAGES)
    names = {name: {parameter["name"] for parameter in stage["parameters"]} for name, stage in stages.items()}
    assert names["gzip"] == names["zstd"] == {"level"}
    assert names["gunzip"] == names["unzstd"] == names["decrypt"] == set()
    assert names["encrypt"] == {"recipient", "armor"}
    assert {"w", "h", "fm", "q"} <= names["image"]
    for name, most in (("gzip", 9), ("zstd", 19)):
        level = stages[name]["parameters"][0]
        assert (level["min"], level["max"]) == (1, most)


# ---- the answer and its time


def timings(text):
    return {name: float(duration) for name, duration in re.findall(r"([\w-]+);dur=([0-9.]+)", text)}


@pytest.mark.parametrize("stages", ["gzip", "zstd", "gzip/gunzip"])
def test_server_timing_of_a_short_answer_is_a_field(server, stages):
    outcome = exchange(server, f"/pipe/{stages}", sample(1000))
    found = timings(outcome.response["Server-Timing"])
    assert set(stages.split("/")) <= set(found), found
    assert all(0 <= duration < 30_000 for duration in found.values())


def test_server_timing_of_a_stream_is_a_trailer_for_who_wants_trailers(server):
    body = noise_bytes(4 * MIB)
    outcome = exchange(server, "/pipe/gzip/gunzip?level=1", body, {"TE": "trailers"})
    assert outcome.whole and outcome.body == body
    assert outcome.response["Transfer-Encoding"] == "chunked" and outcome.response["Trailer"] == "Server-Timing"
    found = timings(outcome.trailer("Server-Timing"))
    assert {"gzip", "gunzip"} <= set(found), found
    assert found["gzip"] > 1, "four MiB in no time"


def test_who_asks_for_no_trailers_gets_none(server):
    for fields in ({}, {"TE": "gzip"}, {"TE": "trailersx"}):
        outcome = exchange(server, "/pipe/zstd/unzstd?level=1", noise_bytes(3 * MIB), fields)
        assert outcome.whole and outcome.trailers == []


def test_an_answer_begins_before_the_body_has_ended(server):
    """A stream is a stream: nothing waits for the end."""
    body = noise_bytes(4 * MIB)
    for stage in ("gzip", "zstd", "zstd/unzstd"):
        goes_on = threading.Event()

        def pieces():
            yield request("POST", f"/pipe/{stage}", {"Transfer-Encoding": "chunked"})
            yield from chunk_frames(cut(body, 50_000))
            assert goes_on.wait(60)
            yield LAST_CHUNK

        with server.connect() as wire:
            upload = Upload(wire, pieces())
            head = wire.receive_head()
            assert head.status == 200
            first = int(wire._line().split(b";")[0], 16)
            assert first > 0 and wire._take(first)
            assert wire._take(2) == b"\r\n"
            goes_on.set()
            outcome = receive_stream(wire, head=head)
            upload.stop()
            assert outcome.whole


def test_many_pipes_on_one_connection(server):
    with server.connect() as wire:
        for index in range(30):
            body = sample(index * 5000, index)
            packed = wire.request("POST", "/pipe/gzip", body=body)
            assert packed.status == 200 and one_member(packed.body) == body
            back = wire.request("POST", "/pipe/gunzip/zstd/unzstd", body=packed.body)
            assert back.status == 200 and back.body == body


def test_pipelined_requests_are_answered_in_order(server):
    bodies = [sample(20_000, seed) for seed in range(10)]
    with server.connect() as wire:
        wire.send(b"".join(request("POST", "/pipe/gzip", body=body) for body in bodies))
        for body in bodies:
            assert one_member(wire.receive().body) == body


def test_a_refused_body_that_was_sent_whole_leaves_the_next_request_alone(server):
    """Either the connection is closed behind the refusal, or it goes on in step."""
    with server.connect() as wire:
        response = wire.request("POST", "/pipe/gunzip", body=b"hello, world")
        assert response.status == 415
        if response.closes:
            assert wire.is_closed()
        else:
            assert one_member(wire.request("POST", "/pipe/gzip", body=b"next").body) == b"next"


def test_pipes_make_no_labels(server):
    through(server, "/pipe/zstd/unzstd/gzip/gunzip", sample(1000))
    assert "zstd/unzstd" not in server.metrics().text


def test_the_log_tells_of_a_stream_that_was_cut(start):
    server = start("--log-format=json")
    body = sample(3_000_000)
    outcome = exchange(server, "/pipe/gunzip", PACKED["gunzip"](body)[:-1])
    assert_refused_or_cut(outcome, original=body)
    line = server.access_log("/pipe/gunzip")[0]
    assert "corrupt-input" in line.values(), line


def test_the_log_counts_the_bytes_of_a_stream(start):
    server = start("--log-format=json")
    body = sample(3 * MIB)
    packed = through(server, "/pipe/zstd", body)
    line = server.access_log("/pipe/zstd")[0]
    assert line["status"] == 200 and line["route"].startswith("/pipe/")
    assert line["bytes_in"] == len(body)
    assert line["bytes_out"] >= len(packed)


# ---- pipes

PIPES = ["gzip/gunzip", "zstd/unzstd", "gzip/zstd/unzstd/gunzip", "zstd/gzip/gunzip/unzstd"]


@pytest.mark.threads
@pytest.mark.parametrize("stages", PIPES)
@pytest.mark.parametrize("size", [0, 1, 65536, MIB + 1, 3_000_000])
def test_a_pipe_that_undoes_itself_gives_the_same_back(server, stages, size):
    for chunk in (None, 10_007):
        assert through(server, f"/pipe/{stages}", sample(size), chunk=chunk) == sample(size)


def test_a_pipe_is_what_its_stages_are_one_after_the_other(server):
    body = by_gzip(sample(3 * MIB))
    packed = through(server, "/pipe/gunzip/zstd?level=5", body, chunk=5000)
    assert unzstd(packed) == sample(3 * MIB)
    assert one_member(through(server, "/pipe/unzstd/gzip?level=1", packed)) == sample(3 * MIB)


def test_damage_in_the_middle_of_a_pipe_never_ends_in_good_order(server):
    body = sample(5_000_000)
    packed = by_zstd(body)
    for length in (10, 1000, len(packed) // 2, len(packed) - 1):
        outcome = exchange(server, "/pipe/unzstd/gzip", packed[:length])
        assert_refused_or_cut(outcome)
        outcome = exchange(server, "/pipe/unzstd/gzip/gunzip", packed[:length])
        assert_refused_or_cut(outcome, original=body)


def test_a_format_that_the_second_stage_does_not_read_is_415(server):
    problem(server.post("/pipe/gunzip/unzstd", member(b"hello, world")), 415, "wrong-format")
    problem(server.post("/pipe/gzip/unzstd", b"hello, world"), 415, "wrong-format")


@pytest.mark.threads
def test_an_image_goes_into_a_pipe(server):
    plain = server.post("/pipe/image?w=100&fm=png", photo())
    assert plain.status == 200
    outcome = exchange(server, "/pipe/image/gzip?w=100&fm=png&level=9", photo())
    assert outcome.whole and outcome.response["Content-Type"] == "application/gzip"
    assert one_member(outcome.body) == plain.body
    assert unzstd(through(server, "/pipe/image/zstd?w=100&fm=png", photo(), chunk=1000)) == plain.body


def test_an_image_comes_out_of_a_pipe(server):
    packed = by_gzip(noise(1200, 900))
    for chunk in (None, 10_000):
        outcome = exchange(server, "/pipe/gunzip/image?w=100&fm=png", packed, chunk=chunk)
        assert outcome.whole and outcome.response["Content-Type"] == "image/png"
        assert decode(outcome.body).size == (100, 75)
    picture = through(server, "/pipe/gunzip/image/zstd?w=100", packed)
    assert decode(unzstd(picture)).size == (100, 75)


def test_what_is_wrong_with_an_image_in_a_pipe_is_said_as_without_one(server):
    problem(server.post("/pipe/gunzip/image?w=10", member(b"hello, world")), 415, "unsupported-format")
    problem(server.post("/pipe/image/gzip?w=10", b"hello, world"), 415, "unsupported-format")
    problem(server.post("/pipe/gunzip/image?w=10", member(noise(300, 200)[:9000])), 422, "damaged-image")
    problem(server.post("/pipe/image/gzip?w=10", noise(300, 200)[:9000]), 422, "damaged-image")
    response = server.post("/pipe/gunzip/image?w=10", member(photo())[:-20])
    assert response.status == 422


def test_gzip_before_an_image_is_no_image(server):
    assert server.post("/pipe/gzip/image?w=10", photo()).status == 415


# ---- chance


@pytest.mark.threads
@pytest.mark.parametrize("seed", range(6))
def test_any_size_in_any_pieces_comes_back(server, seed):
    chance = random.Random(seed)
    for _ in range(8):
        size = int(2 ** chance.uniform(0, 21))
        body = sample(size, chance.randrange(5))
        stages = chance.choice(PIPES + ["gzip", "zstd"])
        longest = int(2 ** chance.uniform(2, 17))
        pieces = list(random_cuts(body, chance, max(longest, size // 2000)))
        packed = through(server, f"/pipe/{stages}", pieces, chunk="pieces", receive_buffer=chance.choice((None, 4096)))
        back = {"gzip": one_member, "zstd": unzstd}.get(stages, bytes)(packed)
        assert back == body, (stages, size)


@pytest.mark.parametrize("seed", range(3))
def test_a_body_in_torn_segments_comes_back(server, seed):
    """Each piece is a segment of its own, at any place of the chunked body and its head."""
    chance = random.Random(seed)
    body = sample(60_000, seed)
    whole = request("POST", "/pipe/gzip/gunzip", {"Transfer-Encoding": "chunked"})
    whole += b"".join(chunk_frames(random_cuts(body, chance, 900))) + LAST_CHUNK
    with server.connect() as wire:
        upload = Upload(wire, random_cuts(whole, chance, 200))
        outcome = receive_stream(wire)
        upload.stop()
    assert outcome.whole and outcome.body == body


def test_a_slow_writer_and_a_slow_reader_get_their_answer(server):
    body = sample(3000)
    with server.connect(receive_buffer=2048) as wire:
        wire.send(request("POST", "/pipe/gzip/gunzip", {"Content-Length": len(body)}))
        for piece in cut(body, 50):
            wire.send(piece)
            time.sleep(0.002)
        outcome = receive_stream(wire)
    assert outcome.whole and outcome.body == body


@pytest.mark.threads
def test_clients_at_the_same_time_get_each_their_own(start):
    server = start("--workers=2", "--queue-depth=1024", "--job-deadline=120s")

    def ask(index):
        body = sample(400_000 + index, index)
        packed = through(server, "/pipe/gzip" if index % 2 else "/pipe/zstd", body, chunk=None if index % 3 else 5003)
        return (one_member if index % 2 else unzstd)(packed) == body

    with ThreadPoolExecutor(24) as pool:
        assert all(pool.map(ask, range(48)))


@pytest.mark.under("workers", "libuv", "threads")
def test_the_loop_stays_free_while_stages_work(start):
    server = start("--workers=2")
    with server.connect() as wire:
        upload = Upload(wire, [request("POST", "/pipe/gzip?level=9", {"Content-Length": 12 * MIB}), sample(12 * MIB)])
        for _ in range(20):
            assert server.get("/healthz").status == 200
        assert server.metric("millrace_requests_in_flight") == 2, "the answers came after the stream"
        assert receive_stream(wire).whole
        upload.stop()
    assert server.metric("millrace_loop_blocked_total", label="job") == 0


# ---- the digest of what comes out

WANT = {"Want-Repr-Digest": "sha-512=3, sha-256=10"}


def digest_of(body):
    return "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"


@pytest.mark.threads
@pytest.mark.parametrize("chunk", [None, 65537])
@pytest.mark.parametrize("stages", ["gzip?level=1", "zstd/unzstd?level=1", "encrypt?recipient=" + RECIPIENT, "encrypt?armor=1&recipient=" + RECIPIENT])
def test_the_digest_of_a_stream_is_a_trailer(server, stages, chunk):
    outcome = exchange(server, "/pipe/" + stages, noise_bytes(5 * MIB), {"TE": "trailers", **WANT}, chunk=chunk)
    assert outcome.whole and outcome.status == 200
    assert outcome.response["Trailer"] == "Server-Timing, Repr-Digest" and outcome.response["Transfer-Encoding"] == "chunked"
    assert outcome.response.get("Repr-Digest") is None
    assert outcome.trailer("Repr-Digest") == digest_of(outcome.body)
    assert "sha256" in timings(outcome.trailer("Server-Timing"))


def test_the_content_type_is_that_of_the_last_stage_also_with_a_digest(server):
    for stages in ("gzip", "gzip/gunzip", "encrypt?armor=1&recipient=" + RECIPIENT):
        plain, wanted = (exchange(server, "/pipe/" + stages, sample(MIB), {"TE": "trailers", **more}) for more in ({}, WANT))
        assert wanted.response["Content-Type"] == plain.response["Content-Type"]


@pytest.mark.parametrize("size", [0, 1, 1000, 30_000])
def test_the_digest_of_a_short_result_is_a_field(server, size):
    outcome = exchange(server, "/pipe/zstd", noise_bytes(size), {"TE": "trailers", **WANT})
    assert outcome.response["Repr-Digest"] == digest_of(outcome.body) and outcome.response["Content-Length"]


@pytest.mark.parametrize("path, body", [("/pipe/image?w=40", photo()), ("/pipe/gunzip/image?w=40", gzip.compress(photo()))], ids=["alone", "behind"])
@pytest.mark.parametrize("more", [{}, {"TE": "trailers"}], ids=["no_trailers", "trailers"])
def test_the_digest_of_an_image_is_a_field(server, path, body, more):
    response = server.post(path, body, {**more, **WANT})
    assert response.status == 200 and response["Repr-Digest"] == digest_of(response.body)


@pytest.mark.parametrize(
    "fields",
    [{"TE": "trailers"}, WANT, {"TE": "trailers", "Want-Repr-Digest": "sha-256=0"}, {"TE": "trailers", "Want-Repr-Digest": "sha-512=1"},
     {"TE": "trailers", "Want-Repr-Digest": "sha-256=:AA:"}, {"TE": "trailers", "Want-Content-Digest": "sha-256=1"}],
    ids=["not_wanted", "no_trailers", "zero", "another", "malformed", "of_the_content"],
)  # fmt: skip
def test_a_stream_without_a_digest(server, fields):
    body = noise_bytes(MIB)
    outcome = exchange(server, "/pipe/gzip/gunzip", body, fields)
    assert outcome.whole and outcome.body == body
    assert outcome.response.get("Repr-Digest") is None and outcome.trailer("Repr-Digest") is None
    assert "Repr-Digest" not in (outcome.response.get("Trailer") or "")


def test_a_stream_over_http_1_0_announces_no_trailer(server):
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/gzip", {"TE": "trailers", **WANT}, noise_bytes(MIB), version="HTTP/1.0"))
        head = wire.receive_head()
    assert head.status == 200 and head.get("Trailer") is None


def test_a_stream_that_fails_has_no_digest(server):
    packed = gzip.compress(noise_bytes(3 * MIB), 1)
    outcome = exchange(server, "/pipe/gunzip", packed[:-4] + b"XXXX", {"TE": "trailers", **WANT})
    assert not outcome.whole and outcome.trailer("Repr-Digest") is None


def test_a_proxy_that_waits_for_the_whole_body_gets_the_digest_too(server):
    outcome = exchange(server, "/pipe/zstd", noise_bytes(3 * MIB), {"TE": "trailers", "Prefer": "respond=after-body", **WANT})
    assert outcome.whole and outcome.trailer("Repr-Digest") == digest_of(outcome.body)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl_is_sent_the_digest(server):
    body = noise_bytes(3 * MIB)
    raw = run("curl", "-s", "--raw", "-T", "-", "-H", "TE: trailers", "-H", "Want-Repr-Digest: sha-256=1", f"http://127.0.0.1:{server.port}/pipe/gzip/gunzip", data=body)
    assert raw.endswith(b"\r\nRepr-Digest: " + digest_of(body).encode() + b"\r\n\r\n")
