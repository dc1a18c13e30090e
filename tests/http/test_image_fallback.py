"""What is shown where an image cannot be made of its file: the original, the image of another file, or nothing."""

import subprocess

import pytest
from images import blank_png, decode, encode, noise, photo, quadrants, slow_job
from server import BINARY, environment, starting
from test_api_keys import WATCHER, Keys, bearer
from test_images_by_url import UNTIL_DONE, file_of, keep
from wire import request

pytestmark = pytest.mark.once  # beside what is marked otherwise

STATUS = "millrace; fwd=miss; detail=fallback"


def damaged(body=None):
    whole = body or noise(300, 200)
    return whole[: len(whole) // 2]


# ---- ?fallback=original


@pytest.mark.parametrize("body", [damaged(), damaged(noise(1500, 1000)), damaged(photo(kind="WEBP")), b"\xff\xd8\xff\xe0junk"])
def test_the_original_is_shown_as_it_is(kept, body):
    image = keep(kept, body, "/files/holiday.jpg", "PUT")
    refused, shown = kept.get(f"{image}?w=50"), kept.get(f"{image}?w=50&fallback=original")
    assert refused.status in (415, 422)
    assert shown.status == 200 and shown.body == body
    assert shown["Cache-Status"] == STATUS
    assert shown["Cache-Control"] == "public, max-age=60"
    assert shown["Accept-Ranges"] == "none" and "Link" not in shown
    plain = kept.get(file_of(image))
    for name in ("Content-Type", "Content-Length", "ETag", "Content-Disposition", "Content-Security-Policy", "X-Content-Type-Options", "Last-Modified"):
        assert shown[name] == plain[name], name
    head = kept.request("HEAD", f"{image}?w=50&fallback=original")
    assert head.status == 200 and head["Content-Length"] == str(len(body)) and head.body == b""
    assert kept.get(f"{image}?w=50&fallback=original", [("If-None-Match", shown["ETag"])]).status == 304
    assert kept.get(f"{image}?w=50&fallback=original", [("Range", "bytes=0-3")]).body == body


def test_it_is_counted(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}")
    image = keep(server, damaged())
    for _ in range(3):
        assert server.get(f"{image}?fallback=original").status == 200
    assert server.metric("millrace_image_fallbacks_total") == 3
    assert server.metric("millrace_image_seconds_count") == 0


def test_what_can_be_made_is_made(kept):
    image = keep(kept, photo())
    plain, other = kept.get(f"{image}?w=50"), kept.get(f"{image}?w=50&fallback=original")
    assert other.status == 200 and other.body == plain.body and other["ETag"] == plain["ETag"]
    assert "detail" not in other["Cache-Status"]


def test_a_picture_with_too_many_pixels_is_shown_as_it_is(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--max-pixels=1000000")
    body = blank_png(2000, 2000)
    image = keep(server, body)
    assert server.get(f"{image}?w=10").status == 413
    response = server.get(f"{image}?w=10&fallback=original")
    assert response.status == 200 and response.body == body


@pytest.mark.parametrize("body, status", [(b"plain words", 415), (b"<html><script>1</script>", 415), (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415), (damaged(encode(quadrants(80, 60), "TIFF")), 422)])
def test_what_a_browser_does_not_show_is_not_shown(kept, body, status):
    id = kept.post("/files", body).json()["id"]
    response = kept.get(f"/images/{id}?w=50&fallback=original")
    assert response.status == status and response["Cache-Control"] == "no-store"


def test_what_is_wrong_with_the_request_is_refused(kept):
    image = keep(kept, damaged())
    for query in ("fallback=", "fallback=Original", "fallback=none", "fallback", "fallback=original&fallback=original", "fallback=original&w=0", "fallback=original&width=5"):
        assert kept.get(f"{image}?{query}").status == 400, query
    missing = kept.get("/images/01M8MZX7NWWAH60EJWNYWT240A?fallback=original")
    assert missing.status == 404 and missing["Cache-Control"] == "no-store"
    assert kept.post("/pipe/image?fallback=original", photo()).status == 400


def test_an_address_that_is_asked_for_says_so_too(kept):
    image = keep(kept, damaged())
    assert kept.get(f"{file_of(image)}/image-url?w=50&fallback=original").json()["url"] == f"{image}?w=50&fallback=original"
    url = kept.get(f"{file_of(image)}/image-url?fallback=original").json()["url"]
    assert url == f"{image}?fallback=original" and kept.get(url).status == 200


@pytest.mark.under("workers", "libuv")  # a job that waits holds no loop there
@pytest.mark.slow
def test_never_instead_of_a_refusal_for_want_of_room(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--workers=1", "--loops=1", "--queue-depth=1", *UNTIL_DONE)
    target, body = slow_job()
    query = target.split("?")[1]
    slow = f"{keep(server, body)}?{query}"
    spoilt = body[: len(body) // 2] + bytes(1000) + body[len(body) // 2 + 1000 :]  # seen by the decoder alone
    image = keep(server, spoilt)
    with server.connect() as running, server.connect() as waiting:
        running.send(request("GET", slow))
        server.wait_for_metric("millrace_workers_busy", 1)
        waiting.send(request("GET", f"{slow}&pad=1"))
        server.wait_for_metric("millrace_queue_depth", 1)
        refused = server.get(f"{image}?{query}&fallback=original")
        assert refused.status == 503 and int(refused["Retry-After"]) > 0
        assert running.receive().status == waiting.receive().status == 200
    response = server.get(f"{image}?{query}&fallback=original")
    assert response.status == 200 and response.body == spoilt


# ---- --image-fallback


@pytest.fixture(scope="session")
def stored_fallback(tmp_path_factory):
    """A directory with a picture in it, and the picture's id."""
    path = tmp_path_factory.mktemp("fallback") / "data"
    with starting("workers") as start:
        image = keep(start(f"--data={path}"), encode(quadrants(200, 100), "PNG"), "/files/none.png", "PUT")
    return path, image.rpartition("/")[2]


@pytest.fixture
def falling(share, stored_fallback):
    """A shared server that shows this picture in place of others."""
    path, id = stored_fallback
    return share(f"--data={path}", f"--image-fallback={id}")


@pytest.mark.parametrize("body", [damaged(), b"plain words"])
def test_the_image_of_the_other_file_is_shown_with_the_same_operations(falling, stored_fallback, body):
    id = falling.post("/files", body).json()["id"]
    for query in ("w=40&fm=webp", "w=50&h=50&fit=crop&crop=focalpoint", ""):
        shown, other = falling.get(f"/images/{id}?{query}"), falling.get(f"/images/{stored_fallback[1]}?{query}")
        assert shown.status == other.status == 200
        assert shown.body == other.body
        for name in ("Content-Type", "ETag", "Content-Disposition", "Content-Security-Policy"):
            assert shown[name] == other[name], name
        assert shown["Cache-Status"] == STATUS and shown["Cache-Control"] == "public, max-age=60"
        assert "Link" not in shown
        assert falling.get(f"/images/{id}?{query}", [("If-None-Match", shown["ETag"])]).status == 304
    assert decode(falling.get(f"/images/{id}?w=40&fm=png").body).size == (40, 20)


def test_the_original_comes_before_the_other_file(falling):
    body = damaged()
    image = keep(falling, body)
    assert falling.get(f"{image}?w=40&fallback=original").body == body
    tiff = keep(falling, damaged(encode(quadrants(80, 60), "TIFF")))
    response = falling.get(f"{tiff}?w=40&fm=png&fallback=original")
    assert response.status == 200 and decode(response.body).size == (40, 20), "an original that no browser shows"


def test_what_is_missing_or_wrong_stays_a_refusal(falling):
    image = keep(falling, damaged(photo(kind="WEBP")))  # of half a JPEG the decoder would find it: the size is refused before
    assert falling.get("/images/01M8MZX7NWWAH60EJWNYWT240A?w=40").status == 404
    assert falling.get(f"{image}?w=0").status == 400
    junk = keep(falling, b"\xff\xd8\xff\xe0junk")
    refused = falling.get(f"{junk}?w=65535&h=65535&fit=scale")
    assert refused.status == 422, "of the other file it cannot be made either: what is said is of this one"
    assert falling.get(f"{file_of(image)}/image-url?w=40").json()["url"] == f"{image}?w=40"


def test_a_focal_point_of_the_file_is_not_that_of_the_other(falling, stored_fallback):
    image = keep(falling, damaged())
    patch = [("Content-Type", "application/merge-patch+json")]
    assert falling.request("PATCH", f"{file_of(image)}/info", patch, b'{"focal":{"x":1,"y":1}}').status == 200
    query = "w=50&h=100&fit=crop&crop=focalpoint&fm=png"
    assert falling.get(f"{image}?{query}").body == falling.get(f"/images/{stored_fallback[1]}?{query}").body


def test_without_the_other_file_there_is_a_refusal(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--image-fallback=01M8MZX7NWWAH60EJWNYWT240A")
    response = server.get(f"{keep(server, damaged())}?w=40")
    assert response.status == 422 and response["Cache-Control"] == "no-store"
    assert server.get(f"/images/{server.post('/files', b'plain words').json()['id']}").status == 415


def test_what_needs_a_key_is_for_no_cache(start, tmp_path):
    Keys(tmp_path / "keys").write(reader="read", writer="upload")
    server = start(f"--data={tmp_path / 'data'}", f"--api-keys={tmp_path / 'keys'}", "--read=key", key=WATCHER)
    image = server.post("/files", damaged(), bearer("writer-key")).json()["image"]
    assert server.get(f"{image}?fallback=original").status == 401
    response = server.get(f"{image}?fallback=original", bearer("reader-key"))
    assert response.status == 200 and response["Cache-Control"] == "private, no-store"


def test_no_fallback_is_more_public_than_an_image(start, tmp_path):
    Keys(tmp_path / "keys").write(both="read,upload")
    server = start(f"--data={tmp_path / 'data'}", f"--api-keys={tmp_path / 'keys'}", "--read=key", "--image-cache-control=max-age=300", key=WATCHER)
    image = server.post("/files", damaged(), bearer("both-key")).json()["image"]
    assert server.get(f"{image}?fallback=original", bearer("both-key"))["Cache-Control"] == "max-age=60"


def test_what_depends_on_accept_says_so(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--formats=webp,jpg")
    frames = [quadrants(60, 40).rotate(180 * i) for i in range(2)]
    image = keep(server, encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    for accept, kind in (("*/*", "image/gif"), ("image/webp", "image/webp")):
        response = server.get(f"{image}?auto=format&fallback=original", [("Accept", accept)])
        assert response.status == 200 and response["Content-Type"] == kind and response["Vary"] == "Accept"


@pytest.mark.under("workers", "libuv")
def test_clients_that_leave_while_the_other_image_is_made_leave_nothing(start, stored_fallback, tmp_path):
    target, body = slow_job()
    server = start(f"--data={tmp_path / 'data'}")
    slow = keep(server, body).rpartition("/")[2]
    server.assert_drains()
    server = start(f"--data={tmp_path / 'data'}", f"--image-fallback={slow}", "--workers=1", *UNTIL_DONE)
    image = keep(server, damaged())
    with server.connect() as wire:
        wire.send(request("GET", f"{image}?{target.split('?')[1]}"))
        server.wait_for_metric("millrace_workers_busy", 1)
        wire.reset()
    server.wait_for_metric("millrace_jobs_total", 1, outcome="cancelled")


def test_an_id_that_is_none_is_found_at_the_start():
    for id in ("x", "01m8mzx7nwwah60ejwnywt240a", "/images/01M8MZX7NWWAH60EJWNYWT240A"):
        done = subprocess.run([BINARY, f"--image-fallback={id}", "--check-config"], capture_output=True, text=True, env=environment())
        assert done.returncode == 2 and "--image-fallback" in done.stderr, id
