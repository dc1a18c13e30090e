"""The numbers of quality.c, measured, and bytes at equal SSIM against sharp."""

import argparse
import bisect
import json
import math
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from benchlib import BUILD, CACHE, Verdicts, machine, table
from nodelib import install_node_servers

# Debian's lomiri-wallpapers-16.04 and -20.04 put them into /usr/share/backgrounds.
PHOTOS = """
Bridge_by_Sander_Klootwijk Dragonfly_by_Bolly Fossa_by_Jasper_Roks Kleiber_by_Lukas_Baubkus Picture_0B_by_freespace
Wine_by_Jakkub_Mede aitzgorri_by_Aitzol_Berasategi free_by_Peter_Nerlich friends_by_Aitzol_Berasategi
greentock_by_Peter_Nerlich life_by_Aitzol_Berasategi seeding_by_Clements_Engelhardt
""".split()
WIDTH = 600
SHARP_BOUND = 1.1
SHARP_QUALITIES = (50, 60, 70, 80)
FORMATS = ("jpg", "webp", "avif")


def picture(photos, name):
    """The photograph, made small and written without loss."""
    path = CACHE / "quality" / f"{name}-{WIDTH}.png"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        vips = shutil.which("vips") or sys.exit("bench: the command vips is missing (libvips-tools)")
        draft = path.with_suffix(".draft.png")
        command = [vips, "thumbnail", photos / f"{name}.jpg", f"{draft}[strip]", str(WIDTH), "--export-profile", "srgb"]
        subprocess.run(command, check=True)
        draft.rename(path)
    return path


def measure(*arguments):
    run = subprocess.run([BUILD / "tests/perf_quality", *arguments], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"bench: perf_quality {arguments}: {run.stderr}")
    return [json.loads(line) for line in run.stdout.splitlines()]


class Curve:
    """Straight lines between what was measured: (x, y)."""

    def __init__(self, points):
        self.points = sorted(points)

    def at(self, x):
        index = min(max(bisect.bisect_left(self.points, (x,)), 1), len(self.points) - 1)
        (low, below), (high, above) = self.points[index - 1 : index + 1]
        part = (x - low) / (high - low) if high > low else 0
        return below + min(max(part, 0), 1) * (above - below)


def curve(measured, name, figure):
    return Curve((each["ssim"], figure(each)) for each in measured if each["name"] == name)


# ---- The table ----


def matches(measured, name):
    """What number of that encoder looks like a JPEG of q = 0, 10 ... 100 (0: like one of 1)."""
    jpegs = Curve((each["q"], each["ssim"]) for each in measured if each["name"] == "jpg")
    numbers = curve(measured, name, lambda each: each["q"])
    return [numbers.at(jpegs.at(max(q, 1))) for q in range(0, 101, 10)]


def bytes_beside_jpeg(measured, name):
    """Bytes of what looks like a JPEG of q=75, to the JPEG's."""
    jpegs = [each for each in measured if each["name"] == "jpg"]
    ssim = Curve((each["q"], each["ssim"]) for each in jpegs).at(75)
    return curve(measured, name, lambda each: each["bytes"]).at(ssim) / Curve((each["q"], each["bytes"]) for each in jpegs).at(75)


def print_table(pictures):
    found = [measure("encoders", path) for path in pictures]
    rows, words = [], []
    for name in (*FORMATS[1:], "jxl"):
        if not any(each["name"] == name for each in found[0]):
            print(f"{name}: the linked libvips does not write it")
            continue
        columns = list(zip(*(matches(measured, name) for measured in found)))
        middle = [round(statistics.median(column)) for column in columns[:-1]] + [100]
        words.append(f"static const uint8_t {name}_levels[STEPS + 1] = {{{', '.join(map(str, middle))}}};")
        for index, column in enumerate(columns):
            rows.append([name, 10 * index, middle[index], f"{min(column):.0f} .. {max(column):.0f}"])
        ratio = statistics.geometric_mean(bytes_beside_jpeg(measured, name) for measured in found)
        print(f"{name}: {ratio:.2f} of the bytes of a JPEG of q=75 that looks like it")
    table(["", "q", "number", "of all photographs"], rows)
    print("\n".join(words))


# ---- Beside sharp ----


def compare(pictures, home, verdicts):
    for name in FORMATS:
        ratios = {quality: [] for quality in SHARP_QUALITIES}
        for path in pictures:
            ours = curve(measure("stage", path, f"fm={name}"), f"fm={name}", lambda each: math.log(each["bytes"]))
            files = [CACHE / "quality" / f"{path.stem}-sharp-{quality}.{name}" for quality in SHARP_QUALITIES]
            subprocess.run(["node", home / "quality.js", path, name, *map(str, SHARP_QUALITIES), *files], check=True)
            for quality, theirs in zip(SHARP_QUALITIES, measure("files", path, *files)):
                ratios[quality].append(ours.at(theirs["ssim"]) - math.log(theirs["bytes"]))
        for quality, found in ratios.items():
            mean = math.exp(statistics.mean(found))
            spread = f"[{math.exp(min(found)):.2f} .. {math.exp(max(found)):.2f}]"
            verdicts.exactly(f"{name}: bytes at the SSIM of sharp's q={quality} {spread}, to sharp's", mean, mean <= SHARP_BOUND, f"<= {SHARP_BOUND}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=Path("/usr/share/backgrounds"), help="where they are")
    parser.add_argument("--only", choices=["table", "sharp"], help="one of the two")
    arguments = parser.parse_args()
    missing = [name for name in PHOTOS if not (arguments.photos / f"{name}.jpg").exists()]
    if missing:
        sys.exit(f"bench: {arguments.photos} lacks {' '.join(missing)} (lomiri-wallpapers-16.04, lomiri-wallpapers-20.04)")
    pictures = [picture(arguments.photos, name) for name in PHOTOS]
    print(f"{machine()}\n{len(pictures)} photographs of {WIDTH} px")
    if arguments.only != "sharp":
        print_table(pictures)
    verdicts = Verdicts()
    home = None if arguments.only == "table" else install_node_servers()
    if home:
        compare(pictures, home, verdicts)
    verdicts.finish()


main()
