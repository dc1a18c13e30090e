"""Images of stored files are, byte for byte, what POST /pipe/image makes of the same bytes with the same operations."""

import random
from functools import lru_cache

import pytest
from images import encode, encode_avif, exif, heic, noise, photo, quadrants
from PIL import Image

pytestmark = pytest.mark.once  # beside what is marked `threads`

INLINE_MAX = 32 << 10  # up to here a payload is stored with its description, and read as it lies there


@lru_cache(maxsize=None)
def animated(kind):
    images = [quadrants(60, 40).rotate(90 * turn) for turn in range(3)]
    return encode(images[0], kind, save_all=True, append_images=images[1:], duration=80, loop=0)


@lru_cache(maxsize=None)
def translucent(side):
    alpha = Image.linear_gradient("L").resize((side, side))
    image = Image.frombytes("RGB", (side, side), random.Random(3).randbytes(side * side * 3))
    image.putalpha(alpha)
    return encode(image, "PNG")


ORIGINALS = {
    "jpeg": lambda: photo(),
    "jpeg turned": lambda: photo(400, 200, 6),
    "jpeg large": lambda: noise(1500, 1000),
    "jpeg cmyk": lambda: encode(quadrants(90, 60, "CMYK"), "JPEG", quality=95),
    "jpeg with a position": lambda: encode(quadrants(90, 60), "JPEG", exif=exif(1)),
    "png": lambda: encode(quadrants(200, 120), "PNG"),
    "png translucent": lambda: translucent(40),
    "png translucent, large": lambda: translucent(300),
    "png palette": lambda: encode(quadrants(200, 120).quantize(16), "PNG"),
    "webp": lambda: photo(kind="WEBP"),
    "webp large": lambda: noise(400, 300, "WEBP"),
    "webp animated": lambda: animated("WEBP"),
    "gif animated": lambda: animated("GIF"),
    "tiff": lambda: encode(quadrants(60, 40), "TIFF"),
    "tiff large": lambda: encode(quadrants(400, 300), "TIFF"),
    "avif": lambda: encode_avif(quadrants(120, 80)),
    "heic": lambda: heic(120, 80),
}
LARGE = [name for name in ORIGINALS if "large" in name]
QUERIES = (
    "",
    "w=50",
    "w=40&h=40&fit=crop&crop=entropy&fm=webp",
    "h=33&fm=png&rot=90&bg=f00",
    "w=48&fm=avif&q=60",
    "w=30&h=60&fit=fill&bg=80ff0000&fm=gif",
    "w=30&h=30&fit=crop&crop=focalpoint&fp-x=0.9&fp-y=.1&fm=png",
    "rect=2,3,20,10&dpr=2&w=20&fm=tiff",
    "w=70&strip=0&fm=jpg&interlace",
    "w=64&flip=hv&orient=3&bri=10&con=-5&gam=3&sat=20&blur=20&sharp=10&mono=884400&fm=webp&lossless",
    "trim=auto&pad=5&fm=png",
    "frame=1&w=20",
)


@pytest.mark.parametrize("name", ORIGINALS)
@pytest.mark.slow
def test_an_image_of_a_file_is_what_the_pipe_makes_of_its_bytes(kept, name):
    body = ORIGINALS[name]()
    assert name not in LARGE or len(body) > INLINE_MAX, "or it lies with its description"
    image = kept.post("/files", body).json()["image"]
    for query in QUERIES:
        response = kept.get(f"{image}?{query}")
        piped = kept.post(f"/pipe/image?{query}", body)
        assert response.status == piped.status == 200, (query, response.body[:300], piped.body[:300])
        assert response["Content-Type"] == piped["Content-Type"], query
        assert response.body == piped.body, query
        assert kept.get(f"{image}?{query}").body == piped.body, f"{query}, from the cache"


@pytest.mark.parametrize("name", ["jpeg", "jpeg large"])
def test_what_the_pipe_refuses_is_refused_alike(kept, name):
    body = ORIGINALS[name]()
    damaged = body[: len(body) // 2]
    image = kept.post("/files", damaged).json()["image"]
    for query in ("w=50", "w=50&fm=avif", "frame=9", "w=65535&fm=png"):
        response, piped = kept.get(f"{image}?{query}"), kept.post(f"/pipe/image?{query}", damaged)
        assert response.status == piped.status and 400 <= piped.status < 500, query
        assert response.json() == piped.json(), query


# ---- one text for one image


@pytest.mark.parametrize(
    "one, other",
    [
        ("w=1&dpr=1.5", "w=1&dpr=1.4999999"),  # 2 and 1 pixels, if all digits counted
        ("w=100&dpr=1.005", "w=100&dpr=1.0049999999"),
        ("w=50&h=100&fit=crop&crop=focalpoint&fp-x=0.3", "w=50&h=100&fit=crop&crop=focalpoint&fp-x=0.30000000001"),
        ("rot=10", "rot=10.00000001"),
        ("blur=0", "blur=0.0000001"),
        ("bri=0", "bri=-0.0000001"),
    ],
)
def test_what_has_one_key_has_one_image(kept, one, other):
    """Either way round: no cache decides which of two pictures is shown."""
    body = photo()
    for first, second in ((one, other), (other, one)):
        image = kept.post("/files", body).json()["image"]
        shown = [kept.get(f"{image}?{query}&fm=png") for query in (first, second)]
        assert shown[0]["ETag"] == shown[1]["ETag"]
        for query, response in zip((first, second), shown):
            assert response.body == kept.post(f"/pipe/image?{query}&fm=png", body).body, query


def test_a_stored_focal_point_has_as_many_digits_as_one_of_a_query(kept):
    body = noise(400, 200)  # a column of pixels shows
    image = kept.post("/files", body).json()["image"]
    patch, info = [("Content-Type", "application/merge-patch+json")], image.replace("/images/", "/files/") + "/info"
    query = "w=50&h=100&fit=crop&crop=focalpoint&fm=png"
    for stored, asked in ((b"0.32749999999", "0.3275"), (b"0.32999999999", "0.33"), (b"0.3333333333333333", "0.333333"), (b"1e-300", "0")):
        assert kept.request("PATCH", info, patch, b'{"focal":{"x":%s,"y":0.5}}' % stored).status == 200
        shown, other = kept.get(f"{image}?{query}"), kept.get(f"{image}?{query}&fp-x={asked}&fp-y=0.5")
        assert shown["ETag"] == other["ETag"] and shown.body == other.body
        assert shown.body == kept.post(f"/pipe/image?{query}&fp-x={asked}", body).body


def test_two_names_of_one_parameter_are_refused(kept):
    """Their order would decide, and a signed address may be reordered."""
    body = animated("GIF")
    image = kept.post("/files", body).json()["image"]
    for query in ("frame=1&page=2", "page=2&frame=1"):
        for response in (kept.get(f"{image}?{query}"), kept.post(f"/pipe/image?{query}", body)):
            assert response.status == 400, query
            assert response.json()["type"] == "urn:millrace:problem:bad-parameter"
    assert kept.get(f"{image}?page=2&fm=png").body == kept.get(f"{image}?frame=2&fm=png").body
