"""What the benchmarks share: programs under test, load, scrapes, the photograph, and how a target is judged."""

import http.client
import json
import os
import platform
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MILLRACE_BUILD") or ROOT / "build").resolve()
CACHE = ROOT / ".cache/bench"
# The programs' own variables (MILLRACE_WORKERS=...) would change what is measured.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}


class Program:
    """A server that says `listening on URL` on standard error when it is ready. Ends with its `with` block; `status` is
    then its exit status."""

    def __init__(self, *command, environment=None):
        self.process = subprocess.Popen(
            [str(word) for word in command], env=ENVIRONMENT | (environment or {}), stderr=subprocess.PIPE, text=True
        )
        self.pid = self.process.pid
        self.url = None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if match := re.search(r"listening on (http://[^\s\"]+)", line):
                self.url = match[1].rstrip("/")
                break
        if self.url is None:
            sys.exit(f"{command[0]} did not start:\n{''.join(said)}")
        threading.Thread(target=self._pass_on, daemon=True).start()

    def _pass_on(self):
        for line in self.process.stderr:
            sys.stderr.write(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def status(self):
        return self.process.returncode

    @property
    def address(self):
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def _stat(self):
        return Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()

    def cpu_seconds(self):
        fields = self._stat()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def page_faults(self):
        """Those that the kernel served without reading from a disk: memory that was given back and taken again."""
        return int(self._stat()[7])

    def memory_kib(self, what="VmRSS"):
        """Resident memory; VmHWM: its peak so far."""
        return int(re.search(rf"{what}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())[1])


def millrace(*options, environment=None, prefix=()):
    """The server with its defaults, but for `options`: warnings are logged, requests are not. prefix: the words of a
    program that becomes the server."""
    command = (*prefix, BUILD / "millrace", "--listen=127.0.0.1:0", "--log-level=warn", *options)
    return Program(*command, environment=environment)


def hello():
    return Program(BUILD / "tests/perf_hello")


class Load:
    """A run of `millrace-bench load` beside this program; its connections are open when the constructor returns.

    Options are those of the command; times in seconds."""

    def __init__(self, url, **options):
        for name in options.keys() & {"warmup", "duration", "grace"}:
            options[name] = f"{options[name] * 1000:.0f}ms"
        words = [f"--{name}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(
            [BUILD / "millrace-bench", "load", url, "--json", *words],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stderr.readline()
        if "connections are open" not in line:
            sys.exit(f"millrace-bench load {url}: {line}{self.process.stderr.read()}")

    def result(self):
        out, complaint = self.process.communicate()
        if self.process.returncode != 0:
            sys.exit(f"millrace-bench load: {complaint}")
        return json.loads(out)["streams"][0]


def failures(result):
    """What of a load's result was not an answer with 200: "" or what it was. Fast answers count only if they are answers."""
    others = {status: count for status, count in result["status"].items() if status != "200"}
    if not (others or result["unanswered"] or any(result["errors"].values())):
        return ""
    return f"not only answers with 200: {others} {result['errors']}, unanswered {result['unanswered']}"


class Bystander:
    """A loop of our own that does nothing, beside the server: what the machine does to any thread in these seconds."""

    def __init__(self, seconds):
        command = [BUILD / "tests/perf_bystander", f"{seconds * 1000:.0f}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def lag(self):
        return json.loads(self.process.communicate()[0])


class Scraper:
    """Reads /metrics over one connection, opened now, so that a scrape does not wait to be accepted."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(*server.address, timeout=120)
        self.connection.connect()

    def scrape(self):
        """{series as it is written: value}"""
        self.connection.request("GET", "/metrics")
        text = self.connection.getresponse().read().decode()
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {series: float(value) for series, value in lines}


class Buckets:
    """A Prometheus histogram between two scrapes."""

    def __init__(self, name, before, after):
        pattern = re.compile(re.escape(name) + r'_bucket\{(?:.*,)?le="([^"]+)"\}')
        found = [(float(match[1]), series) for series in after if (match := pattern.fullmatch(series))]
        self.edges = [(edge, after[series] - before.get(series, 0)) for edge, series in sorted(found)]
        self.count = self.edges[-1][1] if self.edges else 0

    def quantile(self, q):
        """As Prometheus does it: even inside a bucket. None with fewer than 10 samples above."""
        rank = q * self.count
        if self.count - rank < 10:
            return None
        lower, below = 0.0, 0.0
        for edge, upto in self.edges:
            if upto >= rank:
                inside = (rank - below) / (upto - below) if upto > below else 1.0
                return lower if edge == float("inf") else lower + (edge - lower) * inside
            lower, below = edge, upto

    def max(self):
        """The upper edge of the last bucket that got a sample: the largest value is at most this."""
        return next((edge for edge, upto in self.edges if upto >= self.count), None) if self.count else None


# ---- Many connections ----

PER_SOURCE = 5000  # connections from one source address: far below the ports that one has
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; the socket module has no name for it


def allow_descriptors(count):
    """Raise our own limit, and that of the programs that we start, to the hard one, which must be at least `count`."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < count:
        sys.exit(f"bench: {count} descriptors are needed; the limit is {hard}")


def connect_from(address, number):
    """Connection `number` of many, from source address 127.0.0.2 and up."""
    peer = socket.socket()
    peer.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    peer.bind((f"127.0.0.{2 + number // PER_SOURCE}", 0))
    peer.settimeout(10)
    peer.connect(address)
    return peer


# ---- Figures and verdicts ----


def spread(values, scale=1.0, unit=""):
    """`median [lowest .. highest]`; a dash for what was not measured."""
    known = [value * scale for value in values if value is not None]
    if not known:
        return "-"
    return f"{statistics.median(known):.3g}{unit} [{min(known):.3g} .. {max(known):.3g}]"


def per_round(one, other, combine):
    return [None if a is None or b is None else combine(a, b) for a, b in zip(one, other)]


class Verdicts:
    """Collects a line for each target; the exit status is 1 when one failed."""

    def __init__(self):
        self.lines = []

    def _add(self, verdict, what, values, target, scale, unit):
        self.lines.append((verdict, f"{verdict:<9}  {what}: {spread(values, scale, unit)}, target {target}"))

    def at_most(self, what, values, limit, scale=1.0, unit="", tie=1.1):
        """Pass when the median is within the limit. Undecided when the middle half of the rounds reaches over to the other
        side and the median is within the tie band of the limit, or when too little was measured."""
        self._add(judge(values, limit, tie), what, values, f"<= {limit * scale:.3g}{unit}", scale, unit)

    def at_least(self, what, values, limit, scale=1.0, unit="", tie=1.1):
        turned = [None if value is None else -value for value in values]
        self._add(judge(turned, -limit, tie), what, values, f">= {limit * scale:.3g}{unit}", scale, unit)

    def exactly(self, what, value, holds, target):
        """Counted, not timed: one measurement says it."""
        verdict = "pass" if holds else "FAIL"
        self.lines.append((verdict, f"{verdict:<9}  {what}: {value:.3g}, target {target}"))

    def finish(self):
        print()
        for _, line in self.lines:
            print(line)
        sys.exit(any(verdict == "FAIL" for verdict, _ in self.lines))


def judge(values, limit, tie=1.1):
    known = [value for value in values if value is not None]
    if len(known) < 5:
        return "undecided"
    lower, middle, upper = statistics.quantiles(known, n=4, method="inclusive")
    near = abs(middle - limit) <= (tie - 1) * abs(limit)
    if near and lower <= limit < upper:
        return "undecided"
    return "pass" if middle <= limit else "FAIL"


def table(header, rows):
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def machine():
    """One line: what the figures were measured on."""
    cpu = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine()
    )
    commit = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return f"{cpu}, {cores} cores, Linux {platform.release()}, load {load:.1f} at the start; millrace {commit or '?'}"


def interleave(rounds, cases):
    """(round, case) in an order where each case comes first equally often, so that drift hits all alike."""
    for number in range(rounds):
        shift = number % len(cases)
        for case in cases[shift:] + cases[:shift]:
            yield number, case
            time.sleep(0.3)


# ---- The photograph ----

REAL_PHOTO = Path("/usr/share/backgrounds/Kleiber_by_Lukas_Baubkus.jpg")


PHOTO_KIND = (
    "a real photograph (lomiri-wallpapers-20.04)" if REAL_PHOTO.exists() else "generated, not a photograph"
)


def photo(megapixels=2, suffix=".jpg[Q=92]"):
    """(path, what it is): a real photograph of that size where Debian's lomiri-wallpapers-20.04 is installed, else a
    generated one: fractal surfaces (the 1/f spectrum of natural scenes) and sensor noise. The suffix says format and
    options, as libvips takes them."""
    vips = shutil.which("vips") or sys.exit("bench: the command vips is missing (libvips-tools)")
    CACHE.mkdir(parents=True, exist_ok=True)
    ending = suffix.split("[")[0]
    options = re.sub(r"\W+", "-", suffix.removeprefix(ending).strip("[]"))
    path = CACHE / f"photo-{'real' if REAL_PHOTO.exists() else 'generated'}-{megapixels:g}mp-{options}{ending}"
    if not path.exists():
        draft = CACHE / f"draft{ending}"
        out = f"{draft}{suffix.removeprefix(ending)}"
        if REAL_PHOTO.exists():
            width = round((megapixels * 1e6 * 6028 / 3391) ** 0.5)  # its proportions
            subprocess.run([vips, "thumbnail", REAL_PHOTO, out, str(width)], check=True)
        else:
            height = round((megapixels * 1e6 / 1.5) ** 0.5)
            generate_photo(vips, out, height * 3 // 2, height)
        draft.rename(path)
    size = path.stat().st_size / 1000
    return path, f"{megapixels:g} MP {ending[1:].upper().replace('JPG', 'JPEG')} of {size:.0f} kB, {PHOTO_KIND}"


def generate_photo(vips, out, width, height):
    surfaces = [str(CACHE / f"surface{i}.v") for i in range(3)]
    for surface in surfaces:
        subprocess.run([vips, "fractsurf", surface, str(width), str(height), "2.4"], check=True)
    names = {name: str(CACHE / f"{name}.v") for name in ("joined", "scaled", "noise", "noisy", "bytes")}
    for words in (
        ("bandjoin", " ".join(surfaces), names["joined"]),
        ("scale", names["joined"], names["scaled"]),
        ("gaussnoise", names["noise"], str(width), str(height), "--mean", "0", "--sigma", "8"),
        ("add", names["scaled"], names["noise"], names["noisy"]),
        ("cast", names["noisy"], names["bytes"], "uchar"),
        ("copy", names["bytes"], out, "--interpretation", "srgb"),  # or a TIFF has bands without a meaning
    ):
        subprocess.run([vips, *words], check=True)
    for scrap in [*surfaces, *names.values()]:
        Path(scrap).unlink()
