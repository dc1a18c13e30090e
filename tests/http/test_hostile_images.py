"""Images that were made to harm: never a crash, a right status each, in bounded time and memory.

Time is the processor's, which a busy machine does not make longer.
"""

import os
import struct

import hostile
import pytest
from images import decode, encode_heic, noise
from PIL import Image
from server import SANITIZER

pytestmark = pytest.mark.once

SECONDS = {"": 3, "address": 9, "thread": 18}[SANITIZER]
MEMORY = 1 << 30
# fm=png asks for every pixel; the second one lets a decoder shrink.
QUERIES = ("w=40&fm=png", "w=40&h=40&fit=crop&crop=attention&fm=webp&trim=auto")


def peak_memory(server):
    for line in open(f"/proc/{server.process.pid}/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024


def processor_seconds(server):
    fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def images():
    return {}


def cases_of(group, server, images):
    if not images:
        images.update(hostile.good(hostile.good_avif(server)))
    return list(group(images))


def check(server, query, name, body, statuses):
    began = processor_seconds(server)
    answer = server.post(f"/pipe/image?{query}", body)
    took = processor_seconds(server) - began
    assert answer.status in statuses, f"{name}: {answer.status} {answer.body[:200]}"
    assert took <= SECONDS, f"{name}: {took:.1f} s"


@pytest.mark.parametrize("query", QUERIES, ids=("all", "shrunk"))
@pytest.mark.parametrize("group", hostile.GROUPS, ids=lambda group: group.__name__)
@pytest.mark.slow
def test_each_is_answered_rightly(server, images, group, query):
    wrong = []
    for name, body, statuses in cases_of(group, server, images):
        try:
            check(server, query, name, body, statuses)
        except AssertionError as error:
            wrong.append(str(error))
    assert not wrong, "\n".join(wrong)
    if not SANITIZER:
        assert peak_memory(server) <= MEMORY


@pytest.mark.parametrize("name, body, size", hostile.sound_heifs(), ids=lambda value: value if isinstance(value, str) else "")
def test_sound_heif_is_read(server, name, body, size):
    answer = server.post("/pipe/image?fm=png", body)
    assert answer.status == 200, answer.body
    assert struct.unpack(">II", answer.body[16:24]) == size


def test_there_are_more_than_three_hundred(server, images):
    names = [name for group in hostile.GROUPS for name, _, _ in cases_of(group, server, images)]
    assert len(names) == len(set(names))
    assert len(names) >= 300


# ---- pixels of other requests


def with_short_slice(heic):
    """The last NAL unit of the file ends after a quarter; a unit of filler data, which decoders skip, takes the rest of its place."""
    at = heic.index(b"mdat") + 4
    while at + 4 + (size := struct.unpack(">I", heic[at : at + 4])[0]) < len(heic):
        at += 4 + size
    short, filler = size // 4, size - size // 4 - 4
    unit = struct.pack(">I", short) + heic[at + 4 : at + 4 + short] + struct.pack(">I", filler) + b"\x4c\1"
    return heic[:at] + unit + b"\xff" * (filler - 2)


@pytest.mark.skipif(SANITIZER != "", reason="its allocator is another one")
@pytest.mark.slow
def test_missing_parts_of_an_image_never_show_another_requests(server):
    size = (512, 384)
    spoilt = with_short_slice(encode_heic(decode(noise(*size, "PNG"))))
    seen = set()
    for colour in [(255, 0, 0), (0, 0, 255), (0, 160, 0)]:
        other = encode_heic(Image.new("RGB", size, colour))
        for _ in range(4):
            assert server.post("/pipe/image?fm=png", other).status == 200
            answer = server.post("/pipe/image?fm=png", spoilt)
            assert answer.status in (200, 422)
            seen.add(decode(answer.body).tobytes() if answer.status == 200 else b"")
    assert len(seen) == 1, "what was decoded before makes a difference"
