"""What the tests of pages share: a browser that runs a script, or a skip that says what is missing; servers of other sites.

MILLRACE_SCREENSHOTS  a directory for the browser's pictures, to look at (default: thrown away)
"""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGES = ROOT / ".cache/npm/node_modules"
LONGEST = 500  # seconds of a script: no measure of speed
sys.path.insert(0, str(ROOT / "tests/http"))


@pytest.fixture(scope="session")
def chromium():
    """The path of the browser."""
    browser = shutil.which("chromium")
    if browser is None or shutil.which("node") is None or not (PACKAGES / "playwright-core").exists():
        pytest.skip("needs chromium, node and playwright-core (script/bootstrap --test)")
    return browser


@pytest.fixture
def browse(chromium):
    """browse("shell.mjs", argument...): what the script printed, as JSON."""

    def run(script, *arguments):
        command = ["node", HERE / script, chromium, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, timeout=LONGEST)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return run


class Script:
    """A script that asks while it runs (driver.mjs): each line is {"ask": name} or {"result": ...}."""

    def __init__(self, chromium, name, *arguments):
        command = ["node", HERE / name, chromium, *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.timer = threading.Timer(LONGEST, self.process.kill)

    def run(self, answers):
        self.timer.start()
        result = None
        for line in self.process.stdout:
            said = json.loads(line)
            if "ask" in said:
                self.process.stdin.write(json.dumps(answers[said["ask"]]()) + "\n")
                self.process.stdin.flush()
            else:
                result = said["result"]
        assert self.process.wait() == 0, self.process.stderr.read()
        return result

    def stop(self):
        self.timer.cancel()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()


@pytest.fixture
def drive(chromium, tmp_path):
    """drive(script, url, scenario, answers={}, **more): what the scenario returns. It may ask for what `answers` has functions for."""

    def run(name_of_script, url, scenario, answers=None, /, **more):
        more["screenshots"] = os.environ.get("MILLRACE_SCREENSHOTS", str(tmp_path))
        script = Script(chromium, name_of_script, url, scenario, json.dumps(more, default=str))
        try:
            return script.run(answers or {})
        finally:
            script.stop()

    return run


class Site(http.server.SimpleHTTPRequestHandler):
    fields = {}

    def end_headers(self):
        for name, value in self.fields.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def other_site(tmp_path):
    """other_site(host, fields): the directory of another site, and its origin. Its responses have these fields."""
    sites = []

    def open_site(host="127.0.0.1", fields=None):
        directory = tmp_path / "pages"
        directory.mkdir()
        handler = type("Handler", (Site,), {"fields": fields or {}})
        site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=directory))
        sites.append(site)
        threading.Thread(target=site.serve_forever, daemon=True).start()
        return directory, f"http://{host}:{site.server_port}"

    yield open_site
    for site in sites:
        site.shutdown()
