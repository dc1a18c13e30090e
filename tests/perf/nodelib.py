"""Node.js servers that Millrace is measured against, and the npm packages that they need."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchlib import CACHE, Program

SOURCES = Path(__file__).parent / "sharp"


def install_node_servers():
    """The directory of the servers with their packages, or None where there is no Node.js, or npm cannot fetch them."""
    if not (shutil.which("node") and shutil.which("npm")):
        return None
    home = CACHE / "sharp"
    lock = home / "package-lock.json"
    fresh = lock.exists() and lock.read_bytes() == (SOURCES / "package-lock.json").read_bytes()
    home.mkdir(parents=True, exist_ok=True)
    for file in SOURCES.iterdir():
        shutil.copy(file, home)
    if not (fresh and (home / "node_modules/sharp").exists()):
        npm = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=home, stdout=sys.stderr)
        if npm.returncode != 0:
            return None
    return home


def sharp(home, workers, directory="."):
    return Program("node", home / "server.js", directory, environment={"UV_THREADPOOL_SIZE": str(workers)})


def ipx(home, workers, directory):
    return Program("node", home / "ipx.mjs", directory, environment={"UV_THREADPOOL_SIZE": str(workers)})


def lab(home, way):
    """The lab's work; way: handler, pool or threads. libuv's pool has as many threads as there are cores, as our workers."""
    return Program("node", home / "lab.js", way, environment={"UV_THREADPOOL_SIZE": str(len(os.sched_getaffinity(0)))})
