"""Images made for the tests, and what is read back from the answers."""

import io
import json
import random
import struct
import zlib
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageCms
from server import SANITIZER

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 180, 30), (30, 30, 220), (250, 250, 250)
QUADRANTS = (RED, GREEN, BLUE, WHITE)  # top left, top right, bottom left, bottom right

ORIENTATION, GPS_IFD = 0x0112, 0x8825
# How a camera held that way stores an upright image (EXIF 2.32, 4.6.4 A): what a reader does to show it, backwards.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def quadrants(width, height, mode="RGB"):
    """Four areas of plain colour: shows which way is up."""
    image = Image.new("RGB", (width, height))
    for index, colour in enumerate(QUADRANTS):
        x, y = index % 2 * (width // 2), index // 2 * (height // 2)
        image.paste(colour, (x, y, width, height) if index == 3 else (x, y, x + width, y + height))
    return image.convert(mode)


def encode(image, kind="JPEG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation=None, gps=True):
    """An EXIF block as cameras write it, with a position that must never leave the server."""
    block = Image.Exif()
    block[0x010F] = "SecretCamera"  # Make
    block[0x013B] = "Secret Person"  # Artist
    if orientation is not None:
        block[ORIENTATION] = orientation
    if gps:
        block[GPS_IFD] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}
    return block.tobytes()


@lru_cache(maxsize=None)
def photo(width=400, height=200, orientation=1, kind="JPEG"):
    """A photograph that reads as `quadrants` of width x height once it is turned upright, stored turned away from it."""
    image = quadrants(width, height)
    if orientation in STORED:
        image = image.transpose(STORED[orientation])
    options = {"quality": 92} if kind == "JPEG" else {}
    return encode(image, kind, exif=exif(orientation), **options)


@lru_cache(maxsize=None)
def noise(width, height, kind="JPEG", seed=1):
    """Hard to compress, and so large as a file."""
    image = Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(width * height * 3))
    return encode(image, kind, **({"quality": 90} if kind == "JPEG" else {}))


@lru_cache(maxsize=None)
def blank_png(width, height, mode="RGB"):
    """Small as a file, large as pixels."""
    return encode(Image.new(mode, (width, height)), "PNG", compress_level=9 if width < 3000 else 1)


def black_png(side):
    """A square of any size, of which no pixel is ever in memory: one row, compressed, that often."""
    row = bytes(1 + 3 * side)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(row) + packer.flush(zlib.Z_FULL_FLUSH)
    adler = (side * len(row) % 65521) << 16 | 1  # of zeros
    data = b"\x78\x01" + packed * side + b"\x03\x00" + struct.pack(">I", adler)

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@lru_cache(maxsize=None)
def slow_job(times=1):
    """(target, body) of a job that keeps a worker busy for about a second (times `times` x `times`) and can be stopped at any time."""
    side = times * {"": 9000, "address": 5000, "thread": 1600}[SANITIZER]
    return f"/pipe/image?w={side * 5 // 9}&fm=png", blank_png(side, side) if times == 1 else black_png(side)


def swapped_profile():
    """An sRGB profile whose red and green primaries change places: pure red in it looks green."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.find(b"rXYZ"), profile.find(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def display_p3_profile():
    """Display P3 as a matrix profile (ICC.1:2001-04; primaries of SMPTE EG 432-1 adapted to D50, a plain gamma of 2.2)."""

    def fixed(*values):
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    def xyz(*values):
        return b"XYZ \0\0\0\0" + fixed(*values)

    gamma = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(2.2 * 256))
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 3) + b"P3\0" + bytes(8 + 3 + 67 + 2),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": xyz(0.9642, 1, 0.8249),
        b"rXYZ": xyz(0.51512, 0.24120, -0.00105),
        b"gXYZ": xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz(0.15710, 0.06657, 0.78407),
        **{curve: gamma for curve in (b"rTRC", b"gTRC", b"bTRC")},
    }
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s12x4s28x", start + len(data), b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    head += fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def encode_avif(image):
    """Near lossless, by an encoder that is not the server's library."""
    with tempfile.TemporaryDirectory() as directory:
        source, result = Path(directory, "image.png"), Path(directory, "image.avif")
        image.save(source)
        command = ["avifenc", "--min", "4", "--max", "8", "--speed", "8", "--yuv", "444", source, result]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return result.read_bytes()


@lru_cache(maxsize=None)
def heic(width, height):
    return encode_heic(quadrants(width, height))


def encode_heic(image):
    with tempfile.TemporaryDirectory() as directory:
        source, result = Path(directory, "image.png"), Path(directory, "image.heic")
        image.save(source)
        command = ["heif-enc", "-q", "70", source, "-o", result]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return result.read_bytes()


# ---- reading


def decode_avif(data):
    """By a decoder that is not the server's library."""
    with tempfile.TemporaryDirectory() as directory:
        source, result = Path(directory, "image.avif"), Path(directory, "image.png")
        source.write_bytes(data)
        subprocess.run(["avifdec", source, result], check=True, stdout=subprocess.DEVNULL)
        return decode(result.read_bytes())


def decode(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def is_close(colour, wanted, tolerance=40):
    return all(abs(a - b) <= tolerance for a, b in zip(colour, wanted))


def assert_upright(data):
    """The image shows `quadrants`, as it is stored: no reader has to turn it."""
    image = decode(data)
    assert image.getexif().get(ORIENTATION, 1) == 1
    pixels = image.convert("RGB")
    width, height = pixels.size
    seen = [pixels.getpixel((width * x // 4, height * y // 4)) for y in (1, 3) for x in (1, 3)]
    assert all(is_close(have, want) for have, want in zip(seen, QUADRANTS)), f"not upright: {seen}"


def metadata(data):
    """What exiftool finds, by group:name, without what describes the file and its pixels."""
    found = subprocess.run(["exiftool", "-j", "-G", "-a", "-u", "-"], input=data, capture_output=True, check=True).stdout
    tags = json.loads(found)[0]
    technical = ("File:", "ExifTool:", "Composite:", "JFIF:", "PNG:", "RIFF:", "SourceFile")
    return {name: value for name, value in tags.items() if not name.startswith(technical)}
