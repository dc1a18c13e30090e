"""Pixels of the answers, held against what Pillow makes of the same image: another decoder, resizer and encoder."""

import io
import math
from pathlib import Path

import pytest
from images import decode, decode_avif, display_p3_profile, encode, encode_avif, quadrants
from PIL import Image, ImageChops, ImageCms, ImageEnhance, ImageFilter, ImageOps, ImageStat

pytestmark = [pytest.mark.once, pytest.mark.unsanitized("it compares pixels; the same operations run in the unit tests")]


def picture(width=800, height=600):
    """Smooth areas, edges and fine texture."""
    image = Image.effect_mandelbrot((width, height), (-2.2, -1.2, 1.0, 1.2), 60).convert("RGB")
    red, green, blue = image.split()
    tilted = Image.merge("RGB", (red, ImageOps.mirror(green), ImageOps.flip(blue)))
    return Image.blend(tilted, quadrants(width, height), 0.4).filter(ImageFilter.GaussianBlur(0.8))


def psnr(have, want):
    have, want = have.convert("RGB"), want.convert("RGB")
    assert have.size == want.size
    squares = ImageStat.Stat(ImageChops.difference(have, want)).sum2
    error = sum(squares) / (3 * have.width * have.height)
    return 99 if error == 0 else 10 * math.log10(255 * 255 / error)


def lanczos(image, width, height):
    return image.resize((width, height), Image.Resampling.LANCZOS)


SOURCE = picture()
CASES = {
    # query: (reference, dB at least)
    "fm=png": (lambda image: image, 99),
    "w=400&fm=png": (lambda image: lanczos(image, 400, 300), 45),
    "w=333&fm=png": (lambda image: lanczos(image, 333, 250), 45),
    "w=50&fm=png": (lambda image: lanczos(image, 50, 38), 38),  # 600 / 16 is no whole number, and a box filter goes first
    "w=1200&fm=png": (lambda image: lanczos(image, 1200, 900), 45),
    "w=400&h=100&fit=scale&fm=png": (lambda image: lanczos(image, 400, 100), 45),
    "w=300&h=300&fit=crop&fm=png": (lambda image: lanczos(image, 400, 300).crop((50, 0, 350, 300)), 45),
    "rect=100,50,200,300&fm=png": (lambda image: image.crop((100, 50, 300, 350)), 99),
    "flip=h&fm=png": (ImageOps.mirror, 99),
    "flip=v&fm=png": (ImageOps.flip, 99),
    "rot=90&fm=png": (lambda image: image.transpose(Image.Transpose.ROTATE_90), 99),
    "orient=6&fm=png": (lambda image: image.transpose(Image.Transpose.ROTATE_270), 99),
    "pad=10&bg=ff0000&fm=png": (lambda image: ImageOps.expand(image, 10, (255, 0, 0)), 99),
    "blur=40&fm=png": (lambda image: image.filter(ImageFilter.GaussianBlur(2)), 38),
    "bri=20&fm=png": (lambda image: image.point(lambda value: min(value + 25.5, 255)), 45),
    "con=-50&fm=png": (lambda image: image.point(lambda value: value / 2 + 63.75), 45),
    "w=400&fm=jpg&q=95": (lambda image: lanczos(image, 400, 300), 36),
    "w=400&fm=webp&q=95": (lambda image: lanczos(image, 400, 300), 34),
    "w=400&fm=webp&lossless=1": (lambda image: lanczos(image, 400, 300), 45),
    "w=400&fm=tiff": (lambda image: lanczos(image, 400, 300), 45),
    "w=400&fm=gif": (lambda image: lanczos(image, 400, 300), 26),
}


@pytest.mark.parametrize("query", CASES)
def test_operation_gives_what_pillow_gives(server, query):
    reference, bound = CASES[query]
    answer = server.post(f"/pipe/image?{query}", encode(SOURCE, "PNG"))
    assert answer.status == 200, answer.body
    assert psnr(decode(answer.body), reference(SOURCE)) >= bound


@pytest.mark.parametrize("care, bound", [("fast", 33), ("careful", 37)])
@pytest.mark.parametrize("width", [100, 150, 199, 300])
def test_shrinking_decoder_stays_near_full_decoding(server, width, care, bound):
    body = encode(SOURCE, "JPEG", quality=95)
    answer = server.post(f"/pipe/image?w={width}&fm=png&shrink={care}", body)
    have = decode(answer.body)
    assert psnr(have, lanczos(decode(body), have.width, have.height)) >= bound


def test_saturation_of_zero_is_luminance(server):
    answer = server.post("/pipe/image?sat=-100&fm=png", encode(SOURCE, "PNG"))
    grey = ImageEnhance.Color(SOURCE).enhance(0)
    assert psnr(decode(answer.body), grey) >= 24  # Pillow weighs colours by Rec. 601, we by 709


def to_srgb(image, profile):
    srgb = ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(image, io.BytesIO(profile), srgb, ImageCms.Intent.PERCEPTUAL, outputMode="RGB")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_display_p3_becomes_srgb(server, kind):
    profile = display_p3_profile()
    options = {"JPEG": {"quality": 97}, "WEBP": {"lossless": True}}.get(kind, {})
    body = encode(SOURCE, kind, icc_profile=profile, **options)
    answer = server.post("/pipe/image?fm=png", body)
    want = to_srgb(decode(body), profile)
    assert psnr(decode(answer.body), want) >= 42
    assert psnr(want, SOURCE) < 36  # or it would not show whether the profile counted


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_with_a_profile_becomes_srgb(server, kind):
    profile = Path("/usr/share/color/icc/ghostscript/default_cmyk.icc").read_bytes()
    srgb = ImageCms.createProfile("sRGB")
    inks = ImageCms.profileToProfile(SOURCE, srgb, io.BytesIO(profile), outputMode="CMYK")
    body = encode(inks, kind, icc_profile=profile, **({"quality": 97} if kind == "JPEG" else {}))
    answer = server.post("/pipe/image?fm=png", body)
    assert answer.status == 200, answer.body
    assert psnr(decode(answer.body), to_srgb(inks, profile)) >= 45  # without black point compensation: 28


@pytest.mark.parametrize("query, bound", [("q=60", 33), ("q=80", 36), ("q=90", 42), ("lossless=1", 50)])
def test_avif_that_we_write_shows_the_picture(server, query, bound):
    body = encode(SOURCE, "PNG")
    avif, png = (server.post(f"/pipe/image?w=400&fm={kind}", body) for kind in (f"avif&{query}", "png"))
    assert avif.status == 200, avif.body
    assert psnr(decode_avif(avif.body), decode(png.body)) >= bound


def test_avif_that_others_wrote_shows_the_picture(server):
    answer = server.post("/pipe/image?fm=png", encode_avif(SOURCE))
    assert answer.status == 200, answer.body
    assert psnr(decode(answer.body), SOURCE) >= 40
