"""`millrace pipe` and `millrace keygen`: the same stages without HTTP, between standard input and standard output."""

import gzip
import os
import pty
import random
import re
import subprocess
import threading
import time

import pytest
from images import decode, encode, photo, quadrants
from server import BINARY, HANG, environment

KIB = 1024
SIZES = [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 3_000_000]
TIMEOUT = HANG


def command(*arguments, data=b"", **more):
    """Run the program to its end; standard input is `data`, or what `stdin` says."""
    more |= {} if "stdin" in more else {"input": data}
    more.setdefault("stdout", subprocess.PIPE)
    return subprocess.run(
        [BINARY, *map(str, arguments)], stderr=subprocess.PIPE, timeout=TIMEOUT, env=environment(), **more
    )


def pipe(*arguments, data=b"", **more):
    return command("pipe", *arguments, data=data, **more)


def good(result):
    assert result.returncode == 0, result.stderr
    assert result.stderr == b"", "no terminal, no progress"
    return result.stdout


def other(*arguments, data=b""):
    """What another program makes of it."""
    return subprocess.run(arguments, input=data, capture_output=True, timeout=TIMEOUT, check=True).stdout


def assert_wrong(result, *words):
    assert result.returncode == 2, result
    assert result.stdout == b""
    first, *hint = result.stderr.decode().splitlines()
    assert first.startswith("millrace: ") and hint, "what is wrong, and how it is used"
    for word in words:
        assert word in first, first


def assert_failed(result, *words):
    assert result.returncode == 1, result
    message = result.stderr.decode()
    assert message.startswith("millrace: pipe: ") and message.count("\n") == 1
    for word in words:
        assert word in message, message


def sample(size):
    """Half of it packs well, half not at all."""
    chance = random.Random(size)
    part = b"".join(chance.choice([b"some words ", chance.randbytes(9)]) for _ in range(min(size, 100_000) // 9 + 1))
    return (part * (size // len(part) + 1))[:size]


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "identity.txt"
    assert command("keygen", path).returncode == 0
    return path


@pytest.fixture(scope="module")
def recipient(identity):
    return command("keygen", "--public", identity).stdout.decode().strip()


@pytest.fixture
def passphrase_file(tmp_path):
    path = tmp_path / "passphrase"
    path.write_bytes(b"open sesame\r\nnot this line\n")
    return path


# ---- there and back


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("there, back", [("gzip", "gunzip"), ("zstd", "unzstd")])
def test_compressed_and_back(there, back, size):
    data = sample(size)
    assert good(pipe(back, data=good(pipe(there, data=data)))) == data


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("armor", [[], ["--armor"]])
def test_encrypted_and_back(identity, recipient, size, armor):
    data = sample(size)
    secret = good(pipe("encrypt", "--recipient", recipient, *armor, data=data))
    assert secret.startswith(b"-----BEGIN AGE" if armor else b"age-encryption.org/v1")
    assert good(pipe("decrypt", f"--identity={identity}", data=secret)) == data


@pytest.mark.threads
@pytest.mark.parametrize("workers", [1, 3])
def test_a_chain_and_back_through_files(identity, recipient, tmp_path, workers):
    data, paths = sample(3_000_000), [tmp_path / name for name in ("plain", "secret", "back")]
    paths[0].write_bytes(data)
    steps = [("gzip/zstd/encrypt", "--recipient", recipient), ("decrypt/unzstd/gunzip", "--identity", identity)]
    for arguments, source, target in zip(steps, paths, paths[1:]):
        with open(source, "rb") as stdin, open(target, "wb") as stdout:
            good(pipe(*arguments, "--workers", workers, stdin=stdin, stdout=stdout))
    assert paths[2].read_bytes() == data


def test_a_file_is_read_from_where_it_stands(tmp_path):
    path = tmp_path / "plain"
    path.write_bytes(b"x" * 1000 + b"the rest")
    with open(path, "rb") as stdin:
        os.lseek(stdin.fileno(), 1000, os.SEEK_SET)
        assert gzip.decompress(good(pipe("gzip", stdin=stdin))) == b"the rest"


@pytest.mark.unsanitized("libsodium's work, several times a second")
@pytest.mark.slow
def test_a_passphrase_is_the_first_line_of_a_file(passphrase_file):
    secret = good(pipe("encrypt", "--passphrase-file", passphrase_file, data=b"hello"))
    assert b"-> scrypt " in secret
    assert good(pipe("decrypt", "--passphrase-file", passphrase_file, data=secret)) == b"hello"
    passphrase_file.write_bytes(b"something else")
    assert_failed(pipe("decrypt", "--passphrase-file", passphrase_file, data=secret), "None of the keys")


def test_several_recipients_and_identities(identity, recipient, tmp_path):
    second = tmp_path / "second"
    command("keygen", second)
    other_recipient = command("keygen", "--public", second).stdout.decode().strip()
    secret = good(pipe("encrypt", "--recipient", recipient, "--recipient", other_recipient, data=b"x"))
    assert good(pipe("decrypt", "--identity", second, data=secret)) == b"x"
    secret = good(pipe("encrypt", "--recipient", recipient, data=b"x"))
    assert good(pipe("decrypt", "--identity", second, "--identity", identity, data=secret)) == b"x"
    assert_failed(pipe("decrypt", "--identity", second, data=secret), "None of the keys")


# ---- with other programs


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_others_read_what_we_write(identity, recipient, size):
    data = sample(size)
    assert other("gzip", "-dc", data=good(pipe("gzip", "--level", 9, data=data))) == data
    assert other("zstd", "-dc", data=good(pipe("zstd", data=data))) == data
    assert other("age", "-d", "-i", identity, data=good(pipe("encrypt", "--recipient", recipient, data=data))) == data


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_we_read_what_others_write(identity, recipient, size):
    data = sample(size)
    assert good(pipe("gunzip", data=other("gzip", "-c", data=data))) == data
    assert good(pipe("unzstd", data=other("zstd", "-c", data=data))) == data
    assert good(pipe("decrypt", "--identity", identity, data=other("age", "-r", recipient, data=data))) == data


def test_an_image_and_what_comes_after_it():
    small = decode(gzip.decompress(good(pipe("image/gzip", "--w", 100, "--fm=png", data=photo()))))
    assert small.format == "PNG" and small.size == (100, 50)
    assert decode(good(pipe("image", "--w=20", data=encode(quadrants(80, 40), "PNG")))).size == (20, 10)


def test_the_bound_of_pixels():
    assert_failed(pipe("image", "--max-pixels", 1000, "--w", 10, data=photo()), "too many pixels", "max-pixels", "1000")


def test_the_bound_of_expansion_is_off_unless_it_is_given():
    zeros = gzip.compress(bytes(20_000_000))
    assert len(good(pipe("gunzip", data=zeros))) == 20_000_000
    assert_failed(pipe("gunzip", "--max-expansion=1MiB", data=zeros), "expands")
    assert len(good(pipe("gunzip", "--max-expansion-ratio=10", data=zeros))) == 20_000_000  # up to 64 MiB in any ratio
    assert_failed(pipe("gunzip", "--max-expansion-ratio=10", data=gzip.compress(bytes(70_000_000))), "expands", "max-expansion-ratio")


# ---- wrong usage


@pytest.mark.parametrize(
    "arguments, word",
    [([], "stages"), (["gzop"], "gzop"), (["gzip/nothing"], "nothing"), (["gzip/"], '""'), (["--level=1", "gzip"], "--level"),
     (["gzip/gzip"], "twice"), (["gzip", "--nonsense"], "nonsense"), (["gzip", "--w", "3"], "--w"), (["gzip", "--level"], "level"),
     (["gzip", "--level", "10"], "level"), (["gzip", "--level", "0"], "level"), (["gzip", "--level=high"], "level"),
     (["gzip", "--level=1", "--level=2"], "level"), (["gzip", "photo.jpg"], "photo.jpg"), (["gzip", "-9"], "-9"),
     (["gzip", "--workers", "0"], "workers"), (["gunzip", "--max-expansion=lots"], "max-expansion"), (["encrypt"], "recipient"),
     (["encrypt", "--recipient", "age1nobody"], "recipient"), (["decrypt"], "--identity"), (["gzip", "--identity", "x"], "--identity"),
     (["gzip", "--passphrase-file=x"], "--passphrase-file"), (["image", "--w=-3"], "w"), (["image", "--fit=crop"], "fit=crop")],
)  # fmt: skip
@pytest.mark.unsanitized("the unit tests of options have the same")
def test_wrong_usage_exits_2_and_names_it(arguments, word):
    assert_wrong(pipe(*arguments, data=b"never read"), word)


def test_a_file_of_keys_that_is_not_there_or_none(tmp_path):
    assert_failed(pipe("decrypt", "--identity", tmp_path / "nothing"), "nothing", "No such file")
    (tmp_path / "none").write_text("AGE-SECRET-KEY-1ALMOST\n")
    assert_wrong(pipe("decrypt", "--identity", tmp_path / "none"), "line 1")
    (tmp_path / "empty").write_text("\n")
    assert_wrong(pipe("encrypt", "--passphrase-file", tmp_path / "empty"), "passphrase")


def test_identities_of_other_kinds_are_passed_over_with_a_warning(identity, recipient, tmp_path):
    mixed = tmp_path / "mixed"
    mixed.write_text("AGE-SECRET-KEY-PQ-1QQQQ\nAGE-PLUGIN-YUBIKEY-1QQQQ\n" + identity.read_text())
    secret = good(pipe("encrypt", "--recipient", recipient, data=b"hello"))
    result = pipe("decrypt", "--identity", mixed, data=secret)
    assert (result.returncode, result.stdout) == (0, b"hello")
    assert b"2 identities are passed over" in result.stderr
    assert pipe("decrypt", "--identity", mixed, "--quiet", data=secret).stderr == b""


SCRYPT = b"age-encryption.org/v1\n-> scrypt rF0/NwblUHHTpgQgRpe5CQ %d\nUw7c8hTUNUbBfQjpYHkGFZZ0R3cbc95VYLSWbYuEUwE\n--- %s\n" + bytes(48)


def test_bounds_of_work_and_windows_are_wider_than_a_server_s(passphrase_file):
    for factor, options, bound in ((23, (), 22), (13, ("--max-work-factor=12",), 12)):
        data = SCRYPT % (factor, b"A" * 43)
        assert_failed(pipe("decrypt", "--passphrase-file", passphrase_file, *options, data=data), f"max-work-factor is {bound}")
    # What `zstd --long=27` and `--long=28` write of a stream: the first has a window of 128 MiB (RFC 8878, 3.1.1.1.2).
    frames = {log: b"\x28\xb5\x2f\xfd\x00" + bytes([(log - 10) << 3]) + b"\x29\x00\x00hello" for log in (27, 28)}
    assert good(pipe("unzstd", data=frames[27])) == b"hello"
    assert_failed(pipe("unzstd", data=frames[28]), "max-zstd-window is 134217728")
    assert good(pipe("unzstd", "--max-zstd-window=256MiB", data=frames[28])) == b"hello"


@pytest.mark.parametrize("line, word", [(b"\xef\xbb\xbfhunter2\n", "byte order mark"), (b"Gr\xfc\xdfe\n", "UTF-8"), ("hunter2\n".encode("utf-16"), "UTF-8")])
def test_a_passphrase_that_age_would_not_take_is_refused(tmp_path, line, word):
    (tmp_path / "passphrase").write_bytes(line)
    for stage in ("encrypt", "decrypt"):
        assert_wrong(pipe(stage, "--passphrase-file", tmp_path / "passphrase", data=b"never read"), word)


@pytest.mark.parametrize("name", ["pipe", "keygen"])
def test_help(name):
    result = command(name, "--help")
    assert result.returncode == 0 and result.stderr == b"" and result.stdout.startswith(b"usage: millrace " + name.encode())


def test_help_names_every_stage():
    text = pipe("--help").stdout.decode()
    for word in ("image", "gunzip", "unzstd", "--recipient", "--armor", "--level", "--identity", "--passphrase-file"):
        assert word in text
    assert "millrace pipe" in command("--help").stdout.decode()


# ---- input and output that fail


@pytest.mark.parametrize("stages", ["gunzip", "unzstd", "decrypt"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.999])
def test_truncated_input_is_no_success(identity, recipient, stages, kept):
    data = sample(3_000_000)
    keys = ["--identity", identity] if stages == "decrypt" else []
    there = ["encrypt", "--recipient", recipient] if keys else [{"gunzip": "gzip", "unzstd": "zstd"}[stages]]
    whole = good(pipe(*there, data=data))
    result = pipe(stages, *keys, data=whole[: int(len(whole) * kept)])
    assert_failed(result)
    assert data.startswith(result.stdout) and len(result.stdout) < len(data)


def test_damaged_input_says_so(identity, recipient):
    secret = bytearray(good(pipe("encrypt", "--recipient", recipient, data=sample(300_000))))
    secret[-100_000] ^= 1
    assert_failed(pipe("decrypt", "--identity", identity, data=bytes(secret)), "damaged")
    assert_failed(pipe("image", "--w=9", data=photo()[:1000]), "damaged")


def test_a_full_disk_is_a_failure():
    with open("/dev/full", "wb") as full:
        result = pipe("gzip", data=sample(300_000), stdout=full)
    assert result.returncode == 1 and b"No space left" in result.stderr


def test_a_directory_is_no_input(tmp_path):
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        assert_failed(pipe("gzip", stdin=directory), "standard input", "directory")
    finally:
        os.close(directory)


def test_a_reader_that_leaves_ends_it_quietly():
    process = subprocess.Popen(
        [BINARY, "pipe", "zstd"], stdin=open("/dev/urandom"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    try:
        assert len(process.stdout.read(10)) == 10
        process.stdout.close()
        assert process.wait(TIMEOUT) == 1
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.wait()


def test_descriptors_that_do_not_block():
    """Both ends are left non-blocking, as some shells do; the writer and the reader are slow."""
    data = sample(1_000_000)
    (in_read, in_write), (out_read, out_write) = os.pipe(), os.pipe()
    os.set_blocking(in_read, False)
    os.set_blocking(out_write, False)
    process = subprocess.Popen([BINARY, "pipe", "gzip/gunzip"], stdin=in_read, stdout=out_write, env=environment())
    os.close(in_read)
    os.close(out_write)

    def write():
        time.sleep(0.2)
        with open(in_write, "wb") as file:
            file.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.4)
    with open(out_read, "rb") as file:
        assert file.read() == data
    writer.join()
    assert process.wait(TIMEOUT) == 0


def test_what_is_there_is_passed_on_before_the_end():
    """A stage whose output comes at once does not wait for a full buffer."""
    packed = gzip.compress(b"hello\n")
    process = subprocess.Popen([BINARY, "pipe", "gunzip"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    try:
        process.stdin.write(packed)
        process.stdin.flush()
        assert os.read(process.stdout.fileno(), 100) == b"hello\n"
        process.stdin.close()
        assert process.stdout.read() == b"" and process.wait(TIMEOUT) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.unsanitized("a sanitizer has memory of its own")
def test_a_slow_reader_bounds_the_memory():
    """300 MB are offered; who reads next to nothing of what comes out makes the writer wait."""
    process = subprocess.Popen(
        [BINARY, "pipe", "gzip", "--level=1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    )
    offered = threading.Event()

    def offer():
        block = random.Random(1).randbytes(1_000_000)
        try:
            for _ in range(300):
                process.stdin.write(block)
            offered.set()
        except BrokenPipeError:
            pass

    writer = threading.Thread(target=offer)
    writer.start()
    try:
        for _ in range(10):
            time.sleep(0.2)
            assert process.stdout.read(10_000)
        assert not offered.is_set(), "the writer is made to wait"
        with open(f"/proc/{process.pid}/status") as status:
            peak_kib = int(re.search(r"^VmHWM:\s+(\d+) kB$", status.read(), re.MULTILINE)[1])
        assert peak_kib < 64 * KIB
    finally:
        process.kill()
        process.wait()
        writer.join()


# ---- terminals


def on_terminal(*arguments, data, end="stderr"):
    """Run it with `end` on a terminal. Returns (status, what came out of a pipe, what the terminal shows)."""
    try:
        master, terminal = pty.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo-terminal: {error}")
    ends = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {end: terminal}
    process = subprocess.Popen([BINARY, "pipe", *map(str, arguments)], stdin=subprocess.PIPE, env=environment(), **ends)
    os.close(terminal)
    output, errors = process.communicate(data, TIMEOUT)
    shown = b""
    try:
        while part := os.read(master, 65536):
            shown += part
    except OSError:  # EIO: nobody has it open any more
        pass
    os.close(master)
    return process.returncode, output if end == "stderr" else errors, shown


def test_progress_is_shown_on_a_terminal_and_quiet_ends_it():
    status, output, shown = on_terminal("gzip", data=bytes(1_000_000))
    assert status == 0 and gzip.decompress(output) == bytes(1_000_000)
    assert b"1.0 MB in" in shown and b"MB/s" in shown and shown.endswith(b" s\r\n")
    assert on_terminal("gzip", "--quiet", data=b"x")[2] == b""


def test_binary_output_is_not_written_to_a_terminal(recipient):
    status, errors, shown = on_terminal("encrypt", "--recipient", recipient, data=b"x", end="stdout")
    assert status == 2 and b"--force" in errors and b"--armor" in errors and shown == b""
    assert on_terminal("gzip", "--force", data=b"x", end="stdout")[0] == 0
    status, _, shown = on_terminal("encrypt", "--armor", "--recipient", recipient, data=b"x", end="stdout")
    assert status == 0 and shown.startswith(b"-----BEGIN AGE")


# ---- keygen


def test_keygen_writes_a_file_for_its_owner_only_and_never_over_another(tmp_path):
    path = tmp_path / "identity.txt"
    result = command("keygen", path)
    assert result.returncode == 0 and result.stdout == b""
    public = result.stderr.decode()
    assert re.fullmatch(r"Public key: age1\w{58}\n", public)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    again = command("keygen", path)
    assert again.returncode == 1 and str(path) in again.stderr.decode()
    assert path.read_bytes() == before
    for option in ("--public", "-y"):
        assert command("keygen", option, path).stdout.decode() == public.removeprefix("Public key: ")
    assert other("age-keygen", "-y", path).decode() == public.removeprefix("Public key: ")


def test_keygen_without_a_file_writes_to_standard_output():
    result = command("keygen")
    assert result.returncode == 0
    public = re.fullmatch(r"Public key: (age1\w{58})\n", result.stderr.decode())[1]
    assert f"# public key: {public}\nAGE-SECRET-KEY-1" in result.stdout.decode()
    assert other("age-keygen", "-y", data=result.stdout).decode().strip() == public
    assert result.stdout != command("keygen").stdout


@pytest.mark.parametrize(
    "arguments, word",
    [(["-x"], "-x:"), (["--public=maybe"], "--public"), (["a", "b"], "b:"), (["--public"], "--public"), (["-y", "a", "b"], "b:")],
)
def test_wrong_usage_of_keygen(arguments, word):
    assert_wrong(command("keygen", *arguments), word)
