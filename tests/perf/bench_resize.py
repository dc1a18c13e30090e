"""Images a second over HTTP, against the bare image stage in a loop and against Node.js with sharp."""

import argparse
import contextlib
import http.client
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageMath, ImageStat

from benchlib import BUILD, CACHE, ENVIRONMENT, PHOTO_KIND, ROOT, Load, Verdicts, failures, interleave, machine
from benchlib import millrace, photo, spread, table
from mixlib import decode
from nodelib import SOURCES, install_node_servers, sharp

CONNECTIONS = 4
WARMUP = 0.5
# Of sharp's libvips only these hold all functions that we call. They need Node.js 20; Debian 12's is 18.
SHARP_TO_LINK_WITH = ("sharp@0.35.5", "@img/sharp-libvips-dev@1.3.4")
PSNR_BOUND = 1.0  # dB that our output may be worse: a picture that is worse is no match for one that is better
SSIM_BOUND = 0.003  # the same of SSIM
PROBE_BOUND = 0.9  # of its images/s


@dataclass
class Case:
    megapixels: float
    source: str  # suffix, as libvips takes it
    query: str
    of_sharp: float = 0  # of sharp's images/s at least; 0: no target
    has_probe: bool = False  # a plain JPEG made smaller


CASES = {
    "jpeg-0.5": Case(0.5, ".jpg[Q=92,subsample-mode=on]", "w=300", of_sharp=1.5, has_probe=True),
    "jpeg-2": Case(2, ".jpg[Q=92,subsample-mode=on]", "w=300", of_sharp=1.35, has_probe=True),
    "jpeg-12": Case(12, ".jpg[Q=92,subsample-mode=on]", "w=300", of_sharp=1.15, has_probe=True),
    "jpeg-12-1200": Case(12, ".jpg[Q=92,subsample-mode=on]", "w=1200", of_sharp=0.9, has_probe=True),
    "jpeg-444-0.5": Case(0.5, ".jpg[Q=92,subsample-mode=off]", "w=300", of_sharp=1.5),
    "jpeg-444-2": Case(2, ".jpg[Q=92,subsample-mode=off]", "w=300", of_sharp=1.35),
    "jpeg-444-12": Case(12, ".jpg[Q=92,subsample-mode=off]", "w=300", of_sharp=1.15),
    "webp": Case(2, ".jpg[Q=92]", "w=300&fm=webp"),
    "avif": Case(2, ".jpg[Q=92]", "w=300&fm=avif"),
    "png": Case(0.5, ".png", "w=300"),
}


# ---- What is compared ----


def install_sharp_to_link_with():
    home = CACHE / "sharp-to-link-with"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCES / "server.js", home)
    command = ["npm", "install", "--prefix", home, "--no-audit", "--no-fund", *SHARP_TO_LINK_WITH]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return home


VIPS_PC = """Name: vips
Description: the libvips that sharp brings
Version: {version}
Libs: -L{prefix}/lib -lvips -Wl,-rpath,{prefix}/lib
Cflags: -I{headers}/include -I{headers}/include/glib-2.0 -I{library}/lib/glib-2.0/include
"""


def build_with_libvips_of_sharp(home):
    """The directory of a Millrace that is linked with the very libvips that sharp uses."""
    packages, prefix, build = home / "node_modules/@img", home / "libvips", home / "build"
    library, headers = packages / "sharp-libvips-linux-x64", packages / "sharp-libvips-dev"
    shared = next((library / "lib").glob("libvips-cpp.so.*"))  # it exports the C functions, too
    (prefix / "lib/pkgconfig").mkdir(parents=True, exist_ok=True)
    for name in ("libvips.so", shared.name):
        (prefix / "lib" / name).unlink(missing_ok=True)
        (prefix / "lib" / name).symlink_to(shared)
    version = shared.name.removeprefix("libvips-cpp.so.")
    pc = VIPS_PC.format(version=version, prefix=prefix, headers=headers, library=library)
    (prefix / "lib/pkgconfig/vips.pc").write_text(pc)

    environment = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    for command in (
        ["cmake", "--preset", "release", "-B", build, "--log-level=WARNING"],
        ["cmake", "--build", build, "--target", "millrace", "millrace-bench", "perf_resize"],
    ):
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=sys.stderr)
    return build


def bare(case, body, workers, seconds, *options):
    """{images_per_s, cpu_ms}, or None when it died."""
    command = [BUILD / "tests/perf_resize", *options, body, case.query, str(workers), str(seconds)]
    run = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return json.loads(run.stdout)
    print(f"  perf_resize {' '.join(options)} died with {run.returncode}: {run.stderr.strip()}")
    return None


def load(server, case, body, seconds):
    """{images_per_s, cpu_ms of the server, cpu_ms of the generator}"""
    cpu, generator = server.cpu_seconds(), children_cpu_seconds()
    result = Load(
        f"{server.url}/pipe/image?{case.query}", rate=0, connections=CONNECTIONS, warmup=WARMUP, duration=seconds, body=body
    ).result()
    if failed := failures(result):
        print(f"  {server.url}: {failed}")
    images = result["answered_per_second"] * (WARMUP + seconds)
    return {
        "images_per_s": result["answered_per_second"],
        "cpu_ms": (server.cpu_seconds() - cpu) / images * 1e3,
        "generator_ms": (children_cpu_seconds() - generator) / images * 1e3,
    }


def children_cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


# ---- Is it the same picture? ----


def ask(server, method, target, body=None):
    connection = http.client.HTTPConnection(*server.address, timeout=60)
    connection.request(method, target, body)
    response = connection.getresponse()
    said = response.read()
    if response.status != 200:
        sys.exit(f"bench: {server.url}{target} answered {response.status}: {said[:200]!r}")
    return said


def psnr(image, reference):
    """dB"""
    squares = ImageStat.Stat(ImageChops.difference(image, reference))
    return 10 * math.log10(255**2 / (sum(squares.sum2) / sum(squares.count)))


def window_means(image):
    """Of windows of 8 x 8 pixels beside each other."""
    width, height = image.width // 8, image.height // 8
    return image.crop((0, 0, 8 * width, 8 * height)).resize((width, height), Image.Resampling.BOX)


def ssim(image, reference):
    """Of brightness, the mean of all windows."""
    a, b = (one.convert("L").convert("F") for one in (image, reference))
    means = {"a": window_means(a), "b": window_means(b)}
    for name, (one, other) in {"aa": (a, a), "bb": (b, b), "ab": (a, b)}.items():
        means[name] = window_means(ImageMath.eval("one * other", one=one, other=other))
    index = ImageMath.eval(
        "(2 * a * b + c1) * (2 * (ab - a * b) + c2) / ((a * a + b * b + c1) * (aa - a * a + bb - b * b + c2))",
        c1=(0.01 * 255) ** 2, c2=(0.03 * 255) ** 2, **means)  # fmt: skip
    return statistics.fmean(index.getdata())


def likeness(output, source):
    """(dB, SSIM) against the whole source, decoded in full and resized with Lanczos3, both by Pillow."""
    image = decode(output)
    reference = Image.open(source).convert("RGB").resize(image.size, Image.Resampling.LANCZOS)
    return psnr(image, reference), ssim(image, reference)


# ---- One case ----


class Measured:
    """What all rounds of one case gave, by side: ours, sharp, bare, plain, probe."""

    def __init__(self, sides):
        self.rounds = {side: [] for side in sides}
        self.memory_kib = {}  # (peak, at the end) of the servers
        self.output = {}  # (bytes, dB, SSIM)

    def figures(self, side, name):
        return [None if one is None else one[name] for one in self.rounds[side]]

    def ratios(self, side, other):
        pairs = zip(self.figures(side, "images_per_s"), self.figures(other, "images_per_s"))
        return [None if None in pair else pair[0] / pair[1] for pair in pairs]


def measure(case, args, home):
    body, _ = photo(case.megapixels, case.source)
    with contextlib.ExitStack() as stack:
        servers = {"ours": stack.enter_context(millrace(f"--workers={args.workers}"))}
        if home:
            servers["sharp"] = stack.enter_context(sharp(home, args.workers))
        measured = Measured([*servers, "bare", "plain", *(["probe"] if case.has_probe else [])])
        for side, server in servers.items():
            output = ask(server, "POST", f"/pipe/image?{case.query}", body.read_bytes())
            measured.output[side] = (len(output), *likeness(output, body))
        for _, side in interleave(args.rounds, list(measured.rounds)):
            if side in servers:
                one = load(servers[side], case, body, args.seconds)
            else:
                one = bare(case, body, args.workers, args.seconds, *([] if side == "bare" else [f"--{side}"]))
            measured.rounds[side].append(one)
        for side, server in servers.items():
            measured.memory_kib[side] = (server.memory_kib("VmHWM"), server.memory_kib())
    return measured


def report(name, case, measured):
    _, description = photo(case.megapixels, case.source)
    print(f"\n{name}: {description}, ?{case.query}")
    rows = []
    for side in measured.rounds:
        peak, end = measured.memory_kib.get(side, (None, None))
        size, decibels, similarity = measured.output.get(side, (None, None, None))
        rows.append([
            side,
            spread(measured.figures(side, "images_per_s")),
            spread(measured.figures(side, "cpu_ms")),
            spread(measured.figures(side, "generator_ms")) if side in measured.output else "-",
            f"{peak / 1024:.0f} / {end / 1024:.0f}" if peak else "-",
            *([str(size), f"{similarity:.4f}", f"{decibels:.2f}"] if size else ["-"] * 3),
        ])
    table(["", "images/s", "CPU ms an image", "generator's", "RSS MiB, peak / end", "bytes", "SSIM", "PSNR dB"], rows)
    sys.stdout.flush()


def judge(verdicts, name, case, measured, same_libvips):
    verdicts.at_least(f"{name}: images/s, HTTP / bare loop", measured.ratios("ours", "bare"), 0.95)
    if case.has_probe:
        verdicts.at_least(f"{name}: images/s, bare loop / probe", measured.ratios("bare", "probe"), PROBE_BOUND)
    if "sharp" not in measured.rounds:
        return
    if case.of_sharp:
        least = max(case.of_sharp, 1.0) if same_libvips else case.of_sharp
        verdicts.at_least(f"{name}: images/s, millrace / sharp", measured.ratios("ours", "sharp"), least)
    memory = measured.memory_kib["ours"][0] / measured.memory_kib["sharp"][0]
    verdicts.exactly(f"{name}: peak RSS, millrace / sharp", memory, memory <= 0.5, "<= 0.5")
    difference = measured.output["ours"][1] - measured.output["sharp"][1]
    verdicts.exactly(f"{name}: PSNR, millrace - sharp, dB", difference, difference >= -PSNR_BOUND, f">= -{PSNR_BOUND:g}")
    difference = measured.output["ours"][2] - measured.output["sharp"][2]
    verdicts.exactly(f"{name}: SSIM, millrace - sharp", difference, difference >= -SSIM_BOUND, f">= -{SSIM_BOUND:g}")


# ---- The run ----


def versions(args, home):
    with millrace() as server:
        ours = json.loads(ask(server, "GET", "/version"))
    print(f"millrace: {json.dumps(ours)}")
    if home:
        with sharp(home, args.workers) as server:
            theirs = json.loads(ask(server, "GET", "/"))
        print("sharp: " + ", ".join(f"{name} {theirs[name]}" for name in ("sharp", "node", "vips", "mozjpeg", "webp", "aom")))
    else:
        print("sharp: not measured, there is no node or no npm here")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4, help="of each run")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="threads on each side")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--same-libvips", action="store_true", help="link Millrace with the libvips that sharp brings")
    args = parser.parse_args()

    home = install_node_servers()
    if args.same_libvips:
        if not home:
            sys.exit("bench: --same-libvips needs node and npm")
        home = install_sharp_to_link_with()
        build = build_with_libvips_of_sharp(home)
        if BUILD != build.resolve():
            os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "MILLRACE_BUILD": str(build)})
    print(f"{machine()}\n{args.workers} threads on each side, {CONNECTIONS} connections in a closed loop, {args.rounds} rounds of "
          f"{args.seconds:g} s, interleaved; servers are started anew for each case; the source is {PHOTO_KIND}\n"
          "bare: mr_image_run in a loop; plain: vips_thumbnail_buffer and the encoder in a loop, with Orc; probe: tests/perf/photo_probe.h")
    versions(args, home)
    verdicts = Verdicts()
    for name in args.cases:
        measured = measure(CASES[name], args, home)
        report(name, CASES[name], measured)
        judge(verdicts, name, CASES[name], measured, args.same_libvips)
    verdicts.finish()


main()
