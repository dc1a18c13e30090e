"""The arrows between the folders of src/: a file includes its own floor's headers and those of the floors that
CMakeLists.txt lets it stand on, and none above or beside it. Prints what does not; the exit status is 1 then."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def floors():
    """Each floor with all floors below it."""
    text = (ROOT / "CMakeLists.txt").read_text()
    direct = {
        name: set(re.findall(r"\bmr_(\w+)", links)) for name, links in re.findall(r"^millrace_floor\((\w+) LINK (.*)\)", text, re.M)
    }
    below = {}
    for name, links in direct.items():  # the lowest stand first
        below[name] = links.union(*(below[link] for link in links))
    return below


def main():
    below = floors()
    wrong = []
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        floor = path.relative_to(ROOT / "src").parts[0]
        if floor not in below:  # main.c joins them all
            continue
        for included in re.findall(r'^#include "(\w+)/', path.read_text(), re.M):
            if included != floor and included not in below[floor]:
                wrong.append(f"{path.relative_to(ROOT)} includes {included}/, which {floor} does not stand on")
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
