"""What the benchmarks of files are made of: servers that keep files, the client, one run of it, the cleaning up."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import benchlib
from benchlib import BUILD, CACHE, ENVIRONMENT, ROOT, Program, interleave, spread, table

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
CLIENTS = (1, 4, 16)


# ---- Servers ----


class Millrace:
    """The server with a data directory of its own."""

    name, upload = "millrace", "POST"

    def __init__(self, home, *options, durability="none"):
        self.data = home / "millrace"
        self.program = benchlib.millrace(f"--data={self.data}", f"--durability={durability}", "--max-body=0",
                                         "--max-requests-per-connection=0", *options)
        self.target = self.program.url + "/files"
        self.pids = [self.program.pid]

    def end(self):
        self.program.__exit__()

    def remove(self, names):
        connection = http.client.HTTPConnection(*self.program.address, timeout=60)
        for name in names:
            connection.request("DELETE", f"/files/{name}")
            if connection.getresponse().read() or False:
                sys.exit("bench: a file could not be deleted")
        connection.close()

    def place(self, _):
        return self.target

    def downloads(self):
        return self.target + "/"


class Plain:
    """A server that keeps each file under the name it was sent to: below `root`."""

    upload = "PUT"

    def remove(self, names):
        for name in names:
            (self.root / name).unlink()

    def place(self, run):
        return f"{self.url}/{run}-"

    def downloads(self):
        return self.url + "/"


class Floor(Plain):
    """tests/perf/perf_store.c"""

    def __init__(self, home, *words, name="floor"):
        self.name, self.root = name, home / name
        self.root.mkdir()
        self.program = Program(BUILD / "tests/perf_store", self.root, *words)
        self.url, self.pids = self.program.url, [self.program.pid]

    def end(self):
        self.program.__exit__()


NGINX = """
user {user};
worker_processes 1;
daemon off;
pid {home}/pid;
error_log {home}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    client_max_body_size 0;
    client_body_temp_path {home}/body;
    {others}
    server {{
        listen 127.0.0.1:{port};
        root {root};
        location / {{ dav_methods PUT; }}
    }}
}}
"""


def find_nginx():
    places = [ROOT / ".cache/proxies/usr/sbin/nginx", shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")]
    return next((place for place in places if place and Path(place).exists()), None)


class Nginx(Plain):
    """Debian's, with a configuration, a directory and a process ID file of its own; as many workers as we have loops."""

    name = "nginx"

    def __init__(self, home):
        own = home / "nginx"
        self.root = own / "root"
        self.root.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        others = " ".join(f"{each}_temp_path {own}/{each};" for each in ("proxy", "fastcgi", "uwsgi", "scgi"))
        user = "root" if os.geteuid() == 0 else "nobody"
        (own / "conf").write_text(NGINX.format(home=own, root=self.root, port=port, others=others, user=user))
        self.process = subprocess.Popen([find_nginx(), "-p", own, "-c", own / "conf", "-e", own / "error.log"], env=ENVIRONMENT)
        self.url = f"http://127.0.0.1:{port}"
        self.pids = [self.process.pid, *self._wait_for_workers(port)]

    def _wait_for_workers(self, port):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for _ in range(200):
            time.sleep(0.05)
            with socket.socket() as probe:
                if self.process.poll() is None and probe.connect_ex(("127.0.0.1", port)) == 0 and children.read_text():
                    return [int(pid) for pid in children.read_text().split()]
        sys.exit("bench: nginx did not start")

    def end(self):
        self.process.terminate()
        self.process.wait(20)


def cpu_seconds(server):
    ticks = 0
    for pid in server.pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


# ---- One run ----


class Run:
    def __init__(self, result, cpu, count, size):
        self.seconds, self.p50, self.p99 = result["seconds"], result["p50"], result["p99"]
        self.client_share = result["cpu"] / result["seconds"]  # of one core
        self.cpu, self.count, self.size = cpu, count, size


def client(url, method, count, size, connections, rate=0, names=None):
    words = [BUILD / "tests/perf_files", url, method, count, size, connections, rate, *([names] if names else [])]
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)


def result_of(process):
    out = process.communicate()[0]
    if process.returncode != 0:
        sys.exit("bench: a request failed")
    return json.loads(out)


def measured(server, process, count, size):
    before = cpu_seconds(server)
    result = result_of(process)
    return Run(result, cpu_seconds(server) - before, count, size)


def names_file(server):
    return CACHE / f"files-{server.name}.names"


def upload(server, label, count, size, connections):
    """A run; the names of the files stand in names_file() then."""
    process = client(server.place(label), server.upload, count, size, connections, 0, names_file(server))
    return measured(server, process, count, size)


def stored_names(server, label):
    names = names_file(server).read_text().split()
    return names if isinstance(server, Millrace) else [f"{label}-{name}" for name in names]


def download(server, count, size, connections):
    process = client(server.downloads(), "GET", count, size, connections, 0, names_file(server))
    return measured(server, process, count, size)


# ---- Several, in turns ----


class Race:
    """Servers that do the same work, in turns. run(server, connections, label) does one."""

    def __init__(self, servers, rounds, clients, run):
        self.servers, self.clients = servers, clients
        self.runs = {(server.name, connections): [] for connections in clients for server in servers}
        for connections in clients:
            for number, server in interleave(rounds, servers):
                self.runs[server.name, connections].append(run(server, connections, f"{connections}-{number}"))

    def of(self, server, connections, figure):
        return [figure(run) for run in self.runs[server, connections]]

    def ratio(self, server, other, connections, figure=lambda run: run.seconds):
        """figure(server) / figure(other), in each round."""
        return [a / b if b else None for a, b in zip(self.of(server, connections, figure), self.of(other, connections, figure))]

    def report(self, title, unit):
        """unit: "requests" or "GiB"."""
        print(f"\n{title}; median [spread]")
        rows = []
        for (name, connections), runs in self.runs.items():
            work = [run.count if unit == "requests" else run.count * run.size / GIB for run in runs]
            scale, label = (1e6, " us") if unit == "requests" else (1, " s")
            rows.append([
                name, connections,
                spread([amount / run.seconds for amount, run in zip(work, runs)]),
                spread([run.cpu / amount for amount, run in zip(work, runs)], scale, label),
                spread([run.p50 for run in runs], 1e3, " ms"), spread([run.p99 for run in runs], 1e3, " ms"),
                spread([run.client_share for run in runs], 100, " %"),
            ])
        each = "request" if unit == "requests" else unit
        table(["", "clients", f"{unit}/s", f"CPU a {each}", "p50", "p99", "client's share of a core"], rows)
        sys.stdout.flush()
