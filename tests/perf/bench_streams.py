"""Streams: encrypt, decrypt, gzip, gunzip against a bare C program, age, gzip, pigz and Node; memory, and who waits."""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import benchlib
from benchlib import BUILD, CACHE, Buckets, Bystander, Load, Program, Scraper, Verdicts, failures, interleave, machine
from benchlib import per_round, photo, spread, table
from streamdata import mixed
from streamlib import MIB, Race, command, decrypting, encrypting, kept, made, pipe, post, prove, recipient, streamer

CORES = len(os.sched_getaffinity(0))
TOOLS = {name: shutil.which(name) is not None for name in ("age", "gzip", "pigz", "node")}
TIE = 0.9  # at least on par: 10 % is a tie


@contextlib.contextmanager
def millrace(args):
    """The server. A file of 1 GiB is larger than the default of --max-body once it is encrypted."""
    recipient()  # makes the key if there is none
    with benchlib.millrace("--max-body=0", f"--identity={CACHE / 'identity'}", *args.option) as server:
        yield server
        if server.process.poll() is not None:
            sys.exit(f"bench: the server ended during the measurement, status {server.process.returncode}")


def complain(what, result):
    if failed := failures(result):
        print(f"  {what}: {failed}")


def left_out(tool, what):
    """Say so if the tool is missing."""
    if not TOOLS[tool]:
        print(f"left out, as there is no {tool}: {what}")
    return not TOOLS[tool]


# ---- The cases ----


def race_seal(args, verdicts):
    """Encrypt and decrypt: over HTTP against the floor, by command against age."""
    source = mixed(args.size)
    age_file = kept(f"mixed-{args.size}.age", source, encrypting())
    with Program(BUILD / "tests/perf_seal", CORES) as floor, millrace(args) as server:
        sealed = kept(f"mixed-{args.size}.sealed", source,
                      ["curl", "-sS", "-X", "POST", "-H", "Expect:", "-T", source, f"{floor.url}/seal"])
        encrypt_at = f"/pipe/encrypt?recipient={recipient()}"
        sample = mixed(args.size // 16)
        upload = ["curl", "-sS", "--fail", "-X", "POST", "-H", "Expect:", "-T", "-"]
        prove([*upload, server.url + encrypt_at], decrypting(), sample)
        prove(encrypting(), [*upload, f"{server.url}/pipe/decrypt"], sample)
        encrypts = {
            "floor, HTTP": post(floor, "/seal", source),
            "millrace, HTTP": post(server, encrypt_at, source),
            "millrace, command": command(encrypting(), source),
        }
        decrypts = {
            "floor, HTTP": post(floor, "/open", sealed),
            "millrace, HTTP": post(server, "/pipe/decrypt", age_file),
            "millrace, command": command(decrypting(), age_file),
        }
        if not left_out("age", "encrypt and decrypt against age"):
            prove(encrypting(), ["age", "--decrypt", "-i", CACHE / "identity"], sample)
            encrypts["age"] = command(["age", "-r", recipient()], source)
            decrypts["age"] = command(["age", "--decrypt", "-i", CACHE / "identity"], age_file)
        for what, runners in (("encrypt", encrypts), ("decrypt", decrypts)):
            race = Race(args.rounds, runners, args.size)
            race.report(f"{what}, {args.size // MIB} MiB")
            verdicts.at_least(f"{what} over HTTP, speed to the floor's", race.ratio("millrace, HTTP", "floor, HTTP"), 0.8)
            race.tell("millrace, HTTP", "age")
            if what == "encrypt" and TOOLS["age"]:
                verdicts.at_least("encrypt by command, speed to age's", race.ratio("millrace, command", "age"), 1.3)
            else:
                race.tell("millrace, command", "age")


def race_gzip(args, verdicts):
    """gzip level 6 by command against gzip and pigz. An eighth of the size: gzip alone would take a minute a round."""
    size = args.size // 8
    source = mixed(size)
    packing = pipe("gzip", "--level", 6)
    sizes = {"millrace, command": made(f"mixed-{size}.millrace.gz", source, packing).stat().st_size}
    with millrace(args) as server:
        runners = {
            "millrace, command": command(packing, source),
            "millrace, HTTP": post(server, "/pipe/gzip?level=6", source),
        }
        if not left_out("gzip", "gzip against gzip"):
            prove(packing, ["gzip", "-dc"], source)
            runners["gzip"] = command(["gzip", "-6"], source)
            sizes["gzip"] = kept(f"mixed-{size}.gz", source, ["gzip", "-6"]).stat().st_size
        if not left_out("pigz", "gzip against pigz"):
            pigz = ["pigz", f"-p{CORES}", "-6"]
            runners["pigz"] = command(pigz, source)
            sizes["pigz"] = kept(f"mixed-{size}.pigz.gz", source, pigz).stat().st_size
        race = Race(args.rounds, runners, size)
    race.report(f"gzip level 6, {size // MIB} MiB")
    sizes["millrace, HTTP"] = race.runs["millrace, HTTP"][0].received
    print("  size: " + ", ".join(f"{name} {100 * value / size:.2f} %" for name, value in sizes.items()))
    for tool, target in (("gzip", 1.7), ("pigz", TIE)):
        if TOOLS[tool]:
            verdicts.at_least(f"gzip by command, speed to {tool}'s", race.ratio("millrace, command", tool), target)
            race.tell("millrace, HTTP", tool)
            for name in ("millrace, command", "millrace, HTTP"):
                ratio = sizes[name] / sizes[tool]
                verdicts.exactly(f"gzip, {name}: size to {tool}'s", ratio, ratio <= 1.01, "<= 1.01")


def race_gunzip(args, verdicts):
    """gunzip by command against gzip -d, of what gzip made. A quarter of the size."""
    if left_out("gzip", "gunzip"):
        return
    size = args.size // 4
    source = mixed(size)
    packed = kept(f"mixed-{size}.gz", source, ["gzip", "-6"])
    prove(["gzip", "-6"], pipe("gunzip"), mixed(size // 4))
    with millrace(args) as server:
        runners = {
            "millrace, command": command(pipe("gunzip"), packed),
            "millrace, HTTP": post(server, "/pipe/gunzip", packed),
            "gzip -d": command(["gzip", "-dc"], packed),
        }
        race = Race(args.rounds, runners, size)
    race.report(f"gunzip, {size // MIB} MiB when unpacked")
    verdicts.at_least("gunzip by command, speed to gzip -d's", race.ratio("millrace, command", "gzip -d"), TIE)
    race.tell("millrace, HTTP", "gzip -d")


def race_small(args, verdicts):
    """Bodies of 1 MiB on 16 connections, closed loop, against a small server in Node."""
    if left_out("node", "bodies of 1 MiB"):
        return
    body = mixed(MIB)
    script = Path(__file__).with_name("streams_node.js")
    with millrace(args) as server, Program("node", script, environment={"UV_THREADPOOL_SIZE": str(CORES)}) as other:
        urls = {
            ("gzip", "millrace"): f"{server.url}/pipe/gzip?level=6",
            ("gzip", "node"): f"{other.url}/gzip",
            ("encrypt", "millrace"): f"{server.url}/pipe/encrypt?recipient={recipient()}",
            ("encrypt", "node"): f"{other.url}/encrypt",
        }
        rates = {case: [] for case in urls}
        for _, case in interleave(args.rounds, list(urls)):
            result = Load(urls[case], rate=0, connections=16, warmup=1, duration=4, body=body).result()
            complain(" ".join(case), result)
            if not result["valid"]:
                print(f"  {' '.join(case)}: {result['invalid_reason']}")
            rates[case].append(result["answered_per_second"])
    print("\n1 MiB bodies, 16 connections, closed loop; median [spread]")
    table(["", "1/s"], [[" ".join(case), spread(values)] for case, values in rates.items()])
    for stage, target in (("gzip", 1.5), ("encrypt", 1.2)):
        ratio = [one / two for one, two in zip(rates[stage, "millrace"], rates[stage, "node"])]
        verdicts.at_least(f"1 MiB {stage}s, rate to Node's", ratio, target)


def peak(args, target, source, connections):
    """(MiB before, MiB at most) of a server that has done nothing yet."""
    with millrace(args) as server:
        before = server.memory_kib() / 1024
        Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # VmHWM begins anew
        post(server, target, source, connections)()
        return before, server.memory_kib("VmHWM") / 1024


def weigh_memory(args, verdicts):
    """The most resident memory during one stream, and during 16 of a sixteenth of the size at once."""
    rows = []
    for stage, target in (("gzip", "/pipe/gzip?level=6"), ("encrypt", f"/pipe/encrypt?recipient={recipient()}")):
        for connections, size, limit in ((1, args.size, 64), (16, args.size // 16, 256)):
            before, most = peak(args, target, mixed(size), connections)
            what = f"{stage}, {connections} x {size // MIB} MiB"
            rows.append([what, f"{before:.0f}", f"{most:.0f}"])
            verdicts.exactly(f"resident MiB at most, {what}", most, most < limit, f"< {limit}")
    print("\nresident memory of the server, MiB")
    table(["", "idle", "at most"], rows)


# ---- Who waits while streams run ----

IDLE, ONE_GZIP, GZIPS, ENCRYPTS = "idle", "one gzip stream", "16 gzips of 8 MiB", "16 encrypts of 8 MiB"
FIGURES = ("light p50", "light p99", "lateness p99", "image p50", "image p99", "lag p99", "idle loop's lag p99")
WARMUP = 2


class Endless:
    """One large stream after the other, until it is ended."""

    def __init__(self, server, source):
        self.process = streamer(server, "/pipe/gzip?level=6", source, times=1000)

    def end(self):
        if self.process.poll() is not None:
            sys.exit("bench: the stream ended during the measurement")
        self.process.kill()
        self.process.communicate()


class Closed:
    """16 connections with bodies of 8 MiB, closed loop."""

    def __init__(self, server, target, seconds):
        self.target = target
        self.load = Load(f"{server.url}{target}", rate=0, connections=16, warmup=1, duration=seconds + WARMUP - 0.5,
                         grace=30, body=mixed(8 * MIB))

    def end(self):
        complain(f"POST {self.target.split('?')[0]}", self.load.result())


def begin_streams(phase, server, args):
    if phase == ONE_GZIP:
        return Endless(server, mixed(args.size))
    if phase == GZIPS:
        return Closed(server, "/pipe/gzip?level=6", args.seconds)
    if phase == ENCRYPTS:
        return Closed(server, f"/pipe/encrypt?recipient={recipient()}", args.seconds)
    return None


def watch(phase, picture, args):
    """One round of one phase: the results of the light requests and of the small images (None beside 16 streams), the
    loop's lag and that of an idle loop. All small connections are open before the streams begin."""
    light_load = {"warmup": WARMUP, "duration": args.seconds, "grace": 30}
    with millrace(args) as server:
        scraper = Scraper(server)
        images = None
        if phase in (IDLE, ONE_GZIP):
            images = Load(f"{server.url}/pipe/image?w=80", rate=1100 / args.seconds, connections=16, body=picture,
                          **light_load)
        light = Load(f"{server.url}/healthz", rate=200, connections=64, **light_load)
        began = time.monotonic()
        streams = begin_streams(phase, server, args)
        time.sleep(max(0, began + WARMUP - time.monotonic()))
        before, bystander = scraper.scrape(), Bystander(args.seconds)
        time.sleep(max(0, began + WARMUP + args.seconds - time.monotonic()))
        lag = Buckets("millrace_loop_lag_seconds", before, scraper.scrape())
        if streams:
            streams.end()
        return light.result(), images and images.result(), lag, bystander.lag()


def watch_validly(phase, picture, args):
    """The FIGURES, in seconds. A round in which the generator was late says nothing about the server: it is run again,
    twice at most."""
    for _ in range(3):
        light, images, lag, floor = watch(phase, picture, args)
        complain(f"{phase}, light", light)
        if images:
            complain(f"{phase}, images", images)
        if light["valid"]:
            small = images["latency"] if images else {"p50": None, "p99": None}
            return (light["latency"]["p50"], light["latency"]["p99"], light["lateness"]["p99"], small["p50"],
                    small["p99"], lag.quantile(0.99), floor["p99"])
        print(f"  {phase}: {light['invalid_reason']}", flush=True)
    return [None] * len(FIGURES)


def small_picture():
    path = CACHE / "small.jpg"
    if not path.exists():
        subprocess.run(["vips", "thumbnail", photo()[0], path, "160"], check=True)
    return path


def watch_waiting(args, verdicts):
    """Loop lag, light requests and small images beside streams."""
    picture = small_picture()
    for size in (args.size, 8 * MIB):
        mixed(size)  # made now, not while something is measured
    rounds = {phase: {name: [] for name in FIGURES} for phase in (IDLE, ONE_GZIP, GZIPS, ENCRYPTS)}
    for _, phase in interleave(args.rounds, list(rounds)):
        for name, value in zip(FIGURES, watch_validly(phase, picture, args)):
            rounds[phase][name].append(value)
    print(f"\nGET /healthz at 200/s, small images at {1100 / args.seconds:.0f}/s, both open loop; {args.seconds:g} s a "
          "round; ms, median [spread]")
    table(["", *FIGURES], [[phase, *(spread(values, 1e3) for values in figures.values())] for phase, figures in rounds.items()])

    one, idle = rounds[ONE_GZIP], rounds[IDLE]
    above = per_round(one["lag p99"], one["idle loop's lag p99"], lambda a, b: a - b)
    verdicts.at_most("loop lag p99 beside a gzip stream, above an idle loop's in the same seconds", above, 1e-3, 1e3, " ms")
    above = per_round(one["light p99"], one["lateness p99"], lambda a, b: a - b)
    verdicts.at_most("light p99 beside a gzip stream, above the generator's own", above, 2.5e-3, 1e3, " ms")
    ratio = per_round(one["image p99"], idle["image p99"], lambda a, b: a / b)
    verdicts.at_most("small images' p99 beside a gzip stream, to their idle one", ratio, 3)
    for phase in (GZIPS, ENCRYPTS):
        verdicts.at_most(f"light p99 beside {phase}", rounds[phase]["light p99"], 5e-3, 1e3, " ms")


CASES = {
    "seal": race_seal,
    "gzip": race_gzip,
    "gunzip": race_gunzip,
    "small": race_small,
    "memory": weigh_memory,
    "lag": watch_waiting,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:<8} {case.__doc__.splitlines()[0]}" for name, case in CASES.items()),
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="of a large stream")
    parser.add_argument("--seconds", type=float, default=6, help="of each round of lag")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE", help="see below")
    parser.add_argument("--option", action="append", default=[], help="of the server, beside its defaults; repeatable")
    args = parser.parse_args()
    args.size *= MIB

    print(f"{machine()}\n{args.rounds} rounds, interleaved; a third each of words, records and random bytes, over loopback; "
          f"commands write to /dev/null{'; server with ' + ' '.join(args.option) if args.option else ''}", flush=True)
    verdicts = Verdicts()
    for name in args.cases:
        began = time.monotonic()
        CASES[name](args, verdicts)
        print(f"  ({name}: {time.monotonic() - began:.0f} s)", flush=True)
    verdicts.finish()


main()
