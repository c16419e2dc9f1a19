# The gateway as a container image: `docker build -t aggregator .`; what must hold of it is shown by `make test-image`.

# Python 3.13: every locked package has a wheel for it on amd64 and arm64, and it gets security fixes until October 2029.
# Debian 13 (trixie): the stable Debian, with security support until August 2028.
# A tag can be moved. Who wants the very same bytes each time names a digest:
#   docker build --build-arg BASE_IMAGE=python:3.13.14-slim-trixie@sha256:... .
ARG BASE_IMAGE=python:3.13.14-slim-trixie

FROM ${BASE_IMAGE} AS builder

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /build

# The environment gets no pip of its own: the builder's pip fills it from outside. Wheels only, so that nothing from the
# package index is run here and no compiler is needed.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/aggregator \
    && python -m pip --python /opt/aggregator/bin/python install \
        --require-hashes --only-binary=:all: --requirement requirements.lock

# pip would fetch whatever setuptools is newest to build our own wheel, so the builder gets the one of the development
# lock: its entry reaches from its name to the first line that is not continued.
COPY requirements-dev.lock ./
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements-dev.lock > setuptools.lock \
    && python -m pip install --require-hashes --only-binary=:all: --requirement setuptools.lock

COPY LICENSE README.md pyproject.toml ./
COPY aggregator aggregator
RUN python -m pip wheel --no-index --no-deps --no-build-isolation --wheel-dir dist . \
    && python -m pip --python /opt/aggregator/bin/python install --no-index --no-deps dist/*.whl

# Bytecode is made here, once, as nothing can be written later; it is never compared with the sources, which do not change.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/aggregator/lib


FROM ${BASE_IMAGE}

# The base comes with pip and without bytecode. Nothing is installed here, so pip goes; the standard library is compiled
# for a quick start, without the parts that a server never imports.
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/lib/python3*/ensurepip \
        /usr/local/lib/python3*/site-packages/* \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        -x '/(idlelib|lib2to3|pydoc_data|test|tests|tkinter|turtledemo|site-packages)/' /usr/local/lib/python3*

COPY --from=builder /opt/aggregator /opt/aggregator

# PYTHONSAFEPATH: modules come from the environment alone, never from the working directory.
ENV PATH=/opt/aggregator/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1

# By number, as Kubernetes cannot tell from a name that a user is not root. Nothing in the image belongs to this user.
USER 1001:1001

# HTTP and gRPC, where HTTP_PORT and GRPC_PORT name them; without either there is HTTP on 8080.
EXPOSE 8080 8181

STOPSIGNAL SIGTERM

ENTRYPOINT ["python", "-m", "aggregator"]

# "Does the process live": aggregator/health.py asks the server that runs, with TLS where that is set. A missing Prometheus
# does not make it unhealthy, since starting anew would not bring it back. Kubernetes does not look at this; its probes
# are set in the deployment.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-m", "aggregator.health"]

# Last, so that another version or revision leaves the layers above in the cache.
ARG BASE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="aggregator" \
      org.opencontainers.image.description="The metrics in Prometheus or Thanos as one live topology of a multi-cluster system, over HTTP and gRPC." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
