"""deploy/backup-store: what it copies of a server at work is sound, and a server that starts on it has all files."""

import os
import shutil
import subprocess
import threading

import pytest
from server import BINARY, ROOT, environment, starting, wait_for

SIZES = (0, 1000, 32 * 1024, 32 * 1024 + 1, 300_000)  # in the description, and with a segment
UPLOADS_MAX = 5000  # beside a backup, if nothing ends it before


def backup(data, copy, status=0):
    result = subprocess.run([ROOT / "deploy/backup-store", data, copy], capture_output=True, text=True)
    assert result.returncode == status, result.stderr
    return result.stderr


def check(path):
    return subprocess.run([BINARY, "store", "check", path], capture_output=True, text=True, env=environment())


def put(server, size):
    body = os.urandom(size)
    response = server.request("PUT", "/files/one.bin", body=body)
    assert response.status == 201, response.body
    return response.json()["id"], body


class Uploads:
    """One client that uploads without a pause."""

    def __init__(self, server):
        self.server, self.over, self.failures, self.done = server, threading.Event(), [], 0
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            while not self.over.is_set() and self.done < UPLOADS_MAX:
                put(self.server, SIZES[self.done % len(SIZES)])
                self.done += 1
        except Exception as error:  # noqa: BLE001
            self.failures.append(error)

    def end(self):
        self.over.set()
        self.thread.join()
        assert not self.failures, self.failures


@pytest.fixture
def kept(tmp_path):
    """A server with files: (it, its directory, {id: bytes})"""
    if shutil.which("rsync") is None:
        pytest.skip("no rsync: script/bootstrap --test installs it")
    with starting("workers") as start:
        server = start("--workers=1", f"--data={tmp_path}/data", "--log-level=error")
        yield server, tmp_path / "data", dict(put(server, size) for size in SIZES)


def test_what_is_no_backup_is_not_written_to(kept, tmp_path):
    _, data, files = kept
    other = tmp_path / "other"
    (other / "precious").mkdir(parents=True)
    (other / "precious/file").write_text("kept")
    for wrong, why in ((other, "neither empty nor a backup"), (tmp_path, "lies in"), (data / "within", "lies in"), (data, "lies in")):
        assert why in backup(data, wrong, status=2), wrong
    assert (other / "precious/file").read_text() == "kept"
    assert len(list(data.rglob("*.meta"))) == len(files)


def test_a_backup_of_a_server_at_work_is_sound_and_can_be_restored(kept, tmp_path):
    server, data, files = kept
    copy = tmp_path / "backup"
    uploads = Uploads(server)
    try:
        for wanted in (20, 60):
            wait_for(lambda wanted=wanted: uploads.done >= wanted or uploads.failures, f"{wanted} uploads")
            backup(data, copy)
    finally:
        uploads.end()
    result = check(copy)
    assert result.returncode == 0, result.stdout
    assert int(result.stdout.splitlines()[-1].split()[0]) >= len(files) + 60
    restored = tmp_path / "restored"
    shutil.copytree(copy, restored, symlinks=True)
    with starting("workers") as start:
        again = start("--workers=1", f"--data={restored}", "--log-level=error")
        for file, body in files.items():
            assert again.get(f"/files/{file}").body == body
        listed = again.get("/files?limit=1000").json()["files"]
        assert len(listed) >= len(files) + 60
        assert all(again.get(f"/files/{each['id']}").status == 200 for each in listed[:100])
        put(again, 300_000)


def test_the_next_backup_follows_changes_and_deletes(kept, tmp_path):
    server, data, files = kept
    copy = tmp_path / "backup"
    backup(data, copy)
    (first, _), *others = files.items()
    for file, _ in others:
        assert server.request("DELETE", f"/files/{file}").status == 204
    assert server.request("PATCH", f"/files/{first}/info", [("Content-Type", "application/merge-patch+json")], b'{"name":"new.bin"}').status == 200
    newest, body = put(server, 300_000)
    wait_for(lambda: not list((data / "uploads").glob("*.gone*")), "the deletes to be complete")
    backup(data, copy)
    result = check(copy)
    assert result.returncode == 0 and result.stdout.startswith("2 objects of 300000 bytes, 1 segments: 0 damaged, 0 stray"), result.stdout
    with starting("workers") as start:
        again = start("--workers=1", f"--data={copy}", "--log-level=error")
        assert again.get(f"/files/{first}/info").json()["name"] == "new.bin"
        assert again.get(f"/files/{newest}").body == body


def test_what_is_no_data_directory_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    assert "no data directory" in backup(tmp_path / "data", tmp_path / "copy", status=2)
    assert not (tmp_path / "copy").exists()
