"""Words of prose that the field has better ones for, as a ratchet: tests/words.txt says how often each may still stand
in comments and documents. More is an error; where there are fewer, the file is to say so (--write).
File-local names that several files share are counted the same way: grep cannot tell them apart."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "tests" / "words.txt"
SHARED = "shared file-local names"


def prose():
    """All comments of C, and the documents."""
    texts = ["\n".join(re.findall(r"/\*.*?\*/|//[^\n]*", path.read_text(), re.S)) for path in (ROOT / "src").rglob("*.[ch]")]
    return "\n".join(texts + [path.read_text() for path in [*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")]])


def shared_names():
    """How many names of static functions stand in more than one file of src/."""
    files = {}
    for path in (ROOT / "src").rglob("*.c"):
        for name in set(re.findall(r"^static [^;=(]*?(\w+)\([^;]*?\)\n?\{", path.read_text(), re.M)):
            files.setdefault(name, set()).add(path)
    return sum(len(found) > 1 for found in files.values())


def main():
    text = prose()
    allowed = dict(line.rsplit(" ", 1) for line in LIST.read_text().splitlines() if line)
    found = {
        word: shared_names() if word == SHARED else len(re.findall(rf"\b{word}\b", text, re.I)) for word in allowed
    }
    if sys.argv[1:] == ["--write"]:
        LIST.write_text("".join(f"{word} {count}\n" for word, count in found.items()))
        return 0
    wrong = [
        f"tests/words.txt: {word}: {found[word]}, where {count} are allowed"
        + ("" if found[word] > int(count) else " (fewer: run tests/words.py --write)")
        for word, count in allowed.items()
        if found[word] != int(count)
    ]
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
