#!/bin/sh
# Runs a command as root in namespaces of its own, so that a Kubernetes that the command starts leaves nothing behind:
# network, processes, mounts, and the host name are separate, and when the command ends, however it ends, everything
# that it started is killed.
#
#   tests/kubernetes/isolate.sh COMMAND...
#
# The command gets CGROUP, the name of the control group for containers. The loopback interface has the address of the
# node, /run is an empty folder, and what it writes to /var/lib and /var/log is lost.
set -eu

NODE_ADDRESS=10.0.0.11
NODE_HOSTNAME=worker-1

# The kubelet writes these kernel settings, which belong to the whole machine. It gets files with the values it wants.
KERNEL_SETTINGS="vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000"

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

run_outside() {
    [ "$(id -u)" = 0 ] || fail "a kubelet needs root: run this as root"
    for tool in unshare ip hostname; do
        command -v "$tool" >/dev/null || fail "$tool is missing (Debian and Ubuntu: util-linux, iproute2, hostname)"
    done
    work=$(mktemp -d "${TMPDIR:-/tmp}/aggregator-XXXXXX")
    child=
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    mkdir "$work/run" "$work/scratch"
    export CGROUP="/${work##*/}"
    list_control_groups | xargs mkdir
    # In the background, so that a signal is handled at once and not after the command.
    unshare --net --mount --pid --ipc --uts --fork --kill-child --mount-proc "$0" --inside "$work" "$@" &
    child=$!
    status=0
    wait "$child" || status=$?
    child=
    exit "$status"
}

# The control group in every hierarchy of cgroup v1, or in the only one of v2.
list_control_groups() {
    find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs -printf "%h$CGROUP\n" | if [ -e /sys/fs/cgroup/cgroup.procs ]; then
        grep -x "/sys/fs/cgroup$CGROUP"
    else
        cat
    fi
}

remove_control_groups() {
    for group in $(list_control_groups); do
        [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || return 1
    done
}

clean_up() {
    status=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [ -n "$child" ]; then
        # It would ignore any other signal; the kernel kills everything in the namespaces with it.
        kill -KILL "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    # Killed processes leave their control groups only after a moment.
    remaining=40
    until remove_control_groups; do
        remaining=$((remaining - 1))
        [ "$remaining" -gt 0 ] || break
        sleep 0.25
    done
    rm -rf "$work" || printf 'cannot remove %s\n' "$work" >&2
    exit "$status"
}

run_inside() {
    work=$1
    shift
    # Containers that see the mounts of the node need this, as on every node.
    mount --make-rshared /
    mount --bind "$work/run" /run
    mount -t tmpfs tmpfs "$work/scratch"
    for folder in /var/lib /var/log; do
        upper="$work/scratch$folder/upper" index="$work/scratch$folder/index"
        mkdir -p "$upper" "$index"
        mount -t overlay -o "lowerdir=$folder,upperdir=$upper,workdir=$index" overlay "$folder"
    done
    for setting in $KERNEL_SETTINGS; do
        name=${setting%=*}
        mkdir -p "$work/scratch/${name%/*}"
        printf '%s\n' "${setting#*=}" >"$work/scratch/$name"
        mount --bind "$work/scratch/$name" "/proc/sys/$name"
    done
    hostname "$NODE_HOSTNAME"
    ip link set lo up
    ip address add "$NODE_ADDRESS/32" dev lo
    "$@"
}

if [ "${1:-}" = --inside ]; then
    shift
    run_inside "$@"
else
    run_outside "$@"
fi
