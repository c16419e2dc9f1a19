#!/bin/sh
# Builds the container image and shows on a real Docker what it promises. One line a fact; the exit code tells.
#
# It uses the Docker daemon that `docker info` finds; without one it starts its own, as root, in a temporary folder.
# That one leaves the machine's network alone, without firewall rules and forwarding: the build uses the host's network,
# the containers a bridge of this run. Whatever was made is taken away at the end, also after a failure; only a daemon
# that was there before keeps its build cache, and Docker stays installed.
#
#   BASE_IMAGE    another base than the one that the Dockerfile names
#   BASE_PYTHON   the Python for a stand-in base where no registry can be reached (default: the one of .venv)
set -eu
cd "$(dirname "$0")/../.."

RUN=aggregator-test-$$
PYTHON=.venv/bin/python
BASE_IMAGE=${BASE_IMAGE:-$(sed -n 's/^ARG BASE_IMAGE=//p' Dockerfile)}
BASE_PYTHON=${BASE_PYTHON:-$PYTHON}
PULL_WITHIN_SECONDS=180
BUILD_WITHIN_SECONDS=900
CHECK_WITHIN_SECONDS=240

started=$(date +%s)
build_network=default
base_is_ours=
own_daemon=
new_places=
child=
work=

say() { printf '%s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

# In the background, so that a signal is heard at once and not only when the command has ended.
bounded() {
    timeout --kill-after=20 "$@" &
    child=$!
    code=0
    wait "$child" || code=$?
    child=
    return "$code"
}

waited=
wait_until() { # wait_until QUARTERS COMMAND...
    waited=$1
    shift
    until "$@" >/dev/null 2>&1; do
        waited=$((waited - 1))
        [ "$waited" -gt 0 ] || return 1
        sleep 0.25
    done
}

# Each step stands by itself: one that fails must not keep the next from running.
clean_up() {
    status=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [ -n "$child" ]; then
        kill "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    if docker info >/dev/null 2>&1; then
        docker ps --all --quiet --filter "label=$RUN" | xargs -r docker rm --force --volumes >/dev/null 2>&1 || true
        docker network rm "$RUN" >/dev/null 2>&1 || true
        docker image rm --force "$RUN" "$RUN-builder" >/dev/null 2>&1 || true
        [ -z "$base_is_ours" ] || docker image rm --force "$BASE_IMAGE" >/dev/null 2>&1 || true
    fi
    [ -z "$own_daemon" ] || stop_daemon
    rm -rf "$work" || say "left behind: $work" >&2
    if [ "$status" = 0 ]; then
        say "PASSED in $(($(date +%s) - started)) s"
    else
        say "FAILED after $(($(date +%s) - started)) s" >&2
    fi
    exit "$status"
}

obtain_docker() {
    if docker info >/dev/null 2>&1; then
        say "Docker $(docker info --format '{{.ServerVersion}}'), the daemon that runs here"
        return
    fi
    if ! command -v docker >/dev/null || ! command -v dockerd >/dev/null; then
        install_docker
        # The package may have started its daemon.
        ! docker info >/dev/null 2>&1 || return 0
    fi
    [ "$(id -u)" = 0 ] || fail "No Docker daemon answers to 'docker info', and only root can start one here.
Start Docker, or name its socket in DOCKER_HOST."
    start_daemon
}

install_docker() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "Docker is missing, and only root on a system with apt-get can fetch it here.
Install it and start it, or name the socket of its daemon in DOCKER_HOST."
    fi
    say "installing docker.io with apt-get"
    install="apt-get install -y --no-install-recommends docker.io iptables"
    $install >"$work/apt.log" 2>&1 || { apt-get update >"$work/apt.log" 2>&1 && $install >>"$work/apt.log" 2>&1; } ||
        fail "apt-get could not install docker.io: $(tail -n 3 "$work/apt.log")"
}

# Where a daemon writes whatever folders it is given.
FIXED_PLACES="/etc/docker/key.json /etc/docker /opt/containerd /run/containerd /run/docker"

start_daemon() {
    for place in $FIXED_PLACES; do
        [ -e "$place" ] || new_places="$new_places $place"
    done
    # The classic builder is part of every daemon; the newer one needs a plugin beside some clients.
    export DOCKER_HOST="unix://$work/docker.sock" DOCKER_BUILDKIT=0
    build_network=host
    setsid dockerd --host "$DOCKER_HOST" --pidfile "$work/dockerd.pid" --data-root "$work/data" --exec-root "$work/exec" \
        --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "$RUN" \
        >"$work/dockerd.log" 2>&1 </dev/null &
    own_daemon=$!
    wait_until 120 docker info || fail "the Docker daemon did not start: $(tail -n 5 "$work/dockerd.log")"
    say "Docker $(docker info --format '{{.ServerVersion}}, {{.Driver}}'), a daemon of our own"
}

stop_daemon() {
    kill "$own_daemon" 2>/dev/null || true
    wait_until 80 gone "$own_daemon" || kill -9 "$own_daemon" 2>/dev/null || true
    # What it leaves mounted would keep its folder from being removed.
    sed -n "s#^[^ ]* \($work/[^ ]*\) .*#\1#p" /proc/self/mounts | sort -r | xargs -r umount 2>/dev/null || true
    find /sys/fs/cgroup -depth -type d -path "*/$RUN*" -exec rmdir {} + 2>/dev/null || true
    for place in $new_places; do
        if [ -f "$place" ]; then rm -f "$place"; fi
        find "$place" -depth -type d -empty -delete 2>/dev/null || true
    done
}

gone() { ! kill -0 "$1"; }

obtain_base() {
    if docker image inspect "$BASE_IMAGE" >/dev/null 2>&1; then
        say "base image $BASE_IMAGE, here already"
        return
    fi
    base_is_ours=yes
    if bounded "$PULL_WITHIN_SECONDS" docker pull --quiet "$BASE_IMAGE" >"$work/pull.log" 2>&1; then
        say "base image $BASE_IMAGE, pulled"
    else
        make_base
        say "base image: no registry gives $BASE_IMAGE ($(tail -n 1 "$work/pull.log" | cut -c 1-200))"
        say "base image: a stand-in of that name, made of this machine's $("$BASE_PYTHON" --version), whatever the tag says"
    fi
}

make_base() {
    certificates=/etc/ssl/certs/ca-certificates.crt
    "$BASE_PYTHON" tests/image/base.py >"$work/base.tar"
    docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin LD_LIBRARY_PATH=/usr/local/lib' \
        --change "ENV PIP_CERT=$certificates SSL_CERT_FILE=$certificates" "$work/base.tar" "$BASE_IMAGE" >/dev/null
    rm "$work/base.tar"
}

# The builder stage gets a name, too: by that name it is taken away.
build() {
    before=$(date +%s)
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
    build_stage "$RUN-builder" --target builder
    build_stage "$RUN"
    say "image of version $version, built in $(($(date +%s) - before)) s"
}

build_stage() { # build_stage TAG [FLAG...]
    tag=$1
    shift
    bounded "$BUILD_WITHIN_SECONDS" docker build --network "$build_network" --force-rm --tag "$tag" "$@" \
        --build-arg "BASE_IMAGE=$BASE_IMAGE" --build-arg "VERSION=$version" . >"$work/build.log" 2>&1 ||
        fail "docker build: $(tail -n 20 "$work/build.log")"
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
work=$(mktemp -d)
obtain_docker
obtain_base
build
docker network create --label "$RUN" "$RUN" >/dev/null
bounded "$CHECK_WITHIN_SECONDS" "$PYTHON" -m tests.image.check "$RUN"
