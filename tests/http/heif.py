"""HEIF files put together from parts: any items, any properties, as phones and attackers write them."""

import struct
from pathlib import Path

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus" / "image_scan"


def corpus(name):
    return (CORPUS / name).read_bytes()


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind, *parts, version=0, flags=0):
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def find(data, *path):
    """The body of a box, by the types of those around it."""
    for kind in path:
        at = data.index(kind)
        data = data[at + 4 : at - 4 + struct.unpack(">I", data[at - 4 : at])[0]]
    return data


def size(width, height):
    return full(b"ispe", struct.pack(">II", width, height))


def grid(rows, columns, width, height):
    return struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)


class Item:
    def __init__(self, kind, data, *properties, in_idat=False):
        self.kind, self.data, self.properties, self.in_idat = kind, data, properties, in_idat


def locations(items, data_at):
    out, at, held = b"", data_at, 0
    for number, item in enumerate(items, 1):
        where = held if item.in_idat else at
        out += struct.pack(">HHHHII", number, item.in_idat, 0, 1, where, len(item.data))
        held, at = (held + len(item.data), at) if item.in_idat else (held, at + len(item.data))
    return full(b"iloc", struct.pack(">HH", 0x4400, len(items)), out, version=1)


def meta(items, references, data_at):
    properties, lists = [], b""
    for number, item in enumerate(items, 1):
        for each in item.properties:
            if each not in properties:
                properties.append(each)
        lists += struct.pack(">HB", number, len(item.properties))
        lists += bytes(properties.index(each) + 1 for each in item.properties)
    infos = [full(b"infe", struct.pack(">HH", n, 0), item.kind, b"\0", version=2) for n, item in enumerate(items, 1)]
    return full(
        b"meta",
        full(b"hdlr", b"\0" * 4 + b"pict" + b"\0" * 13),
        full(b"pitm", struct.pack(">H", 1)),
        locations(items, data_at),
        full(b"iinf", struct.pack(">H", len(items)), *infos),
        box(b"iprp", box(b"ipco", *properties), full(b"ipma", struct.pack(">I", len(items)), lists)),
        full(b"iref", *(box(kind, struct.pack(f">HH{len(to)}H", of, len(to), *to)) for kind, of, to in references)),
        box(b"idat", *(item.data for item in items if item.in_idat)),
    )


def write(items, references=(), brand=b"heic"):
    """The first item is the one to be shown; they are numbered from 1."""
    start = box(b"ftyp", brand, b"\0\0\0\0mif1", brand)
    data_at = len(start) + len(meta(items, references, 0)) + 8
    data = b"".join(item.data for item in items if not item.in_idat)
    return start + meta(items, references, data_at) + box(b"mdat", data)


def tile():
    """A coded image of 64 x 64 in HEVC: its bytes, and its configuration as a property."""
    data = corpus("small-heic")
    return find(data, b"mdat"), box(b"hvcC", find(data, b"hvcC"))


def phone(width=120, height=100, tiles=4, turn=3):
    """As a phone writes it: tiles, a thumbnail, EXIF, the list of tiles in idat, and a turn."""
    data, config = tile()
    items = [Item(b"grid", grid(2, 2, width, height), size(width, height), box(b"irot", bytes([turn])), in_idat=True)]
    items += [Item(b"hvc1", data, config, size(64, 64))] * tiles
    items += [Item(b"hvc1", data, config, size(64, 64)), Item(b"Exif", b"\0\0\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")]
    tiles_list = list(range(2, 2 + tiles))
    return items, [(b"dimg", 1, tiles_list), (b"thmb", 2 + tiles, [1]), (b"cdsc", 3 + tiles, [1])]
