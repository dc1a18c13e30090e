"""How many workers one event loop feeds: CPU time of the loop's thread and of the workers for each kind of work, which is what --loops follows."""

import argparse
from pathlib import Path

from benchlib import Load, failures, interleave, machine, millrace, photo, spread, table
from streamdata import mixed

RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"  # anybody's
CONNECTIONS = 8
CAMERA = ".jpg[Q=92,subsample-mode=on]"  # halved colours, as cameras write them


def kinds():
    """{name: (path, body)}"""
    data = mixed(1 << 20)
    return {
        "small JPEG (0.5 MP)": ("/pipe/image?w=300", photo(0.5, CAMERA)[0]),
        "JPEG (2 MP)": ("/pipe/image?w=300", photo(2, CAMERA)[0]),
        "JPEG (2 MP), colours in full": ("/pipe/image?w=300", photo(2)[0]),
        "gzip, a MiB": ("/pipe/gzip", data),
        "zstd, a MiB": ("/pipe/zstd", data),
        "encrypt, a MiB": (f"/pipe/encrypt?recipient={RECIPIENT}", data),
        "gzip and encrypt, a MiB": (f"/pipe/gzip/encrypt?recipient={RECIPIENT}", data),
    }


def cpu_by_thread(server):
    """(seconds of the loop, of all other threads). The kernel accounts them to the nanosecond."""
    tasks = {int(path.name): int((path / "schedstat").read_text().split()[0]) for path in Path(f"/proc/{server.pid}/task").iterdir()}
    loop = tasks.pop(server.pid)
    return loop / 1e9, sum(tasks.values()) / 1e9


def measure(path, body, seconds):
    """CPU seconds of the loop and of the others for a response, from the first to the last of one load."""
    with millrace("--loops=1") as server:
        before = cpu_by_thread(server)
        result = Load(f"{server.url}{path}", rate=0, connections=CONNECTIONS, warmup=0, duration=seconds, grace=30, body=body).result()
        after = cpu_by_thread(server)
        if failed := failures(result):
            print(f"  {path}: {failed}")
        return [(b - a) / result["answered"] for a, b in zip(before, after)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", help="kinds of work with these words in their name")
    arguments = parser.parse_args()
    print(f"{machine()}\n{CONNECTIONS} connections, as fast as they are served; {arguments.rounds} rounds of {arguments.seconds:g} s, interleaved")
    found = {name: kind for name, kind in kinds().items() if (arguments.only or "") in name}
    times = {name: [] for name in found}
    for _, name in interleave(arguments.rounds, list(found)):
        times[name].append(measure(*found[name], arguments.seconds))
    rows = []
    for name, rounds in times.items():
        loop, others = zip(*rounds)
        rows.append([name, spread(loop, 1e3), spread(others, 1e3), spread([b / a for a, b in rounds])])
    table(["", "loop, CPU ms", "others", "workers that one loop feeds"], rows)


main()
