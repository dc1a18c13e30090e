#!/usr/bin/python3
"""Writes the files beside it, and odd.txt, which says what must come of each.

Sound files that are odd, after what phones, scanners and old encoders write, and beside them those that are damaged or
of a kind that is not read. What a browser shows whole is served: pixels are as Chromium has them, but where it says
"more". script/contact-sheet odd draws both.
"""

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
SERVED, DAMAGED, UNREAD = 200, 422, 415
RED, GREEN, BLUE, WHITE = range(4)
PALETTE = b"\xff\0\0\0\xff\0\0\0\xff\xff\xff\xff"


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


# ---- GIF


def lzw(indices, bits=2):
    """Literals alone, cleared before codes grow."""
    clear, string = 1 << bits, ""
    for at, index in enumerate(indices):
        string += format(clear, f"0{bits + 1}b")[::-1] if at % max(clear - 2, 1) == 0 else ""
        string += format(index, f"0{bits + 1}b")[::-1]
    string += format(clear + 1, f"0{bits + 1}b")[::-1]
    data = bytes(int(string[at : at + 8][::-1], 2) for at in range(0, len(string), 8))
    blocks = (data[at : at + 255] for at in range(0, len(data), 255))
    return bytes([bits]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif(width, height, *blocks, background=BLUE, palette=PALETTE, end=b";"):
    flags = 0x80 | (len(palette) // 3).bit_length() - 2 if palette else 0
    return b"GIF89a" + struct.pack("<HHBBB", width, height, flags, background, 0) + palette + b"".join(blocks) + end


def control(disposal=0, transparent=None):
    return b"\x21\xf9\4" + struct.pack("<BHB", disposal << 2 | (transparent is not None), 10, transparent or 0) + b"\0"


def frame(left, top, width, height, indices=RED, bits=2, flags=0, palette=b""):
    indices = [indices] * (width * height) if isinstance(indices, int) else indices
    return b"," + struct.pack("<HHHHB", left, top, width, height, flags) + palette + lzw(indices, bits)


FULL, GREEN_FULL, STRIPES = frame(0, 0, 4, 4), frame(0, 0, 4, 4, GREEN), [RED, GREEN, BLUE, WHITE] * 4
PLAIN, PLAIN_GREEN, COLOURS = "4x4 RRRR/RRRR/RRRR/RRRR", "4x4 GGGG/GGGG/GGGG/GGGG", "4x4 R.BW/R.BW/R.BW/R.BW"
ONE_BIT = b"," + struct.pack("<HHHHB", 0, 0, 3, 1, 0) + b"\1\2\x42\x06\0"  # codes of 2, 2, then 3 bits


def gifs():
    yield "small-first-frame", gif(4, 4, frame(1, 1, 2, 2)), SERVED, "4x4 ..../.RR./.RR./....", "transparent where nothing was painted"
    yield "small-first-frame-640", gif(640, 480, frame(0, 0, 4, 4)), SERVED, "640x480", "a size that libnsgif does not believe"
    yield "first-frame-beyond-the-edge", gif(4, 4, frame(2, 0, 4, 4)), SERVED, "6x4 ..RRRR/..RRRR/..RRRR/..RRRR", "the first frame makes the canvas larger"
    yield "first-frame-larger", gif(4, 4, frame(0, 0, 6, 5)), SERVED, "6x5 RRRRRR/RRRRRR/RRRRRR/RRRRRR/RRRRRR", ""
    yield "first-frame-outside", gif(4, 4, frame(5, 5, 1, 1)), SERVED, "6x6 ....../....../....../....../....../.....R", ""
    yield "second-frame-beyond-the-edge", gif(4, 4, FULL, frame(2, 2, 4, 4, GREEN)), SERVED, f"{PLAIN} 4x4 RRRR/RRRR/RRGG/RRGG", "later frames are cut"
    yield "second-frame-outside", gif(4, 4, FULL, frame(8, 8, 2, 2, GREEN)), SERVED, f"{PLAIN} {PLAIN}", ""
    yield "canvas-0x0", gif(0, 0, FULL), SERVED, PLAIN, ""
    yield "canvas-0x4", gif(0, 4, FULL), SERVED, PLAIN, ""
    yield "canvas-0x0-frame-at-1x2", gif(0, 0, frame(1, 2, 2, 1)), SERVED, "3x3 .../.../.RR", ""
    yield "canvas-0x0-second-larger", gif(0, 0, FULL, frame(0, 0, 6, 6, GREEN)), SERVED, f"{PLAIN} {PLAIN_GREEN}", ""
    yield "no-trailer", gif(4, 4, FULL, end=b""), SERVED, PLAIN, ""
    yield "zeros-at-the-end", gif(4, 4, FULL, end=b"\0\0"), SERVED, PLAIN, ""
    yield "zeros-between", gif(4, 4, FULL, b"\0\0\0", GREEN_FULL), SERVED, f"{PLAIN} {PLAIN_GREEN}", "more: Chromium ends at the zeros"
    yield "zeros-before-the-first", gif(4, 4, b"\0\0", FULL), SERVED, PLAIN, "more: Chromium ends at the zeros"
    yield "more-data-than-pixels", gif(4, 4, frame(0, 0, 4, 4, [RED] * 30)), SERVED, PLAIN, ""
    yield "disposed-to-background", gif(4, 4, control(2), FULL, control(), frame(1, 1, 2, 2, GREEN)), SERVED, f"{PLAIN} 4x4 ..../.GG./.GG./....", "which is transparent"
    yield "disposed-to-background-twice", gif(4, 4, control(2), frame(0, 0, 3, 3), control(2), frame(1, 1, 2, 2, GREEN), frame(0, 3, 1, 1, WHITE)), SERVED, "4x4 RRR./RRR./RRR./.... 4x4 ..../.GG./.GG./.... 4x4 ..../..../..../W...", ""
    yield "disposed-to-previous", gif(4, 4, FULL, control(3), frame(0, 0, 2, 2, GREEN), frame(3, 3, 1, 1, WHITE)), SERVED, f"{PLAIN} 4x4 GGRR/GGRR/RRRR/RRRR 4x4 RRRR/RRRR/RRRR/RRRW", ""
    yield "disposed-to-previous-by-4", gif(4, 4, FULL, control(4), frame(0, 0, 2, 2, GREEN), frame(3, 3, 1, 1, WHITE)), SERVED, f"{PLAIN} 4x4 GGRR/GGRR/RRRR/RRRR 4x4 RRRR/RRRR/RRRR/RRRW", "some encoders mean 3"
    yield "disposed-to-previous-first", gif(4, 4, control(3), FULL, frame(3, 3, 1, 1, WHITE)), SERVED, f"{PLAIN} 4x4 ..../..../..../...W", ""
    yield "disposed-beyond-the-edge", gif(4, 4, FULL, control(3), frame(3, 2, 9, 9, GREEN), frame(0, 0, 1, 1, WHITE)), SERVED, f"{PLAIN} 4x4 RRRR/RRRR/RRRG/RRRG 4x4 WRRR/RRRR/RRRR/RRRR", ""
    yield "no-palette", gif(4, 4, FULL, palette=b""), SERVED, "4x4 KKKK/KKKK/KKKK/KKKK", ""
    yield "index-beyond-the-palette", gif(4, 4, frame(0, 0, 4, 4, STRIPES), palette=PALETTE[:6]), SERVED, "4x4 RGKK/RGKK/RGKK/RGKK", ""
    yield "local-palette", gif(4, 4, frame(0, 0, 4, 4, flags=0x81, palette=PALETTE), palette=b""), SERVED, PLAIN, ""
    yield "transparent-colour", gif(4, 4, control(0, GREEN), frame(0, 0, 4, 4, STRIPES)), SERVED, COLOURS, ""
    yield "two-controls", gif(4, 4, control(0, GREEN), control(), frame(0, 0, 4, 4, STRIPES)), SERVED, "4x4 RGBW/RGBW/RGBW/RGBW", "the last one holds"
    yield "comment-behind-the-control", gif(4, 4, control(0, GREEN), b"\x21\xfe\3abc\0", frame(0, 0, 4, 4, STRIPES)), SERVED, COLOURS, ""
    yield "interlaced", gif(4, 4, frame(0, 0, 4, 4, [row for row in range(4) for _ in range(4)], flags=0x40)), SERVED, "4x4 RRRR/BBBB/GGGG/WWWW", ""
    yield "interlaced-beyond-the-edge", gif(2, 2, frame(0, 0, 2, 2), frame(1, 0, 3, 4, [row for row in range(4) for _ in range(3)], flags=0x40)), SERVED, "2x2 RR/RR 2x2 RR/RB", ""
    yield "one-bit", gif(3, 1, ONE_BIT), SERVED, "3x1 RRR", ""
    yield "no-first-clear", gif(2, 1, b"," + struct.pack("<HHHHB", 0, 0, 2, 1, 0) + b"\2\2\x48\1\0"), SERVED, "2x1 RG", ""
    yield "empty-first-frame", gif(4, 4, frame(0, 0, 0, 4), FULL), SERVED, f"4x4 ..../..../..../.... {PLAIN}", ""
    yield "empty-second-frame", gif(4, 4, FULL, frame(9, 9, 4, 0)), SERVED, f"{PLAIN} {PLAIN}", ""
    yield "empty-canvas", gif(0, 4, frame(0, 0, 0, 4), FULL), DAMAGED, "", ""
    yield "no-frame", gif(4, 4), DAMAGED, "", ""
    yield "cut-data", gif(4, 4, frame(0, 0, 4, 4, [RED] * 8)), DAMAGED, "", "half of its pixels"
    yield "no-data", gif(4, 4, frame(0, 0, 4, 4, [])), DAMAGED, "", ""
    yield "no-end-of-data", gif(4, 4, FULL[:-1], end=b""), DAMAGED, "", ""
    yield "unknown-code", gif(4, 4, b"," + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\2\2\x7c\xff\0"), DAMAGED, "", ""
    yield "nine-bits", gif(4, 4, frame(0, 0, 4, 4, bits=9)), DAMAGED, "", ""
    yield "unknown-block-between", gif(4, 4, FULL, b"\x55\x66", FULL), DAMAGED, "", "Chromium shows what is before it"


# ---- WebP


def coloured(width=30, height=20):
    image = Image.new("RGB", (width, height))
    image.putdata([(x * 240 // width, y * 240 // height, x * y % 256) for y in range(height) for x in range(width)])
    return image


def webps():
    grid = coloured()

    def longer(data, rest):  # its chunk gets a byte more if `rest` is not that of its length by 2
        size = struct.unpack("<I", data[16:20])[0]
        body = data[12 : 20 + size] + bytes(size % 2 != rest)
        size = len(body) - 8
        body = body[:4] + struct.pack("<I", size) + body[8:] + bytes(size % 2)
        return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body

    def with_size(data, more):
        return data[:4] + struct.pack("<I", struct.unpack("<I", data[4:8])[0] + more) + data[8:]

    for name, options in ("lossy", {"quality": 50}), ("lossless", {"lossless": True}):
        plain = encoded(grid, "WEBP", **options)
        data = longer(plain, 1)
        yield f"{name}-without-padding", data[:-1], SERVED, "30x20", "more: Chromium refuses it; no pixel is missing"
        yield f"{name}-without-padding-or-its-count", with_size(data[:-1], -1), SERVED, "30x20", "more: the same"
        yield f"{name}-bytes-behind", data + b"12345", SERVED, "30x20", ""
        yield f"{name}-two-bytes-short", data[:-2], DAMAGED, "", ""
        yield f"{name}-counts-one-byte-more", with_size(data, 1), DAMAGED, "", ""
        yield f"{name}-counts-one-byte-less", with_size(data[:-2], -2), DAMAGED, "", ""
        yield f"{name}-even-and-a-byte-short", longer(plain, 0)[:-1], DAMAGED, "", "the byte is one of its data"


# ---- JPEG and PNG


def jpegs():
    for name, options in ("baseline", {}), ("progressive", {"progressive": True}):
        data = encoded(coloured(48, 32), "JPEG", quality=80, **options)
        yield f"{name}-no-eoi", data[:-2], SERVED, "48x32", ""
        yield f"{name}-no-eoi-and-a-second-image", data[:-2] + data, SERVED, "48x32", "as phones write it"
        yield f"{name}-bytes-behind", data + b"SEFH1234", SERVED, "48x32", ""
        yield f"{name}-twice", data * 2, SERVED, "48x32", "the first"
        yield f"{name}-last-20-bytes-missing", data[:-22], DAMAGED, "", "browsers show the part that is there"
        yield f"{name}-half", data[: len(data) // 2], DAMAGED, "", ""
    data = bytearray(encoded(coloured(48, 32), "JPEG", quality=80))
    scan = data.index(b"\xff\xda")
    data[scan + 2 + 10 + 1] = 0  # the end of the spectrum, 63
    yield "scan-header-of-samsung", bytes(data), SERVED, "48x32", ""


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def pngs():
    data = encoded(coloured(), "PNG")
    end = data.index(b"IDAT") - 4 + 12 + struct.unpack(">I", data[data.index(b"IDAT") - 4 :][:4])[0]
    yield "no-iend", data[:end], SERVED, "30x20", ""
    yield "half-an-iend", data[:-6], SERVED, "30x20", ""
    yield "bytes-behind", data + b"12345", SERVED, "30x20", ""
    yield "text-cut-behind-the-data", data[:end] + b"\0\0\1\0tEXtComment\0and", SERVED, "30x20", ""
    yield "junk-instead-of-iend", data[:end] + b"junkjunkjunk", SERVED, "30x20", ""
    yield "wrong-sum-of-iend", data[:-1] + b"\0", SERVED, "30x20", ""
    yield "animation-of-no-frames", data[:33] + chunk(b"acTL", bytes(8)) + data[33:], SERVED, "30x20", ""
    yield "wrong-sum-of-idat", data[: end - 1] + bytes([data[end - 1] ^ 1]) + data[end:], DAMAGED, "", ""
    yield "text-cut-before-the-data", data[:33] + b"\0\0\1\0tEXtComment\0and", DAMAGED, "", ""
    yield "idat-without-its-sum", data[: end - 4], DAMAGED, "", ""
    yield "idat-cut", data[: end - 40], DAMAGED, "", ""

    head, pixels = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 3, 0, 0, 0)), chunk(b"IDAT", zlib.compress(b"\0\0\1"))
    palette, alpha = chunk(b"PLTE", PALETTE[:6]), chunk(b"tRNS", b"\0\xff")
    start, end = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")
    yield "trns-before-plte", start + head + alpha + palette + pixels + end, SERVED, "2x1 RG", "opaque: libpng passes over it"
    yield "trns-behind-plte", start + head + palette + alpha + pixels + end, SERVED, "2x1 .G", ""


# ---- TIFF


def tiff(fields, parts, mark="<", tiles=False):
    """A TIFF of one page: `fields` by tag, a number or a tuple of them or bytes; the parts are its strips or tiles."""
    fields = dict(fields)
    offsets, counts = (324, 325) if tiles else (273, 279)
    fields[counts], fields[offsets] = tuple(map(len, parts)), (0,) * len(parts)
    at = 8 + 2 + 12 * len(fields) + 4
    long_values, entries = b"", b""
    ends = at + sum((len(v) if isinstance(v, bytes) else 4 * len(v)) for v in fields.values() if not isinstance(v, int) and len(v) > 1)
    starts = [ends + sum(map(len, parts[:i])) for i in range(len(parts))]
    fields[offsets] = tuple(starts)
    for tag, value in sorted(fields.items()):
        values = (value,) if isinstance(value, int) else value
        data = value if isinstance(value, bytes) else b"".join(struct.pack(mark + "I", number) for number in values)
        entries += struct.pack(mark + "HHI", tag, 7 if isinstance(value, bytes) else 4, len(values))
        if len(values) == 1:
            entries += data
        else:
            entries += struct.pack(mark + "I", at + len(long_values))
            long_values += data
    head = (b"II" if mark == "<" else b"MM") + struct.pack(mark + "HIH", 42, 8, len(fields))
    return head + entries + struct.pack(mark + "I", 0) + long_values + b"".join(parts)


def page(width, height, compression=1, photometric=2, samples=3, **more):
    fields = {256: width, 257: height, 258: 8, 259: compression, 262: photometric, 277: samples}
    return fields | {int(tag[1:]): value for tag, value in more.items()}


def tiffs():
    grid = coloured(48, 40)
    for name, image in ("rgb", grid), ("grey", grid.convert("L")), ("cmyk", grid.convert("CMYK")), ("ycbcr", grid.convert("YCbCr")):
        yield f"jpeg-{name}", encoded(image, "TIFF", compression="jpeg"), SERVED, "48x40", "" if name == "rgb" else "as libtiff writes it"
    plain = Image.new("RGB", (32, 32), (255, 0, 0))
    red, green = encoded(plain, "JPEG", quality=95), encoded(Image.new("RGB", (32, 32), (0, 255, 0)), "JPEG", quality=95)
    strips = page(32, 48, 7, 6, t278=32)
    short = encoded(Image.new("RGB", (32, 16), (0, 255, 0)), "JPEG", quality=95)
    yield "jpeg-strips", tiff(strips, [red, short]), SERVED, "32x48 RRRRRRRRRRRR" + "/RRRRRRRRRRRR" * 11, ""
    yield "jpeg-last-strip-too-high", tiff(strips, [red, green]), SERVED, "32x48", "cut"
    yield "jpeg-strip-too-low", tiff(strips, [short, green]), DAMAGED, "", ""
    yield "jpeg-strip-too-wide", tiff(page(30, 32, 7, 6), [red]), DAMAGED, "", ""
    yield "jpeg-of-other-channels", tiff(page(32, 32, 7, 1, 1), [red]), DAMAGED, "", ""
    yield "jpeg-strip-missing", tiff(strips, [red]), DAMAGED, "", ""
    tiles = page(40, 20, 7, 6, t322=32, t323=32)
    yield "jpeg-tiles", tiff(tiles, [red, green], ">", True), SERVED, "40x20", ""
    noisy = encoded(coloured(32, 32), "JPEG", quality=95)
    yield "jpeg-cut-data", tiff(page(32, 32, 7, 6), [noisy[: len(noisy) * 3 // 4] + b"\xff\xd9"]), DAMAGED, "", "libtiff paints the rest grey"
    yield "jpeg-without-eoi", tiff(page(32, 32, 7, 6), [noisy[:-2]]), DAMAGED, "", ""
    yield "jpeg-progressive", tiff(page(32, 32, 7, 6), [encoded(plain, "JPEG", progressive=True)]), UNREAD, "", ""
    yield "jpeg-tables-with-a-picture", tiff(page(32, 32, 7, 6, t347=red), [red]), DAMAGED, "", ""
    yield "jpeg-tables-that-are-cut", tiff(page(32, 32, 7, 6, t347=red[:30]), [red]), DAMAGED, "", ""
    yield "jpeg-old-style", tiff(page(32, 32, 6, 6), [red]), UNREAD, "", "compression 6"
    yield "jpeg-planar", tiff(page(32, 32, 7, 2, t284=2), [red, red, red]), UNREAD, "", ""

    rows = [bytes([255, 0, 0] * 2 + [0, 255, 0] * 2)] * 4
    planes = [b"\xff\xff\0\0" * 4, b"\0\0\xff\xff" * 4, bytes(16)]
    colours = "4x4 RRGG/RRGG/RRGG/RRGG"
    yield "strips", tiff(page(4, 4, t278=1), rows), SERVED, colours, ""
    yield "strips-big-endian", tiff(page(4, 4, t278=1), rows, ">"), SERVED, colours, ""
    yield "planar-strips", tiff(page(4, 4, t284=2), planes), SERVED, colours, ""
    yield "tiled-planar", tiff(page(16, 16, t284=2, t322=16, t323=16), [bytes(256)] * 3, tiles=True), UNREAD, "", "not read by libvips"
    yield "tiled", tiff(page(16, 16, t322=16, t323=16), [b"\xff\0\0" * 256], tiles=True), SERVED, "16x16 RRRRRRRRRRRR" + "/RRRRRRRRRRRR" * 11, ""
    yield "tile-of-10016", tiff(page(16, 16, t322=10016, t323=16), [bytes(9)], tiles=True), UNREAD, "", ""
    yield "white-is-zero", tiff(page(4, 2, 1, 0, 1), [b"\0\0\xff\xff" * 2]), SERVED, "4x2 WWKK/WWKK", ""
    yield "float", tiff(page(2, 2, 1, 1, 1, t258=32, t339=3), [bytes(16)]), UNREAD, "", ""
    yield "five-channels", tiff(page(2, 2, samples=5), [bytes(20)]), UNREAD, "", ""
    for compression in 34925, 50000, 50001, 34712:
        yield f"compression-{compression}", tiff(page(4, 4, compression), [bytes(48)]), UNREAD, "", ""
    yield "strip-too-short", tiff(page(4, 4), [bytes(40)]), DAMAGED, "", ""
    yield "deflate-cut", tiff(page(4, 4, 8), [zlib.compress(b"".join(rows))[:-9]]), DAMAGED, "", ""


# ----


def main():
    lines = []
    for kind, cases in ("gif", gifs()), ("webp", webps()), ("jpg", jpegs()), ("png", pngs()), ("tif", tiffs()):
        for name, data, status, pixels, why in cases:
            file = f"{kind}-{name}.{kind}"
            (HERE / file).write_bytes(data)
            lines.append(f"{file} | {status} | {pixels} | {why}")
    (HERE / "odd.txt").write_text("\n".join(line.rstrip() for line in lines) + "\n")


main()
