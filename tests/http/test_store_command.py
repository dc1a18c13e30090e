"""`millrace store check DATA`: what it says of data directories that are whole, damaged, in use, or none."""

import fcntl
import os
import random
import subprocess

import pytest
from datadir import DataDirectory, meta_bytes, ulid
from server import BINARY, HANG, environment

KIB = 1024


def check(path):
    return subprocess.run(
        [BINARY, "store", "check", path], capture_output=True, timeout=HANG, env=environment(), check=False
    )


def contents(path):
    """All that is in it, but for the lock, where the process that holds it writes its number."""
    return {
        file.relative_to(path): file.read_bytes() if file.is_file() and not file.is_symlink() else None
        for file in path.rglob("*")
        if file.name != "lock"
    }


def summary(objects, size, segments, damaged=0, strays=0, interrupted=0):
    return (
        f"{objects} objects of {size} bytes, {segments} segments: "
        f"{damaged} damaged, {strays} stray files, {interrupted} files of interrupted uploads"
    )


def assert_found(path, status, *lines):
    """The findings, in any order, and the summary, which is the last."""
    before = contents(path)
    result = check(path)
    assert result.stderr == b""
    found = result.stdout.decode().splitlines()
    assert sorted(found[:-1]) == sorted(lines[:-1])
    assert found[-1] == lines[-1]
    assert result.returncode == status
    assert contents(path) == before, "nothing was changed"


def assert_not_checked(path, *words):
    result = check(path)
    assert result.returncode == 1, result
    assert result.stdout == b""
    message = result.stderr.decode()
    assert message.startswith("millrace: store check: ") and message.count("\n") == 1
    for word in words:
        assert word in message, message


@pytest.fixture
def data(tmp_path):
    return DataDirectory(tmp_path / "data")


def noise(size):
    return random.Random(size).randbytes(size)


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def name_of(data, path):
    return str(path.relative_to(data.path))


# ---- what is whole ----


def test_an_empty_directory_is_whole(data):
    assert_found(data.path, 0, summary(0, 0, 0))


def test_objects_of_all_shapes_are_whole(data):
    sizes = 0
    for number, size in enumerate([0, 1, 100, 32 * KIB]):
        data.put(noise(size), ms=1_700_000_000_000 + number * 10_000_000_000)
        sizes += size
    for cut in ([40_000], [128 * KIB, 1], [1, 128 * KIB + 1, 0, 5], [3_000_000]):
        data.put(noise(sum(cut)), segments=cut)
        sizes += sum(cut)
    data.put(b"later", later={"x": [1]}, state="held")
    assert_found(data.path, 0, summary(9, sizes + 5, 8))


def test_an_object_without_a_digest_is_whole(data):
    id = data.put(b"abc")
    head = {"id": id, "rev": 9, "name": "", "type": "a/b", "size": 3, "created_ms": 1, "changed_ms": 2}
    head |= {"is_image": True, "tags": [], "meta": {}, "segments": []}
    data.meta(id).write_bytes(meta_bytes(head, b"abd"))
    assert_found(data.path, 0, summary(1, 3, 0))


# ---- damage ----


def test_a_flipped_bit_of_a_meta_is_found(data):
    for at in (60, -1):  # of the head, of the payload
        id = data.put(noise(500))
        flip(data.meta(id), at)
    good = data.put(b"good")
    paths = [path for path in data.path.rglob("*.meta") if good not in path.name]
    text = "The metadata of an object is damaged: its checksum is another."
    assert_found(data.path, 3, *(f"{name_of(data, path)}: {text}" for path in paths), summary(3, 4, 0, damaged=2))


@pytest.mark.parametrize("size", [0, 10, 70_000])
def test_a_meta_of_another_length_is_found(data, size):
    id = data.put(noise(500))
    meta = data.meta(id)
    meta.write_bytes((meta.read_bytes() + bytes(size))[:size])
    result = check(data.path)
    assert result.returncode == 3
    assert result.stdout.decode().startswith(f"{name_of(data, meta)}: ")
    assert result.stdout.decode().endswith(summary(1, 0, 0, damaged=1) + "\n")


def test_a_meta_of_another_object_is_found(data):
    id, other = data.put(b"one"), data.put(b"two")
    data.meta(other).write_bytes(data.meta(id).read_bytes())
    text = "The metadata of an object is damaged: it is that of another object."
    assert_found(data.path, 3, f"{name_of(data, data.meta(other))}: {text}", summary(2, 3, 0, damaged=1))


@pytest.mark.parametrize("size", [0, 39_999, 40_001])
def test_a_segment_of_another_length_is_found(data, size):
    id = data.put(noise(80_000), segments=[40_000, 40_000])
    segment = data.segment(id, 2)
    segment.write_bytes((segment.read_bytes() + b"x")[:size])
    text = f"Segment 2 has {size} bytes, and 40000 were written."
    assert_found(data.path, 3, f"{name_of(data, data.meta(id))}: {text}", summary(1, 80_000, 2, damaged=1))


def test_a_missing_segment_is_found(data):
    id = data.put(noise(80_000), segments=[40_000, 40_000])
    data.segment(id, 1).unlink()
    text = "Segment 1 is missing."
    assert_found(data.path, 3, f"{name_of(data, data.meta(id))}: {text}", summary(1, 80_000, 2, damaged=1))


@pytest.mark.parametrize("at", [0, 299_999, 599_999])
def test_a_flipped_bit_of_a_segment_is_found(data, at):
    id = data.put(noise(1_000_000), segments=[400_000, 600_000])
    flip(data.segment(id, 2), at)
    text = "The SHA-256 digest of the payload is another."
    assert_found(data.path, 3, f"{name_of(data, data.meta(id))}: {text}", summary(1, 1_000_000, 2, damaged=1))


def test_a_wrong_digest_of_a_short_payload_is_found(data):
    id = data.put(b"abc", sha256="00" * 32)
    text = "The SHA-256 digest of the payload is another."
    assert_found(data.path, 3, f"{name_of(data, data.meta(id))}: {text}", summary(1, 3, 0, damaged=1))


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_what_is_no_file_is_not_read(data, tmp_path, kind):
    id, short = data.put(noise(40_000), segments=[40_000]), data.put(b"abc")
    for path in (data.segment(id), data.meta(short)):
        content = path.read_bytes()
        path.unlink()
        if kind == "link":
            (tmp_path / path.name).write_bytes(content)
            path.symlink_to(tmp_path / path.name)
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            path.mkdir()
    result = check(data.path)
    assert result.returncode == 3
    lines = result.stdout.decode().splitlines()
    assert len(lines) == 3
    assert sum(line.startswith(f"{name_of(data, data.meta(id))}: A segment cannot be opened: open: ") for line in lines) == 1
    assert sum(line.startswith(f"{name_of(data, data.meta(short))}: The object cannot be read: open: ") for line in lines) == 1
    assert lines[2] == summary(2, 40_000, 1, damaged=2)


# ---- what belongs to no object ----


def test_strays_are_told_and_are_no_damage(data):
    id = data.put(noise(40_000), segments=[40_000])
    place = data.place(id)
    lost, elsewhere = ulid(1_796_000_000_000, 1 << 40), ulid(1_500_000_000_000)
    lines = []
    for name, text in [
        (f"{id}.2", "The object has no segment of that number."),
        (f"{lost}.1", "There is no object that this segment belongs to."),
        (f"{elsewhere}.meta", "The ID belongs in another directory."),
        (f"{id}.gone", "This is no name of the store's."),
        (f"{id}.01", "This is no name of the store's."),
        (f"{id.lower()}.meta", "This is no name of the store's."),
        ("notes.txt", "This is no name of the store's."),
    ]:
        (place / name).write_bytes(b"")
        lines.append(f"{name_of(data, place / name)}: {text}")
    (data.path / "objects/01M8/XY").mkdir(parents=True)  # it is one, and empty
    for name in ("objects/01m8", "objects/lost+found", "objects/01M8/K"):
        (data.path / name).mkdir()
    (data.path / "objects/file").write_bytes(b"")
    (data.path / "objects/01MX").symlink_to("/")
    for name in ("01m8", "lost+found", "01M8/K", "file", "01MX"):
        lines.append(f"objects/{name}: This is no directory of the store's.")
    (data.path / "uploads/notes.txt").write_bytes(b"")
    lines.append("uploads/notes.txt: This is no name of the store's.")
    assert_found(data.path, 0, *lines, summary(1, 40_000, 1, strays=len(lines)))


def test_files_of_interrupted_uploads_are_counted(data):
    for name in ("meta.p0", "1.p0", "17.p3", "gone.p1"):
        (data.path / "uploads" / f"{ulid(1_796_000_000_000)}.{name}").write_bytes(b"torn")
    assert_found(data.path, 0, summary(0, 0, 0, interrupted=4))


def test_a_segment_of_a_damaged_object_is_no_stray(data):
    id = data.put(noise(40_000), segments=[40_000])
    flip(data.meta(id), -3)
    text = "The metadata of an object is damaged: its checksum is another."
    assert_found(data.path, 3, f"{name_of(data, data.meta(id))}: {text}", summary(1, 0, 0, damaged=1))


def test_a_name_cannot_play_with_the_terminal(data):
    id = data.put(b"abc")
    (data.place(id) / "a\x1b[31m\n\xff").write_bytes(b"")
    line = f"{name_of(data, data.place(id))}/a?[31m???: This is no name of the store's."
    assert_found(data.path, 0, line, summary(1, 3, 0, strays=1))


# ---- what is not checked ----


def test_a_directory_in_use_is_refused(data):
    data.put(b"abc")
    with (data.path / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711       \n")
        lock.flush()
        assert_not_checked(data.path, str(data.path), "is used by another server, process 4711")
    assert_found(data.path, 0, summary(1, 3, 0))


@pytest.fixture
def read_only(data, tmp_path):
    """read_only(): the data directory, as it is now, on a read-only mount."""
    place = tmp_path / "mounted"

    def mount():
        place.mkdir()
        commands = [["mount", "--bind", data.path, place], ["mount", "-o", "remount,bind,ro", place]]
        if os.geteuid() != 0 or any(subprocess.run(each, capture_output=True, check=False).returncode != 0 for each in commands):
            pytest.skip("nothing can be mounted here")
        return place

    yield mount
    subprocess.run(["umount", "-l", place], capture_output=True, check=False)


def test_a_copy_that_is_mounted_read_only_is_checked(data, read_only):
    data.put(noise(100))
    damaged = data.put(noise(100_000), segments=[100_000])
    place = read_only()
    assert_found(place, 0, summary(2, 100_100, 1))
    with open(data.path / "lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert_not_checked(place, "used by another server")
    (data.path / "lock").unlink()
    assert_found(place, 0, summary(2, 100_100, 1))
    flip(data.segment(damaged), 7)
    assert check(place).returncode == 3
    assert not (place / "lock").exists()


def test_a_directory_is_checked_once_its_server_has_ended(start, tmp_path):
    path = tmp_path / "data"
    server = start("--data", path)
    assert_not_checked(path, f"is used by another server, process {server.process.pid}")
    server.assert_drains()
    assert_found(path, 0, summary(0, 0, 0))


def test_what_is_no_data_directory_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_bytes(b"")
    assert_not_checked(tmp_path, "is no data directory of millrace")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert_not_checked(tmp_path / "notes.txt", "ENOTDIR")
    assert_not_checked(tmp_path / "nothing", "ENOENT")


@pytest.mark.parametrize("text", ["millrace-data 2\n", "millrace-data 1 sealed\n", "millrace-data 10\n", ""])
def test_a_format_that_is_not_known_is_refused(data, text):
    (data.path / "format").write_text(text)
    assert_not_checked(data.path, "has a format")


def test_wrong_arguments_are_told(data):
    for arguments in (["store"], ["store", "check"], ["store", "mend", data.path], ["store", "check", data.path, "more"]):
        result = subprocess.run(
            [BINARY, *arguments], capture_output=True, timeout=HANG, env=environment(), check=False
        )
        assert result.returncode == 2
        assert result.stdout == b""
        assert b"usage: millrace store" in result.stderr


def test_a_full_standard_output_is_told(data):
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [BINARY, "store", "check", data.path], stdout=full, stderr=subprocess.PIPE, timeout=HANG, env=environment(), check=False
        )
    assert result.returncode == 1
    assert result.stderr.decode().startswith("millrace: store check: standard output: No space left")
