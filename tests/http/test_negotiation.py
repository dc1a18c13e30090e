"""auto=format: each client gets the format that it shows, and caches are told so."""

import itertools

import pytest
from images import decode, encode, noise, photo, quadrants
from PIL import Image
from streams import noise_bytes

CHROMIUM = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI = "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
FIREFOX_65 = "image/webp,*/*"
CURL = "*/*"

pytestmark = pytest.mark.once


def keep(server, body):
    response = server.post("/files", body)
    assert response.status == 201, response.body
    return response.json()["image"]


def get(server, target, accept=None, *fields):
    return server.get(target, [("Accept", accept)] * (accept is not None) + list(fields))


def jobs(server):
    return server.metric("millrace_job_run_seconds_count", stage="image")


@pytest.mark.parametrize(
    "accept, kind",
    [(CHROMIUM, "avif"), (SAFARI, "avif"), (FIREFOX_65, "webp"), (CURL, "jpeg"), ("image/*", "jpeg"), (None, "jpeg"), ("", "jpeg"),
     ("image/avif;q=0,image/webp", "webp"), ("image/avif;q=0.0, image/webp;q=0", "jpeg"), ("text/html", "jpeg")],
)  # fmt: skip
def test_a_photograph_comes_as_its_client_takes_it(kept, accept, kind):
    response = get(kept, f"{keep(kept, noise(60, 40))}?w=30&auto=format", accept)
    assert response.status == 200, response.body
    assert response["Content-Type"] == f"image/{kind}"
    assert response["Vary"] == "Accept"
    assert response["Content-Disposition"] == f'inline; filename="image.{"jpg" if kind == "jpeg" else kind}"'


def test_a_format_that_the_address_names_needs_no_vary(kept):
    image = keep(kept, photo())
    for query in ("w=30&fm=png&auto=format", "w=30&fm=png&auto=compress,format", "w=30", "w=30&auto=compress"):
        response = get(kept, f"{image}?{query}", CHROMIUM)
        assert response["Content-Type"] == ("image/png" if "fm=" in query else "image/jpeg")
        assert response.get("Vary") is None
    assert get(kept, f"{image}?fm=png&w=30&auto=format", CHROMIUM)["ETag"] == get(kept, f"{image}?w=30&fm=png")["ETag"]


def test_conditions_hold_for_each_format(kept):
    target = f"{keep(kept, photo())}?w=40&auto=format"
    avif, jpeg = get(kept, target, CHROMIUM), get(kept, target, CURL)
    assert avif["ETag"] != jpeg["ETag"]
    same = get(kept, target, SAFARI, ("If-None-Match", avif["ETag"]))
    assert same.status == 304 and same["Vary"] == "Accept" and same["ETag"] == avif["ETag"]
    other = get(kept, target, CURL, ("If-None-Match", avif["ETag"]))
    assert other.status == 200 and other.body == jpeg.body
    head = kept.request("HEAD", target, [("Accept", CHROMIUM)])
    assert head["Vary"] == "Accept" and head["Content-Type"] == "image/avif" and head["Content-Length"] == str(len(avif.body))


def test_the_cache_is_not_splintered(kept):
    """However clients word it, there are four sets of formats."""
    target = f"{keep(kept, photo())}?w=50&auto=format"
    before = jobs(kept)
    named = ["image/avif", "image/webp", "image/png;q=0.7", "*/*;q=0.8", "text/html", "image/jxl"]
    orders = itertools.islice(itertools.permutations(named), 0, 720, 29)
    tags = {get(kept, target, ", ".join(order))["ETag"] for order in orders}
    assert len(tags) == 1 and jobs(kept) == before + 1
    tags |= {get(kept, target, accept)["ETag"] for accept in ("image/avif", "image/webp;q=0.3", "image/heic", "x", CURL, None)}
    assert len(tags) == 4 and jobs(kept) == before + 4


def test_what_can_be_seen_through_is_no_jpeg(kept):
    glass = Image.frombytes("RGBA", (40, 30), noise_bytes(4800))
    image = keep(kept, encode(glass, "PNG"))
    assert [get(kept, f"{image}?auto=format", accept)["Content-Type"] for accept in (CURL, FIREFOX_65)] == ["image/png", "image/webp"]
    glass.putalpha(255)
    opaque = keep(kept, encode(glass, "PNG"))
    assert get(kept, f"{opaque}?auto=format", CURL)["Content-Type"] == "image/jpeg"


def test_a_drawing_loses_nothing(kept):
    drawing = quadrants(80, 60)
    image = keep(kept, encode(drawing, "PNG"))
    for accept, kind in ((CURL, "PNG"), (FIREFOX_65, "WEBP"), (CHROMIUM, "WEBP")):
        shown = decode(get(kept, f"{image}?auto=format", accept).body)
        assert shown.format == kind and shown.convert("RGB").tobytes() == drawing.tobytes()


def test_an_animation_goes_on(kept):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    image = keep(kept, encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100))
    for accept, kind in ((CHROMIUM, "WEBP"), ("image/avif", "GIF"), (CURL, "GIF")):
        shown = decode(get(kept, f"{image}?w=10&auto=format", accept).body)
        assert (shown.format, shown.n_frames) == (kind, 3)


@pytest.mark.parametrize("value", ["", "format,", "enhance", "format,redeye", "true", "Format"])
def test_other_words_are_refused_and_named(kept, value):
    response = kept.get(f"{keep(kept, photo())}?auto={value}")
    assert response.status == 400 and "auto must be format" in response.json()["detail"]


def test_the_canonical_address_says_auto(kept):
    response = get(kept, f"{keep(kept, photo())}?auto=compress,format&w=30", CHROMIUM)
    assert response["Link"].split(">")[0].endswith("?w=30&auto=format")


def test_in_a_pipe_all_clients_are_alike(server):
    """A pipe has no Accept, so it picks what all clients show."""
    response = server.request("POST", "/pipe/image?w=30&auto=format", [("Accept", CHROMIUM)], noise(40, 30, "PNG"))
    assert response.status == 200 and response["Content-Type"] == "image/jpeg"
