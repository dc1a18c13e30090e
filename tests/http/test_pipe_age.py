"""POST /pipe/encrypt and /pipe/decrypt: files of age, which the program age and the server read from each other."""

import gzip
import hashlib
import json
import random
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import agefiles
import pytest
from images import assert_upright, decode, noise, photo
from server import BINARY, HANG, ROOT, environment
from streams import MIB, assert_refused_or_cut, exchange, noise_bytes, noise_pieces, random_cuts, run, sample, through
from test_pipe_image import problem
from wire import request

pytestmark = pytest.mark.once  # beside what is marked `threads`

CHUNK = 65536  # of the payload of an age file; 16 bytes more when it is sealed
SEALED = CHUNK + 16
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, MIB - 1, MIB, MIB + 1, 10_000_000)
HUNDRED_MB = 100_000_000
BEGIN, END = b"-----BEGIN AGE ENCRYPTED FILE-----\n", b"-----END AGE ENCRYPTED FILE-----\n"


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Two keys that the server holds, and one that it does not."""
    directory = tmp_path_factory.mktemp("keys")
    return [agefiles.new_key(directory / name) for name in ("first.key", "second.key", "other.key")]


@pytest.fixture
def server(share, keys):
    """It holds two keys."""
    return share(f"--identity={keys[0].path}", f"--identity={keys[1].path}")


@pytest.fixture
def asking(share):
    """It holds no key and takes those of requests."""
    return share("--allow-request-identity")


def header_length(data):
    """Of a binary age file, with the nonce behind it."""
    match = re.match(rb"age-encryption\.org/v1\n(?:->.*\n(?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63}\n)+--- [A-Za-z0-9+/]{43}\n", data)
    assert match, data[:200]
    return match.end() + 16


def from_pieces(server, target, pieces, size, fields=()):
    """The hash of what comes, which is not kept, and its length."""
    seen = hashlib.sha256()
    outcome = exchange(server, target, pieces, fields, size=size, take=seen.update)
    assert outcome.status == 200 and outcome.whole
    return seen.hexdigest(), outcome.length


# ---- back and forth


@pytest.mark.parametrize("armor", [False, True], ids=["binary", "armored"])
@pytest.mark.parametrize("size", SIZES)
def test_age_opens_what_the_server_encrypts(server, keys, size, armor):
    body = sample(size)
    for chunk in (None, 977) if size < MIB else (None, 100_003):
        data = through(server, f"/pipe/encrypt?recipient={keys[2].recipient}" + "&armor=1" * armor, body, chunk=chunk)
        assert data.startswith(BEGIN if armor else b"age-encryption.org/v1\n")
        assert agefiles.decrypt(data, keys[2]) == body


@pytest.mark.parametrize("armor", [False, True], ids=["binary", "armored"])
@pytest.mark.parametrize("size", SIZES)
def test_the_server_opens_what_age_encrypts(server, keys, size, armor):
    body = sample(size)
    data = agefiles.encrypt(body, keys[0], armor=armor)
    for chunk in (None, 977) if size < MIB else (None, 100_003):
        assert through(server, "/pipe/decrypt", data, chunk=chunk) == body


@pytest.mark.threads
@pytest.mark.parametrize("size", SIZES)
def test_encrypt_and_decrypt_in_one_pipe_give_the_same_back(server, keys, size):
    for query in (f"recipient={keys[0].recipient}", f"armor=1&recipient={keys[0].recipient}"):
        assert through(server, f"/pipe/encrypt/decrypt?{query}", sample(size), chunk=30_011) == sample(size)


def test_a_file_has_the_length_that_the_format_says(server, keys):
    for size in (0, 1, CHUNK, CHUNK + 1, 3 * CHUNK):
        data = through(server, f"/pipe/encrypt?recipient={keys[0].recipient}", bytes(size))
        chunks = max(1, -(-size // CHUNK))
        assert len(data) == header_length(data) + size + 16 * chunks


def test_the_media_type_tells_whether_it_is_text(server, keys):
    target = f"/pipe/encrypt?recipient={keys[0].recipient}"
    assert exchange(server, target, b"x").response["Content-Type"] == "application/octet-stream"
    assert exchange(server, f"{target}&armor=0", b"x").response["Content-Type"] == "application/octet-stream"
    assert exchange(server, f"{target}&armor=1", b"x").response["Content-Type"] == "application/x-pem-file"
    assert exchange(server, "/pipe/decrypt", agefiles.encrypt(b"x", keys[0])).response["Content-Type"] == "application/octet-stream"


def test_every_recipient_can_open_it(server, keys):
    body = sample(100_000)
    recipients = "&".join(f"recipient={key.recipient}" for key in keys)
    for armor in ("", "&armor=1"):
        data = through(server, f"/pipe/encrypt?{recipients}{armor}", body)
        for key in keys:
            assert agefiles.decrypt(data, key) == body
        assert through(server, "/pipe/decrypt", data) == body


def test_thirty_two_recipients_are_taken_and_more_refused(server, keys):
    one = f"recipient={keys[0].recipient}"
    data = through(server, "/pipe/encrypt?" + "&".join([one] * 32), b"x")
    assert data.count(b"\n-> X25519 ") == 32
    assert agefiles.decrypt(data, keys[0]) == b"x"
    document = problem(server.post("/pipe/encrypt?" + "&".join([one] * 33), b"x"), 400, "bad-parameter")
    assert "recipient" in json.dumps(document)


def test_every_key_of_the_server_is_tried(server, keys):
    for held in keys[:2]:
        assert through(server, "/pipe/decrypt", agefiles.encrypt(b"hello", keys[2], held)) == b"hello"
        assert through(server, "/pipe/decrypt", agefiles.encrypt(b"hello", held, keys[2], armor=True)) == b"hello"


def test_a_file_of_keys_may_hold_several(start, keys, tmp_path):
    path = tmp_path / "several.key"
    path.write_text("# all of them\n\n" + "".join(key.path.read_text() for key in keys))
    path.chmod(0o600)
    server = start(f"--identity={path}")
    for key in keys:
        assert through(server, "/pipe/decrypt", agefiles.encrypt(b"hello", key)) == b"hello"


def test_no_two_files_are_the_same(server, keys):
    target = f"/pipe/encrypt?recipient={keys[0].recipient}"
    made = [through(server, target, sample(100_000)) for _ in range(5)]
    assert len({data[:100] for data in made}) == len({data[-1000:] for data in made}) == 5


def test_armor_is_sixty_four_columns_wide(server, keys):
    for size in (0, 7, 100_000):
        data = through(server, f"/pipe/encrypt?armor=1&recipient={keys[0].recipient}", sample(size))
        lines = data.split(b"\n")
        assert lines[0] + b"\n" == BEGIN and lines[-2] + b"\n" == END and lines[-1] == b""
        assert all(len(line) == 64 for line in lines[1:-3]) and 0 < len(lines[-3]) <= 64


def test_armor_with_other_ends_of_line_and_space_around_it_is_read(server, keys):
    data = agefiles.encrypt(b"hello", keys[0], armor=True)
    for changed in (data.replace(b"\n", b"\r\n"), b"\n \n" + data, data + b"\n\n", data.rstrip(b"\n")):
        for chunk in (None, 1):
            assert through(server, "/pipe/decrypt", changed, chunk=chunk) == b"hello"


def test_a_hundred_megabytes_are_encrypted(server, keys):
    wanted = hashlib.sha256()
    for piece in noise_pieces(HUNDRED_MB):
        wanted.update(piece)
    age = subprocess.Popen(["age", "-d", "-i", keys[0].path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with ThreadPoolExecutor(1) as pool, age:
        opened = pool.submit(lambda: hashlib.file_digest(age.stdout, "sha256").hexdigest())
        outcome = exchange(
            server, f"/pipe/encrypt?recipient={keys[0].recipient}", noise_pieces(HUNDRED_MB), size=HUNDRED_MB, take=age.stdin.write
        )
        age.stdin.close()
        assert outcome.status == 200 and outcome.whole
        assert opened.result() == wanted.hexdigest()
    assert age.returncode == 0


def test_a_hundred_megabytes_are_decrypted(server, keys, tmp_path):
    plain, path = hashlib.sha256(), tmp_path / "large.age"
    with subprocess.Popen(["age", "-r", keys[0].recipient, "-o", path], stdin=subprocess.PIPE) as age:
        for piece in noise_pieces(HUNDRED_MB):
            plain.update(piece)
            age.stdin.write(piece)
        age.stdin.close()
    with path.open("rb") as file:
        pieces = iter(lambda: file.read(MIB), b"")
        assert from_pieces(server, "/pipe/decrypt", pieces, path.stat().st_size) == (plain.hexdigest(), HUNDRED_MB)


# ---- pipes


@pytest.mark.parametrize("armor", [0, 1])
def test_a_picture_is_made_small_packed_and_encrypted_in_one_pipe(server, keys, armor, tmp_path):
    target = f"/pipe/image/gzip/encrypt?w=100&level=6&fm=png&armor={armor}&recipient={keys[2].recipient}"
    for chunk in (None, 5000):
        data = through(server, target, photo(400, 200, 6), chunk=chunk)
        packed = agefiles.decrypt(data, keys[2])
        picture = run("gunzip", "-c", data=packed)
        assert decode(picture).size == (100, 50)
        assert_upright(picture)


def test_a_file_is_decrypted_unpacked_and_made_a_small_picture(server, keys):
    data = agefiles.encrypt(gzip.compress(noise(1200, 900)), keys[1])
    outcome = exchange(server, "/pipe/decrypt/gunzip/image?w=100&fm=webp", data, chunk=40_000)
    assert outcome.whole and outcome.response["Content-Type"] == "image/webp"
    assert decode(outcome.body).size == (100, 75)


def test_age_zstd_and_the_server_agree_on_a_pipe(server, keys):
    body = sample(3 * MIB)
    data = through(server, f"/pipe/zstd/encrypt?recipient={keys[0].recipient}&level=7", body)
    assert run("zstd", "-q", "-d", "-c", data=agefiles.decrypt(data, keys[0])) == body
    assert through(server, "/pipe/decrypt/unzstd", data) == body
    back = through(server, f"/pipe/decrypt/unzstd/gzip/encrypt?armor=1&recipient={keys[2].recipient}", data)
    assert back.startswith(BEGIN)
    assert run("gzip", "-d", "-c", data=agefiles.decrypt(back, keys[2])) == body


@pytest.mark.threads
def test_all_seven_stages_fit_into_one_pipe(server, keys):
    target = f"/pipe/image/gzip/zstd/encrypt/decrypt/unzstd/gunzip?w=50&fm=png&level=3&recipient={keys[0].recipient}"
    assert decode(through(server, target, photo())).size == (50, 25)


def test_damage_before_another_stage_never_ends_in_good_order(server, keys):
    body = sample(4_000_000)
    data = agefiles.encrypt(gzip.compress(body), keys[0])
    chance = random.Random(4)
    for _ in range(6):
        spoilt = bytearray(data)
        spoilt[chance.randrange(header_length(data), len(data))] ^= 1 << chance.randrange(8)
        assert_refused_or_cut(exchange(server, "/pipe/decrypt/gunzip", bytes(spoilt)), original=body)
        assert_refused_or_cut(exchange(server, "/pipe/decrypt/gunzip/zstd", bytes(spoilt)))


# ---- passphrases


@pytest.mark.unsanitized("libsodium's work, several times a second")
@pytest.mark.slow
def test_age_and_the_server_open_what_the_other_encrypted_with_a_passphrase(server, tmp_path):
    passphrase, body = "Gr\u00fc\u00dfe, hunter 2", sample(100_000)
    field = {"Age-Passphrase": passphrase.encode().decode("latin-1")}
    here, source, there, out = (tmp_path / name for name in ("here.age", "source", "there.age", "out"))
    here.write_bytes(through(server, "/pipe/encrypt?armor=1", body, field))
    agefiles.with_passphrase(passphrase, "-d", "-o", out, here)
    assert out.read_bytes() == body
    source.write_bytes(body)
    agefiles.with_passphrase(passphrase, "-p", "-o", there, source)
    assert through(server, "/pipe/decrypt", there.read_bytes(), field, chunk=50) == body


@pytest.mark.parametrize("stage", ["encrypt", "decrypt"])
@pytest.mark.parametrize("passphrase, word", [("Gr\u00fc\u00dfe", "UTF-8"), ("\u00ef\u00bb\u00bfhunter2", "byte order mark")])
def test_a_passphrase_that_age_would_not_take_is_refused(server, stage, passphrase, word):
    """As fetch() and requests send it, in Latin-1; as an editor saves it. `age -d` could not open the file."""
    document = problem(server.post(f"/pipe/{stage}", b"x", {"Age-Passphrase": passphrase}), 400, "bad-parameter")
    assert word in document["detail"]


@pytest.mark.slow
def test_a_wrong_passphrase_or_none_is_422(server):
    data = through(server, "/pipe/encrypt", b"hello", {"Age-Passphrase": "hunter2"})
    problem(server.post("/pipe/decrypt", data, {"Age-Passphrase": "hunter3"}), 422, "no-matching-key")
    problem(server.post("/pipe/decrypt", data), 422, "no-matching-key")


def test_a_passphrase_for_a_file_with_recipients_does_no_harm(server, keys):
    outcome = exchange(server, "/pipe/decrypt", agefiles.encrypt(b"hello", keys[0]), {"Age-Passphrase": "hunter2"})
    assert outcome.whole and outcome.status in (200, 422)


SCRYPT = b"age-encryption.org/v1\n-> scrypt rF0/NwblUHHTpgQgRpe5CQ %d\nUw7c8hTUNUbBfQjpYHkGFZZ0R3cbc95VYLSWbYuEUwE\n--- %s\n" + bytes(48)


@pytest.mark.parametrize("factor", [19, 23, 40, 63])
def test_a_passphrase_that_takes_too_much_work_is_refused_at_once(server, factor):
    data = SCRYPT % (factor, b"A" * 43)
    document = problem(server.post("/pipe/decrypt", data, {"Age-Passphrase": "x"}), 422, "work-factor")
    assert document["limit"]["value"] == 18 and document["value"] == factor


def test_the_bound_of_work_can_be_set(start):
    """Below the bound the passphrase is tried."""
    server = start("--max-work-factor=12")
    document = problem(server.post("/pipe/decrypt", SCRYPT % (13, b"A" * 43), {"Age-Passphrase": "x"}), 422, "work-factor")
    assert document["limit"] == {"name": "max-work-factor", "value": 12}
    problem(server.post("/pipe/decrypt", SCRYPT % (12, b"A" * 43), {"Age-Passphrase": "x"}), 422, "no-matching-key")


@pytest.mark.threads
@pytest.mark.slow
@pytest.mark.unsanitized("libsodium's work, several times a second")
def test_passphrases_at_the_same_time_are_served_or_told_to_come_again(server):
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: exchange(server, "/pipe/encrypt", b"x", {"Age-Passphrase": "hunter2"}), range(3)))
    assert {answer.status for answer in answers} <= {200, 503}
    assert any(answer.status == 200 for answer in answers)
    assert all("Retry-After" in answer.response for answer in answers if answer.status == 503)


def test_a_passphrase_needs_its_memory_from_the_budget(share):
    server = share("--memory-budget=64MiB")
    outcome = exchange(server, "/pipe/encrypt", b"x", {"Age-Passphrase": "hunter2"})
    assert outcome.whole and outcome.status == 503
    assert json.loads(outcome.body)["type"] == "urn:millrace:problem:memory-budget"


# ---- what is asked for


@pytest.mark.parametrize(
    "query",
    ["", "armor=1", "recipient=", "recipient=age1", "recipient=age1nobody", "recipient=nobody", "recipient=ssh-ed25519+AAAA",
     "recipient=age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t"],
)  # fmt: skip
def test_a_missing_or_malformed_recipient_is_400_before_the_body(server, query):
    with server.connect() as wire:
        wire.send(request("POST", f"/pipe/encrypt?{query}", {"Expect": "100-continue", "Content-Length": 5_000_000}))
        document = problem(wire.receive(), 400, "bad-parameter")
    assert "recipient" in document["detail"]


def test_a_recipient_with_one_wrong_letter_is_400(server, keys):
    good = keys[0].recipient
    chance = random.Random(5)
    for place in [4, len(good) - 1, *(chance.randrange(4, len(good)) for _ in range(10))]:
        letter = chance.choice([each for each in "qpzry9x8gf2tvdw0s3jn54khce6mua7l" if each != good[place]])
        problem(server.post(f"/pipe/encrypt?recipient={good[:place]}{letter}{good[place + 1:]}", b"x"), 400, "bad-parameter")
    for wrong in (good.upper()[:-1] + good[-1], good + "q", good[:-1], good + "%00"):
        problem(server.post(f"/pipe/encrypt?recipient={wrong}", b"x"), 400, "bad-parameter")


def test_an_identity_is_no_recipient_and_stays_out_of_the_answer(server, keys):
    response = server.post(f"/pipe/encrypt?recipient={keys[2].identity}", b"x")
    problem(response, 400, "bad-parameter")
    assert keys[2].identity.encode() not in response.body


@pytest.mark.parametrize("query, name", [("armor=2", "armor"), ("armor=maybe", "armor"), ("armor=1&armor=1", "armor"), ("level=3", "level")])
def test_a_wrong_parameter_of_encrypt_is_named(server, keys, query, name):
    document = problem(server.post(f"/pipe/encrypt?recipient={keys[0].recipient}&{query}", b"x"), 400, "bad-parameter")
    assert re.search(rf"\b{name}\b", document["detail"])


def test_recipients_and_a_passphrase_exclude_each_other(server, keys):
    response = server.post(f"/pipe/encrypt?recipient={keys[0].recipient}", b"x", {"Age-Passphrase": "hunter2"})
    problem(response, 400, "bad-parameter")


def test_an_empty_or_a_very_long_passphrase_is_400(server):
    for passphrase in ("", "x" * 2000):
        assert server.post("/pipe/encrypt", b"x", {"Age-Passphrase": passphrase}).status == 400


@pytest.mark.parametrize("name", ["Age-Passphrase", "Age-Identity"])
def test_a_secret_that_is_given_twice_is_400_and_the_field_is_named(start, name):
    """Also where the two are equal: which is meant cannot be known."""
    server = start("--allow-request-identity")
    head = f"POST /pipe/decrypt HTTP/1.1\r\nHost: localhost\r\n{name}: hunter2\r\n{name.lower()}: hunter2\r\nContent-Length: 1\r\n\r\n"
    document = problem(server.raw(head.encode() + b"x"), 400, "bad-parameter")
    assert name in document["detail"] and "hunter2" not in document["detail"]


# ---- identities of requests


def test_an_identity_of_the_request_opens_where_that_is_allowed(asking, keys):
    for armor in (False, True):
        data = agefiles.encrypt(sample(200_000), keys[2], armor=armor)
        assert through(asking, "/pipe/decrypt", data, {"Age-Identity": keys[2].identity}) == sample(200_000)
        assert through(asking, "/pipe/decrypt", data, {"age-identity": keys[2].identity}, chunk=5000) == sample(200_000)
        problem(asking.post("/pipe/decrypt", data, {"Age-Identity": keys[0].identity}), 422, "no-matching-key")
        problem(asking.post("/pipe/decrypt", data), 422, "no-matching-key")


def test_an_identity_of_one_request_is_gone_with_it(asking, keys):
    data = agefiles.encrypt(b"hello", keys[2])
    with asking.connect() as wire:
        assert wire.request("POST", "/pipe/decrypt", {"Age-Identity": keys[2].identity}, data).body == b"hello"
        assert wire.request("POST", "/pipe/decrypt", {}, data).status == 422


def test_an_identity_of_a_request_is_refused_before_the_body_where_it_is_not_allowed(server, keys):
    with server.connect() as wire:
        fields = {"Expect": "100-continue", "Content-Length": 5_000_000, "Age-Identity": keys[2].identity}
        wire.send(request("POST", "/pipe/decrypt", fields))
        response = wire.receive()
    assert response.status in (400, 403), response.body
    assert keys[2].identity.encode() not in response.body


@pytest.mark.parametrize(
    "identity",
    ["", "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1NOTHING", "age1nobody", "AGE-PLUGIN-YUBIKEY-17RV0Y56L8NU0MLGG3XK0H", "x" * 3000],
)
def test_a_malformed_identity_of_a_request_is_400_before_the_body(asking, identity):
    with asking.connect() as wire:
        wire.send(request("POST", "/pipe/decrypt", {"Expect": "100-continue", "Content-Length": 5_000_000, "Age-Identity": identity}))
        response = wire.receive()
    assert response.status == 400, response.body
    assert len(identity) < 20 or identity.encode() not in response.body


def test_an_identity_with_one_wrong_letter_is_400(asking, keys):
    identity = keys[2].identity
    for place in (16, 40, len(identity) - 1):
        wrong = identity[:place] + ("Q" if identity[place] != "Q" else "P") + identity[place + 1 :]
        assert asking.post("/pipe/decrypt", b"x", {"Age-Identity": wrong}).status == 400


@pytest.mark.parametrize("content", [None, "", "# nothing\n", "AGE-SECRET-KEY-1NOTHING\n", "some other file\n"])
def test_a_file_of_keys_that_cannot_be_used_is_a_clear_exit(tmp_path, content):
    path = tmp_path / "file.key"
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    result = subprocess.run(
        [BINARY, "--listen=127.0.0.1:0", f"--identity={path}"], capture_output=True, text=True, timeout=HANG, env=environment()
    )
    assert result.returncode in (1, 2), result
    assert str(path) in result.stderr and "listening on" not in result.stderr
    assert not content or content.strip() not in result.stderr


# ---- what is wrong with a file

NO_AGE = {
    "nothing": b"",
    "text": b"hello, world",
    "another_version": b"age-encryption.org/v2\n-> X25519 abc\nabc\n--- abc\n",
    "gzip": gzip.compress(b"hello"),
    "another_pem": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "pgp": b"-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n",
    "zeros": bytes(5000),
}


@pytest.mark.parametrize("body", NO_AGE.values(), ids=NO_AGE)
def test_what_is_not_age_is_415(server, body):
    problem(server.post("/pipe/decrypt", body), 415, "wrong-format")


def test_a_file_for_somebody_else_is_422(server, keys):
    for armor in (False, True):
        for size in (0, 10, 300_000):
            outcome = exchange(server, "/pipe/decrypt", agefiles.encrypt(sample(size), keys[2], armor=armor), chunk=50_000)
            assert outcome.whole and outcome.status == 422
            assert json.loads(outcome.body)["type"] == "urn:millrace:problem:no-matching-key"


@pytest.mark.parametrize("size", [0, 1, CHUNK, 5 * CHUNK + 100, 3_000_000])
def test_a_bit_that_flips_in_the_header_is_refused(server, keys, size):
    data = agefiles.encrypt(sample(size), keys[0])
    chance = random.Random(size)
    end = header_length(data) - 16
    for place in [0, 10, 21, 22, 24, end - 1, end - 2, *(chance.randrange(end) for _ in range(12))]:
        spoilt = bytearray(data)
        spoilt[place] ^= 1 << chance.randrange(7)
        outcome = exchange(server, "/pipe/decrypt", bytes(spoilt))
        assert outcome.whole and outcome.status in (415, 422), (place, outcome.status, bytes(spoilt[:200]))


@pytest.mark.threads
@pytest.mark.parametrize("size", [0, 1, CHUNK, 5 * CHUNK + 100, 3_000_000])
def test_a_bit_that_flips_in_the_payload_never_ends_in_good_order(server, keys, size):
    body = sample(size)
    data = agefiles.encrypt(body, keys[0])
    start = header_length(data)
    chance = random.Random(size)
    for place in [start - 16, start - 1, start, len(data) - 1, len(data) - 16, *(chance.randrange(start, len(data)) for _ in range(12))]:
        spoilt = bytearray(data)
        spoilt[place] ^= 1 << chance.randrange(8)
        outcome = exchange(server, "/pipe/decrypt", bytes(spoilt), chunk=chance.choice((None, 30_011)))
        assert_refused_or_cut(outcome, original=body)
        assert outcome.whole or outcome.length <= max(0, place - start) // SEALED * CHUNK, "bytes of the damaged chunk came"
        if place < start + SEALED:
            assert outcome.whole and outcome.status == 422, "nothing can have been sent"


@pytest.mark.parametrize("armor", [False, True], ids=["binary", "armored"])
@pytest.mark.parametrize("size", [0, 1, CHUNK, 2 * CHUNK, 3_000_000])
def test_a_truncated_file_never_ends_in_good_order(server, keys, size, armor):
    """Also where it is cut between two chunks of its payload, as the format is made to show."""
    body = sample(size)
    data = agefiles.encrypt(body, keys[0], armor=armor)
    chance = random.Random(size)
    points = {10, 22, 30, 150, len(data) - 2, len(data) - 16, len(data) - 17, *(chance.randrange(1, len(data)) for _ in range(6))}
    if armor:
        points |= {len(data) - len(END), len(data) - len(END) + 5, len(data) - len(END) - 65}
    else:
        start = header_length(data)
        points |= {start - 17, start - 16, start - 1, start, *range(start + SEALED, len(data), SEALED * 7)}
        points.add(start + (len(data) - start) // SEALED * SEALED)
    for length in sorted(point for point in points if 0 < point < len(data) - armor):
        outcome = exchange(server, "/pipe/decrypt", data[:length], chunk=chance.choice((None, 30_011)))
        assert_refused_or_cut(outcome, (415, 422) if length < 40 else (422,), body)


def test_bytes_behind_a_file_never_end_in_good_order(server, keys):
    for size in (0, 1, CHUNK, 2 * CHUNK, 1_000_000):
        body = sample(size)
        data = agefiles.encrypt(body, keys[0])
        for behind in (b"x", bytes(16), bytes(17), bytes(SEALED), data[-100:]):
            assert_refused_or_cut(exchange(server, "/pipe/decrypt", data + behind), original=body)
        armored = agefiles.encrypt(body, keys[0], armor=True)
        for behind in (b"x", b"\n\nx\n", armored):
            assert_refused_or_cut(exchange(server, "/pipe/decrypt", armored + behind), original=body)


def test_chunks_that_change_places_never_end_in_good_order(server, keys):
    body = sample(4 * CHUNK)
    data = agefiles.encrypt(body, keys[0])
    start = header_length(data)
    head, chunks = data[:start], [data[at : at + SEALED] for at in range(start, len(data), SEALED)]
    for order in ((1, 0, 2, 3), (0, 2, 1, 3), (0, 1, 3, 2), (0, 1, 3), (0, 0, 1, 2, 3), (0, 1, 2, 3, 3), (3,)):
        outcome = exchange(server, "/pipe/decrypt", head + b"".join(chunks[index] for index in order))
        assert_refused_or_cut(outcome, original=body)


def test_wrong_letters_in_armor_never_end_in_good_order(server, keys):
    body = sample(300_000)
    data = agefiles.encrypt(body, keys[0], armor=True)
    chance = random.Random(6)
    for _ in range(15):
        spoilt = bytearray(data)
        spoilt[chance.randrange(len(BEGIN) + 300, len(data) - len(END))] = chance.choice(b"!-=\x00\xff \n")
        if bytes(spoilt) != data:
            assert_refused_or_cut(exchange(server, "/pipe/decrypt", bytes(spoilt)), original=body)


def test_a_header_without_end_is_refused_and_not_kept(server):
    line = b"-> grease " + b"x" * 50 + b"\n" + b"A" * 64 + b"\n"
    outcome = exchange(server, "/pipe/decrypt", [b"age-encryption.org/v1\n", *([line * 500] * 100)], chunk="pieces")
    assert outcome.status in (413, 422) or not outcome.whole
    assert server.resident_bytes() < 1 << 30


# ---- secrets


@pytest.mark.slow
def test_no_secret_reaches_the_log_the_metrics_or_an_answer(start, keys, tmp_path):
    passphrase = "correct-horse-battery-staple"
    server = start("--log-level=debug", "--allow-request-identity", f"--identity={keys[0].path}", env={"TMPDIR": str(tmp_path)})
    identity, held = keys[2].identity, keys[0].identity
    data = agefiles.encrypt(sample(300_000), keys[2])
    assert through(server, "/pipe/decrypt", data, {"Age-Identity": identity}) == sample(300_000)
    assert_refused_or_cut(exchange(server, "/pipe/decrypt", data[:-1], {"Age-Identity": identity}))
    answers = [
        server.post("/pipe/decrypt", agefiles.encrypt(b"x", keys[1]), {"Age-Identity": identity}),
        server.post("/pipe/decrypt", data, {"Age-Identity": identity[:-1]}),
        server.post("/pipe/decrypt", data, {"Age-Identity": identity + "Q"}),
        server.post("/pipe/decrypt", data, {"Age-Identity": f"{identity}, {identity}"}),
        server.post("/pipe/decrypt", agefiles.encrypt(b"x", keys[0])),
        server.post("/pipe/gzip", b"x", {"Age-Identity": identity, "Age-Passphrase": passphrase}),
        server.post("/pipe/nothing", b"x", {"Age-Identity": identity, "Age-Passphrase": passphrase}),
        server.post("/pipe/encrypt", b"x", {"Age-Passphrase": passphrase}),
        server.post("/pipe/decrypt", SCRYPT % (23, b"A" * 43), {"Age-Passphrase": passphrase}),
        server.post(f"/pipe/encrypt?recipient={keys[1].recipient}", b"x", {"Age-Passphrase": passphrase}),
        server.post(f"/pipe/encrypt?recipient={identity}", b"x"),
        server.post(f"/pipe/decrypt?identity={identity}&passphrase={passphrase}", b"x"),
        server.post(f"/pipe/decrypt?{identity}", b"x"),
        server.post(f"/pipe/decrypt?{identity}=1", b"x"),
        server.post(f"/pipe/decrypt?{identity}=1&{identity}=%", b"x"),
        server.raw(request("POST", "/pipe/decrypt", {"Age-Identity": identity, "Bad Name": passphrase}, b"x")),
    ]
    assert {answer.status for answer in answers} == {200, 400, 404, 422}
    metrics = server.metrics().text
    assert server.terminate() == 0
    server.drained = True
    for secret in (identity, held, passphrase, identity[:-1], identity[16:40], held[16:40]):
        assert secret not in server.text(), "a secret is in the log"
        assert secret.lower() not in server.text().lower()
        assert secret not in metrics
        assert not any(secret.encode() in answer.body for answer in answers), "a secret is in an answer"
    assert list(tmp_path.iterdir()) == []


def test_server_timing_names_the_stages_of_age(server, keys):
    outcome = exchange(server, f"/pipe/gzip/encrypt?recipient={keys[0].recipient}", b"hello", {"TE": "trailers"})
    text = outcome.response.get("Server-Timing") or outcome.trailer("Server-Timing")
    assert re.search(r"\bgzip;dur=", text) and re.search(r"\bencrypt;dur=", text)
    outcome = exchange(server, f"/pipe/encrypt?recipient={keys[0].recipient}", noise_bytes(5 * MIB), {"TE": "trailers"})
    assert re.search(r"\bencrypt;dur=[0-9.]+", outcome.trailer("Server-Timing"))


# ---- chance


@pytest.mark.threads
@pytest.mark.parametrize("seed", range(4))
def test_any_size_in_any_pieces_comes_back_from_age(server, keys, seed):
    chance = random.Random(seed)
    for _ in range(5):
        size = chance.choice((int(2 ** chance.uniform(0, 20)), CHUNK * chance.randrange(1, 12) + chance.randrange(-1, 2)))
        body = sample(size, chance.randrange(4))
        armor = chance.randrange(2)
        longest = max(int(2 ** chance.uniform(2, 17)), size // 2000)
        target = f"/pipe/encrypt?armor={armor}&recipient={keys[1].recipient}"
        data = through(server, target, list(random_cuts(body, chance, longest)), chunk="pieces")
        assert agefiles.decrypt(data, keys[1]) == body, size
        assert through(server, "/pipe/decrypt", list(random_cuts(data, chance, longest)), chunk="pieces", receive_buffer=4096) == body


@pytest.mark.threads
def test_clients_with_their_own_keys_get_each_their_own(start, keys):
    server = start("--allow-request-identity", "--queue-depth=1024", "--job-deadline=120s")
    files = [(key, agefiles.encrypt(sample(500_000, index), key)) for index, key in enumerate(keys)]

    def ask(index):
        key, data = files[index % 3]
        if index % 4 == 3:
            other = keys[(index + 1) % 3]
            return exchange(server, "/pipe/decrypt", data, {"Age-Identity": other.identity}).status == 422
        return through(server, "/pipe/decrypt", data, {"Age-Identity": key.identity}) == sample(500_000, index % 3)

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(ask, range(60)))


# ---- another program

TYPAGE = ROOT / "tests/http/typage.mjs"
TYPAGE_AT = ROOT / ".cache/npm/node_modules/age-encryption"


def typage(*arguments, data):
    """Node 18, which Debian 12 has, keeps Web Crypto behind a flag."""
    is_old = run("node", "--version", data=b"").startswith(b"v18.")
    return run("node", "--no-warnings", *["--experimental-global-webcrypto"][:is_old], TYPAGE, *arguments, data=data)


@pytest.mark.skipif(not TYPAGE_AT.exists() or shutil.which("node") is None, reason="no node, or no age-encryption in .cache/npm")
@pytest.mark.parametrize("size", [0, CHUNK, 700_000])
def test_age_encryption_of_npm_and_the_server_read_each_other(server, keys, size):
    body = sample(size)
    data = through(server, f"/pipe/encrypt?recipient={keys[2].recipient}", body)
    assert typage("decrypt", keys[2].identity, data=data) == body
    assert through(server, "/pipe/decrypt", typage("encrypt", keys[0].recipient, data=body)) == body
