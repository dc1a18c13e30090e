"""POST /pipe/image: what the main job does to photographs, and how it refuses what is none."""

import re
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from images import assert_upright, blank_png, decode, encode, exif, is_close, metadata, noise, photo, quadrants, swapped_profile
from PIL import Image
from wire import chunked, request

pytestmark = pytest.mark.once  # beside what is marked `threads`


def convert(server, query, body, fields=()):
    response = server.post(f"/pipe/image?{query}", body, fields)
    assert response.status == 200, response.body
    return response


def problem(response, status, name):
    """The answer is that problem; its document."""
    assert response.status == status, response.body
    assert response["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document["type"] == f"urn:millrace:problem:{name}"
    assert document["status"] == status
    assert document["title"]
    return document


# ---- geometry


@pytest.mark.threads
@pytest.mark.parametrize(
    "query, size",
    [
        ("w=300", (300, 150)),
        ("h=60", (120, 60)),
        ("w=100&h=100", (100, 50)),
        ("w=1000&h=20", (40, 20)),
        ("w=100&h=100&fit=clip", (100, 50)),
        ("w=800", (800, 400)),
        ("w=800&fit=max", (400, 200)),
        ("w=200&fit=max", (200, 100)),
        ("w=90&h=90&fit=crop", (90, 90)),
        ("w=7&h=123&fit=crop", (7, 123)),
        ("w=600&h=600&fit=crop", (600, 600)),
        ("w=1", (1, 1)),
        ("w=299", (299, 150)),
        ("", (400, 200)),
    ],
)
def test_the_size_is_exactly_what_was_asked_for(server, query, size):
    assert decode(convert(server, query, photo()).body).size == size


@pytest.mark.threads
def test_a_photograph_of_a_camera_comes_back_300_pixels_wide(server):
    response = convert(server, "w=300", noise(2000, 1333))
    assert decode(response.body).size == (300, 200)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("query, size", [("w=300", (300, 150)), ("w=100&h=50&fit=crop", (100, 50)), ("", (400, 200))])
def test_an_image_comes_back_upright_whichever_way_it_was_stored(server, orientation, query, size):
    body = convert(server, query, photo(400, 200, orientation)).body
    assert decode(body).size == size
    assert_upright(body)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_orientation_is_applied_in_other_formats_too(server, kind):
    body = convert(server, "w=200", photo(400, 200, 6, kind)).body
    assert decode(body).size == (200, 100)
    assert_upright(body)


@pytest.mark.parametrize(
    "crop, first, last",
    [
        ("left", (220, 30, 30), (30, 30, 220)),  # of a column of the left half: red over blue
        ("right", (30, 180, 30), (250, 250, 250)),
    ],
)
def test_crop_keeps_the_named_edge(server, crop, first, last):
    image = decode(convert(server, f"w=50&h=100&fit=crop&crop={crop}", photo(400, 200)).body).convert("RGB")
    assert image.size == (50, 100)
    assert is_close(image.getpixel((25, 25)), first)
    assert is_close(image.getpixel((25, 75)), last)


@pytest.mark.parametrize("crop", ["centre", "entropy", "attention", "top", "bottom", "top,left", "bottom,right"])
def test_every_crop_gives_the_exact_size(server, crop):
    assert decode(convert(server, f"w=70&h=90&fit=crop&crop={crop}", photo()).body).size == (70, 90)


def test_crop_to_the_interesting_part_finds_it(server):
    image = Image.new("RGB", (600, 200), (128, 128, 128))
    image.paste(Image.effect_noise((100, 100), 120).convert("RGB"), (480, 50))
    for crop in ("entropy", "attention"):
        cut = decode(convert(server, f"w=150&h=200&fit=crop&crop={crop}", encode(image, "PNG")).body).convert("L")
        assert max(cut.getdata()) - min(cut.getdata()) > 100, f"{crop} cut the only detail away"


# ---- formats, colour, metadata


@pytest.mark.threads
@pytest.mark.parametrize("fm, media_type, kind", [("jpg", "image/jpeg", "JPEG"), ("png", "image/png", "PNG"), ("webp", "image/webp", "WEBP")])
def test_fm_chooses_the_format_and_the_media_type(server, fm, media_type, kind):
    response = convert(server, f"w=50&fm={fm}", photo())
    assert response["Content-Type"] == media_type
    assert decode(response.body).format == kind


@pytest.mark.parametrize("kind, media_type", [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_without_fm_the_format_stays(server, kind, media_type):
    assert convert(server, "w=50", photo(kind=kind))["Content-Type"] == media_type


def test_without_fm_a_format_that_is_not_written_becomes_jpeg_or_png_by_its_alpha(server):
    assert convert(server, "w=50", encode(quadrants(100, 50), "TIFF"))["Content-Type"] == "image/jpeg"
    transparent = Image.new("RGBA", (100, 50), (255, 0, 0, 100))
    response = convert(server, "w=50", encode(transparent, "TIFF"))
    assert response["Content-Type"] == "image/png"
    assert decode(response.body).mode == "RGBA"


def test_bytes_decide_about_the_format_and_not_the_content_type(server):
    response = convert(server, "w=50", photo(kind="PNG"), {"Content-Type": "image/jpeg"})
    assert response["Content-Type"] == "image/png"
    response = convert(server, "w=50", photo(), {"Content-Type": "application/x-www-form-urlencoded"})
    assert response["Content-Type"] == "image/jpeg"


def test_a_higher_quality_makes_a_larger_file(server):
    sizes = [len(convert(server, f"w=300&fm=jpg&q={q}", noise(600, 400)).body) for q in (10, 50, 95)]
    assert sizes == sorted(sizes) and sizes[0] * 2 < sizes[2]
    default = len(convert(server, "w=300&fm=jpg", noise(600, 400)).body)
    assert default == len(convert(server, "w=300&fm=jpg&q=75", noise(600, 400)).body)


@pytest.mark.parametrize("fm", ["jpg", "png", "webp"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_no_metadata_leaves_the_server(server, kind, fm):
    source = photo(400, 200, 6, kind)
    assert any("GPS" in name for name in metadata(source)), "the source must have a position to lose"
    body = convert(server, f"w=100&fm={fm}", source).body
    assert metadata(body) == {}
    assert b"Secret" not in body


def test_comments_thumbnails_and_xmp_are_dropped(server):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">Secret Place</x:xmpmeta>'
    source = encode(quadrants(200, 100), "JPEG", exif=exif(1), comment=b"Secret Comment")
    segment = b"http://ns.adobe.com/xap/1.0/\0" + xmp
    source = source[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + source[2:]
    assert b"Secret" not in convert(server, "w=100", source).body


@pytest.mark.parametrize("fm", ["jpg", "png", "webp"])
def test_colours_are_converted_to_srgb(server, fm):
    """An image with a profile of its own shows the same colours without it."""
    source = encode(Image.new("RGB", (100, 100), (255, 0, 0)), "PNG", icc_profile=swapped_profile())
    image = decode(convert(server, f"w=50&fm={fm}", source).body)
    assert "icc_profile" not in image.info
    assert is_close(image.convert("RGB").getpixel((25, 25)), (0, 255, 0))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_greyscale_and_cmyk_photographs_can_be_read(server, mode):
    source = encode(Image.new("RGB", (100, 100), (128, 128, 128)).convert(mode), "JPEG", quality=95)
    image = decode(convert(server, "w=50", source).body)
    assert image.mode in ("L", "RGB")
    assert is_close(image.convert("RGB").getpixel((25, 25)), (128, 128, 128), 60)


def test_transparency_survives_where_the_format_has_it(server):
    source = encode(Image.new("RGBA", (100, 100), (255, 0, 0, 0)), "PNG")
    assert decode(convert(server, "w=50", source).body).convert("RGBA").getpixel((25, 25))[3] == 0
    assert decode(convert(server, "w=50&fm=webp", source).body).convert("RGBA").getpixel((25, 25))[3] == 0
    assert decode(convert(server, "w=50&fm=jpg", source).body).mode == "RGB"


@pytest.mark.parametrize("mode", ["1", "P", "LA", "I;16"])
def test_unusual_pixels_of_png_can_be_read(server, mode):
    image = quadrants(64, 64).convert("L") if mode == "I;16" else quadrants(64, 64, mode)
    if mode == "I;16":
        image = Image.frombytes("I;16", (64, 64), b"\0\x80" * 64 * 64)
    assert decode(convert(server, "w=32", encode(image, "PNG")).body).size == (32, 32)


def test_the_first_frame_of_an_animation_is_taken(server):
    frames = [Image.new("P", (60, 40), index) for index in range(3)]
    source = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    response = convert(server, "w=30&fm=png", source)
    assert decode(response.body).size == (30, 20)


# ---- the answer


def test_the_answer_carries_what_clients_and_proxies_need(server):
    response = convert(server, "w=50", photo())
    assert int(response["Content-Length"]) == len(response.body)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", response["Date"])
    assert not response.closes


@pytest.mark.threads
def test_server_timing_tells_where_the_time_went(server):
    response = convert(server, "w=300", noise(2000, 1333))
    timing = dict(re.findall(r"(\w+);dur=([0-9.]+)", response["Server-Timing"]))
    assert {"recv", "wait", "work", "total"} <= set(timing)
    recv, wait, work, total = (float(timing[name]) for name in ("recv", "wait", "work", "total"))
    assert 1 < work <= total < 10_000
    assert abs(recv + wait + work - total) < total / 2 + 5


# ---- refusals


@pytest.mark.parametrize(
    "query, name",
    [
        ("wdth=300", "wdth"),
        ("w=300&wdth=1", "wdth"),
        ("w=", "w"),
        ("w=-1", "w"),
        ("w=0", "w"),
        ("w=3e2", "w"),
        ("w=300px", "w"),
        ("w=99999999999999999999", "w"),
        ("h=abc", "h"),
        ("q=0", "q"),
        ("q=101", "q"),
        ("fm=exe", "fm"),
        ("fm=svg", "fm"),
        ("fit=stretchy", "fit"),
        ("w=10&h=10&fit=crop&crop=middle", "crop"),
        ("w=10&w=20", "w"),
        ("w=10&w=10", "w"),
        ("q=50&w=10&q=50", "q"),
    ],
)
def test_an_unknown_malformed_or_duplicate_parameter_is_named(server, query, name):
    document = problem(server.post(f"/pipe/image?{query}", photo()), 400, "bad-parameter")
    assert re.search(rf"\b{name}\b", document["detail"]), document


@pytest.mark.parametrize("query", ["w=%zz", "w=%4", "w=%", "w=%00", "w=1%ff", "%00=1"])
def test_malformed_escapes_are_refused(server, query):
    problem(server.post(f"/pipe/image?{query}", photo()), 400, "bad-parameter")


def test_a_name_in_capitals_is_none_of_ours(server):
    problem(server.post("/pipe/image?W=300", photo()), 400, "bad-parameter")


def test_escaped_parameters_are_decoded(server):
    assert decode(convert(server, "%77=%33%30", photo()).body).size == (30, 15)


def test_a_crop_to_no_size_is_refused(server):
    problem(server.post("/pipe/image?fit=crop", photo()), 400, "bad-parameter")


@pytest.mark.threads
def test_a_wrong_parameter_is_refused_before_the_body_is_read(server):
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/image?wdth=3", {"Expect": "100-continue", "Content-Length": 5_000_000}))
        problem(wire.receive(), 400, "bad-parameter")


def test_a_dimension_that_no_format_holds_is_refused(server):
    document = problem(server.post("/pipe/image?w=17000&fm=webp", photo(400, 10)), 400, "dimension")
    assert document["limit"] == {"name": "image-side", "value": 16383} and document["value"] == 17000


def test_a_frame_that_the_image_has_not_is_refused(server):
    document = problem(server.post("/pipe/image?frame=9", photo()), 400, "bad-parameter")
    assert document["limit"] == {"name": "frames", "value": 1} and document["value"] == 9


@pytest.mark.parametrize(
    "body",
    [
        b"hello, world",
        b"\0" * 5000,
        b"GIF8",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"%PDF-1.7\n1 0 obj\n",
        b"BM" + b"\0" * 100,
        b"P6\n2 2\n255\n" + b"\0" * 12,
        b"\x7fELF" + b"\0" * 100,
        b"1 1\n0\n",  # libvips' matrix format
    ],
)
def test_what_is_not_an_allowed_image_is_415(server, body):
    problem(server.post("/pipe/image?w=10", body), 415, "unsupported-format")


def test_an_empty_body_is_refused(server):
    response = server.post("/pipe/image?w=10", b"")
    assert response.status in (400, 415), response.body


@pytest.mark.threads
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("keep", [0.3, 0.7, 0.98])
def test_a_truncated_image_is_422_and_never_half_an_image(server, kind, keep):
    whole = noise(300, 200, kind)
    problem(server.post("/pipe/image?w=100", whole[: int(len(whole) * keep)]), 422, "damaged-image")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_an_image_that_ends_in_its_head_is_a_clear_refusal(server, kind):
    whole = encode(quadrants(100, 100), kind)
    for length in (1, 2, 3, 5, 8, 12, 16, 20, 24, 30, 40):
        response = server.post("/pipe/image?w=10", whole[:length])
        assert response.status in (415, 422), (length, response.body)


def test_corrupt_bytes_in_the_middle_are_422(server):
    whole = bytearray(noise(300, 200, "PNG"))
    whole[len(whole) // 2 : len(whole) // 2 + 50] = b"\xff" * 50
    problem(server.post("/pipe/image?w=100", bytes(whole)), 422, "damaged-image")


@pytest.mark.threads
def test_what_trim_leaves_is_checked_for_all_frames(start):
    """A line of 4 pixels' width becomes 2,000 wide and 50,000 high, twenty times."""
    frames = []
    for index in range(20):
        frame = Image.new("RGB", (200, 100), "white")
        frame.paste((index * 10, 0, 0), (40, 0, 44, 100))
        frames.append(frame)
    body = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    server = start("--memory-budget=8GiB")
    document = problem(server.post("/pipe/image?w=2000&trim=auto", body), 413, "too-many-pixels")
    assert document["limit"] == {"name": "max-pixels", "value": 100_000_000}
    assert document["value"] == 20 * 2000 * 50_000
    assert decode(convert(server, "w=20&trim=auto", body).body).size == (20, 500)


def test_what_trim_leaves_pays_for_its_memory(start):
    image = Image.new("RGB", (200, 100), "white")
    image.paste("black", (40, 0, 44, 100))
    server = start("--memory-budget=256MiB")
    document = problem(server.post("/pipe/image?w=2000&trim=auto", encode(image, "PNG")), 413, "too-many-pixels")
    assert document["limit"] == {"name": "memory-budget", "value": 256 << 20}
    assert document["value"] > 3 * 2000 * 50_000


def test_too_many_pixels_are_413_with_the_limit_and_the_value(start):
    server = start("--max-pixels=10000")
    assert server.post("/pipe/image?w=10", blank_png(100, 100)).status == 200
    document = problem(server.post("/pipe/image?w=10", blank_png(200, 100)), 413, "too-many-pixels")
    assert document["limit"] == {"name": "max-pixels", "value": 10000}
    assert document["value"] == 20000


def test_too_many_pixels_are_refused_in_the_output_too(start):
    server = start("--max-pixels=10000")
    response = server.post("/pipe/image?w=1000", blank_png(100, 50))
    assert response.status in (400, 413), response.body
    assert response.json()["type"].startswith("urn:millrace:problem:")


def test_a_bomb_is_refused_by_its_head_alone(server):
    """50,000 x 50,000 pixels are refused before one of them is decoded."""
    bomb = bytearray(blank_png(16, 16))
    bomb[16:24] = (50000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4, "big")
    problem(server.post("/pipe/image?w=10", bytes(bomb)), 413, "too-many-pixels")


@pytest.mark.unsanitized("sanitizers keep freed memory")
@pytest.mark.slow
def test_memory_that_large_images_needed_is_not_kept_once_for_each_thread(start):
    """libvips computes on a handful of threads in turn; each was left with the most that it had ever held."""
    server = start("--workers=2")
    body = encode(Image.new("RGB", (2500, 2500)), "GIF")

    def post_five(wire):
        with wire:
            for _ in range(5):
                assert wire.request("POST", "/pipe/image?w=50&trim=auto&fm=png", body=body).status == 200

    for _ in range(2):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(post_five, [server.connect() for _ in range(4)]))
    kept = server.resident_bytes() >> 20
    assert kept < 192, f"{kept} MiB"  # with a heap for each thread: 237 and more


def test_a_gif_whose_frame_lies_outside_of_its_canvas_is_refused(server):
    """libvips would ask for gigabytes."""
    gif = bytearray(encode(Image.new("P", (4, 4)), "GIF"))
    at = gif.rindex(b",\0\0\0\0\4\0\4\0")  # the image descriptor: left, top, width, height
    gif[at + 1 : at + 5] = b"\xf0\xff\xf0\xff"
    assert server.post("/pipe/image?w=10", bytes(gif)).status in (413, 415, 422)
    assert server.resident_bytes() < 1 << 30


def test_formats_without_a_codec_are_not_promised_and_415(start, server, tmp_path):
    """Where libheif's codecs are plugins (Debian 13) they may be missing; where they are not, the directory changes nothing."""
    avif = server.post("/pipe/image?w=40&fm=avif", photo())
    bare = start(env={"LIBHEIF_PLUGIN_PATH": str(tmp_path)})
    promised = bare.get("/version").json()["image"]
    for has_codec, target, body in (
        ("avif" in promised["writes"], "/pipe/image?w=20&fm=avif", photo()),
        ("avif" in promised["reads"], "/pipe/image?w=20&fm=png", avif.body),
    ):
        if avif.status != 200:
            assert "avif" not in server.get("/version").json()["image"]["writes"]
        elif has_codec:
            assert bare.post(target, body).status == 200
        else:
            assert "installed" in problem(bare.post(target, body), 415, "unsupported-format")["detail"]


def test_frames_count_that_are_decoded(start):
    frames = [Image.new("RGB", (8, 8), (20 * index, 0, 0)) for index in range(12)]  # equal ones would become one
    source = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    assert decode(source).n_frames == 12
    server = start("--max-frames=10")
    for query in ("w=4", "w=4&fm=webp", "frame=11"):  # a frame is drawn over those before it
        document = problem(server.post(f"/pipe/image?{query}", source), 413, "too-many-frames")
        assert document["limit"] == {"name": "max-frames", "value": 10} and document["value"] in (11, 12) and "frame=1" in document["detail"]
    for query in ("fm=png", "frame=1", "frame=10"):
        assert server.post(f"/pipe/image?w=4&{query}", source).status == 200, query


def test_of_an_animated_png_the_default_image_is_read(server):
    frames = [Image.new("RGB", (8, 8), (20 * index, 0, 0)) for index in range(12)]
    source = encode(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert decode(source).n_frames == 12
    assert server.post("/pipe/image?frame=1", source).status == 200
    document = problem(server.post("/pipe/image?frame=2", source), 400, "bad-parameter")
    assert document["limit"]["value"] == 1


# ---- sound and odd: what every browser shows whole


PICTURE = decode(noise(120, 90, "PNG"))


def odd_files():
    jpeg = encode(PICTURE, "JPEG", quality=85)
    progressive = encode(PICTURE, "JPEG", quality=85, progressive=True)
    png = encode(PICTURE, "PNG")
    gif = encode(Image.new("P", (40, 30), 3), "GIF")
    sos = jpeg.index(b"\xff\xda") + 2 + 2 + 1 + 6
    return {
        "jpeg, Se is 0 as Samsung's firmware writes it": (jpeg, jpeg[: sos + 1] + b"\0" + jpeg[sos + 2 :]),
        "jpeg, no EOI": (jpeg, jpeg[:-2]),
        "jpeg, half of EOI": (jpeg, jpeg[:-1]),
        "jpeg, a trailer in place of EOI": (jpeg, jpeg[:-2] + b"\0\0SEFT" * 20),
        "jpeg, another image in place of EOI": (jpeg, jpeg[:-2] + jpeg),
        "jpeg, progressive, no EOI": (progressive, progressive[:-2]),
        "png, no IEND": (png, png[:-12]),
        "png, half of IEND": (png, png[:-5]),
        "gif, no trailer": (gif, gif[:-1]),
    }


ODD = odd_files()


@pytest.mark.parametrize("name", ODD)
def test_what_browsers_show_whole_is_served(server, name):
    whole, odd = (convert(server, "fm=png", body) for body in ODD[name])
    assert whole.status == 200 and odd.status == 200, odd.body
    assert decode(odd.body).tobytes() == decode(whole.body).tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "progressive", "PNG", "GIF"])
def test_half_a_picture_is_never_served(server, kind):
    options = {"progressive": True, "quality": 85} if kind == "progressive" else {}
    body = encode(PICTURE, "JPEG" if kind == "progressive" else kind, **options)
    for cut in sorted({20, 40, 200, len(body) // 20, len(body) // 3, len(body) // 2, len(body) - 100}):
        problem(server.post("/pipe/image?w=40&fm=png", body[:-cut]), 422, "damaged-image")


@pytest.mark.threads
def test_a_damaged_image_harms_no_other(server):
    """Errors of libvips are one buffer per process: an answer must not carry another's."""
    for _ in range(10):
        assert server.post("/pipe/image?w=10", noise(300, 200)[:3000]).status == 422
        assert server.post("/pipe/image?w=10", photo()).status == 200


# ---- bodies


@pytest.mark.threads
def test_a_chunked_upload_is_the_same_as_one_with_a_length(server):
    plain = convert(server, "w=100", photo()).body
    with server.connect() as wire:
        for size in (7, 1000, 1 << 20):
            wire.send(request("POST", "/pipe/image?w=100", {"Transfer-Encoding": "chunked"}) + chunked(photo(), size))
            response = wire.receive()
            assert response.status == 200 and response.body == plain


@pytest.mark.threads
def test_an_upload_in_small_pieces_is_the_same(server):
    body = photo()
    with server.connect() as wire:
        wire.send(request("POST", "/pipe/image?w=100", {"Content-Length": len(body)}))
        for at in range(0, len(body), 100):
            wire.send(body[at : at + 100])
        response = wire.receive()
    assert response.status == 200 and decode(response.body).size == (100, 50)


@pytest.mark.threads
def test_many_images_on_one_connection(server):
    with server.connect() as wire:
        for width in range(20, 60, 2):
            response = wire.request("POST", f"/pipe/image?w={width}&fm=png", body=photo())
            assert response.status == 200 and decode(response.body).size[0] == width


@pytest.mark.threads
def test_a_large_upload_is_received_whole(server):
    body = noise(3000, 2500)
    assert len(body) > 6_000_000
    assert decode(convert(server, "w=30", body).body).size == (30, 25)
