"""Images of stored files by URL: made once, kept, told apart, refused."""

import itertools
import re
import subprocess

import pytest
from images import blank_png, decode, noise, photo, slow_job
from server import BINARY, environment, wait_for
from test_api_keys import WATCHER, Keys, bearer
from wire import request

UNTIL_DONE = ["--job-time=10m", "--job-deadline=10m"]


@pytest.fixture
def server(start, tmp_path):
    return start(f"--data={tmp_path / 'data'}", "--workers=2")


def keep(server, body, target="/files", method="POST"):
    response = server.request(method, target, (), body)
    assert response.status == 201, response.body
    return response.json()["image"]


def file_of(image):
    return image.replace("/images/", "/files/")


def jobs(server):
    return server.metric("millrace_job_run_seconds_count", stage="image")


def slow_image(server):
    """An image of this server that takes a worker about a second."""
    target, body = slow_job()
    return f"{keep(server, body)}?{target.split('?')[1]}"


# ---- what is served


@pytest.mark.parametrize("query", ["", "w=120", "w=100&h=100&fit=crop&crop=entropy&fm=webp", "fm=png&rot=90&bg=f00", "w=64&fm=avif"])
def test_it_is_what_the_pipe_makes(server, query):
    body = photo()
    response = server.get(f"{keep(server, body)}?{query}")
    piped = server.post(f"/pipe/image?{query}", body)
    assert response.status == piped.status == 200
    assert response.body == piped.body
    assert response["Content-Type"] == piped["Content-Type"]


@pytest.mark.parametrize("size", [(60, 40), (1500, 1000)])
def test_a_short_and_a_long_original_are_read_as_they_lie(server, size):
    body = noise(*size)
    assert decode(server.get(f"{keep(server, body)}?w=50&fm=png").body).width == 50


def test_head_is_get_without_a_body(server):
    target = f"{keep(server, photo())}?w=100"
    head, get = server.request("HEAD", target), server.get(target)
    assert head.status == 200 and head.body == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control"):
        assert head[name] == get[name]


def test_fields_say_what_it_is(server):
    response = server.get(f"{keep(server, photo(), '/files/holiday.photo.jpg', 'PUT')}?w=100&fm=webp")
    assert response["Content-Type"] == "image/webp"
    assert response["Content-Disposition"] == 'inline; filename="holiday.photo.webp"'
    assert response["Cache-Control"] == "public, max-age=86400, stale-while-revalidate=604800"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert "work;dur=" in response["Server-Timing"]


def test_pages_of_any_site_may_show_it(server):
    response = server.get(f"{keep(server, photo())}?w=10", [("Origin", "https://shop.example"), ("Sec-Fetch-Site", "cross-site")])
    assert response.status == 200
    assert response["Access-Control-Allow-Origin"] == "*"


def test_the_listing_says_where_it_is(server):
    image = keep(server, photo())
    assert server.get("/files").json()["files"][0]["image"] == image
    text = server.post("/files", b"plain words").json()
    assert text["image"] is None


# ---- one key


def test_every_order_of_the_parameters_is_one_image(server):
    image = keep(server, photo())
    tags, links = set(), set()
    for order in itertools.permutations(["w=90", "h=60", "fit=crop", "fm=png"]):
        response = server.get(f"{image}?{'&'.join(order)}")
        tags.add(response["ETag"])
        links.update({response.get("Link")} - {None})
    assert len(tags) == 1
    assert len(links) == 1, "all other spellings name the same one"
    assert jobs(server) == 1
    assert server.get(f"{image}?w=90&h=60&fit=crop&fm=png&q=75&s=0123")["ETag"] in tags, "defaults, and what is passed over"
    assert server.get(f"{image}?w=91&h=60&fit=crop&fm=png")["ETag"] not in tags


def test_two_files_of_the_same_bytes_are_two_images(server):
    one, other = keep(server, photo()), keep(server, photo())
    assert server.get(f"{one}?w=10")["ETag"] != server.get(f"{other}?w=10")["ETag"]


def test_a_condition_costs_no_job(server):
    image = keep(server, photo())
    tag = server.get(f"{image}?w=80")["ETag"]
    before = jobs(server)
    same = server.get(f"{image}?w=80", [("If-None-Match", tag)])
    assert same.status == 304 and same["ETag"] == tag and same.body == b""
    assert server.get(f"{image}?w=80", [("If-Match", '"other"')]).status == 412
    assert jobs(server) == before
    assert server.get(f"{image}?w=81", [("If-None-Match", tag)]).status == 200


def test_the_stored_focal_point_is_the_middle(server):
    image = keep(server, photo(400, 200))
    target = f"{image}?w=50&h=100&fit=crop&crop=focalpoint&fm=png"
    middle = server.get(target)
    patch = [("Content-Type", "application/merge-patch+json")]
    info = image.replace("/images/", "/files/") + "/info"
    assert server.request("PATCH", info, patch, b'{"focal":{"x":1,"y":1}}').status == 200
    right = server.get(target)
    assert right["ETag"] != middle["ETag"] and right.body != middle.body
    assert right.body == server.get(f"{target}&fp-x=1&fp-y=1").body
    assert server.get(f"{target}&fp-x=0.5")["ETag"] == middle["ETag"], "what the query says comes first"
    assert server.get(f"{image}?w=50")["ETag"] == server.get(f"{image}?w=50")["ETag"]


def test_the_canonical_address_means_what_was_asked_for(server):
    """It neither pins the point that is stored now, nor leaves out the middle that was asked for."""
    image = keep(server, photo(400, 200))
    info = image.replace("/images/", "/files/") + "/info"
    assert server.request("PATCH", info, [("Content-Type", "application/merge-patch+json")], b'{"focal":{"x":1,"y":1}}').status == 200
    crop = "fit=crop&crop=focalpoint&w=50&h=100"
    assert server.get(f"{image}?{crop}")["Link"] == f'<{image}?w=50&h=100&fit=crop&crop=focalpoint>; rel="canonical"'
    middle = server.get(f"{image}?{crop}&fp-x=0.5")
    canonical = middle["Link"].split(">")[0][1:]
    assert canonical.endswith("&fp-x=0.5&fp-y=0.5") and server.get(canonical)["ETag"] == middle["ETag"]


# ---- kept


def test_the_second_response_needs_no_job(server):
    target = f"{keep(server, photo())}?w=70"
    first, second = server.get(target), server.get(target)
    assert first["Cache-Status"] == "millrace; fwd=miss"
    assert second["Cache-Status"] == "millrace; hit"
    assert first.body == second.body
    assert jobs(server) == 1
    metrics = server.metrics()
    assert metrics.sum("millrace_image_seconds_count", cache="hit") == 1
    assert metrics.sum("millrace_image_seconds_count", cache="miss") == 1
    assert metrics.sum("millrace_image_cache_images") == 1
    assert metrics.sum("millrace_image_cache_bytes") > len(first.body)


def test_a_file_that_was_deleted_has_no_images(server):
    image = keep(server, photo())
    assert server.get(f"{image}?w=70").status == 200
    assert server.request("DELETE", image.replace("/images/", "/files/")).status == 204
    assert server.get(f"{image}?w=70").status == 404


def test_without_memory_nothing_is_kept(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--cache-memory=0", "--cache-size=0")
    target = f"{keep(server, photo())}?w=70"
    assert [server.get(target)["Cache-Status"] for _ in range(2)] == ["millrace; fwd=miss"] * 2
    assert server.metric("millrace_image_cache_bytes") == 0


def test_the_room_is_bounded_and_the_oldest_makes_way(start, tmp_path):
    room = 200_000
    server = start(f"--data={tmp_path / 'data'}", f"--cache-memory={room}", "--cache-size=0")
    image = keep(server, noise(200, 200))
    for width in range(100, 130):
        assert server.get(f"{image}?w={width}&fm=png").status == 200
        assert server.get(f"{image}?w=100&fm=png")["Cache-Status"] == "millrace; hit", "it is used again and again"
    metrics = server.metrics()
    assert 0 < metrics.sum("millrace_image_cache_bytes") <= room
    assert metrics.sum("millrace_image_cache_evicted_total") > 0
    assert server.get(f"{image}?w=101&fm=png")["Cache-Status"] == "millrace; fwd=miss"


# ---- shared work


@pytest.mark.parametrize("loops", [1, 3])
def test_those_that_ask_at_once_share_one_job(start, tmp_path, loops):
    server = start(f"--data={tmp_path / 'data'}", f"--loops={loops}", *UNTIL_DONE)
    target = slow_image(server)
    wires = [server.connect() for _ in range(30)]
    for wire in wires:
        wire.send(request("GET", target))
    responses = [wire.receive() for wire in wires]
    for wire in wires:
        wire.close()
    assert {response.status for response in responses} == {200}
    assert len({response.body for response in responses}) == 1
    assert jobs(server) == 1
    ways = [response["Cache-Status"] for response in responses]
    assert ways.count("millrace; fwd=miss") == 1


@pytest.mark.under("workers", "libuv")  # the loop is at work while it runs a job: it sees nobody join or leave
def test_a_job_goes_on_for_those_that_stay(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--workers=1", *UNTIL_DONE)
    target = slow_image(server)
    with server.connect() as stays:
        with server.connect() as leaves:
            leaves.send(request("GET", target))
            server.wait_for_metric("millrace_workers_busy", 1)
            stays.send(request("GET", target))
            server.wait_for_metric("millrace_requests_in_flight", 3)
        assert stays.receive().status == 200
    assert jobs(server) == 1


@pytest.mark.under("workers", "libuv")
def test_a_job_ends_when_its_last_client_has_left(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--workers=1", *UNTIL_DONE)
    target = slow_image(server)
    wires = [server.connect() for _ in range(3)]
    for wire in wires:
        wire.send(request("GET", target))
    server.wait_for_metric("millrace_workers_busy", 1)
    for wire in wires:
        wire.reset()
    server.wait_for_metric("millrace_jobs_total", 1, outcome="cancelled")
    assert server.get(target).status == 200, "it can be asked for again"


# ---- refused


@pytest.mark.parametrize("query", ["w=0", "width=3", "fm=bmp", "w=10&w=20", "fit=crop", "frame=1&page=1"])
def test_operations_that_are_wrong_are_400(server, query):
    response = server.get(f"{keep(server, photo())}?{query}")
    assert response.status == 400
    assert response.json()["type"] == "urn:millrace:problem:bad-parameter"


def test_what_is_no_picture_is_415_and_what_is_not_there_404(server):
    text = server.post("/files", b"plain words").json()["id"]
    response = server.get(f"/images/{text}")
    assert response.status == 415 and "text/plain" in response.json()["detail"]
    for id in ("01M8MZX7NWWAH60EJWNYWT240A", "x", text.lower()):
        missing = server.get(f"/images/{id}")
        assert missing.status == 404 and missing["Cache-Control"] == "no-store"
    assert server.get("/images/").status == 404
    assert server.request("POST", f"/images/{text}", (), b"").status == 405


def test_without_a_data_directory_there_are_none(start):
    response = start().get("/images/01M8MZX7NWWAH60EJWNYWT240A")
    assert response.status == 404 and response.json()["type"] == "urn:millrace:problem:no-data-directory"


def test_what_cannot_be_made_is_not_tried_again_at_once(server):
    image = keep(server, noise(800, 600)[:-3000])
    responses = [server.get(f"{image}?w=100") for _ in range(5)]
    assert {response.status for response in responses} == {422}
    assert {response["Cache-Control"] for response in responses} == {"no-store"}
    assert jobs(server) == 1


def test_limits_hold(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--max-pixels=1000000")
    response = server.get(f"{keep(server, blank_png(2000, 2000))}?w=10")
    assert response.status == 413
    assert response.json()["limit"] == {"name": "max-pixels", "value": 1000000} and response.json()["value"] == 4000000


@pytest.mark.under("workers", "libuv")  # a job that waits holds no loop there
@pytest.mark.slow
def test_a_full_queue_is_503_and_remembered_by_nobody(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--workers=1", "--loops=1", "--queue-depth=1", *UNTIL_DONE)
    target = slow_image(server)
    with server.connect() as running, server.connect() as waiting:
        running.send(request("GET", target))
        server.wait_for_metric("millrace_workers_busy", 1)
        waiting.send(request("GET", f"{target}&pad=1"))
        server.wait_for_metric("millrace_queue_depth", 1)
        refused = server.get(f"{target}&pad=2")
        assert refused.status == 503 and int(refused["Retry-After"]) > 0
        assert running.receive().status == 200
        assert waiting.receive().status == 200
    assert server.get(f"{target}&pad=2").status == 200


# ---- keys


def test_reading_by_key_holds_for_images(start, tmp_path):
    Keys(tmp_path / "keys").write(reader="read", writer="upload")
    server = start(f"--data={tmp_path / 'data'}", f"--api-keys={tmp_path / 'keys'}", "--read=key", key=WATCHER)
    image = server.post("/files", photo(), bearer("writer-key")).json()["image"]
    assert server.get(f"{image}?w=10").status == 401
    assert server.get(f"{image}?w=10", bearer("writer-key")).status == 403
    response = server.get(f"{image}?w=10", bearer("reader-key"))
    assert response.status == 200 and response["Cache-Control"] == "private, no-store"


def test_a_client_that_does_not_read_holds_what_it_was_promised(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--cache-memory=0")
    image = keep(server, noise(1500, 1000))
    with server.connect() as wire:
        wire.send(request("GET", f"{image}?fm=png"))
        wait_for(lambda: server.metric("millrace_image_seconds_count", cache="miss") == 1, "the image")
        assert server.get(f"{image}?fm=png")["Cache-Status"] == "millrace; hit", "while it is being sent"
        assert decode(wire.receive().body).size == (1500, 1000)


# ---- signed addresses


KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


@pytest.fixture
def signing(start, tmp_path):
    """A server whose images need a signature, and a function that signs an address."""
    path = tmp_path / "signing-keys"
    path.write_text(f"one {KEY}\n")
    path.chmod(0o600)
    server = start(f"--data={tmp_path / 'data'}", f"--signing-keys={path}", "--sign=required")

    def sign(url, *options):
        command = [BINARY, "sign", url, f"--signing-keys={path}", *options]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment()).stdout.strip()

    return server, sign


def refused(response, name):
    return response.status == 403 and response.json()["type"] == f"urn:millrace:problem:{name}"


def test_only_a_signed_address_shows_an_image(signing):
    server, sign = signing
    image = keep(server, photo()).split("?")[0]
    assert refused(server.get(f"{image}?w=50"), "signature")
    response = server.get(sign(f"{image}?w=50&fm=webp", "--life=1h"))
    assert response.status == 200
    seconds = int(re.fullmatch(r"public, max-age=(\d+), immutable", response["Cache-Control"])[1])
    assert 0 < seconds <= 3600 * 9 / 8
    assert "Link" not in response, "no address without a signature is named"
    assert server.get(sign(f"{image}?fm=webp&w=50", "--life=2h"))["Cache-Status"] == "millrace; hit", "the key knows no signature"


def test_nothing_in_a_signed_address_can_be_changed(signing):
    server, sign = signing
    url = sign(f"{keep(server, photo()).split('?')[0]}?w=50")
    assert server.get(url).status == 200
    for changed in (url.replace("w=50", "w=51"), url + "&h=20", url.replace("&w=50", ""), url[:-1] + ("A" if url[-1] != "A" else "B")):
        assert refused(server.get(changed), "signature"), changed
    assert refused(server.get(re.sub("expires=[0-9]+", "expires=99999999999", url)), "signature")
    assert refused(server.get(url.replace("kid=one", "kid=two")), "signature")
    assert refused(server.get(sign(f"{url.split('?')[0]}?w=50", "--expires=1000000000")), "signature-expired")


def test_a_wrong_signature_is_refused_where_none_is_needed(server):
    image = keep(server, photo())
    assert server.get(f"{image}?w=50").status == 200, "clients of this machine need none"
    assert refused(server.get(f"{image}?w=50&sig=x"), "signature")


def test_a_public_listener_asks_for_signatures(start, tmp_path):
    server = start(f"--data={tmp_path / 'data'}", "--open", "--trust-proxy=127.0.0.1")
    image = keep(server, photo())
    response = server.get(f"{image}?w=50")
    assert refused(response, "signature")
    assert "--signing-keys" in response.json()["detail"] and "--sign" in response.json()["detail"]
    server.assert_drains()
    server = start(f"--data={tmp_path / 'data'}", "--open", "--trust-proxy=127.0.0.1", "--sign=optional")
    assert server.get(f"{image}?w=50").status == 200


def test_a_key_stands_for_a_signature_and_a_signature_for_a_key(start, tmp_path):
    Keys(tmp_path / "keys").write(reader="read,list", writer="upload")
    path = tmp_path / "signing-keys"
    path.write_text(f"one {KEY}\n")
    path.chmod(0o600)
    options = [f"--api-keys={tmp_path / 'keys'}", f"--signing-keys={path}", "--sign=required", "--read=key"]
    server = start(f"--data={tmp_path / 'data'}", *options, key=WATCHER)
    image = server.post("/files", photo(), bearer("writer-key")).json()["image"]
    assert server.get(image).status == 200, "an upload tells a signed address"
    plain = image.split("?")[0]
    assert server.get(f"{plain}?w=10").status == 401
    assert server.get(f"{plain}?w=10", bearer("writer-key")).status == 403
    assert server.get(f"{plain}?w=10", bearer("reader-key")).status == 200
    listed = server.get("/files", bearer("reader-key")).json()["files"][0]["image"]
    assert server.get(listed).status == 200


def test_the_server_signs_an_address(signing):
    server, _ = signing
    image = keep(server, photo()).split("?")[0]
    file = image.replace("/images/", "/files/")
    response = server.get(f"{file}/image-url?w=60&fm=png")
    assert response.status == 200
    url = response.json()["url"]
    assert url.startswith(f"{image}?")
    shown = server.get(url)
    assert shown.status == 200 and decode(shown.body).width == 60
    assert server.get(f"{file}/image-url?width=60").status == 400
    assert server.get(f"/files/{'0' * 26}/image-url").status == 404


def test_without_keys_the_server_signs_nothing(server):
    image = keep(server, photo())
    response = server.get(image.replace("/images/", "/files/") + "/image-url?w=60")
    assert response.status == 200 and response.json()["url"] == f"{image}?w=60", "the plain address is good here"
