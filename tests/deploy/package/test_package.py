"""The packages in a bare system of Debian, which script/package --check makes and names in MILLRACE_PACKAGE_ROOT: installed, used as the
service would, upgraded under load, booted with its own systemd, and purged. In this order: each test goes on where the one before it ended. But for
the booted one there is no systemd at work; what it would do to the processes, the tests do."""

import gzip
import os
import re
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from images import photo
from server import wait_for
from upgrade import Load, upgrade_under_load
from wire import Wire

ROOT = Path(os.environ["MILLRACE_PACKAGE_ROOT"])
DATA = ROOT / "var/lib/millrace"
CONF = "/etc/millrace/millrace.conf"
ENVIRONMENT = {"HOME": "/root", "LANG": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
PROXIES = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}


def inside(*command, status=0, **more):
    """Run as root in the bare system; what it said."""
    result = subprocess.run(["chroot", ROOT, *command], env=ENVIRONMENT | PROXIES, capture_output=True, text=True, **more)
    assert result.returncode == status, f"{command}: {result.returncode}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result.stdout + result.stderr


def as_service(passed, *options, notify=""):
    """The server as the unit starts it: its user, its directory, no capability."""
    script = f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{passed.fileno()}'
    command = ["setpriv", "--reuid=millrace", "--regid=millrace", "--clear-groups", "--bounding-set=-all", "--no-new-privs"]
    command += ["bash", "-c", script, "bash", "/usr/bin/millrace", f"--config={CONF}", *options]
    more = {"TMPDIR": "/var/tmp", "NOTIFY_SOCKET": notify}
    return subprocess.Popen(["chroot", ROOT, *command], env=ENVIRONMENT | more, pass_fds=(passed.fileno(),))


def package(name):
    return next(path for path in (ROOT / "packages").glob(f"{name}_*.deb"))


def in_root(path):
    return "/" + str(path.relative_to(ROOT))


def newer_package():
    """The same, as version 0.1.1."""
    tree = ROOT / "packages/newer"
    inside("dpkg-deb", "-R", in_root(package("millrace")), in_root(tree))
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*", "Version: 0.1.1", control.read_text()))
    inside("dpkg-deb", "-b", in_root(tree), "/packages/newer.deb")
    return "/packages/newer.deb"


@pytest.fixture(scope="module")
def installed():
    """With what they recommend, but without what all others do, which is much."""
    inside("apt-get", "-q", "update")
    files = [in_root(package(name)) for name in ("millrace", "millrace-bench")]
    recommended = re.findall(r"(?:^|, *)([a-z0-9.+-]+)", inside("dpkg-deb", "-f", files[0], "Recommends").strip())
    offered = [name for name in recommended if "Candidate: (none)" not in inside("apt-cache", "policy", name) != ""]
    inside("apt-get", "-q", "-y", "install", "--no-install-recommends", *files, *offered)


def test_it_installs_with_a_user_a_directory_and_a_configuration(installed):
    assert re.match(r"uid=(\d+)\(millrace\) gid=\d+\(millrace\)", inside("id", "millrace"))
    assert inside("stat", "-c", "%U %G %a", "/var/lib/millrace") == "millrace millrace 700\n"
    assert inside("/usr/bin/millrace", f"--config={CONF}", "--check-config") == "ok\n"
    assert CONF in inside("dpkg-query", "-W", "-f", "${Conffiles}", "millrace")
    assert inside("dpkg", "--verify", "millrace", "millrace-bench") == ""


def test_what_is_needed_is_found(installed):
    for program in ("millrace", "millrace-bench"):
        assert "not found" not in inside("ldd", f"/usr/bin/{program}")
        assert inside(program, "--version").startswith(program)
        text = gzip.decompress((ROOT / f"usr/share/man/man1/{program}.1.gz").read_bytes()) if has_manuals(program) else b"OPTIONS COMMANDS"
        assert b"COMMANDS" in text


def has_manuals(program):
    """A bare system may leave manuals out (dpkg's path-exclude)."""
    return (ROOT / f"usr/share/man/man1/{program}.1.gz").exists()


def test_the_units_are_well_formed_and_their_exposure_is_low(installed):
    units = [next(path for path in inside("dpkg", "-L", "millrace").split() if path.endswith(name)) for name in (".service", ".socket")]
    said = inside("systemd-analyze", "verify", "--man=no", *units)
    assert [line for line in said.splitlines() if "millrace" in line] == []
    inside("systemd-analyze", "security", "--offline=yes", "--threshold=15", units[0])


def test_an_upgrade_restarts_the_service_and_leaves_the_socket_open(installed):
    script = (ROOT / "var/lib/dpkg/info/millrace.postinst").read_text()
    invoked = re.findall(r"deb-systemd-invoke (\S+) (.*) >", script)
    assert [(action.strip('"'), units) for action, units in invoked] == [("start", "'millrace.socket'"), ("$_dh_action", "'millrace.service'")]


def test_a_photograph_is_uploaded_resized_and_read(installed):
    with socket.create_server(("127.0.0.1", 0)) as passed:
        server = as_service(passed)
        try:
            body = photo(2000, 1500)
            with Wire(passed.getsockname()) as wire:
                kept = wire.request("PUT", "/files/photo.jpg", body=body)
                assert kept.status == 201
                file = kept.json()["id"]
                assert wire.request("GET", f"/files/{file}").body == body
                for form in ("jpg", "webp", "avif"):
                    image = wire.request("GET", f"/images/{file}?w=300&fm={form}")
                    assert (image.status, image["Content-Type"]) == (200, "image/jpeg" if form == "jpg" else f"image/{form}")
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(100) == 0


def test_it_is_upgraded_under_load(installed):
    notify = ROOT / "tmp/notify"
    newer = newer_package()
    (ROOT / CONF[1:]).write_text((ROOT / CONF[1:]).read_text() + "\nworkers = 2\n")  # as an operator does
    versions = []

    def install():
        inside("dpkg", "--force-confdef", "-i", newer)
        versions.append(inside("dpkg-query", "-W", "-f", "${Version}", "millrace"))

    load = upgrade_under_load(lambda passed: as_service(passed, "--log-level=warn", notify="/tmp/notify"), notify, install, upgrades=1)
    print(f"{load.done} requests, the longest took {load.longest:.2f} s")
    assert versions == ["0.1.1"]
    assert (ROOT / CONF[1:]).read_text().endswith("\nworkers = 2\n"), "the operator's line is gone"


@pytest.fixture
def booted(installed):
    """nsenter(command...) runs in the system, booted with its own systemd, where the machine lets it."""
    mounted = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    hierarchy = next((Path(fields[1]) for fields in mounted if fields[2] == "cgroup2"), None)
    if hierarchy is None:
        pytest.skip("no cgroups of version 2")
    group = Path(tempfile.mkdtemp(prefix="millrace-", dir=hierarchy))
    boot = subprocess.Popen(["bash", Path(__file__).with_name("boot.sh"), ROOT, group], stdout=subprocess.DEVNULL)

    def enter(*command, **more):
        pid = Path(f"/proc/{boot.pid}/task/{boot.pid}/children").read_text().split()[0]
        inner = ["nsenter", "-t", pid, "-m", "-p", "-u", "-i", "-C", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command]
        return subprocess.run(inner, capture_output=True, text=True, timeout=200, **more)

    def is_up():
        return boot.poll() is not None or enter("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    try:
        wait_for(lambda: Path(f"/proc/{boot.pid}/task/{boot.pid}/children").read_text() or boot.poll() is not None, "systemd")
        wait_for(is_up, "systemd to be up")
        if boot.poll() is not None:
            pytest.skip("systemd cannot be booted here")
        yield enter
    finally:
        boot.kill()
        boot.wait()
        wait_for(lambda: "populated 0" in (group / "cgroup.events").read_text(), "its processes to end")
        for directory, _, _ in os.walk(group, topdown=False):
            os.rmdir(directory)


def test_under_systemd_it_serves_with_credentials_and_is_upgraded_without_a_loss(booted):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    drop_in = ROOT / "etc/systemd/system/millrace.socket.d"
    drop_in.mkdir(parents=True)
    (drop_in / "port.conf").write_text(f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{address[1]}\n")
    key = booted("sh", "-c", "mkdir -p /etc/credstore; millrace signing-key one >/etc/credstore/millrace.signing-keys")
    assert key.returncode == 0
    conf = ROOT / CONF[1:]
    conf.write_text(conf.read_text() + "signing-keys = /run/credentials/millrace.service/millrace.signing-keys\nsign = optional\n")
    for command in (["daemon-reload"], ["reset-failed"], ["stop", "millrace.service", "millrace.socket"], ["start", "millrace.socket", "millrace.service"]):
        result = booted("systemctl", *command)
        assert result.returncode == 0, result.stderr + booted("journalctl", "--no-pager", "-u", "millrace").stdout[-3000:]
    load = Load(address)
    try:
        load.wait_for_more(30)
        assert booted("systemctl", "reload", "millrace").returncode == 0
        before = booted("systemctl", "show", "millrace", "-p", "MainPID").stdout
        assert booted("dpkg", "--force-confold", "-i", "/packages/newer.deb").returncode == 0
        assert booted("systemctl", "show", "millrace", "-p", "MainPID").stdout != before
        load.wait_for_more(30)
    finally:
        load.end()
    assert not load.failures, load.failures
    assert booted("systemctl", "stop", "millrace.service", "millrace.socket").returncode == 0
    print(f"{load.done} requests, the longest took {load.longest:.2f} s")


def test_purged_it_leaves_what_it_has_kept_and_says_so(installed):
    kept = sorted(path.name for path in DATA.rglob("*.p0"))
    inside("dpkg", "--remove", "millrace")
    assert (ROOT / CONF[1:]).exists()
    said = inside("dpkg", "--purge", "millrace", "millrace-bench")
    assert "/var/lib/millrace stays" in said
    assert not (ROOT / "etc/millrace").exists()
    assert DATA.is_dir() and (DATA / "format").exists()
    assert sorted(path.name for path in DATA.rglob("*.p0")) == kept
    assert not [path for path in (ROOT / "etc/systemd").rglob("millrace.s*") if path.is_symlink()]
