# Boots the systemd of the system in $1 in namespaces of its own; it ends with this process. cgroups (version 2) below $2, of the boot's own.
# What it would set for the machine (/proc/sys, /sys) it may only read.
set -eu
echo $$ >"$2/cgroup.procs"
exec unshare --mount --propagation private --pid --fork --kill-child --uts --ipc --cgroup bash -euc '
    cd "$0"
    mount --bind . .
    cd "$0"
    mount -t proc proc proc
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys
    mount -t sysfs -o ro sys sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 dev dev
    for name in null zero full random urandom tty; do
        touch "dev/$name"
        mount --bind "/dev/$name" "dev/$name"
    done
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    mount -t tmpfs shm dev/shm
    mount -t tmpfs -o mode=755 run run
    mkdir -p run/old
    pivot_root . run/old
    umount -l /run/old
    mount --make-rshared / # systemd expects it: credentials appear in this way
    exec env -i container=bare PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal --show-status=no
' "$1"
