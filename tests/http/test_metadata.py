"""What `strip=0` lets out of the server: who made the image and how, and nothing about where."""


import json
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path


import pytest
from images import decode, encode, encode_avif, quadrants, swapped_profile
from PIL import Image, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

pytestmark = pytest.mark.once

LIBVIPS = pytest.mark.unsanitized("libvips alone writes them")
OUTPUTS = ["jpg", "png", "webp", *(pytest.param(each, marks=LIBVIPS) for each in ("avif", "gif", "tiff"))]
SOURCES = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF"]
POSITION = "48.8583"
# Each is put into every source that has a place for it.
SECRETS = [POSITION, "SecretPlace", "SecretNote", "SecretSerial", "SecretOwner", "SecretText", "Secret Thumbnail"]
XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">SecretPlace {POSITION}</x:xmpmeta>'.encode()
# What may be in an output, beside what describes its pixels.
KEPT = {
    "Make", "Model", "Software", "DateTime", "ModifyDate", "Artist", "Author", "Copyright", "ExposureTime", "FNumber", "ISO", "LensModel",
    "ExifVersion", "DateTimeOriginal", "CreateDate",
}  # fmt: skip
LAYOUT = {
    "XResolution", "YResolution", "ResolutionUnit", "Orientation", "YCbCrPositioning", "ComponentsConfiguration", "FlashpixVersion",
    "ColorSpace", "ExifImageWidth", "ExifImageHeight", "PixelUnits", "PixelsPerUnitX", "PixelsPerUnitY",
}  # fmt: skip
OF_CONTAINERS = ("SourceFile", "ExifTool:", "System:", "File:", "Composite:", "JFIF:", "ICC", "Track1:", "Meta:", "QuickTime:", "GIF:", "RIFF:", "PNG:")


def exif_block():
    """What cameras and programs write into EXIF by hand: a maker note, XMP, and tags that nobody knows."""
    block = Image.Exif()
    block[0x010F], block[0x0110], block[0x013B], block[0x8298] = "Camera", "Model 1", "Müller".encode(), "Free"
    block[0x010E] = "SecretText"  # ImageDescription
    block[0x0112] = 6
    block[700] = XMP
    block[33723] = b"\x1c\x02\x5a\0\x0bSecretPlace"  # IPTC: city
    block[34377] = b"8BIM\x04\x0c\0\0\0\0\0\x10Secret Thumbnail"
    block[0xC4A5] = b"PrintIM\0SecretNote"
    block[0xEA1D] = b"SecretNote of a tag without a name"
    block[0x8769] = {
        0x829A: IFDRational(1, 250), 0x829D: IFDRational(28, 10), 0x8827: 200, 0x9003: "2026:01:02 03:04:05", 0xA434: "Lens 50", 0x927C: b"Maker\0SecretNote",
        0x9286: b"ASCII\0\0\0SecretText", 0xA430: "SecretOwner", 0xA431: "SecretSerial", 0x9C9C: b"SecretText",
    }  # fmt: skip
    block[0x8825] = {1: "N", 2: (48.0, 51.0, 30.0), 27: b"ASCII\0\0\0SecretPlace"}
    return block.tobytes()


def with_exiftool(data, suffix, *arguments):
    """The file with a thumbnail, and with XMP, IPTC and Photoshop's blocks where its format has them."""
    with tempfile.TemporaryDirectory() as directory:
        path, thumbnail = Path(directory, f"image{suffix}"), Path(directory, "thumbnail.jpg")
        path.write_bytes(data)
        thumbnail.write_bytes(encode(quadrants(8, 8), "JPEG", comment=b"Secret Thumbnail"))
        command = ["exiftool", "-q", "-m", "-overwrite_original", *arguments, f"-ThumbnailImage<={thumbnail}"]
        if suffix in (".jpg", ".tif"):
            command += ["-IPTC:City=SecretPlace", f"-Photoshop:PhotoshopThumbnail<={thumbnail}"]
        subprocess.run([*command, "-XMP:GPSLatitude=48.8583", "-XMP:City=SecretPlace", path], check=True)
        return path.read_bytes()


def png_texts():
    texts = PngImagePlugin.PngInfo()
    profile = (b"Exif\0\0" + exif_block()).hex()
    texts.add_text("Raw profile type exif", f"\nexif\n{len(profile) // 2:8}\n{profile}\n", zip=True)
    texts.add_text("Raw profile type xmp", f"\nxmp\n{len(XMP):8}\n{XMP.hex()}\n")
    texts.add_text("GPS", f"lat={POSITION}")
    texts.add_text("exif:GPSLatitude", POSITION)
    texts.add_text("Comment", "SecretText")
    texts.add_itxt("Description", "SecretText", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    texts.add_text("Author", "Miller")
    return texts


@lru_cache(maxsize=None)
def source(kind):
    image = quadrants(80, 60)
    if kind == "JPEG":
        return with_exiftool(encode(image, kind, exif=exif_block(), comment=b"SecretText"), ".jpg")
    if kind == "PNG":
        return with_exiftool(encode(image, kind, exif=exif_block(), pnginfo=png_texts()), ".png")
    if kind == "WEBP":
        return encode(image, kind, exif=exif_block(), xmp=XMP)
    if kind == "TIFF":
        tags = {270: "SecretText", 315: "Müller", 700: XMP, 34377: b"8BIM\x04\x0c\0\0\0\0\0\x10Secret Thumbnail"}
        return with_exiftool(encode(image, kind, tiffinfo=tags), ".tif")
    if kind == "AVIF":
        return with_exiftool(encode_avif(image), ".avif", "-GPSLatitude=48.8583", "-Artist=Mueller", "-UserComment=SecretText")
    blocks = b"".join(bytes([len(part)]) + part for part in (b"SecretText " + POSITION.encode(),)) + b"\0"
    plain = encode(image, "GIF")
    end = 13 + 3 * 2 ** ((plain[10] & 7) + 1)
    return plain[:end] + b"!\xfe" + blocks + b"!\xff\x0bXMP DataXMP" + blocks + plain[end:]


def tags_of(data):
    """[(group:name, value)] of all that exiftool sees, also in blocks that it does not know."""
    command = ["exiftool", "-j", "-G1", "-a", "-u", "-U", "-ee", "-b", "-n", "-api", "largefilesupport", "-"]
    found = subprocess.run(command, input=data, capture_output=True, check=True).stdout
    return list(json.loads(found, object_pairs_hook=list)[0])


def assert_keeps_secrets(data, of):
    tags = tags_of(data)
    text = json.dumps(tags) + data.decode("latin-1")
    for secret in SECRETS:
        assert secret not in text and secret.encode().hex() not in text.lower(), f"{of}: {secret} in {tags}"
    for name, _ in tags:
        plain = name.split(":")[-1]
        assert plain in KEPT | LAYOUT or name.startswith(OF_CONTAINERS) or (of[1] == "tiff" and name.startswith("IFD0:")), f"{of}: {name}"
        assert plain not in ("ThumbnailImage", "MakerNoteUnknownText", "GPSLatitude")


@pytest.mark.parametrize("fm", OUTPUTS)
@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.slow
def test_the_place_stays_unless_it_is_asked_for(server, kind, fm):
    body = source(kind)
    assert any(secret in json.dumps(tags_of(body)) + body.decode("latin-1") for secret in SECRETS)
    answer = server.post(f"/pipe/image?strip=0&fm={fm}", body)
    assert answer.status == 200, answer.body
    assert_keeps_secrets(answer.body, (kind, fm))


@pytest.mark.parametrize("fm", ["jpg", "png", "webp", "avif"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_author_and_exposure_stay(server, kind, fm):
    tags = dict(tags_of(server.post(f"/pipe/image?strip=0&fm={fm}", source(kind)).body))
    wanted = {
        "IFD0:Make": "Camera", "IFD0:Model": "Model 1", "IFD0:Artist": "Müller", "IFD0:Copyright": "Free", "ExifIFD:ExposureTime": 0.004,
        "ExifIFD:FNumber": 2.8, "ExifIFD:ISO": 200, "ExifIFD:DateTimeOriginal": "2026:01:02 03:04:05", "ExifIFD:LensModel": "Lens 50",
    }  # fmt: skip
    assert {name: tags.get(name) for name in wanted} == wanted
    assert tags.get("IFD0:Orientation", 1) == 1


def test_the_author_in_a_text_of_a_png_stays(server):
    assert decode(server.post("/pipe/image?strip=0", source("PNG")).body).info["Author"] == "Miller"


@pytest.mark.parametrize("kind, fm", [("JPEG", "jpg"), ("JPEG", "webp"), ("PNG", "png"), ("WEBP", "jpg")])
def test_position_and_xmp_stay_where_they_are_asked_for(server, kind, fm):
    body = server.post(f"/pipe/image?strip=0&gps=1&fm={fm}", source(kind)).body
    assert b"SecretPlace" in body
    assert any(name.endswith("GPSLatitude") for name, _ in tags_of(body))


@pytest.mark.parametrize("query", ["strip=0", "strip=0&gps=1"])
def test_the_profile_that_stays_is_that_of_the_pixels(server, query):
    image = Image.new("RGB", (40, 40), (255, 0, 0))
    profile = swapped_profile()
    out = decode(server.post(f"/pipe/image?{query}&fm=png", encode(image, "PNG", icc_profile=profile)).body)
    assert out.getpixel((20, 20))[1] > 200
    assert out.info["icc_profile"] != profile
    broken = profile[:128] + b"\xff" * 4 + profile[132:]
    out = decode(server.post(f"/pipe/image?{query}&fm=png", encode(image, "PNG", icc_profile=broken)).body)
    assert "icc_profile" not in out.info, "a profile that was not used does not describe the pixels"
