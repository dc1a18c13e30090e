"""Hostile images, made by rules: every case is a name, the bytes, and the statuses that are right for it.

REFUSED: must not be taken as an image. HARMLESS: whatever a decoder makes of it, but an answer it must be.
"""

import io
import struct
import zlib

import heif
from images import encode, exif, noise, quadrants
from PIL import Image

REFUSED = {413, 415, 422}
HARMLESS = {200, 413, 415, 422}


# ---- good images, to be spoilt


def frames(count, size=(24, 16)):
    return [Image.new("RGB", size, (index * 40 % 256, 90, 200 - index * 7 % 200)) for index in range(count)]


def animated(kind, count=5, **options):
    first, *rest = frames(count)
    return encode(first, kind, save_all=True, append_images=rest, duration=40, **options)


def good(avif):
    noisy = Image.open(io.BytesIO(noise(90, 70, "PNG"))).convert("RGB")
    return {
        "jpeg": noise(90, 70, "JPEG"),
        "jpeg progressive": encode(noisy, "JPEG", progressive=True),
        "jpeg exif": encode(noisy, "JPEG", exif=exif(6)),
        "png": noise(90, 70, "PNG"),
        "png palette": encode(noisy.quantize(64), "PNG"),
        "png alpha": encode(noisy.convert("RGBA"), "PNG"),
        "gif": encode(noisy, "GIF"),
        "gif animated": animated("GIF"),
        "webp": encode(noisy, "WEBP"),
        "webp lossless": encode(noisy, "WEBP", lossless=True),
        "webp animated": animated("WEBP"),
        "tiff": encode(noisy, "TIFF"),
        "tiff lzw": encode(noisy, "TIFF", compression="tiff_lzw"),
        "tiff pages": animated("TIFF"),
        "avif": avif,
    }


def cuts(images):
    for kind, data in images.items():
        for part in range(1, 16):
            whole_page = kind == "tiff pages" and part > 2  # a page that is not asked for may lack its end
            yield f"{kind} cut at {part}/16", data[: len(data) * part // 16], HARMLESS if whole_page else REFUSED
        if not kind.startswith("tiff"):  # the end of whose file may be padding
            behind = kind.startswith(("jpeg", "png"))  # all pixels: nothing but EOI, or a part of IEND, is missing
            yield f"{kind} without its last two bytes", data[:-2], {200} if behind else REFUSED


def flips(images):
    for kind, data in images.items():
        state = len(data)
        for index in range(12):
            spoilt = bytearray(data)
            for _ in range(1 + index % 3):
                state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
                where = (state >> 8) % (64 if index < 6 else len(data))
                spoilt[where % len(data)] ^= 1 << (state >> 29)
            yield f"{kind} flipped {index}", bytes(spoilt), HARMLESS


# ---- by hand


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, *chunks, depth=8, colour=2, interlace=0, data=b"\0" * 10):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    body = b"".join(chunk(kind, content) for kind, content in chunks)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    )


def png_pixels(width, height):
    return (b"\0" + b"\x80" * (3 * width)) * height


def gif(width, height, *rectangles, pixels=1):
    """Frames with so many pixels each, at most 255."""
    codes = int("101" + "001100" * pixels, 2)  # from the last bit on: clear, a colour ... and the end
    data = codes.to_bytes((6 * pixels + 10) // 8, "little")
    out = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0\0\0\0\xff\xff\xff"
    for rectangle in rectangles:
        out += b"," + struct.pack("<HHHH", *rectangle) + b"\0\2" + bytes([len(data)]) + data + b"\0"
    return out + b";"


def riff(*chunks):
    body = b"WEBP"
    for kind, content in chunks:
        body += kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def le24(value):
    return struct.pack("<I", value)[:3]


def vp8x(width, height, flags=0x02):
    return b"VP8X", bytes([flags, 0, 0, 0]) + le24(width - 1) + le24(height - 1)


def tiff(entries, data=b"", following=0):
    """A little-endian TIFF of one directory; `data` stands behind it, at data_at(len(entries))."""
    out = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        out += struct.pack("<HHII", tag, kind, count, value)
    return out + struct.pack("<I", following) + data


def data_at(entries):
    return 8 + 2 + 12 * entries + 4


def grey_tiff(width=16, height=16, more=(), data=None, following=0, **values):
    data = b"\x55" * (width * height) if data is None else data
    fields = {
        256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: height, 279: len(data),
    }  # fmt: skip
    fields.update({int(key[1:]): value for key, value in values.items()})
    count = len(fields) + len(more)
    if "t273" not in values:
        fields[273] = data_at(count)
    entries = [(tag, 4, 1, value) for tag, value in sorted(fields.items())]
    return tiff(sorted([*entries, *more]), data, following)


def jpeg_segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def with_segments(jpeg, *segments):
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def huge_sizes(images):
    for width, height in [(50000, 50000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1), (65535, 65535), (2**31 - 1, 1), (70000, 2)]:
        yield f"png of {width}x{height}", png(width, height), REFUSED
        yield f"interlaced png of {width}x{height}", png(width, height, interlace=1), REFUSED
    for width, height in [(0, 10), (10, 0), (2**32 - 1, 10)]:
        yield f"png of {width}x{height}", png(width, height), REFUSED
    for width, height in [(65535, 65535), (0, 9), (9, 0)]:
        yield f"gif of {width}x{height}", gif(width, height, (0, 0, width, height)), REFUSED
        small = {200} if 0 in (width, height) else REFUSED  # a canvas that the frame makes larger
        yield f"small frame in a gif of {width}x{height}", gif(width, height, (0, 0, 1, 1)), small
    for width, height in [(65500, 65500), (0, 90), (65535, 1), (90, 0), (30000, 30000)]:
        for kind in ("jpeg", "jpeg progressive"):
            data = bytearray(images[kind])
            at = max(data.find(b"\xff\xc0\0\x11"), data.find(b"\xff\xc2\0\x11"))
            data[at + 5 : at + 9] = struct.pack(">HH", height, width)
            yield f"{kind} of {width}x{height}", bytes(data), REFUSED
    for width, height in [(16777215, 16777215), (16777215, 1), (16384, 16384), (1, 1)]:
        data = images["webp"][12:]
        size = struct.unpack("<I", data[4:8])[0]
        body = (b"VP8 ", data[8 : 8 + size])
        yield f"webp on a canvas of {width}x{height}", riff(vp8x(width, height, 0), body), REFUSED
    for width, height in [(2**31, 2**31), (2**32 - 1, 1), (60000, 60000), (0, 5), (5, 0), (100, 2**32 - 1)]:
        yield f"tiff of {width}x{height}", grey_tiff(data=b"\x55" * 99, t256=width, t257=height), REFUSED
    for width, height in [(65535, 65535), (2**32 - 1, 2**32 - 1), (0, 0), (16, 16), (4000, 4000)]:
        data = bytearray(images["avif"])
        at = data.find(b"ispe") + 8
        data[at : at + 8] = struct.pack(">II", width, height)
        yield f"avif that says {width}x{height}", bytes(data), REFUSED


def frame_tricks(images):
    # As browsers show them: the first frame makes the canvas larger, later ones are cut at its edges.
    huge = [(65535, 65535, 65535, 65535), (65534, 0, 65535, 1), (0, 0, 65535, 65535)]
    for rectangle in [(1, 0, 4, 4), (0, 1, 4, 4), (0, 0, 5, 4), (3, 3, 2, 1), (4, 4, 1, 1), (0, 0, 0, 4), (9, 9, 4, 0)]:
        yield f"gif with a frame at {rectangle}", gif(4, 4, rectangle, pixels=20), {200}
        yield f"gif with a second frame at {rectangle}", gif(4, 4, (0, 0, 4, 4), rectangle, pixels=20), {200}
        yield f"gif with a frame at {rectangle} that lacks pixels", gif(4, 4, rectangle, pixels=max(rectangle[2] * rectangle[3] - 1, 0)), REFUSED if 0 not in rectangle[2:] else {200}
    for rectangle in huge:
        yield f"gif with a frame at {rectangle}", gif(4, 4, rectangle, pixels=20), REFUSED
    for rectangle in [huge[0], huge[2]]:
        yield f"gif with a second frame at {rectangle}", gif(4, 4, (0, 0, 4, 4), rectangle, pixels=20), REFUSED
    yield "gif with a second frame of a row beyond", gif(4, 4, (0, 0, 4, 4), huge[1], pixels=20), HARMLESS
    picture = images["webp"][12:]
    size = struct.unpack("<I", picture[4:8])[0]
    bitstream = b"VP8 " + picture[4 : 8 + size + (size & 1)]
    for x, y, width, height in [(0, 0, 90, 70), (2, 0, 90, 70), (0, 2**24 - 2, 90, 70), (0, 0, 1, 1), (0, 0, 2**24, 2**24)]:
        frame = le24(x // 2) + le24(y // 2) + le24(width - 1) + le24(height - 1) + le24(40) + b"\0" + bitstream
        body = riff(vp8x(90, 70), (b"ANIM", b"\0" * 6), (b"ANMF", frame))
        yield f"webp with a frame of {width}x{height} at {x},{y}", body, {200} if (x, y, width) == (0, 0, 90) else REFUSED
    yield "webp animation without frames", riff(vp8x(90, 70), (b"ANIM", b"\0" * 6)), REFUSED
    yield "gif without frames", gif(4, 4), REFUSED
    for name, body in [
        ("5000 frames", gif(2, 2, *[(0, 0, 1, 1)] * 5000)),
        ("500 frames of 4 megapixels", gif(2000, 2000, *[(0, 0, 1, 1)] * 500)),
    ]:
        yield f"gif of {name}", body, {200, 413}  # a still is one frame
    pixels = png_pixels(4, 4)
    for count in (0, 1, 2**31 - 1, 2**32 - 1):
        yield f"png of {count} frames", png(4, 4, (b"acTL", struct.pack(">II", count, 0)), data=pixels), HARMLESS
    control = struct.pack(">IIIIIHHBB", 0, 2**31, 4, 2**31, 0, 1, 10, 0, 0)
    yield "png frame outside", png(4, 4, (b"acTL", struct.pack(">II", 1, 0)), (b"fcTL", control), data=pixels), REFUSED


def bombs(images):
    zeros = zlib.compress(b"\0" * 50_000_000, 9)
    pixels = png_pixels(4, 4)
    yield "png with 50 MB of text", png(4, 4, (b"zTXt", b"Comment\0\0" + zeros), data=pixels), HARMLESS
    yield "png with 50 MB of profile", png(4, 4, (b"iCCP", b"icc\0\0" + zeros), data=pixels), HARMLESS
    yield "png with 50 MB of international text", png(4, 4, (b"iTXt", b"a\0\1\0\0\0" + zeros), data=pixels), HARMLESS
    many = [(b"tEXt", b"k\0v")] * 20000
    yield "png with 20000 texts", png(4, 4, *many, data=pixels), HARMLESS
    yield "png of zeros, 9000x9000, 1 bit", png(9000, 9000, depth=1, colour=0, data=b"\0" * (1126 * 9000)), HARMLESS
    yield "png whose data is too long", png(4, 4, data=pixels + b"\0" * 50_000_000), HARMLESS
    yield "png whose data is 100 MB too long", png(64, 48, data=b"\0" * 100_000_000), {422}
    yield "png whose data is too short", png(400, 400, data=pixels), REFUSED
    yield "png without palette", png(4, 4, colour=3, data=pixels), REFUSED
    yield "png with a palette of 300", png(4, 4, (b"PLTE", b"\1\2\3" * 300), colour=3, data=pixels), HARMLESS
    for index, exif_body in enumerate(
        [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"II*\0\x08\0\0\0\1\0\x12\1\3\0\xff\xff\xff\x7f\6\0\0\0"]
        + [b"II*\0\x08\0\0\0" + b"\1\0\x69\x87\4\0\1\0\0\0\x08\0\0\0\x08\0\0\0"]
    ):
        segment = jpeg_segment(0xE1, b"Exif\0\0" + exif_body)
        yield f"jpeg with strange exif {index}", with_segments(images["jpeg"], segment), {200}
        yield f"png with strange exif {index}", png(4, 4, (b"eXIf", exif_body), data=pixels), HARMLESS
    profile = [jpeg_segment(0xE2, b"ICC_PROFILE\0" + bytes([i, 200]) + b"\xa5" * 60000) for i in range(1, 201)]
    yield "jpeg with 12 MB of profile", with_segments(images["jpeg"], *profile), HARMLESS
    absurd = bytearray(b"\0" * 200)
    absurd[36:40], absurd[128:132] = b"acsp", b"\xff\xff\xff\xff"
    for number in (0, 1, 255):
        body = b"ICC_PROFILE\0" + bytes([number, number]) + bytes(absurd)
        yield f"jpeg with an absurd profile, part {number}", with_segments(images["jpeg"], jpeg_segment(0xE2, body)), HARMLESS
    comments = [jpeg_segment(0xFE, b"c")] * 50000
    yield "jpeg with 50000 comments", with_segments(images["jpeg"], *comments), HARMLESS
    # 90 scans over 65 megapixels in 1 KB
    frame = jpeg_segment(0xC2, struct.pack(">BHHB", 8, 8000, 8100, 1) + b"\1\x11\0")
    scan = jpeg_segment(0xDA, b"\1\1\0\0\0\0")
    for count, status in ((90, REFUSED), (101, REFUSED), (8, HARMLESS)):
        yield f"progressive jpeg of {count} empty scans", b"\xff\xd8" + frame + scan * count + b"\xff\xd9", status
    for sampling in (0, 0x11, 0x44, 0xFF, 0x14):
        data = bytearray(images["jpeg"])
        data[data.find(b"\xff\xc0") + 11] = sampling
        yield f"jpeg with sampling {sampling:#x}", bytes(data), HARMLESS


# ---- profiles that a colour library evaluates for each point of its grid


def element(kind, inputs, outputs, body):
    return kind + struct.pack(">4xHH", inputs, outputs) + body


def matrix(inputs, outputs):
    return element(b"matf", inputs, outputs, struct.pack(f">{(inputs + 1) * outputs}f", *[0.1] * (inputs * outputs), *[0] * outputs))


def table(inputs, outputs):
    size = bytes([2] * inputs).ljust(16, b"\0")
    return element(b"clut", inputs, outputs, size + struct.pack(">f", 0.5) * (2**inputs * outputs))


def curves(channels, segments):
    curve = b"curf" + struct.pack(">4xH2x", segments) + struct.pack(f">{segments - 1}f", *range(2, segments + 1))
    curve += (b"parf" + struct.pack(">8x4f", 1, 1, 0, 0)) * segments
    return element(b"cvst", channels, channels, struct.pack(">II", 12 + 8 * channels, len(curve)) * channels + curve)


def profile_of(elements, repeat=1):
    """A profile of RGB that goes through all of the elements, which stand in it once."""
    at = 16 + 8 * len(elements) * repeat
    places, bodies = b"", b"".join(elements)
    for body in elements:
        places += struct.pack(">II", at, len(body))
        at += len(body)
    tag = b"mpet" + struct.pack(">4xHHI", 3, 3, len(elements) * repeat) + places * repeat + bodies
    ramps = bytes(range(256)) * 3
    plain = b"mft1" + struct.pack(">4x4B9i", 3, 3, 2, 0, *(65536, 0, 0, 0) * 2, 65536) + ramps + b"\x80" * 24 + ramps
    start = 132 + 2 * 12
    tags = struct.pack(">4sII", b"A2B0", start, len(plain)) + struct.pack(">4sII", b"D2B0", start + len(plain), len(tag))
    head = struct.pack(">I4sI4s4s4s12x4s28x3i", start + len(plain) + len(tag), b"none", 0x04200000, b"mntr", b"RGB ", b"XYZ ", b"acsp", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", 2) + tags + plain + tag


def profiles(images):
    for name, profile in [
        ("40000 matrices", profile_of([matrix(3, 3)], 40000)),
        ("curves of 40000 segments", profile_of([curves(3, 40000)])),
        ("a table of 15 inputs", profile_of([matrix(3, 15), table(15, 3)])),
        ("5 MB", profile_of([matrix(3, 3)]) + bytes(5_000_000)),
        ("8 matrices", profile_of([matrix(3, 3)], 8)),
    ]:
        chunks = (b"iCCP", b"icc\0\0" + zlib.compress(profile, 9))
        yield f"png with a profile of {name}", png(4, 4, chunks, data=png_pixels(4, 4)), {200}


def tiffs(images):
    yield "plain tiff", grey_tiff(), {200}
    yield "tiff whose directory follows itself", grey_tiff(following=8), REFUSED
    first, second = 8, 8 + 2 + 12 + 4
    entry = struct.pack("<HHII", 256, 4, 1, 4)
    ring = b"II*\0" + struct.pack("<I", first)
    for at in (second, first):
        ring += struct.pack("<H", 1) + entry + struct.pack("<I", at)
    yield "tiff of two directories in a ring", ring, REFUSED
    chain = b"II*\0" + struct.pack("<I", 8)
    for index in range(3000):
        chain += struct.pack("<H", 1) + entry + struct.pack("<I", 8 + 18 * (index + 1) if index < 2999 else 0)
    yield "tiff of 3000 directories", chain, REFUSED
    yield "tiff with a directory inside itself", grey_tiff(more=[(330, 4, 1, 8)]), HARMLESS
    yield "tiff with exif in its own directory", grey_tiff(more=[(34665, 4, 1, 8)]), HARMLESS
    yield "tiff with 65535 entries", b"II*\0\x08\0\0\0\xff\xff" + entry * 100, REFUSED
    yield "tiff without entries", b"II*\0\x08\0\0\0\0\0\0\0\0\0", REFUSED
    yield "tiff that starts outside", b"II*\0\xff\xff\xff\x7f", REFUSED
    for tag, value in [
        (258, 0), (258, 7), (258, 64), (259, 6), (259, 7), (259, 34712), (259, 0), (262, 6), (262, 8), (262, 32845), (277, 0),
        (277, 5), (277, 65535), (278, 0), (279, 2**32 - 1), (279, 0), (273, 2**32 - 1), (284, 2), (284, 9), (339, 3), (339, 6),
    ]:  # fmt: skip
        yield f"tiff with {tag}={value}", grey_tiff(**{f"t{tag}": value}), HARMLESS if (tag, value) in {(284, 2), (284, 9)} else REFUSED
    for tag in (256, 257, 258, 277, 278):
        yield f"tiff with {tag} given twice", grey_tiff(more=[(tag, 4, 1, 7)]), REFUSED
    for kind, count in [(4, 2**32 - 1), (12, 2**31), (0, 5), (99, 5), (2, 2**30)]:
        yield f"tiff with {count} values of type {kind}", grey_tiff(more=[(305, kind, count, 8)]), HARMLESS
    for side in (0, 1, 15, 2**31, 65536):
        yield f"tiff with tiles of {side}", grey_tiff(more=[(322, 4, 1, side), (323, 4, 1, side)]), REFUSED
    bomb = zlib.compress(b"\0" * 60_000_000, 9)
    yield "tiff with a deflated bomb", grey_tiff(data=bomb, t259=8), HARMLESS
    yield "tiff of 60 megapixels in one strip", grey_tiff(data=bomb, t256=10000, t257=6000, t278=6000, t259=8), HARMLESS
    yield "tiff of ccitt that is none", grey_tiff(data=b"\xaa" * 3000, t256=5000, t257=5000, t258=1, t259=4), HARMLESS


def strangers(images):
    for name, start in [
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='99999' height='99999'/>"),
        ("svg with entities", b"<?xml version='1.0'?><!DOCTYPE s [<!ENTITY a 'aaaa'>]><svg>&a;</svg>"),
        ("svg that reads a file", b"<svg><image href='file:///etc/passwd'/></svg>"),
        ("svg behind a byte order mark", b"\xef\xbb\xbf<svg/>"),
        ("gzipped svg", b"\x1f\x8b\x08\0\0\0\0\0"),
        ("pdf", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"),
        ("postscript", b"%!PS-Adobe-3.0\n"),
        ("matrix", b"2 2\n1 0\n0 1\n"),
        ("ppm", b"P6 9 9 255 " + b"\0" * 243),
        ("pfm", b"PF\n9 9\n-1.0\n" + b"\0" * 972),
        ("bmp", b"BM" + b"\0" * 60),
        ("psd", b"8BPS\0\1" + b"\0" * 60),
        ("jpeg 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 60),
        ("jpeg xl", b"\xff\x0a" + b"\0" * 60),
        ("openexr", b"v/1\1" + b"\0" * 60),
        ("vips", b"\xb6\xa6\xf2\x08" + b"\0" * 100),
        ("fits", b"SIMPLE  =                    T" + b" " * 2850),
        ("radiance", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 9 +X 9\n"),
        ("mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 60),
        ("mvg", b"push graphic-context\nviewbox 0 0 9 9\n"),
        ("zip", b"PK\3\4" + b"\0" * 60),
        ("html", b"<!doctype html><img src=x onerror=alert(1)>"),
        ("ico", b"\0\0\1\0\1\0" + b"\0" * 60),
    ]:  # fmt: skip
        yield name, start, {415}
        yield f"{name} with a jpeg behind it", start + images["jpeg"], {415}
        yield f"{name} behind a jpeg", images["jpeg"] + start, HARMLESS
    yield "wave in a riff", b"RIFF\x24\0\0\0WAVEfmt ", {415}
    yield "gif that is html", b"GIF89a/*" + b"<script>" * 20, REFUSED
    yield "two jpegs", images["jpeg"] * 2, HARMLESS
    yield "jpeg inside a jpeg's head", with_segments(images["jpeg"], jpeg_segment(0xE0, images["jpeg"][:9000])), HARMLESS
    boxes = images["avif"]
    yield "avif of endless boxes", boxes[:28] + b"\0\0\0\x08free" * 10000, REFUSED
    yield "avif with a box of length 7", boxes[:28] + b"\0\0\0\x07meta" + boxes[28:], REFUSED
    yield "avif with two meta boxes", boxes[:28] + boxes[28 : 28 + struct.unpack(">I", boxes[28:32])[0]] + boxes[28:], REFUSED
    yield "avif of nothing but its type", boxes[:28], REFUSED


def heifs(images):
    for path in sorted(heif.CORPUS.glob("heif-*")):
        if not path.name.startswith("heif-sound-"):
            yield path.name, path.read_bytes(), {415, 422}
    items, references = heif.phone()
    tiles = [2, 3, 4, 5]
    for name, to in [("too few", tiles[:3]), ("too many", [*tiles, 5]), ("itself", [1, 1, 1, 1]), ("strangers", [2, 3, 4, 77]), ("exif", [2, 3, 4, 7])]:
        yield f"heic grid of tiles: {name}", heif.write(items, [(b"dimg", 1, to), *references[1:]]), {415, 422}
    yield "heic grid without tiles", heif.write(items, references[1:]), {422}
    for rows, columns, width, height in [(2, 2, 129, 100), (2, 2, 120, 64), (1, 4, 120, 100), (4, 1, 120, 100), (1, 1, 60, 60), (256, 256, 120, 100)]:
        changed = [heif.Item(b"grid", heif.grid(rows, columns, width, height), heif.size(width, height), in_idat=True), *items[1:]]
        yield f"heic grid of {rows}x{columns} for {width}x{height}", heif.write(changed, references), {422}
    data, config = heif.tile()
    for width, height in [(63, 64), (64, 65), (8, 8), (640, 640), (16000, 16000)]:
        lie = heif.Item(b"hvc1", data, config, heif.size(width, height))
        yield f"heic of 64x64 that says {width}x{height}", heif.write([lie]), REFUSED
        yield f"heic tile of 64x64 that says {width}x{height}", heif.write([*items[:4], lie, *items[5:]], references), REFUSED
    turned = heif.Item(b"hvc1", data, config, heif.size(64, 64), heif.box(b"irot", b"\1"))
    yield "heic grid with a turned tile", heif.write([*items[:3], turned, *items[4:]], references), {415}
    twice = heif.Item(b"hvc1", data * 2, config, heif.size(64, 64))
    yield "heic of two pictures in one item", heif.write([twice]), {415}
    alpha = heif.full(b"auxC", b"urn:mpeg:hevc:2015:auxid:1\0")
    pair = [heif.Item(b"hvc1", data, config, heif.size(64, 64), alpha)] * 2
    yield "heic transparencies of each other", heif.write(pair, [(b"auxl", 1, [2]), (b"auxl", 2, [1])]), {415, 422}
    many = [heif.Item(b"hvc1", data, config, heif.size(64, 64))] + [heif.Item(b"mime", b"x")] * 3000
    yield "heic of 3001 items", heif.write(many), {422}
    shared = heif.write([many[0], heif.Item(b"mime", b"x" * 2_000_000), *[heif.Item(b"mime", b"")] * 500])
    at, entry = shared.index(b"iloc") + 12, struct.pack(">II", len(shared) - 2_000_000, 2_000_000)
    for number in range(502):
        if number > 1:
            shared = shared[: at + 16 * number + 8] + entry + shared[at + 16 * number + 16 :]
    yield "heic of 501 items that share 2 MB", shared, {422}


GROUPS = [cuts, flips, huge_sizes, frame_tricks, bombs, profiles, tiffs, strangers, heifs]


def sound_heifs():
    """A name, the bytes, and the size that is shown."""
    sizes = {"grid-alpha-avif": (128, 128), "thumbnail-heic": (128, 128), "turned-avif": (67, 101)}
    for path in sorted(heif.CORPUS.glob("heif-sound-*")):
        yield path.name, path.read_bytes(), sizes.get(path.name.removeprefix("heif-sound-"), (101, 67))
    yield "two lists of properties", heif.corpus("avif-two-ipma"), (40, 40)
    for turn in range(4):
        yield f"a phone's, turned {turn} times", heif.write(*heif.phone(turn=turn)), (100, 120) if turn % 2 else (120, 100)
    yield "bytes behind the last box", heif.write(*heif.phone(turn=0)) + b"\0\0\1\0Samsung", (120, 100)
    data, config = heif.tile()
    gains = heif.full(b"auxC", b"urn:com:apple:photo:2020:aux:hdrgainmap\0")
    larger = [heif.Item(b"hvc1", data, config, heif.size(64, 64)), heif.Item(b"hvc1", data, config, heif.size(4000, 3000), gains)]
    yield "a gain map that is larger", heif.write(larger, [(b"auxl", 2, [1])]), (64, 64)


def heics_of_odd_parameters(heic):
    """One bit of the picture's description is another one each time: libde265 prints what it does not like in some of them."""
    at = heic.index(b"hvcC") + 4
    at = heic.index(b"\x42\x01\x01", at)  # the sequence's parameters
    for bit in range(8 * 3, 8 * int.from_bytes(heic[at - 2 : at], "big")):
        spoilt = bytearray(heic)
        spoilt[at + bit // 8] ^= 1 << bit % 8
        yield bytes(spoilt)


def good_avif(server):
    """Pillow may not write AVIF; the server does."""
    answer = server.post("/pipe/image?fm=avif", encode(quadrants(90, 70), "PNG"))
    assert answer.status == 200, answer.body
    return answer.body
