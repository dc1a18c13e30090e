"""Data directories as docs/store.md has them, written here once more so that the server's own code is not what says it is
right. XXH3 comes from its C library, which the server is linked to as well."""

import ctypes
import hashlib
import json

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def xxh3(data):
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_64bits.restype = ctypes.c_uint64
    library.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    return library.XXH3_64bits(data, len(data))


def ulid(ms, number=0):
    bits = ms << 80 | number
    return "".join(CROCKFORD[bits >> shift & 31] for shift in range(125, -1, -5))


def meta_bytes(head, payload=b"", private=b""):
    head = json.dumps(head, separators=(",", ":")).encode() + b"\n"
    body = head + private + payload
    return b"millrace-object 1 %d %d %d %016x\n" % (len(head), len(private), len(payload), xxh3(body)) + body


class DataDirectory:
    """An empty one; `put` adds objects."""

    def __init__(self, path):
        self.path = path
        for name in ("objects", "uploads"):
            (path / name).mkdir(parents=True)
        path.chmod(0o700)
        (path / "format").write_text("millrace-data 1\n")
        (path / "lock").touch()
        self.numbers = iter(range(1, 1 << 32))

    def place(self, id):
        return self.path / "objects" / id[:4] / id[4:6]

    def put(self, payload, segments=None, ms=1_796_000_000_000, **more):
        """Add an object; `segments`: the lengths that the payload is cut into, or None: it is inline. Returns its ID."""
        id = ulid(ms, next(self.numbers))
        place = self.place(id)
        place.mkdir(parents=True, exist_ok=True)
        head = {"id": id, "rev": 1, "name": "a.bin", "type": "application/octet-stream", "size": len(payload)}
        head |= {"created_ms": ms, "changed_ms": ms, "sha256": hashlib.sha256(payload).hexdigest()}
        head |= {"is_image": False, "tags": [], "meta": {}, "segments": []}
        at = 0
        for number, length in enumerate(segments or [], 1):
            (place / f"{id}.{number}").write_bytes(payload[at : at + length])
            head["segments"].append([number, length, length, 0])
            at += length
        (place / f"{id}.meta").write_bytes(meta_bytes(head | more, b"" if segments else payload))
        return id

    def meta(self, id):
        return self.place(id) / f"{id}.meta"

    def segment(self, id, number=1):
        return self.place(id) / f"{id}.{number}"
