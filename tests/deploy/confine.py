#!/usr/bin/python3
"""Runs a command in what a unit file leaves of the kernel, as far as it can be had without systemd.

    confine.py UNIT WRITABLE COMMAND [ARGUMENT...]

SystemCallFilter, MemoryDenyWriteExecute, RestrictNamespaces, RestrictAddressFamilies, RestrictRealtime and RestrictSUIDSGID become the
filters that systemd makes of them (systemd.exec(5)); NoNewPrivileges holds, and no capability is left. As root, where it may mount, also: all is
read-only but WRITABLE (ProtectSystem=strict), and of /proc there are the processes alone (ProcSubset=pid).
"""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import seccomp
from seccomp import ALLOW, EQ, ERRNO, MASKED_EQ, Arg, SyscallFilter

WRITE, EXEC, SHM_EXEC = 2, 4, 0o100000
NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
REALTIME = (1, 2, 6)  # SCHED_FIFO, SCHED_RR, SCHED_DEADLINE
SETID = (0o4000, 0o2000)
HIGHEST_FAMILY = 45


def read_unit(path):
    """{directive: [values in their order]} of [Service]"""
    found, section = {}, None
    for line in Path(path).read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and line[0] not in "#;":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def calls_of(group):
    """The system calls of "@group", with those of the groups in it."""
    if not group.startswith("@"):
        return {group}
    text = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True).stdout
    words = [line.strip() for line in text.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(calls_of(word) for word in words))


def allowed_calls(unit):
    calls = calls_of("@default")
    for value in unit["SystemCallFilter"]:
        named = set().union(*(calls_of(word) for word in value.lstrip("~").split()))
        calls = calls - named if value.startswith("~") else calls | named
    return calls


def call_filter(unit):
    filters = SyscallFilter(ERRNO(errno.EPERM))
    for name in sorted(allowed_calls(unit)):
        try:
            filters.add_rule(ALLOW, name)
        except (RuntimeError, ValueError, OSError):  # a call of another architecture, or newer than libseccomp
            pass
    return filters


def deny(filters, name, *conditions, error=errno.EPERM):
    filters.add_rule(ERRNO(error), name, *conditions)


def argument_filter(unit):
    filters = SyscallFilter(ALLOW)
    filters.set_attr(seccomp.Attr.CTL_NNP, True)
    if unit.get("MemoryDenyWriteExecute") == ["yes"]:
        deny(filters, "mmap", Arg(2, MASKED_EQ, WRITE | EXEC, WRITE | EXEC))
        deny(filters, "mprotect", Arg(2, MASKED_EQ, EXEC, EXEC))
        deny(filters, "pkey_mprotect", Arg(2, MASKED_EQ, EXEC, EXEC))
        deny(filters, "shmat", Arg(2, MASKED_EQ, SHM_EXEC, SHM_EXEC))
    if unit.get("RestrictNamespaces") == ["yes"]:
        deny(filters, "clone3", error=errno.ENOSYS)
        deny(filters, "setns")
        for flag in NAMESPACES:
            deny(filters, "clone", Arg(0, MASKED_EQ, flag, flag))
            deny(filters, "unshare", Arg(0, MASKED_EQ, flag, flag))
    families = [int(getattr(socket, name)) for name in " ".join(unit["RestrictAddressFamilies"]).split()]
    for family in set(range(HIGHEST_FAMILY + 1)) - set(families):
        deny(filters, "socket", Arg(0, EQ, family), error=errno.EAFNOSUPPORT)
    if unit.get("RestrictRealtime") == ["yes"]:
        for policy in REALTIME:
            deny(filters, "sched_setscheduler", Arg(1, EQ, policy))
    if unit.get("RestrictSUIDSGID") == ["yes"]:
        deny(filters, "openat2", error=errno.ENOSYS)  # its mode lies in memory, where no filter looks
        for bit in SETID:
            for name, at in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1), ("mkdirat", 2), ("mknod", 1), ("mknodat", 2)):
                deny(filters, name, Arg(at, MASKED_EQ, bit, bit))
    return filters


MOUNTS = """
mount --bind "$0" "$0"
mount -t proc -o subset=pid,hidepid=invisible proc /proc
mount -o remount,ro,bind /
"""
WITH_MOUNTS = ["unshare", "--mount", "--propagation=private", "sh", "-euc"]
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


def can_mount(writable):
    """Not in every container, and in no chroot."""
    return subprocess.run([*WITH_MOUNTS, MOUNTS, writable], capture_output=True).returncode == 0


def main(path, writable, *command):
    if os.getuid() == 0 and command[0] != "--inside":
        again = [*WITHOUT_RIGHTS, sys.executable, __file__, path, writable, "--inside", *command]
        if can_mount(writable):
            again = [*WITH_MOUNTS, MOUNTS + 'exec "$@"', writable, *again]
        os.execvp(again[0], again)
    command = command[1:] if command[0] == "--inside" else command
    unit = read_unit(path)
    calls = call_filter(unit)
    argument_filter(unit).load()
    calls.load()
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
