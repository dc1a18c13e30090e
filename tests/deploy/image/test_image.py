"""The container image, which script/image --check names in MILLRACE_IMAGE: what it holds; and run by podman and crun, where the machine
lets them."""

import json
import os
import re
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest
from images import photo
from server import HANG, wait_for
from wire import Wire

IMAGE = Path(os.environ["MILLRACE_IMAGE"])
UID = 10001
ARGUMENTS = ["--network=host", "--cgroups=disabled", "--read-only", "--cap-drop=ALL", "--no-healthcheck",
             "--ulimit=nofile=4096:4096", "--ulimit=nproc=1000:1000"]  # fmt: skip


# ---- what it holds


@pytest.fixture(scope="module")
def archive():
    """(configuration, members of all layers)"""
    with tarfile.open(IMAGE) as image:
        manifest = json.load(image.extractfile("manifest.json"))[0]
        members = []
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=image.extractfile(layer)) as files:
                members += files.getmembers()
        return json.load(image.extractfile(manifest["Config"]))["config"], members


def test_it_is_configured_for_an_orchestrator(archive):
    config, _ = archive
    assert config["User"] == f"{UID}:{UID}" and config["Entrypoint"] == ["/usr/bin/millrace"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/millrace", "health"]
    assert "MILLRACE_LISTEN=*:8080" in config["Env"] and list(config["ExposedPorts"]) == ["8080"] and config["StopSignal"] == "SIGTERM"


def test_it_holds_one_program_its_libraries_and_their_licences(archive):
    _, members = archive
    names = [each.name.lstrip("./") for each in members if each.isfile()]
    libraries = [name for name in names if re.search(r"\.so(\.|$)", name)]
    assert [name for name in names if re.match(r"(usr/)?s?bin/", name)] == ["usr/bin/millrace"]
    assert len(libraries) > 50 and not [name for name in libraries if re.search("magick|poppler|openslide|python|perl", name, re.I)]
    licences = [name for name in names if name.endswith("/copyright")]
    assert len(licences) > 50 and "usr/share/doc/millrace/copyright" in licences
    assert {"etc/passwd", "etc/group", "etc/nsswitch.conf"} == set(names) - {"usr/bin/millrace", *libraries, *licences}


def test_nothing_in_it_gains_rights_or_has_a_time_of_its_own(archive):
    _, members = archive
    assert [each.name for each in members if each.mode & 0o6000] == []
    assert len({each.mtime for each in members}) == 1
    own = {each.name.strip("./"): (each.uid, each.mode & 0o7777) for each in members}
    assert own["var/lib/millrace"] == (UID, 0o700) and own["tmp"] == (0, 0o1777) and own["usr/bin/millrace"] == (0, 0o755)


# ---- run


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    """podman(word...) with a store of its own, which has the image."""
    store = tmp_path_factory.mktemp("podman")
    base = ["podman", "--root", store / "root", "--runroot", store / "run", "--storage-driver=vfs", "--cgroup-manager=cgroupfs",
            "--runtime=crun", "--events-backend=none"]  # fmt: skip

    def run(*words):
        return subprocess.run([*base, *words], capture_output=True, text=True, timeout=HANG)

    try:
        loaded = run("load", "--quiet", "--input", IMAGE)
    except FileNotFoundError:
        pytest.skip("no podman")
    assert loaded.returncode == 0, loaded.stderr
    tried = run("run", "--rm", *ARGUMENTS, "millrace:0.1.0", "--version")
    if tried.returncode != 0:
        pytest.skip(f"no container can be run here: {tried.stderr.strip()}")
    assert tried.stdout.startswith("millrace ")
    yield run
    run("rm", "--all", "--force", "--time=0")
    run("rmi", "--all", "--force")


def test_it_serves_as_its_user_and_drains_when_it_is_stopped(podman, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    tmp.chmod(0o1777)
    started = podman("run", "--detach", "--name=millrace", *ARGUMENTS, f"--volume={tmp}:/tmp", f"--env=MILLRACE_LISTEN=127.0.0.1:{address[1]}",
                     "millrace:0.1.0", "--data=/tmp/data", "--workers=2")  # fmt: skip
    assert started.returncode == 0, started.stderr
    wait_for(lambda: "listening on" in (log := podman("logs", "millrace")).stdout + log.stderr, "the server to listen")
    status = Path(f"/proc/{podman('inspect', '--format={{.State.Pid}}', 'millrace').stdout.strip()}/status").read_text()
    assert re.search(rf"(?m)^Uid:\t{UID}\t{UID}", status) and re.search(r"(?m)^CapEff:\t0+$", status) and "NSpid" in status
    assert re.search(r"(?m)^NSpid:\t\d+\t1$", status), "it is PID 1"
    assert podman("exec", "millrace", "/usr/bin/millrace", "health").returncode == 0
    assert podman("exec", "millrace", "/usr/bin/millrace", "health", "--ready").returncode == 0
    with Wire(address) as wire:
        assert set(wire.request("GET", "/version").json()["image"]["reads"]) == {"jpg", "png", "webp", "gif", "avif", "heif", "tiff"}
        body = photo(2000, 1500)
        file = wire.request("PUT", "/files/photo.jpg", body=body).json()["id"]
        assert wire.request("GET", f"/files/{file}").body == body
        for form in ("jpg", "png", "webp", "avif", "gif", "tiff"):
            made = wire.request("POST", f"/pipe/image?w=300&fm={form}", body=body)
            assert made.status == 200, (form, made.body)
            assert wire.request("POST", "/pipe/image?w=100&fm=png", body=made.body).status == 200, f"{form} is read"
        for stage in ("gzip", "zstd"):
            assert wire.request("POST", f"/pipe/{stage}", body=body).status == 200
    assert podman("stop", "--time=60", "millrace").returncode == 0
    assert podman("inspect", "--format={{.State.ExitCode}}", "millrace").stdout.strip() == "0"
