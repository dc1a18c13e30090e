"""The proxies of docs/behind-a-proxy.md, started with the configurations that stand there.

Their programs are taken from the PATH, or from .cache/proxies, where script/bootstrap --test unpacks Debian's packages.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from server import ROOT, wait_for

PAGE = ROOT / "docs/behind-a-proxy.md"
CACHE = ROOT / ".cache/proxies"
UPSTREAM = "8080"  # the port of Millrace on the page
# What is changed in each block: where it listens, so that no other machine reaches it.
LISTEN = {
    "nginx": {"listen 8000;": "listen 127.0.0.1:{port};"},
    "haproxy": {"bind :8000": "bind 127.0.0.1:{port}"},
    "caddy": {":8000 {": ":{port} {\n    bind 127.0.0.1"},
    "apache": {"Listen 8000": "Listen 127.0.0.1:{port}", "*:8000": "127.0.0.1:{port}"},
    "varnish": {},  # its command line says it
}


def block(language):
    """The configuration of the page in this language."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"{PAGE} has {len(found)} blocks in {language}"
    return found[0]


def program(name):
    """The path of the program, or None."""
    places = [CACHE / each / name for each in ("usr/sbin", "usr/bin")]
    return next((str(place) for place in places if place.exists()), None) or shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")


def libraries():
    found = {str(path.parent) for path in CACHE.glob("usr/lib/**/lib*.so*")}
    return ":".join([*sorted(found), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def replaced(name, text, port, upstream):
    """The block with ports of ours; it must have all those that are known here."""
    text, count = re.subn(rf"\b{UPSTREAM}\b", str(upstream), text)
    assert count == 1, f"{name}: Millrace's port {UPSTREAM} stands there {count} times"
    for old, new in LISTEN[name].items():
        assert old in text, f"{name}: no {old!r}"
        text = text.replace(old, new.replace("{port}", str(port)))
    return text


def nginx(directory, text):
    paths = "\n".join(f"{each}_temp_path {directory}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;\n" if os.geteuid() == 0 else ""
    config = directory / "nginx.conf"
    config.write_text(
        f"{user}daemon off;\npid {directory}/pid;\nerror_log {directory}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}\n{text}}}\n"
    )
    return [program("nginx"), "-p", directory, "-c", config, "-e", directory / "error.log"]


def haproxy(directory, text):
    config = directory / "haproxy.cfg"
    config.write_text(text)
    return [program("haproxy"), "-db", "-f", config]


def caddy(directory, text):
    config = directory / "Caddyfile"
    config.write_text("{\n    admin off\n    auto_https off\n}\n" + text)
    return [program("caddy"), "run", "--config", config, "--adapter", "caddyfile"]


def apache(directory, text):
    modules = CACHE / "usr/lib/apache2/modules"
    if not modules.exists():
        modules = Path("/usr/lib/apache2/modules")
    needed = ["mpm_event", "authz_core", *re.search(r"^# a2enmod (.*)$", text, re.MULTILINE)[1].split()]
    lines = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in needed]
    lines += [f"ServerRoot {directory}", "ServerName localhost", f"PidFile {directory}/pid", f"ErrorLog {directory}/error.log",
              f"DefaultRuntimeDir {directory}"]  # fmt: skip
    if os.geteuid() == 0:
        lines += ["User nobody", "Group nogroup"]
    config = directory / "apache.conf"
    config.write_text("\n".join(lines) + "\n" + text)
    return [program("apache2"), "-DFOREGROUND", "-f", config]


def varnish(directory, text):
    config = directory / "millrace.vcl"
    config.write_text(text)
    listen = re.search(r"^port (\d+)$", (directory / "port").read_text())[1]
    return [program("varnishd"), "-F", "-j", "none", "-n", directory / "varnish", "-f", config, "-a", f"127.0.0.1:{listen}", "-s", "malloc,64m"]


# name: (language of its block, its program, how it is started)
PROXIES = {
    "nginx": ("nginx", "nginx", nginx),
    "haproxy": ("haproxy", "haproxy", haproxy),
    "caddy": ("caddy", "caddy", caddy),
    "apache": ("apache", "apache2", apache),
    "varnish": ("vcl", "varnishd", varnish),
}


class Proxy:
    """A proxy in front of `upstream`, a port; with `text` instead of its block of the page if that is given."""

    def __init__(self, name, upstream, text=None):
        language, _, prepare = PROXIES[name]
        self.name = name
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix=f"millrace-{name}-"))
        self.directory.chmod(0o755)
        (self.directory / "port").write_text(f"port {self.port}\n")
        config = replaced(name, block(language) if text is None else text, self.port, upstream)
        self.output = open(self.directory / "output", "wb")
        command = [str(word) for word in prepare(self.directory, config)]
        environment = dict(os.environ, LD_LIBRARY_PATH=libraries(), HOME=str(self.directory), XDG_DATA_HOME=str(self.directory),
                           XDG_CONFIG_HOME=str(self.directory))  # fmt: skip
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output, env=environment)
        try:
            wait_for(lambda: self.is_listening() or self.process.poll() is not None, f"{name} to listen")
            assert self.process.poll() is None, f"{name} did not start:\n{self.text()}"
        except BaseException:
            self.stop()
            raise

    def is_listening(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def text(self):
        files = [path for path in self.directory.iterdir() if path.name in ("output", "error.log")]
        return "\n".join(path.read_text(errors="replace") for path in files)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.output.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
