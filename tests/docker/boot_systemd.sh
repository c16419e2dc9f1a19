#!/bin/sh
# Boots systemd on a temporary copy of this machine's file system, in new namespaces of every type except network. Run
# it inside tests/kubernetes/isolate.sh. It ends with that script or by SIGKILL; systemd ignores SIGTERM.
#
#   tests/docker/boot_systemd.sh FOLDER PYTHON_PREFIX LIBRARIES SOURCES DOCKER_SOCKET PACKAGES...
#
# Everything is mounted below FOLDER. /opt/aggregator is a virtual environment of the Python in PYTHON_PREFIX, with
# LIBRARIES and the package in SOURCES. DOCKER_SOCKET, unless it is empty, is mounted at /run/docker.sock. Each of
# PACKAGES is a folder of unpacked packages; one of them contains systemd.
set -eu

# The hierarchies of cgroup v1; `systemd` is the one that systemd itself uses.
HIERARCHIES="systemd cpu cpuacct memory pids devices"
is_unified=0
if [ -e /sys/fs/cgroup/cgroup.procs ]; then
    HIERARCHIES=.
    is_unified=1
fi

enter_control_group() {
    for hierarchy in $HIERARCHIES; do
        group=/sys/fs/cgroup/$hierarchy$CGROUP/systemd-$$
        mkdir "$group"
        echo $$ >"$group/cgroup.procs"
    done
}

mount_control_groups() {
    if [ $is_unified = 1 ]; then
        mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
        return
    fi
    mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
    for hierarchy in $HIERARCHIES; do
        mkdir "$root/sys/fs/cgroup/$hierarchy"
        option=$hierarchy
        [ "$hierarchy" != systemd ] || option=none,name=systemd
        mount -t cgroup -o "$option" cgroup "$root/sys/fs/cgroup/$hierarchy"
    done
}

mount_system() {
    mount --make-rprivate /
    mount -t tmpfs tmpfs "$folder/scratch"
    mkdir "$folder/scratch/upper" "$folder/scratch/index"
    mount -t overlay -o "lowerdir=/,upperdir=$folder/scratch/upper,workdir=$folder/scratch/index" overlay "$root"
    mount -t proc proc "$root/proc"
    # The kernel lets rootless containers mount /proc only if a complete /proc is already visible.
    mkdir "$root/opt/proc"
    mount -t proc proc "$root/opt/proc"
    # The settings of the kernel belong to the whole machine.
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount_control_groups
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    for device in null zero full random urandom tty; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
}

# No service of this machine is started, only the journal.
install_packages() {
    for folder_of_packages in "$@"; do
        tar -C "$folder_of_packages" -cf - . | tar -C "$root" -xf - --keep-directory-symlink
    done
    rm -rf "$root/etc/systemd/system" "$root/etc/systemd/user" "$root/etc/fstab"
    for units in "$root/usr/lib/systemd" "$root/lib/systemd"; do
        rm -rf "$units/system-generators" "$units"/*/*.wants "$units"/*/*.requires
    done
    mkdir -p "$root/etc/systemd/system/sysinit.target.wants"
    ln -s /usr/lib/systemd/system/systemd-journald.service "$root/etc/systemd/system/sysinit.target.wants"
    rm -f "$root/etc/machine-id"
    touch "$root/etc/machine-id"
}

share_folder() {
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    mount -o remount,bind,ro "$root$2"
}

install_aggregator() {
    [ -x "$root$python/bin/python3" ] || share_folder "$python" "$python"
    share_folder "$libraries" /opt/libraries
    # Python may be in the home folder of root, which the user of a service cannot reach otherwise.
    parent=${python%/*}
    while [ -n "$parent" ]; do
        chmod o+x "$root$parent"
        parent=${parent%/*}
    done
    chroot "$root" "$python/bin/python3" -m venv --without-pip /opt/aggregator
    site_packages=$(echo "$root"/opt/aggregator/lib/python3.*/site-packages)
    echo /opt/libraries >"$site_packages/libraries.pth"
    cp -R "$sources/aggregator" "$site_packages"
    # As pip does: the service cannot write there.
    "$root/opt/aggregator/bin/python" -m compileall -q "$site_packages/aggregator"
}

share_engine() {
    [ -n "$docker_socket" ] || return 0
    grep -q '^docker:' "$root/etc/group" || echo docker:x:990: >>"$root/etc/group"
    touch "$root/run/docker.sock"
    mount --bind "$docker_socket" "$root/run/docker.sock"
    chroot "$root" chgrp docker /run/docker.sock
    chmod 660 "$root/run/docker.sock"
}

if [ "$1" != --inside ]; then
    enter_control_group
    exec unshare --mount --pid --ipc --uts --cgroup --fork --kill-child "$0" --inside "$@"
fi
shift
folder=$1 python=$2 libraries=$3 sources=$4 docker_socket=$5
shift 5
root="$folder/root"
mkdir "$root" "$folder/scratch"
mount_system
install_packages "$@"
install_aggregator
share_engine
# Not chroot: a process whose root is not that of its mounts may not create a user namespace.
cd "$root"
mkdir outside
pivot_root . outside
cd /
umount --lazy /outside
mount --make-rshared /
# With cgroup v1, systemd adds a hierarchy of v2 unless it is told not to, and then crun starts no containers.
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    SYSTEMD_PROC_CMDLINE="systemd.unified_cgroup_hierarchy=$is_unified systemd.legacy_systemd_cgroup_controller=1" \
    /usr/lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=no
