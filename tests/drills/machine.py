"""What a drill does to the machine below the server. Where the machine does not let it, Missing says what is missing."""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from server import BINARY, SANITIZER, wait_for

SERVER_IP, CLIENT_IP = "192.0.2.2", "192.0.2.1"  # addresses for documentation (RFC 5737)


class Missing(Exception):
    """The drill cannot run here."""


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


def need_program(name, package):
    if not shutil.which(name):
        raise Missing(f"the program {name} (Debian package {package})")


def need_namespaces():
    if not os.environ.get("MILLRACE_DRILL_ISOLATED"):
        raise Missing("namespaces of the drill's own (unshare)")


@contextmanager
def tmpfs(path, size):
    """In the drill's own mount namespace."""
    need_namespaces()
    path.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path)
    try:
        yield path
    finally:
        run("umount", "-l", path)


class Link:
    """A pair of interfaces between the drill's network and one of the server's own."""

    def __init__(self, pid):
        self.prefix = ("nsenter", "-t", str(pid), "-n")
        run("ip", "link", "add", "drill0", "type", "veth", "peer", "name", "drill1", "netns", str(pid))
        run("ip", "addr", "add", f"{CLIENT_IP}/30", "dev", "drill0")
        run("ip", "link", "set", "drill0", "up")
        run(*self.prefix, "ip", "addr", "add", f"{SERVER_IP}/30", "dev", "drill1")
        run(*self.prefix, "ip", "link", "set", "lo", "up")
        self.set("up")

    def set(self, state):
        run(*self.prefix, "ip", "link", "set", "drill1", state)


@contextmanager
def link():
    need_namespaces()
    need_program("ip", "iproute2")
    holder = subprocess.Popen(["unshare", "--net", "sleep", "120"])
    try:
        own = os.readlink("/proc/self/ns/net")
        wait_for(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != own or holder.poll() is not None, "a network namespace")
        yield Link(holder.pid)
    finally:
        holder.kill()
        holder.wait()


class MemoryGroup:
    """A cgroup with a limit on memory."""

    def __init__(self, path, limit, is_v2):
        self.path, self.is_v2 = path, is_v2
        self.prefix = ("bash", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(path))
        (path / ("memory.max" if is_v2 else "memory.limit_in_bytes")).write_text(str(limit))
        swap, bytes_of_swap = ("memory.swap.max", 0) if is_v2 else ("memory.memsw.limit_in_bytes", limit)
        if (path / swap).exists():
            (path / swap).write_text(str(bytes_of_swap))

    def kills(self):
        """Processes that the kernel has killed for want of memory."""
        text = (self.path / ("memory.events" if self.is_v2 else "memory.oom_control")).read_text()
        return int(dict(line.split() for line in text.splitlines())["oom_kill"])

    def remove(self):
        for pid in (self.path / "cgroup.procs").read_text().split():
            os.kill(int(pid), 9)
        wait_for(lambda: not (self.path / "cgroup.procs").read_text(), "the group to be empty")
        time.sleep(0.05)
        self.path.rmdir()


def memory_root():
    """The directory to make a group in, and whether it is of version 2."""
    if Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists():
        return Path("/sys/fs/cgroup/memory"), False
    root = Path("/sys/fs/cgroup")
    if "memory" not in (root / "cgroup.controllers").read_text().split():
        raise OSError("cgroups have no controller of memory")
    (root / "cgroup.subtree_control").write_text("+memory")
    return root, True


@contextmanager
def memory_group(limit):
    try:
        root, is_v2 = memory_root()
        path = root / f"millrace-drill-{time.time_ns()}"
        path.mkdir()
    except OSError as error:
        raise Missing(f"a cgroup of its own: {error}") from None
    try:
        yield (group := MemoryGroup(path, limit, is_v2))
    finally:
        group.remove()


class Clock:
    """The wall clock of servers that are started with `env`; monotonic time goes on as it is."""

    LIBRARY = BINARY.parent / "tests/libfaulty_clock.so"

    def __init__(self, path):
        if not self.LIBRARY.exists():
            raise Missing(f"{self.LIBRARY} (a part of the build)")
        self.path = path
        self.env = {"LD_PRELOAD": str(self.LIBRARY), "FAULTY_CLOCK": str(path)}
        if SANITIZER == "address":
            self.env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.jump(0)

    def jump(self, seconds):
        self.path.with_suffix(".new").write_text(f"{seconds}\n")
        self.path.with_suffix(".new").rename(self.path)


def slow_disk(seconds):
    """The prefix of a server for which each flush of the disk takes so much longer."""
    need_program("strace", "strace")
    calls = "fsync,fdatasync"
    inject = f"inject={calls}:delay_enter={seconds * 1e6:.0f}"
    prefix = ("strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject)
    run(*prefix, "true")
    return prefix
