#!/bin/sh
# Builds the container image and that of the example service, and checks them with a real Docker. It prints one line
# per check; the exit code is 1 if one fails.
#
# It uses the Docker daemon that `docker info` finds; without one, it starts a temporary daemon as root. That daemon
# does not change firewall rules or forwarding: the build uses the network of the host, and the containers use a bridge
# of this run. At the end, also after a failure, everything is removed, except for an installed Docker and the build
# cache of an existing daemon.
#
#   BASE_IMAGE    the base image (default: the one in the Dockerfile)
#   BASE_PYTHON   the Python for a substitute base image if no registry is reachable (default: the one of .venv)
set -eu
cd "$(dirname "$0")/../.."

RUN=aggregator-test-$$
PYTHON=.venv/bin/python
BASE_IMAGE=${BASE_IMAGE:-$(sed -n 's/^ARG BASE_IMAGE=//p' Dockerfile)}
BASE_PYTHON=${BASE_PYTHON:-$PYTHON}
PULL_TIMEOUT_SECONDS=180
BUILD_TIMEOUT_SECONDS=900
CHECK_TIMEOUT_SECONDS=300

started=$(date +%s)
build_network=default
remove_base=
own_daemon=
new_paths=
child=
work=

log() { printf '%s\n' "$*"; }
fail() {
    log "$*" >&2
    exit 1
}

# Runs a command in the background, so that a signal is handled at once and not after the command.
run_with_timeout() {
    timeout --kill-after=20 "$@" &
    child=$!
    code=0
    wait "$child" || code=$?
    child=
    return "$code"
}

remaining=
wait_until() { # wait_until QUARTERS COMMAND...
    remaining=$1
    shift
    until "$@" >/dev/null 2>&1; do
        remaining=$((remaining - 1))
        [ "$remaining" -gt 0 ] || return 1
        sleep 0.25
    done
}

# Each step is independent: a failed one must not prevent the next.
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
        docker image rm --force "$RUN" "$RUN-page" "$RUN-builder" "$RUN-example" "$RUN-example-builder" >/dev/null 2>&1 || true
        [ -z "$remove_base" ] || docker image rm --force "$BASE_IMAGE" >/dev/null 2>&1 || true
    fi
    [ -z "$own_daemon" ] || stop_daemon
    rm -rf "$work" || log "cannot remove $work" >&2
    if [ "$status" = 0 ]; then
        log "PASSED in $(($(date +%s) - started)) s"
    else
        log "FAILED after $(($(date +%s) - started)) s" >&2
    fi
    exit "$status"
}

obtain_docker() {
    if docker info >/dev/null 2>&1; then
        log "Docker $(docker info --format '{{.ServerVersion}}'), the running daemon"
        return
    fi
    if ! command -v docker >/dev/null || ! command -v dockerd >/dev/null; then
        install_docker
        # The package may have started the daemon.
        ! docker info >/dev/null 2>&1 || return 0
    fi
    [ "$(id -u)" = 0 ] || fail "'docker info' finds no daemon, and starting one needs root.
Start Docker, or set DOCKER_HOST to its socket."
    start_daemon
}

install_docker() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "Docker is missing, and installing it needs root and apt-get.
Install and start Docker, or set DOCKER_HOST to the socket of a daemon."
    fi
    log "installing docker.io with apt-get"
    install="apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends docker.io iptables"
    $install >"$work/apt.log" 2>&1 || { apt-get update >"$work/apt.log" 2>&1 && $install >>"$work/apt.log" 2>&1; } ||
        fail "apt-get could not install docker.io: $(tail -n 3 "$work/apt.log")"
}

# The paths that a daemon writes to with any options.
FIXED_PATHS="/etc/docker/key.json /etc/docker /opt/containerd /run/containerd /run/docker"

start_daemon() {
    for path in $FIXED_PATHS; do
        [ -e "$path" ] || new_paths="$new_paths $path"
    done
    # The classic builder is part of every daemon; BuildKit needs a plugin for some clients.
    export DOCKER_HOST="unix://$work/docker.sock" DOCKER_BUILDKIT=0
    build_network=host
    setsid dockerd --host "$DOCKER_HOST" --pidfile "$work/dockerd.pid" --data-root "$work/data" --exec-root "$work/exec" \
        --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "$RUN" \
        >"$work/dockerd.log" 2>&1 </dev/null &
    own_daemon=$!
    wait_until 120 docker info || fail "the Docker daemon did not start: $(tail -n 5 "$work/dockerd.log")"
    log "Docker $(docker info --format '{{.ServerVersion}}, {{.Driver}}'), a temporary daemon"
}

stop_daemon() {
    kill "$own_daemon" 2>/dev/null || true
    wait_until 80 has_exited "$own_daemon" || kill -9 "$own_daemon" 2>/dev/null || true
    # Remaining mounts would prevent the removal of the folder.
    sed -n "s#^[^ ]* \($work/[^ ]*\) .*#\1#p" /proc/self/mounts | sort -r | xargs -r umount 2>/dev/null || true
    find /sys/fs/cgroup -depth -type d -path "*/$RUN*" -exec rmdir {} + 2>/dev/null || true
    for path in $new_paths; do
        if [ -f "$path" ]; then rm -f "$path"; fi
        find "$path" -depth -type d -empty -delete 2>/dev/null || true
    done
}

has_exited() { ! kill -0 "$1"; }

obtain_base() {
    if docker image inspect "$BASE_IMAGE" >/dev/null 2>&1; then
        log "base image $BASE_IMAGE, already present"
        return
    fi
    remove_base=yes
    if run_with_timeout "$PULL_TIMEOUT_SECONDS" docker pull --quiet "$BASE_IMAGE" >"$work/pull.log" 2>&1; then
        log "base image $BASE_IMAGE, pulled"
    else
        make_base
        log "base image: cannot pull $BASE_IMAGE ($(tail -n 1 "$work/pull.log" | cut -c 1-200))"
        log "base image: using a substitute with $("$BASE_PYTHON" --version) of this machine under the same tag"
    fi
}

make_base() {
    certificates=/etc/ssl/certs/ca-certificates.crt
    "$BASE_PYTHON" tests/image/base_image.py >"$work/base.tar"
    docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin LD_LIBRARY_PATH=/usr/local/lib' \
        --change "ENV PIP_CERT=$certificates SSL_CERT_FILE=$certificates NODE_EXTRA_CA_CERTS=$certificates" "$work/base.tar" "$BASE_IMAGE" >/dev/null
    rm "$work/base.tar"
}

# The other stages also get tags, so that they can be removed.
build() {
    before=$(date +%s)
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
    build_stage "$RUN-page" --target page
    build_stage "$RUN-builder" --target builder
    build_stage "$RUN"
    build_stage "$RUN-example-builder" --target builder --file demo/example_service/Dockerfile
    build_stage "$RUN-example" --file demo/example_service/Dockerfile
    log "image of version $version, built in $(($(date +%s) - before)) s"
}

build_stage() { # build_stage TAG [FLAG...]
    tag=$1
    shift
    run_with_timeout "$BUILD_TIMEOUT_SECONDS" docker build --network "$build_network" --force-rm --tag "$tag" "$@" \
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
run_with_timeout "$CHECK_TIMEOUT_SECONDS" "$PYTHON" -m tests.image.check_image "$RUN"
