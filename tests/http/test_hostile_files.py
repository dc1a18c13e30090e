"""What a hostile client, or who can write into the data directory, tries with files: each has a clear answer, and the server goes on."""

import gzip
import json
import os
import random
import time
from email.utils import parsedate_to_datetime

import pytest
from datadir import DataDirectory
from test_file_forms import BOUNDARY, form, post_form
from test_files import data, stores_nothing, upload
from server import wait_for

pytestmark = pytest.mark.once  # what is stored does not depend on the offload

TYPE = [("Content-Type", "application/merge-patch+json")]


# ---- names and paths


@pytest.mark.parametrize("path", ["/files/../../etc/passwd", "/files/%2e%2e/%2e%2e/etc/passwd", "/files/..%2f..%2fformat", "/files/objects",
                                  "/files/../files", "//files", "/files//", "/files/./", "/files/%00", "/files/%c0%ae%c0%ae", "/files/%",
                                  "/files/01ARZ3NDEKTSV4RRFFQ69G5FAV.meta", "/files/01ARZ3NDEKTSV4RRFFQ69G5FAV%00", "/files/CON", "/files/*"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_no_path_leaves_the_store(kept, path, method):
    assert kept.request(method, path).status in (400, 404, 405)


@pytest.mark.parametrize("name", ['a"; filename="b.exe', "a\r\nX-Evil: 1\r\n\r\n<script>", "a\\", 'a\\"b', "'\"><img>", "\u202egnp.exe", "a;b=c", "%0d%0aX-Evil:1"])
def test_a_name_adds_nothing_to_a_head(kept, name):
    url = upload(kept, data(10))["url"]
    response = kept.request("PATCH", f"{url}/info", TYPE, json.dumps({"name": name}).encode())
    assert response.status in (200, 400, 422), response.body
    head = kept.get(url)
    assert head.status == 200 and head.body == data(10)
    assert "X-Evil" not in head and head["Content-Disposition"].count('filename="') == 1
    assert head["Content-Disposition"].startswith("attachment")
    if response.status == 200:
        assert kept.get(f"{url}/info").json()["name"] == response.json()["name"]
        assert not any(ord(each) < 32 for each in response.json()["name"])


# ---- bodies


def test_ten_thousand_parts_are_refused_and_the_connection_is_whole(kept):
    with stores_nothing(kept):
        response = post_form(kept, form(*[("f", "a", None, b"x")] * 10_000))
        assert response.status == 413 and response.json()["type"] == "urn:millrace:problem:too-many-parts"


@pytest.mark.parametrize("content", [
    b"x--" + BOUNDARY.encode(), b"\r\n--" + BOUNDARY[:-1].encode(), b"\r\n--\r\n--\r\n", b"\r\n-\r\n--" + BOUNDARY[:5].encode() + b"\r", b"\r\n" * 1000,
    (b"\r\n--" + BOUNDARY[:-1].encode()) * 5000,
])
def test_content_that_looks_like_a_boundary_is_content(kept, content):
    told = post_form(kept, form(("f", "a", None, content), ("g", "b", None, b"second"))).json()["files"]
    assert [kept.get(file["url"]).body for file in told] == [content, b"second"]


@pytest.mark.parametrize("boundary", ["", '""', "a" * 71, "a b", '"a', "a; boundary=b", "ä", '"a "'])
def test_a_boundary_that_is_none_is_refused(kept, boundary):
    with stores_nothing(kept):
        head = f"POST /files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nContent-Type: multipart/form-data; boundary={boundary}\r\n\r\n"
        response = kept.raw(head.encode() + b"--a\r\n\r\n--")
        assert response.status == 400 and response.json()["type"] == "urn:millrace:problem:multipart"


def test_a_stage_that_fails_in_mid_upload_stores_nothing(kept, data_directory):
    whole = gzip.compress(random.Random(1).randbytes(3_000_000), 1)
    damaged = whole[:2_000_000] + bytes(1000) + whole[2_001_000:]
    with stores_nothing(kept):
        for body in (whole[:-100_000], damaged):
            response = kept.post("/files?through=gunzip", body)
            assert response.status == 422, response.body
    wait_for(lambda: os.listdir(data_directory / "uploads") == [], "what is left of it to be removed")


@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
def test_a_wrong_digest_stores_nothing(kept, field, data_directory):
    with stores_nothing(kept):
        for size in (0, 1000, 300_000):
            response = kept.post("/files", data(size), [(field, f"sha-256=:{'A' * 43}=:")])
            assert response.status == 400 and response.json()["type"] == "urn:millrace:problem:digest-mismatch"
    wait_for(lambda: os.listdir(data_directory / "uploads") == [], "what is left of it to be removed")


# ---- ranges


def test_absurd_ranges_are_the_whole_or_none(kept):
    body = data(1000)
    url = upload(kept, body)["url"]
    many = ",".join(f"{at}-{at}" for at in range(1500))
    for wanted in ["-", "--1", "0--1", "0-1-2", "-1-", "18446744073709551616-1", f"{10**40}-{10**39}", "0x0-0x1", "+0-1", ",,", many, "0- 1"]:
        response = kept.get(url, [("Range", f"bytes={wanted}")])
        assert response.status in (200, 416), wanted
        assert response.status == 416 or response.body == body
    for wanted in ["-0", "1000-", "18446744073709551615-", f"{10**40}-", f"{2**64}-{2**65}"]:
        response = kept.get(url, [("Range", f"bytes={wanted}")])
        assert response.status == 416 and response["Content-Range"] == "bytes */1000", wanted
    for wanted in [f"-{10**40}", f"0-{2**64 - 1}", "-18446744073709551615", "0-999,", ",0-"]:
        response = kept.get(url, [("Range", f"bytes={wanted}")])
        assert response.status == 206 and response.body == body, wanted


# ---- what was planted in the directory

PLANTED = ["link", "link to another", "hard link", "fifo", "directory", "device", "nothing"]


def plant(place, kind, other):
    """Put something in the place of a file; `other` is one of another object."""
    place.unlink()
    if kind == "link":
        place.symlink_to("/etc/passwd")
    elif kind == "link to another":
        place.symlink_to(other)
    elif kind == "hard link":
        place.hardlink_to(other)
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "directory":
        place.mkdir()
    elif kind == "device":
        os.mknod(place, 0o20600, os.makedev(1, 5))  # /dev/zero


@pytest.mark.parametrize("kind", PLANTED)
def test_what_was_planted_is_neither_followed_nor_waited_for(start, tmp_path, kind):
    if kind == "device" and os.geteuid() != 0:
        pytest.skip("only root makes devices")
    directory = DataDirectory(tmp_path / "data")
    good = directory.put(data(100)), directory.put(data(90_000), segments=[90_000])
    short, long = directory.put(data(100)), directory.put(data(90_000), segments=[90_000])
    plant(directory.meta(short), kind, directory.meta(good[0]))
    plant(directory.segment(long), kind, directory.meta(good[0]))
    files = start(f"--data={directory.path}")
    for id in (short, long):
        for target in (f"/files/{id}", f"/files/{id}?through=gzip"):
            response = files.get(target)
            assert response.status in (404, 500), (kind, target)
            assert b"root:" not in response.body
    assert files.request("PATCH", f"/files/{short}/info", TYPE, b'{"name":"x"}').status in (404, 500)
    listed = [file["id"] for file in files.get("/files").json()["files"]]
    assert set(good) <= set(listed) and short not in listed
    assert files.request("DELETE", f"/files/{short}").status in (404, 500)
    for id, size in zip(good, (100, 90_000)):
        assert files.get(f"/files/{id}").body == data(size)
    if kind == "hard link":
        assert directory.meta(good[0]).stat().st_nlink >= 2, "it was not written to"
    files.assert_drains()


def test_a_link_in_the_place_of_a_directory_is_not_followed(start, tmp_path):
    directory = DataDirectory(tmp_path / "data")
    id = directory.put(data(100))
    place = directory.place(id)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    files = start(f"--data={directory.path}")
    assert files.get(f"/files/{id}").status in (404, 500)
    assert files.request("DELETE", f"/files/{id}").status in (404, 500)
    assert (tmp_path / "elsewhere" / f"{id}.meta").exists()


# ---- clocks

YEAR_MS = 365 * 86_400_000


def test_files_of_a_clock_that_was_a_year_ahead_are_kept_as_any_other(start, tmp_path):
    directory = DataDirectory(tmp_path / "data")
    now_ms = time.time_ns() // 1_000_000
    ahead = [directory.put(data(size), segments, ms=now_ms + YEAR_MS) for size, segments in [(100, None), (90_000, [90_000])]]
    files = start(f"--data={directory.path}")
    fresh = [upload(files, b"%d" % n)["id"] for n in range(3)]
    seen, url = [], "/files?limit=2"
    while url:
        page = files.get(url).json()
        seen += [file["id"] for file in page["files"]]
        url = page["next"]
    assert sorted(seen) == sorted([*ahead, *fresh]) and seen == sorted(seen, reverse=True)
    response = files.get(f"/files/{ahead[0]}")
    assert response.status == 200 and response.body == data(100)
    assert parsedate_to_datetime(response["Last-Modified"]) <= parsedate_to_datetime(response["Date"]), "RFC 9110, section 8.8.2.1"
    assert files.get(f"/files/{ahead[0]}", [("If-None-Match", f'"{ahead[0]}"')]).status == 304
    assert files.request("PATCH", f"/files/{ahead[1]}/info", TYPE, b'{"name":"x"}').status == 200
    assert files.request("DELETE", f"/files/{ahead[1]}").status == 204
    assert files.get(f"/files/{ahead[1]}").status == 404


def test_a_description_of_another_object_is_told_from_its_own(start, tmp_path):
    """One that was copied by hand to another ID."""
    directory = DataDirectory(tmp_path / "data")
    first, second = directory.put(data(100)), directory.put(data(50))
    directory.meta(second).write_bytes(directory.meta(first).read_bytes())
    files = start(f"--data={directory.path}")
    assert files.get(f"/files/{second}").status == 500
    assert files.get(f"/files/{first}").body == data(100)
    assert files.metric("millrace_store_damaged_total") >= 1
