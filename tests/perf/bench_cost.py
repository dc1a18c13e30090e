"""What image jobs are expected to cost, in time and memory, against what they take."""

import argparse
import json
import statistics
import subprocess
import sys

from PIL import Image

from benchlib import BUILD, CACHE, machine, photo, table

BOUND = 3.0  # either way
SMALL_MS, SMALL_MIB = 4, 6  # differences below say nothing: what is asked once for each run, and how the heap lies


def source(kind, megapixels):
    """A photograph of that kind and size."""
    suffixes = {
        "jpg": ".jpg[Q=92]", "pjpg": ".jpg[Q=92,interlace]", "png": ".png", "webp": ".webp[Q=85]", "webpll": ".webp[lossless]",
        "tif": ".tif[compression=deflate]", "tiles": ".tif[tile,tile-width=256,tile-height=256]", "gif": ".gif", "avif": ".avif[Q=65,effort=2]",
    }  # fmt: skip
    if kind in suffixes:
        return photo(megapixels, suffixes[kind])[0]
    path = CACHE / f"cost-{kind}-{megapixels:g}.{kind.removeprefix('alpha').removeprefix('anim')}"
    if not path.exists():
        image = Image.open(photo(megapixels, ".png")[0]).convert("RGBA")
        if kind.startswith("alpha"):
            image.putalpha(Image.linear_gradient("L").resize(image.size))
            image.save(path, **({"lossless": False} if path.suffix == ".webp" else {}))
        else:
            frames = [image.rotate(90 * index) for index in range(8)]
            image.save(path, save_all=True, append_images=frames, duration=50)
    return path


def cases():
    """(kind of source, megapixels, query)"""
    for kind in ("jpg", "pjpg", "png", "webp", "webpll", "tif", "tiles", "gif", "avif", "alphapng", "alphawebp"):
        yield kind, 2, "w=300&fm=jpg"
        yield kind, 0.5, "fm=jpg"
    for size, width in ((0.5, 150), (12, 300), (12, 1200), (12, 3000)):
        yield "jpg", size, f"w={width}"
    for kind in ("animgif", "animwebp"):
        for query in ("w=200&fm=gif", "w=200&fm=webp", "fm=webp", "w=100&fm=jpg", "frame=3&fm=png"):
            yield kind, 0.25, query
    for format in ("jpg", "png", "webp", "gif", "avif", "tif", "png8", "pjpg", "jxl"):
        yield "jpg", 2, f"w=800&fm={format}"
    for format in ("png", "webp", "gif", "avif", "png8", "jxl"):
        for effort in (0, 3, 6, 9):
            yield "jpg", 2, f"w=500&fm={format}&effort={effort}"
    for query in ("fm=webp&lossless=1", "fm=avif&lossless=1", "fm=webp&lossless=1&effort=0", "fm=webp&lossless=1&effort=9", "fm=jxl&lossless=1", "fm=jpg&q=95", "fm=avif&q=30", "fm=webp&q=30"):
        yield "jpg", 2, f"w=500&{query}"
    for query in ("fm=webp", "fm=webp&effort=9", "fm=webp&lossless=1", "fm=png", "fm=avif", "fm=gif"):
        yield "alphapng", 2, f"w=500&{query}"
    for kind in ("png", "alphapng", "webpll"):
        yield kind, 2, "w=800&fm=jpg&linear=1"
    for query in ("w=1000&fm=avif", "w=1900&fm=jpg", "w=400&fm=png"):
        yield "png", 2, query
        yield "gif", 2, query
    for query in (
        "dpr=2", "h=600&fit=crop&crop=entropy", "h=600&fit=crop&crop=attention", "h=900&fit=fill", "h=900&fit=fill&fill=blur", "h=900&fit=clamp",
        "pad=200", "pad=20", "rot=90", "rot=17", "rot=17&rot-type=pivot", "flip=hv", "blur=20", "blur=200", "blur=2000", "sharp=50", "usm=50", "usm=50&usmrad=20",
        "mono=a06030", "bri=20&con=20&gam=20&sat=20", "hue=90", "vib=50", "trim=auto", "rect=100,100,800,600", "border=20,red", "bg=80ff0000", "shrink=careful", "linear=1",
    ):  # fmt: skip
        yield "jpg", 2, f"w=800&{query}"


def measure(kind, megapixels, query, runs):
    small, file = source(kind, 0.01 if not kind.startswith("anim") else 0.02), source(kind, megapixels)
    rounds = []
    for _ in range(runs):
        result = subprocess.run([BUILD / "tests/perf_cost", small, file, query], capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"bench: {kind} {query}: {result.stderr}")
        rounds.append(json.loads(result.stdout))
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def ratio(expected, measured, small):
    return (expected + small) / (measured + small)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    arguments = parser.parse_args()
    found = {}
    for kind, megapixels, query in cases():
        name = f"{kind} {megapixels:g} MP {query}"
        if arguments.only in name:
            found[name] = measure(kind, megapixels, query, arguments.runs)
    pace = statistics.median(each["cpu_ms"] / each["expected_ms"] for each in found.values())
    rows, wrong = [], 0
    for name, each in found.items():
        time = ratio(each["expected_ms"] * pace, each["cpu_ms"], SMALL_MS * pace)
        memory = ratio(each["expected_mib"], each["peak_mib"], SMALL_MIB)
        verdicts = ["pass" if 1 / BOUND <= value <= BOUND else "FAIL" for value in (time, memory)]
        wrong += verdicts.count("FAIL")
        rows.append([name, f"{each['expected_ms'] * pace:.1f}", f"{each['cpu_ms']:.1f}", f"{time:.2f}", verdicts[0]]
                    + [f"{each['expected_mib']:.1f}", f"{each['peak_mib']:.1f}", f"{memory:.2f}", verdicts[1]])  # fmt: skip
    print(f"{machine()}\nhere all takes {pace:.2f} times as long as the table in image_cost.c says: `expected` is that much longer")
    table(["case", "ms expected", "CPU ms", "ratio", "", "MiB expected", "peak MiB", "ratio", ""], rows)
    print(f"{len(rows)} cases, {wrong} of {2 * len(rows)} figures off by more than {BOUND:g} (beside {SMALL_MS} ms, {SMALL_MIB} MiB)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
