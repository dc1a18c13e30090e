"""GET /healthz against a bare libuv + llhttp hello-world: requests/s of a closed loop."""

import argparse
import re
import shutil
import subprocess

from benchlib import Load, Verdicts, hello, interleave, machine, millrace, spread, table

CONNECTIONS = 64


def requests_per_second(url, seconds):
    if shutil.which("wrk") is None:
        return Load(url, rate=0, connections=CONNECTIONS, warmup=0, duration=seconds).result()["answered_per_second"]
    said = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        print(said)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4, help="of each run")
    args = parser.parse_args()

    tool = "wrk" if shutil.which("wrk") else "millrace-bench load"
    print(f"{machine()}\n{tool}, one thread, {CONNECTIONS} connections, {args.rounds} pairs of {args.seconds} s, interleaved; "
          "no access log on either side")
    with millrace() as server, hello() as floor:
        rate, cpu = ({"millrace": [], "hello": []} for _ in range(2))
        programs = {"millrace": server, "hello": floor}
        for _, name in interleave(args.rounds, list(programs)):
            before = programs[name].cpu_seconds()
            rate[name].append(requests_per_second(f"{programs[name].url}/healthz", args.seconds))
            cpu[name].append((programs[name].cpu_seconds() - before) / (rate[name][-1] * args.seconds))
    table(["", "requests/s", "CPU a request"],
          [[name, spread(rate[name], 1e-3, " k"), spread(cpu[name], 1e6, " us")] for name in programs])
    verdicts = Verdicts()
    ratio = [one / other for one, other in zip(rate["millrace"], rate["hello"])]
    verdicts.at_least("requests/s, millrace / hello-world", ratio, 0.9)
    verdicts.finish()


main()
