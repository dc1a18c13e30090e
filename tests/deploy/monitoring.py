"""A loaded server, and Debian's Prometheus that scrapes it with the configuration of deploy/prometheus."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from contextlib import contextmanager

from images import photo
from server import ROOT, starting, wait_for

MONITORING = ROOT / "deploy/prometheus"
KEY = "a-key-with-all-rights"
RIGHTS = "pipe,upload,read,list,edit,delete,metrics"
SCRAPES_MIN = 4  # before a rate is asked for
WINDOW = "1m"  # that rates are asked over
SLOWEST = ("millrace_request_seconds_count", "millrace_store_scrub_ended_timestamp_seconds")  # that appear last
CLIENTS = 2
REQUESTS_MAX = 2000  # of each client, if nothing ends it before


def program(name):
    """Where script/bootstrap --test fetched it, or else on the PATH."""
    found = shutil.which(name, path=f"{ROOT}/.cache/bin:{os.environ['PATH']}")
    assert found, f"no {name}: script/bootstrap --test fetches it"
    return found


def query_metrics(expression):
    """The names of the metrics in a query."""
    return set(re.findall(r"\b(?:millrace|process)_\w+", expression))


class Prometheus:
    """`labels` are added to what it scrapes, as a cluster does it."""

    def __init__(self, directory, server, labels=None):
        for path in MONITORING.iterdir():
            shutil.copy(path, directory)
        config = directory / "prometheus.yml"
        target = f'"127.0.0.1:{server.port}"'
        text = config.read_text().replace("15s", "1s")
        assert '["millrace:8080"]' in text
        config.write_text(text.replace('["millrace:8080"]', f"[{target}]\n        labels: {json.dumps(labels or {})}"))
        (directory / "metrics-key").write_text(KEY)
        self.output = open(directory / "output", "wb")
        self.url = None
        command = [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={directory}/tsdb", "--web.listen-address=127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=self.output, stderr=self.output, env=dict(os.environ, GOMAXPROCS="1"))
        self.log = directory / "output"
        try:
            wait_for(self._is_ready, "Prometheus to be ready")
        except BaseException:
            self.stop()
            raise

    def _is_ready(self):
        """It logs which port it has taken."""
        assert self.process.poll() is None, self.log.read_text()
        if match := re.search(r'Listening on"? address=127\.0\.0\.1:(\d+)', self.log.read_text()):
            self.url = f"http://127.0.0.1:{match[1]}"
        try:
            return self.url is not None and urllib.request.urlopen(f"{self.url}/-/ready", timeout=100).status == 200
        except OSError:
            return False

    def api(self, path, **parameters):
        """The data of a response; a query that is wrong raises."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=100) as response:
            return json.load(response)["data"]

    def query(self, expression):
        """[({label: value}, number)] now"""
        return [(each["metric"], float(each["value"][1])) for each in self.api("query", query=expression)["result"]]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.output.close()


class Load:
    """Clients that do what the service is for, one request after the other, until it ends."""

    def __init__(self, server):
        self.server, self.over, self.failures = server, threading.Event(), []
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _ask(self, *request, body=None, status=200):
        response = self.server.request(*request, self.server.fields, body)
        assert response.status == status, (request, response.status, response.body[:300])
        return response

    def _run(self, number):
        try:
            for at in range(REQUESTS_MAX):
                file = self._ask("POST", "/files", body=photo(640, 480), status=201).json()["id"]
                for width in (100, 100 + at):
                    self._ask("GET", f"/images/{file}?w={width}")
                self._ask("POST", "/pipe/image?w=200", body=photo(640, 480))
                self._ask("POST", "/pipe/gzip", body=bytes(1_000_000))
                self._ask("DELETE", f"/files/{file}", status=204)
                if self.over.is_set():
                    return
        except Exception as error:  # noqa: BLE001 it is told when the load ends
            self.failures.append(error)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures


def enough(name):
    return f"min(count_over_time({name}[{WINDOW}])) >= {SCRAPES_MIN}"


@contextmanager
def observed(directory, labels=None):
    """A Prometheus with a few scrapes of a server under load, which goes on until the end."""
    keys = directory / "api-keys"
    keys.touch(0o600)
    keys.write_text(f"all sha256:{hashlib.sha256(KEY.encode()).hexdigest()} {RIGHTS}\n")
    with starting("workers") as start:
        # The smallest warning, so that something always counts as having blocked the loop.
        server = start("--workers=2", f"--data={directory}/data", f"--api-keys={keys}", "--lag-warn=100us", "--log-level=error", key=KEY)
        load = Load(server)
        prometheus = None
        try:
            prometheus = Prometheus(directory, server, labels)
            wait_for(lambda: all(prometheus.query(enough(name)) for name in SLOWEST), f"{SCRAPES_MIN} scrapes")
            yield prometheus
        finally:
            if prometheus is not None:
                prometheus.stop()
            load.end()
