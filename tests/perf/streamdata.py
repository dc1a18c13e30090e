"""What the benchmark of streams sends: a file of mixed content, always the same, made once."""

import random

from benchlib import CACHE

PIECE = 64 << 10
LETTERS = "eeeeeeeeeeeetttttttttaaaaaaaaooooooooiiiiiiinnnnnnnsssssshhhhhhrrrrrrddddlllluuucccmmmwwffggyyppbbvk"


def vocabulary(chance, size=6000):
    """65,536 words, those of `size` different ones as often as in a language: drawing one takes two random bytes."""
    words = ["".join(chance.choices(LETTERS, k=chance.choice((2, 3, 3, 4, 4, 5, 6, 7, 8, 10)))) for _ in range(size)]
    words = [word + chance.choices((" ", ", ", ".\n"), (12, 2, 1))[0] for word in words]
    return [word.encode() for word in chance.choices(words, [1 / rank for rank in range(1, size + 1)], k=1 << 16)]


def text(chance, words):
    numbers = memoryview(chance.randbytes(PIECE)).cast("H")
    return b"".join(map(words.__getitem__, numbers))[:PIECE]


def records(chance, number):
    """Records of 16 bytes: a serial number, flags, a measured value with noise in its low bits, a place."""
    count = PIECE // 16
    few = bytes(min(3, value.bit_length() // 2) for value in range(256))
    piece = bytearray(PIECE)
    piece[0::16] = bytes(range(256)) * (count // 256)
    piece[1::16] = b"".join(bytes([(number * 16 + i) & 255]) * 256 for i in range(count // 256))
    piece[2::16] = bytes([number >> 4 & 255]) * count
    piece[4::16] = chance.randbytes(count).translate(few)
    piece[8::16] = chance.randbytes(count)
    piece[9::16] = chance.randbytes(count).translate(few)
    piece[12::16] = bytes(64 + 16 * (i // 512) for i in range(count))
    return bytes(piece)


def pieces():
    """A third each: words, records, random bytes; in turns, so that all parts of the file are alike."""
    chance = random.Random(20)
    words = vocabulary(chance)
    number = 0
    while True:
        yield text(chance, words)
        yield records(chance, number)
        yield chance.randbytes(PIECE)
        number += 1


def mixed(size):
    """The path of the first `size` bytes of it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"mixed-{size}"
    if not path.exists():
        draft = path.with_suffix(".draft")
        with open(draft, "wb") as out:
            left = size
            for piece in pieces():
                left -= out.write(piece[:left])
                if left == 0:
                    break
        draft.rename(path)
    return path
