"""The program age and its keys, which the server's own files must agree with."""

import os
import pty
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from streams import run


@dataclass
class Key:
    path: Path  # of the identity file
    identity: str  # AGE-SECRET-KEY-1...
    recipient: str  # age1...


def new_key(path):
    subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
    text = path.read_text()
    return Key(path, re.search(r"^AGE-SECRET-KEY-1\w+", text, re.MULTILINE)[0], re.search(r"age1\w+", text)[0])


def encrypt(data, *keys, armor=False):
    recipients = [part for key in keys for part in ("-r", key.recipient)]
    return run("age", "-e", *recipients, *(["-a"] if armor else []), data=data)


def decrypt(data, key):
    return run("age", "-d", "-i", key.path, data=data)


def released(data, key):
    """What age lets go of a file before it finds it damaged."""
    result = subprocess.run(["age", "-d", "-i", key.path], input=data, capture_output=True)
    assert result.returncode != 0
    return result.stdout


def with_passphrase(passphrase, *arguments):
    """Run age with these arguments at a terminal of its own, and type the passphrase whenever it asks."""
    try:
        child, terminal = pty.fork()
    except OSError as error:
        pytest.skip(f"no pseudo-terminal: {error}")
    if child == 0:
        try:
            os.execvp("age", ["age", *(str(argument) for argument in arguments)])
        finally:
            os._exit(127)
    said, unread = b"", b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # it ended
            piece = b""
        if not piece:
            break
        said, unread = said + piece, unread + piece
        if re.search(rb"passphrase[^:\n]*: ?", unread):
            unread = b""
            os.write(terminal, passphrase.encode() + b"\n")
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, said
