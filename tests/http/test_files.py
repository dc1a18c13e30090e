"""Files: uploaded, listed, read back, changed, deleted."""

import base64
import gzip
import hashlib
import json
import re
from contextlib import contextmanager

import pytest
from images import photo
from server import wait_for
from wire import request

ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
SIZES = [0, 1, 5000, 32 * 1024, 32 * 1024 + 1, 200_000, 3_000_000]

pytestmark = pytest.mark.once  # what is stored does not depend on the offload


def data(size, seed=b"millrace"):
    out, block = bytearray(), hashlib.sha256(seed).digest()
    while len(out) < size:
        block = hashlib.sha256(block).digest()
        out += block * 64
    return bytes(out[:size])


def digest_of(body):
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


@pytest.fixture
def files(kept):
    """A shared server; new_files() are those of the test."""
    kept.before = {file["id"] for file in stored(kept)}
    return kept


@pytest.fixture
def fresh(start, tmp_path):
    """A server without files."""
    return start(f"--data={tmp_path / 'data'}")


def upload(server, body, target="/files", fields=(), method="POST"):
    response = server.request(method, target, fields, body)
    assert response.status == 201, response.body
    return response.json()


def stored(server):
    """All files, newest first."""
    found, target = [], "/files?limit=1000"
    while target:
        page = server.get(target).json()
        found += page["files"]
        target = page["next"]
    return found


def new_files(server):
    return [file for file in stored(server) if file["id"] not in server.before]


@contextmanager
def stores_nothing(server):
    before = stored(server)
    yield
    assert stored(server) == before


# ---- uploading


@pytest.mark.parametrize("size", SIZES)
def test_what_was_uploaded_is_read_back(files, size):
    body = data(size)
    response = files.post("/files", body, [("Content-Type", "application/x-thing")])
    assert response.status == 201
    told = response.json()
    assert ID.fullmatch(told["id"])
    assert response["Location"] == told["url"] == f"/files/{told['id']}"
    assert told["size"] == size
    assert told["type"] == "application/x-thing"
    assert told["name"] == ""
    assert told["expires"] is None and told["state"] == "released" and told["tags"] == [] and told["meta"] == {}
    assert told["focal"] is None
    assert told["digest"] == {"sha-256": base64.b64encode(hashlib.sha256(body).digest()).decode()}
    back = files.get(told["url"])
    assert back.status == 200 and back.body == body
    assert back["Repr-Digest"] == digest_of(body)
    assert back["ETag"] == f'"{told["id"]}"'
    assert back["Content-Length"] == str(size)
    head = files.request("HEAD", told["url"])
    assert head.status == 200 and head["Content-Length"] == str(size)


def test_it_is_there_after_a_restart(start, tmp_path):
    first = start(f"--data={tmp_path / 'data'}")
    bodies = {upload(first, data(size))["url"]: data(size) for size in SIZES}
    first.assert_drains()
    second = start(f"--data={tmp_path / 'data'}")
    for url, body in bodies.items():
        assert second.get(url).body == body


def test_curl_names_a_file_by_the_path(files):
    told = upload(files, data(100), "/files/K%C3%A4se%20%26%20Wurst.bin", method="PUT")
    assert told["name"] == "Käse & Wurst.bin"


def test_a_name_is_cleaned(files):
    assert upload(files, b"x", "/files/..%2F..%2Fetc%2Fpasswd", method="PUT")["name"] == "passwd"
    assert upload(files, b"x", "/files/a%0D%0Ab%1Fc", method="PUT")["name"] == "a__b_c"
    assert files.request("PUT", "/files/a%00b", (), b"x").status == 400
    for odd in ("/files/.", "/files/..", "/files/%2F"):
        assert upload(files, b"x", odd, method="PUT")["name"] == ""
    long = upload(files, b"x", "/files/" + "%C3%A4" * 200, method="PUT")["name"]
    assert long == "ä" * 127


def test_an_id_is_not_written_over(files):
    told = upload(files, b"first")
    response = files.request("PUT", told["url"], (), b"second")
    assert response.status == 405
    assert files.get(told["url"]).body == b"first"


def test_the_type_is_judged_by_the_bytes(files):
    assert upload(files, photo(), fields=[("Content-Type", "text/plain")])["type"] == "image/jpeg"
    assert upload(files, b"plain words\n")["type"].startswith("text/plain")
    assert upload(files, data(1000))["type"] == "application/octet-stream"


def test_a_chunked_body_is_stored(files):
    body = data(100_000)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at : at + 7000]), body[at : at + 7000]) for at in range(0, len(body), 7000))
    response = files.raw(b"POST /files HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert response.status == 201
    assert files.get(response.json()["url"]).body == body


@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize("size", (0, 1, 32 * 1024, 32 * 1024 + 1, 50_000))
def test_a_digest_is_checked(files, field, size):
    body = data(size)
    assert files.post("/files", body, [(field, digest_of(body))]).status == 201
    response = files.post("/files", body, [(field, digest_of(b"other"))])
    assert response.status == 400
    assert response.json()["type"] == "urn:millrace:problem:digest-mismatch"
    assert len(new_files(files)) == 1


def test_a_malformed_digest_is_refused_before_the_body(files):
    response = files.post("/files", b"x", [("Content-Digest", "sha-256=:not base64:")])
    assert response.status == 400


@pytest.mark.parametrize("size", (1, 50_000))
def test_an_unknown_parameter_is_named(files, size):
    response = files.post("/files?colour=red", data(size))
    assert response.status == 400
    assert "colour" in response.json()["detail"]


def test_a_client_that_leaves_stores_nothing(fresh):
    with fresh.connect() as wire:
        wire.send(b"POST /files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + data(300_000))
    fresh.wait_for_metric("millrace_requests_total", 1, route="/files")
    fresh.assert_at_rest()
    assert fresh.get("/files").json()["files"] == []


def test_a_body_beyond_its_bound_stores_nothing(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--max-body=1MiB")
    response = server.post("/files", data(1_200_000))
    assert response.status == 413
    assert server.get("/files").json()["files"] == []


# ---- through stages


def test_an_upload_goes_through_stages(files):
    body = b"words and words " * 10_000
    told = upload(files, body, "/files?through=gzip")
    assert told["type"] == "application/gzip"
    assert told["size"] < len(body) / 10
    assert files.get(f"{told['url']}?through=gunzip").body == body


@pytest.mark.parametrize("size", [0, 10, 32_768, 500_000])
def test_a_file_of_any_size_is_read_back_through_stages(files, size):
    url = upload(files, data(size))["url"]
    assert gzip.decompress(files.get(f"{url}?through=gzip").body) == data(size)
    response = files.get(f"{url}?through=gunzip")
    assert response.status == 415
    assert files.get(f"{url}?through=frobnicate").status == 404
    assert files.get(f"{url}?through=gzip&level=77").status == 400


@pytest.mark.parametrize(("name", "stages", "wanted"), [
    ("letter.txt", "gzip", "letter.txt.gz"),
    ("letter.txt", "zstd/encrypt", "letter.txt.zst.age"),
    ("letter.txt.gz", "gunzip", "letter.txt"),
    ("letter.txt", "gunzip", "letter.txt"),
    (".gz", "gunzip", ".gz"),
])  # fmt: skip
def test_a_file_through_stages_has_the_name_of_what_comes_out(files, name, stages, wanted):
    url = files.request("PUT", f"/files/{name}", (), b"x").json()["url"]
    fields = {"Age-Passphrase": "words"} if "encrypt" in stages else {}
    response = files.request("HEAD", f"{url}?through={stages}", fields)
    assert response["Content-Disposition"] == f'attachment; filename="{wanted}"'


def test_a_head_through_stages_computes_nothing(files):
    url = upload(files, data(500_000))["url"]
    jobs = files.metric("millrace_jobs_total")
    with files.connect() as wire:
        for stages, kind in [("gzip", "application/gzip"), ("gunzip/gzip", "application/gzip"), ("gunzip/image", None)]:
            response = wire.request("HEAD", f"{url}?through={stages}")
            assert response.status == 200
            assert response.get("Content-Type") == kind
            assert response["Cache-Control"] == "no-store" and response["Content-Disposition"].startswith("attachment")
            for absent in ("Content-Length", "Transfer-Encoding", "ETag", "Accept-Ranges"):
                assert absent not in response, absent
        for query, status in [("frobnicate", 404), ("gzip&level=77", 400), ("gzip&w=3", 400), ("encrypt", 400)]:
            assert wire.request("HEAD", f"{url}?through={query}").status == files.get(f"{url}?through={query}").status == status
        wire.send(f"HEAD {url}?through=gzip HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
        assert wire.receive("HEAD")["Connection"] == "keep-alive"
    assert files.metric("millrace_jobs_total") == jobs


def test_a_failing_stage_stores_nothing(files):
    response = files.post("/files?through=gunzip", data(10_000))
    assert response.status in (415, 422)
    assert new_files(files) == []


def test_an_unknown_stage_is_refused_before_the_body(files):
    assert files.post("/files?through=gzip/frobnicate", b"x").status in (400, 404)


# ---- reading


@pytest.mark.parametrize("size", [30_000, 300_000])
def test_one_range_is_answered(files, size):
    body = data(size)
    url = upload(files, body)["url"]
    for wanted, begin, end in [("0-0", 0, 1), ("100-299", 100, 300), ("-500", size - 500, size), ("1000-", 1000, size),
                               (f"10-{10**30}", 10, size)]:
        response = files.get(url, [("Range", f"bytes={wanted}")])
        assert response.status == 206, wanted
        assert response.body == body[begin:end]
        assert response["Content-Range"] == f"bytes {begin}-{end - 1}/{size}"
    response = files.get(url, [("Range", f"bytes={size}-")])
    assert response.status == 416
    assert response["Content-Range"] == f"bytes */{size}"
    for ignored in ["bytes=0-1,5-6", "bytes=5-1", "lines=1-2", "bytes=a-b"]:
        assert files.get(url, [("Range", ignored)]).status == 200


def test_conditional_requests(files):
    told = upload(files, data(5000))
    url, tag = told["url"], f'"{told["id"]}"'
    modified = files.get(url)["Last-Modified"]
    assert files.get(url, [("If-None-Match", tag)]).status == 304
    assert files.get(url, [("If-None-Match", f'W/{tag}, "x"')]).status == 304
    assert files.get(url, [("If-None-Match", '"x"')]).status == 200
    assert files.get(url, [("If-Modified-Since", modified)]).status == 304
    assert files.get(url, [("If-Match", '"x"')]).status == 412
    assert files.get(url, [("Range", "bytes=0-9"), ("If-Range", tag)]).status == 206
    assert files.get(url, [("Range", "bytes=0-9"), ("If-Range", '"x"')]).status == 200


def test_only_what_runs_nothing_is_shown_inline(files):
    page = upload(files, b"<html><script>alert(1)</script>", "/files/page.html", [("Content-Type", "text/html")], "PUT")
    response = files.get(page["url"])
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response["Content-Security-Policy"]
    picture = upload(files, photo(), "/files/Bild.jpg", method="PUT")
    response = files.get(picture["url"])
    assert response["Content-Disposition"] == 'inline; filename="Bild.jpg"'
    assert response["Content-Type"] == "image/jpeg"
    assert response["Access-Control-Allow-Origin"] == "*" or "Access-Control-Allow-Origin" not in response


def test_pages_of_other_sites_may_read_a_file_and_do_nothing_else(files):
    url = upload(files, b"x")["url"]
    other = [("Origin", "https://other.example"), ("Sec-Fetch-Site", "cross-site")]
    response = files.get(url, other)
    assert response.status == 200
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    for method, target in [("GET", url + "?through=gzip"), ("GET", url + "/info"), ("GET", "/files"), ("DELETE", url), ("POST", "/files")]:
        for fields in (other, other[1:]):
            response = files.request(method, target, fields, b"x" if method == "POST" else None)
            assert response.status == 403, (method, target)
            assert "Access-Control-Allow-Origin" not in response
    assert files.get(url).status == 200


def test_cache_control_is_the_operators(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--file-cache-control=public, max-age=31536000, immutable")
    url = upload(server, b"x")["url"]
    assert server.get(url)["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "immutable" not in server.get(url[:-1] + ("0" if url[-1] != "0" else "1")).get("Cache-Control", "")


@pytest.mark.parametrize("id", ["x", "0" * 25, "0" * 27, "8" + "0" * 25, "0" * 25 + "u", "0" * 25 + "U", "..", "%2e%2e", "01M8%2fK7"])
def test_any_other_spelling_of_an_id_is_404(files, id):
    assert files.get(f"/files/{id}").status == 404


# ---- listing, information, changes, deletion


def test_listing_is_in_pages_newest_first(fresh):
    ids = [upload(fresh, b"%d" % n)["id"] for n in range(7)]
    seen, url = [], "/files?limit=3"
    while url:
        response = fresh.get(url)
        page = response.json()
        assert len(page["files"]) <= 3
        seen += [file["id"] for file in page["files"]]
        assert (page["next"] is None) == ("Link" not in response)
        url = page["next"]
    assert seen == sorted(ids, reverse=True)
    assert [file["id"] for file in fresh.get("/files?order=old").json()["files"]] == sorted(ids)
    assert fresh.get("/files?limit=0").status == 400
    assert fresh.get("/files?limit=1001").status == 400
    assert fresh.get("/files?after=nonsense").status == 400


def test_info_can_be_changed(files):
    told = upload(files, data(100), "/files/a.bin", method="PUT")
    info = files.get(told["url"] + "/info")
    assert info.status == 200 and info.json() == told
    same = files.get(told["url"] + "/info", [("If-None-Match", info["ETag"])])
    assert same.status == 304 and same["ETag"] == info["ETag"]
    patch = {"name": "b.bin", "meta": {"who": "me"}, "focal": {"x": 0.25, "y": 1}}
    merge = [("Content-Type", "application/merge-patch+json")]
    response = files.request("PATCH", told["url"] + "/info", merge, json.dumps(patch).encode())
    assert response.status == 200
    changed = files.get(told["url"] + "/info").json()
    assert changed == {**told, **patch}
    response = files.request("PATCH", told["url"] + "/info", merge, b'{"meta": {"who": null}, "focal": null}')
    assert response.json() == {**told, "name": "b.bin"}
    stale = [*merge, ("If-Match", info["ETag"])]
    assert files.request("PATCH", told["url"] + "/info", stale, b'{"name": "c"}').status == 412
    for bad in [b"", b"[1]", b'{"size": 3}', b'{"focal": {"x": 2, "y": 0}}', b'{"name": 3}', b'{"name":' + b"[" * 5000]:
        assert files.request("PATCH", told["url"] + "/info", merge, bad).status in (400, 422), bad
    assert files.request("PATCH", told["url"] + "/info", [], b"{}").status == 415


def test_what_is_deleted_is_gone(fresh, tmp_path):
    for size in (100, 100_000):
        told = upload(fresh, data(size))
        response = fresh.request("DELETE", told["url"])
        assert response.status == 204
        assert fresh.get(told["url"]).status == 404
        assert fresh.get(told["url"] + "/info").status == 404
        assert fresh.request("DELETE", told["url"]).status == 404
    assert fresh.get("/files").json()["files"] == []
    wait_for(lambda: not [path for path in (tmp_path / "data/uploads").iterdir()], "nothing to be left of it")


def test_a_client_that_only_announces_much_keeps_no_other_out(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--max-body=0", "--processes=1")
    room = int(server.metric("millrace_store_free_bytes") - server.metric("millrace_store_min_free_bytes"))
    with server.connect() as wire:
        wire.send(request("PUT", "/files/large", {"Content-Length": room}))
        server.wait_for_metric("millrace_store_uploads_open", 1)
        assert server.post("/files", b"small").status == 201


def test_metrics_show_each_route_once(fresh):
    url = upload(fresh, b"x")["url"]
    upload(fresh, b"x", method="PUT")
    assert fresh.get("/files").status == fresh.get(url).status == 200
    assert fresh.request("DELETE", url).status == 204
    samples = [(name, tuple(sorted(labels.items()))) for name, labels, _ in fresh.metrics().samples]
    assert len(samples) == len(set(samples))
    assert fresh.metric("millrace_requests_total", route="/files", code="201") == 2
    assert fresh.metric("millrace_store_objects_written_total") == 2
    assert fresh.metric("millrace_store_bytes_written_total") == 2
    assert fresh.metric("millrace_store_deleted_total") == 1
    assert 1 <= fresh.metric("millrace_store_commit_groups_total") <= 2
    assert fresh.metric("millrace_store_commit_seconds_count") == 2
    for absent_or_zero in ("failed_total", "damaged_total", "uploads_open", "reserved_bytes"):
        assert fresh.metric(f"millrace_store_{absent_or_zero}") == 0


# ---- without a store


@pytest.mark.parametrize("method, target", [("POST", "/files"), ("GET", "/files"), ("PUT", "/files/a"),
                                            ("GET", "/files/01ARZ3NDEKTSV4RRFFQ69G5FAV")])
def test_without_a_data_directory_files_are_not_found(server, method, target):
    response = server.request(method, target, (), b"x" if method != "GET" else None)
    assert response.status == 404
    assert response.json()["type"] == "urn:millrace:problem:no-data-directory"
    assert "--data" in response.json()["detail"]
