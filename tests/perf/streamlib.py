"""What the benchmark of streams is made of: keys, files, the command `millrace pipe`, posts of files, races."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

from benchlib import BUILD, CACHE, ENVIRONMENT, interleave, spread, table

MILLRACE = BUILD / "millrace"
MIB = 1 << 20


# ---- Keys and files ----


def recipient():
    """Of the key that is kept beside the files which it opens."""
    identity = CACHE / "identity"
    if not identity.exists():
        make = ["age-keygen", "-o", identity] if shutil.which("age-keygen") else [MILLRACE, "keygen", identity]
        subprocess.run(make, env=ENVIRONMENT, check=True, capture_output=True)
    return re.search(r"age1[0-9a-z]{58}", identity.read_text())[0]


def pipe(stage, *options):
    """The command `millrace pipe`."""
    return [MILLRACE, "pipe", stage, *options]


def encrypting():
    return pipe("encrypt", "--recipient", recipient())


def decrypting():
    return pipe("decrypt", "--identity", CACHE / "identity")


def made(name, source, words):
    """The file `name`: what the command `words` makes of the file `source`."""
    path = CACHE / name
    draft = CACHE / f"{name}.draft"
    with open(source, "rb") as stdin, open(draft, "wb") as stdout:
        subprocess.run([str(word) for word in words], env=ENVIRONMENT, stdin=stdin, stdout=stdout, check=True)
    draft.rename(path)
    return path


def kept(name, source, words):
    """The same, unless an earlier run made it."""
    return CACHE / name if (CACHE / name).exists() else made(name, source, words)


def prove(first, second, source):
    """Fast is worth nothing if it is wrong: `second` must make `source` again of what `first` makes of it."""
    words = [" ".join(shlex.quote(str(word)) for word in command) for command in (first, second)]
    script = f"{words[0]} < {shlex.quote(str(source))} | {words[1]} | cmp - {shlex.quote(str(source))}"
    if subprocess.run(["bash", "-o", "pipefail", "-c", script], env=ENVIRONMENT, check=False).returncode != 0:
        sys.exit(f"bench: this does not give the input back: {script}")


# ---- One run, and several in turns ----


class Run:
    def __init__(self, seconds, cpu, received=None):
        self.seconds, self.cpu, self.received = seconds, cpu, received


def command(words, source):
    """To be called: the command with the file as its input, its output thrown away."""
    words = [str(word) for word in words]

    def run():
        with open(source, "rb") as stdin:
            began = time.monotonic()
            process = subprocess.Popen(words, env=ENVIRONMENT, stdin=stdin, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"bench: {shlex.join(words)} ended with status {process.returncode}")
        return Run(seconds, usage.ru_utime + usage.ru_stime)

    return run


def streamer(server, target, source, connections=1, times=1):
    words = [BUILD / "tests/perf_stream", f"{server.url}{target}", source, connections, times]
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)


def post(server, target, source, connections=1):
    """To be called: the file posted, the answer read and thrown away."""

    def run():
        before = server.cpu_seconds()
        process = streamer(server, target, source, connections)
        out = process.communicate()[0]
        if process.returncode != 0:
            sys.exit(f"bench: POST {target} failed")
        result = json.loads(out)
        return Run(result["seconds"], server.cpu_seconds() - before, result["received"])

    return run


class Race:
    """Programs that do the same work, in turns. {name: what to call}"""

    def __init__(self, rounds, runners, size):
        self.size = size
        self.runs = {name: [] for name in runners}
        for _, name in interleave(rounds, list(runners)):
            self.runs[name].append(runners[name]())

    def ratio(self, name, other):
        """How many times as fast as `other`, in each round; nothing where `other` did not take part."""
        return [b.seconds / a.seconds for a, b in zip(self.runs[name], self.runs.get(other, []))]

    def report(self, title):
        print(f"\n{title}; median [spread]")
        rows = []
        for name, runs in self.runs.items():
            rates = spread([self.size / MIB / run.seconds for run in runs])
            cpu = spread([run.cpu * (1 << 30) / self.size for run in runs])
            rows.append([name, rates, cpu])
        table(["", "MiB/s", "CPU s a GiB"], rows)
        sys.stdout.flush()

    def tell(self, name, other):
        """A comparison without a target."""
        if ratio := self.ratio(name, other):
            print(f"  {name} / {other}: {spread(ratio)} times as fast, no target")
