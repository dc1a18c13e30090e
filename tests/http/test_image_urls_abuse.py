"""What a hostile client tries with image addresses: each has a clear answer, and costs little."""

import random
import re

import pytest
from images import encode, noise, photo, quadrants
from test_images_by_url import KEY, keep
from wire import request

pytestmark = pytest.mark.once


@pytest.fixture
def image(kept):
    """A tiny one, so that what is allowed is made at once."""
    return keep(kept, encode(quadrants(12, 8), "PNG"))


def assert_clear(response, what):
    """Either an image, or the client is told what is wrong."""
    if response.status == 200:
        assert response["Content-Type"].startswith("image/"), what
        return
    assert 400 <= response.status < 500, (what, response.status, response.body[:300])
    if response.body:
        document = response.json()
        assert response["Content-Type"] == "application/problem+json" and document["status"] == response.status, what
        assert document["type"].startswith("urn:millrace:problem:") and document["title"], what


# ---- parameters

# As they stand in a query.
VALUES = [
    "", "-1", "-0", "0", "+1", "1%20", "%201", "1.", ".5", ".", "-", "--1", "1,5", "1e3", "1e999", "0x10", "007", "NaN", "nan", "-nan", "inf", "-Infinity",
    "2147483647", "2147483648", "-2147483649", "4294967297", "9223372036854775807", "9223372036854775808", "18446744073709551617", "9" * 400,
    "0." + "0" * 400 + "1", "0." + "3" * 400, "-" + "9" * 30, "1" * 7000, "a" * 7000, "%41" * 2000, "null", "true", "undefined", "[]", "{}", "%7B%7B7*7%7D%7D",
    "%00", "1%00", "%", "%1", "%zz", "%25", "%2531", "%c0%af", "%ff", "%ed%a0%80", "%f4%90%80%80", "%EF%BC%91", "%D9%A1", "%0d%0aX-Evil:%201", "%e2%80%ae",
    "../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "file:///etc/passwd", "http://127.0.0.1/", "'%22%3E%3Cscript%3E", "%60id%60", "$(id)", "%25s%25n%25n",
    "1;2", "1|2", "1=2", "=", "1#", ",", ",,,", "0,0,0,0", "1,1,1,1,1", "-1,-1,5,5", "65535,65535,65535,65535", "1,2,3", "top,bottom", "top,top,top", "red", "fff0",
]  # fmt: skip


class Client:
    """Requests on one connection, which is opened again when the server closes it."""

    def __init__(self, server):
        self.server, self.wire = server, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.wire is not None:
            self.wire.close()

    def ask(self, method, target):
        self.wire = self.wire or self.server.connect()
        response = self.wire.request(method, target)
        if response.closes:
            self.wire.close()
            self.wire = None
        return response


def test_every_parameter_takes_every_value_or_says_what_is_wrong(kept, image):
    stages = {stage["name"]: stage for stage in kept.get("/pipe").json()["stages"]}
    names = [each["name"] for each in stages["image"]["parameters"]]
    refused = 0
    with Client(kept) as client:
        for name in [*names, "sig", "kid", "expires", "s", "preset", "auto", "fallback"]:
            for value in VALUES:
                response = client.ask("GET", f"{image}?{name}={value}")
                assert_clear(response, (name, value[:80]))
                assert "X-Evil" not in response, (name, value[:80])
                refused += response.status != 200
    assert refused > len(names) * len(VALUES) / 2
    assert kept.get(f"{image}?w=5").status == 200


NAMES = [
    "W", "width", "w%5B%5D", "w[]", "w.x", "w%00", "%77%00", "%77%20", "", "%20w", "__proto__", "constructor", "a" * 1000, "%ff", "%", "w%0d%0aX-Evil", "fit.", "-", "--help",
    "id", "path", "url", "w;h", "fp_x", "fpx", "fp-z", "format", "quality", "crop%2Cfit", "%5Cu0077",
]  # fmt: skip


def test_what_is_no_parameter_is_refused(kept, image):
    with Client(kept) as client:
        for name in NAMES:
            for query in (f"{name}=1", f"w=5&{name}=1", f"w=5&{name}="):
                response = client.ask("GET", f"{image}?{query}")
                assert response.status == 400 and "X-Evil" not in response, query[:80]
                assert_clear(response, query[:80])


def test_a_query_that_is_strange_as_a_whole_is_an_image_or_400(kept, image):
    fine = ["?", "?&", "?&&&&", "?w=5&", "?&w=5", "?w=%35", "?%77=5", "?" + "&" * 5000, "?interlace", "?interlace=&w=5"]
    wrong = ["??", "?w=5?", "?w=5&w=5", "?w=5&%77=6", "?w=5&w=", "?w", "?w=5&&w=5", "?" + "&".join(f"a{n}=1" for n in range(129)), "?=", "?w=5&=", "?w=5=6"]
    with Client(kept) as client:
        for query in fine:
            assert client.ask("GET", image + query).status == 200, query[:80]
        for query in wrong:
            response = client.ask("GET", image + query)
            assert response.status == 400, query[:80]
            assert_clear(response, query[:80])
        for length in (7000, 9000, 15000, 20000):
            response = client.ask("GET", f"{image}?w={'1' * length}")
            assert response.status in (400, 414, 431), length
            assert_clear(response, length)


def test_no_path_leaves_the_store(kept, image):
    id = image.rpartition("/")[2]
    ids = [
        "".join(f"%{ord(letter):02X}" for letter in id),  # an id has one spelling
        "", ".", "..", "../files", "%2e%2e", "..%2ffiles", f"{id}/", f"{id}/x", f"{id}%00", f"{id}.meta", f"{id}%2emeta", f"{id}%2f", id.lower(), f"%20{id}", f"{id}%20", id[:-1],
        id + "0", id.replace(id[0], "%C0%B0", 1), "8" + id[1:], "~", "*", "%", "%zz", "a" * 5000, id * 20, "%F0%9F%92%A9", "\\..\\..", "con", "info", "image-url",
    ]  # fmt: skip
    with Client(kept) as client:
        for each in ids:
            for query in ("", "?w=5"):
                response = client.ask("GET", f"/images/{each}{query}")
                assert response.status in (400, 404), each[:80]
                assert_clear(response, each[:80])
    assert kept.get(f"{image}?w=5").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_other_methods_change_nothing(kept, image, method):
    response = kept.request(method, f"{image}?w=5", (), b"x")
    assert response.status in (400, 405, 501)
    assert kept.get(f"{image}?w=5").status == 200


def test_fields_that_lie_are_passed_over(kept, image):
    plain = kept.get(f"{image}?w=5")
    for fields in (
        [("Range", "bytes=0-0")],
        [("Range", "bytes=9999-")],
        [("Accept", "text/html;q=nan, */*;q=9")],
        [("Accept", "image/" + "a" * 4000)],
        [("Accept-Encoding", "gzip, br")],
        [("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT")],
        [("X-Forwarded-Host", "evil.example"), ("X-Original-URL", "/metrics")],
        [("DPR", "8"), ("Width", "1"), ("Viewport-Width", "1"), ("Save-Data", "on")],
        [("Content-Length", "0")],
    ):
        response = kept.get(f"{image}?w=5", fields)
        assert response.status == 200 and response.body == plain.body, fields
        assert response["ETag"] == plain["ETag"]
    for fields in ([("If-None-Match", "*")], [("If-None-Match", f'W/{plain["ETag"]}, "x"')]):
        assert kept.get(f"{image}?w=5", fields).status == 304
    for fields in ([("If-None-Match", '"' + "a" * 5000)], [("If-None-Match", ",,,")], [("If-None-Match", plain["ETag"][1:-1])]):
        assert kept.get(f"{image}?w=5", fields).status in (200, 400)


# ---- outputs that cost


@pytest.mark.parametrize("query", ["w=65535", "w=65535&h=65535&fit=scale", "w=65535&dpr=8", "h=65535&fm=png", "w=65535&h=65535&fit=crop", "w=65535&h=65535&fit=fill",
                                   "w=20000&fm=webp&pad=4096", "w=30000&h=30000&fit=clamp", "w=16000&rot=45&fm=png"])  # fmt: skip
def test_what_is_too_large_is_refused_before_it_is_made(kept, image, query):
    before = kept.metric("millrace_job_run_seconds_sum", stage="image")
    response = kept.get(f"{image}?{query}")
    assert response.status in (400, 413), query
    assert_clear(response, query)
    assert kept.metric("millrace_job_run_seconds_sum", stage="image") - before < 60, "an estimate refuses it, not the work"


# ---- signed addresses


@pytest.fixture(scope="session")
def signing_keys(tmp_path_factory):
    path = tmp_path_factory.mktemp("signing") / "keys"
    path.write_text(f"one {KEY}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def signing(share, signing_keys):
    """A shared server that asks for signatures."""
    return share(f"--data={signing_keys.parent / 'data'}", f"--signing-keys={signing_keys}", "--sign=required")


@pytest.fixture
def signed(signing):
    """A signed address of it, with each kind of character."""
    plain = signing.post("/files", encode(quadrants(12, 8), "PNG")).json()["image"].split("?")[0]
    return signing.get(f"{plain.replace('/images/', '/files/')}/image-url?w=7&h=5&fit=crop&crop=top,left&fm=webp&bg=fff").json()["url"]


def test_a_changed_octet_anywhere_is_refused(signing, signed):
    assert signing.get(signed).status == 200
    query = signed.index("?")
    with Client(signing) as client:
        for at in range(len("/images/"), len(signed)):
            for octet in "A0z-_~&=+./":
                changed = signed[:at] + octet + signed[at + 1 :]
                if changed == signed:
                    continue
                response = client.ask("GET", changed)
                refused = (403,) if at > query else (403, 404, 400)
                assert response.status in refused or (response.status == 400 and "%" in signed[at - 2 : at + 1]), (at, octet, changed)
                assert_clear(response, changed)


def test_a_signature_cannot_be_added_to(signing, signed):
    path, _, query = signed.partition("?")
    sig = re.search("sig=([^&]+)", query)[1]
    without = re.sub("&?sig=[^&]+", "", query)
    with Client(signing) as client:
        for changed in (
            f"{query}&w=8", f"{query}&h=6", f"w=8&{query}", f"{query}&dpr=2", f"{query}&ixlib=x", f"{query}&x", f"{query}&=", f"{query}&sig={sig}", f"sig=&{query}", f"{query}&kid=one",
            f"{query}&expires=99999999999", without, f"{without}&sig=", f"{without}&sig", f"{without}&SIG={sig}", f"{without}&sig={sig}=", f"{without}&sig={sig}A", f"{without}&sig={sig[:-1]}",
            f"{without}&sig=%20{sig}", f"{without}&sig={sig}%00", f"{without}&sig={sig.swapcase()}", f"{without}&s={sig}", f"{without}&sig%00={sig}", query.replace("kid=one", "kid=One"),
            query.replace("kid=one", "kid="), query.replace("kid=one", "kid=one%00"), query.replace("kid=one&", ""), query.replace("expires=", "expires=%20"), query.replace("expires=", "expires=0"),
            query.replace("expires=", "expires=-"), re.sub("expires=[0-9]+", "expires=", query), re.sub("expires=[0-9]+", "expires=" + "9" * 30, query), query.replace("&fm=webp", ""),
            query.replace("w=7", "h=7").replace("h=5", "w=5"), query.replace("w=7", "w=7.0"), query.replace("w=7", "w=07"), query.replace("&", "%26", 1), query.replace("=", "%3D", 1),
        ):  # fmt: skip
            response = client.ask("GET", f"{path}?{changed}")
            assert response.status in (400, 403), changed
            assert response.status == 403 or "%00" in changed, changed
            assert_clear(response, changed)
        for other in (path.lower(), path + "/", path.replace("/images/", "/images//"), path.replace("/images/", "/files/") + "/image"):
            assert client.ask("GET", f"{other}?{query}").status in (403, 404), other


def test_what_is_only_spelt_in_another_way_is_good(signing, signed):
    path, _, query = signed.partition("?")
    pairs = query.split("&")
    tag = signing.get(signed)["ETag"]
    sig = re.search("sig=([^&]+)", query)[1]
    for spelt in (
        "&".join(reversed(pairs)),
        query.replace("w=7", "%77=%37"),
        query.replace("&", "&&") + "&",
        query + "&s=imgix",
        query.replace(sig, "".join(f"%{ord(letter):02x}" for letter in sig)),
    ):
        response = signing.get(f"{path}?{spelt}")
        assert response.status == 200 and response["ETag"] == tag, spelt
        assert "Link" not in response


def test_a_signature_of_one_file_shows_no_other(signing, signed):
    other = signing.post("/files", photo()).json()["image"].split("?")[0]
    path, _, query = signed.partition("?")
    assert other != path
    assert signing.get(f"{other}?{query}").status == 403
    assert signing.get(f"{path.replace('/images/', '/files/')}?{query}").status in (400, 403), "it is one of an image"


# ---- a flood


@pytest.mark.slow
def test_a_flood_of_sizes_stays_in_its_room(start, tmp_path):
    room = 100_000
    server = start(f"--data={tmp_path / 'data'}", f"--cache-memory={room}", "--workers=2")
    image = keep(server, encode(quadrants(12, 8), "PNG"))
    made = 0
    with Client(server) as client:
        for width in range(1, 21):
            for height in range(1, 21):
                response = client.ask("GET", f"{image}?w={width}&h={height}&fit=scale&fm=png")
                assert response.status == 200 and response["Cache-Status"] == "millrace; fwd=miss"
                made += 1
    metrics = server.metrics()
    assert 0 < metrics.sum("millrace_image_cache_bytes") <= room
    assert metrics.sum("millrace_image_cache_images") + metrics.sum("millrace_image_cache_evicted_total") == made
    assert metrics.sum("millrace_image_cache_evicted_total") > 0
    assert metrics.sum("millrace_memory_budget_used_bytes") == 0, "what is kept has a room of its own"


def test_a_flood_of_what_cannot_be_made_stays_in_its_room(start, tmp_path):
    room = 300_000
    server = start(f"--data={tmp_path / 'data'}", f"--cache-memory={room}", "--workers=2")
    whole = photo()
    image = keep(server, whole[: len(whole) // 2])
    with Client(server) as client:
        for width in range(1, 401):
            assert client.ask("GET", f"{image}?w={width}").status == 422
    metrics = server.metrics()
    assert 0 < metrics.sum("millrace_image_cache_bytes") <= room
    assert metrics.sum("millrace_image_cache_images") == metrics.sum("millrace_image_cache_evicted_total") == 0, "none is an image"
    assert metrics.sum("millrace_memory_budget_used_bytes") == 0


@pytest.mark.slow
def test_a_mixed_run_leaves_what_is_kept_and_nothing_else(start, tmp_path):
    room, rng = 500_000, random.Random(7)
    server = start(f"--data={tmp_path / 'data'}", f"--cache-memory={room}", "--cache-size=0", "--workers=2")
    good = [keep(server, body) for body in (photo(), noise(200, 150, "PNG"), noise(700, 500), photo(kind="WEBP"))]
    whole = photo()
    damaged = keep(server, whole[: len(whole) // 2])
    text = server.post("/files", b"plain words").json()["id"]
    wanted = {  # what is asked for: the status of it
        "popular": (lambda: f"{rng.choice(good)}?w={rng.randint(20, 40)}", 200),
        "new": (lambda: f"{rng.choice(good)}?w={rng.randint(20, 400)}&h={rng.randint(20, 400)}&fit=crop&fm={rng.choice(['jpg', 'png', 'webp'])}", 200),
        "damaged": (lambda: f"{damaged}?w={rng.randint(1, 300)}", 422),
        "in its place": (lambda: f"{damaged}?w={rng.randint(1, 300)}&fallback=original", 200),
        "text": (lambda: f"/images/{text}?w=5", 415),
        "mistake": (lambda: f"{good[0]}?w=0", 400),
        "missing": (lambda: "/images/01M8MMF2NAXJFYWDJD7847071C?w=5", 404),
    }
    counts = dict.fromkeys(wanted, 0)
    with Client(server) as client:
        for _ in range(250):
            kind = rng.choices(list(wanted), (30, 30, 10, 5, 5, 5, 5))[0]
            target, status = wanted[kind][0](), wanted[kind][1]
            if rng.random() < 0.1:
                with server.connect() as wire:
                    wire.send(request("GET", target))
                    wire.reset()
                continue
            assert client.ask("GET", target).status == status, target
            counts[kind] += 1
    server.assert_at_rest()
    metrics = server.metrics()
    assert metrics.sum("millrace_image_seconds_count") >= counts["popular"] + counts["new"]
    assert metrics.sum("millrace_image_fallbacks_total") >= counts["in its place"] > 0
    assert 0 < metrics.sum("millrace_image_cache_bytes") <= room
    kept_ever = metrics.sum("millrace_image_cache_images") + metrics.sum("millrace_image_cache_evicted_total")
    assert 0 < kept_ever <= metrics.sum("millrace_jobs_total", outcome="done")
