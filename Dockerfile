# alloytrio as a container: compiled where it counts, no root, nothing written outside /var/lib/alloytrio.
#   docker build -t alloytrio --build-arg COMMIT="$(git rev-parse --short=12 HEAD)" .
#   docker run -p 4317:4317 -p 4318:4318 -p 12345:12345 -v alloytrio-data:/var/lib/alloytrio alloytrio
# scripts/check-image runs this file on a Debian root file system and checks what comes out.

FROM python:3.11-slim-bookworm AS build
# gcc compiles the hot modules with mypyc; binutils' strip takes debugging symbols out of what wheels bring.
RUN apt-get update && apt-get install -y --no-install-recommends binutils gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY alloytrio ./alloytrio
ARG COMMIT=""
# Plain Python would do the same at several times the CPU: better no image than that one.
RUN python -m venv /opt/alloytrio \
 && ALLOYTRIO_COMMIT="$COMMIT" ALLOYTRIO_COMPILE=always /opt/alloytrio/bin/pip install --no-cache-dir --no-compile . \
 && /opt/alloytrio/bin/pip uninstall -y pip setuptools
# What only developers need, twice the size of what runs: tests, sources of C modules, commands of libraries, and
# zstandard's second backend, which is for PyPy.
RUN cd /opt/alloytrio \
 && find . -depth -type d \( -name tests -o -name test -o -name _tests -o -name __pycache__ \) -exec rm -rf {} + \
 && find lib -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.c' -o -name '*.h' \) -delete \
 && rm -rf lib/python*/site-packages/zstandard/_cffi* include \
 && find bin -type f ! -name alloytrio -delete \
 && find lib -name '*.so*' -type f -exec strip --strip-unneeded {} + \
 && bin/python -m compileall -q lib \
 && bin/alloytrio --version

FROM python:3.11-slim-bookworm
ARG COMMIT=""
LABEL org.opencontainers.image.title="alloytrio" \
      org.opencontainers.image.description="Takes OTLP and container logs to Tempo, Prometheus and Loki" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="$COMMIT"
# 473 is the user of Grafana Alloy's image: volumes of people who come from there are readable.
RUN groupadd --gid 473 alloytrio && useradd --uid 473 --gid 473 --no-create-home --shell /usr/sbin/nologin alloytrio \
 # The second pair is where Compose files for Alloy mount their volume: those run with nothing but the image replaced.
 && install -d -o 473 -g 473 -m 750 /var/lib/alloytrio /var/lib/alloytrio/data /var/lib/alloy /var/lib/alloy/data
COPY --from=build /opt/alloytrio /opt/alloytrio
COPY config/alloytrio.toml /etc/alloytrio/alloytrio.toml
ENV PATH=/opt/alloytrio/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 473:473
EXPOSE 4317 4318 12345
VOLUME /var/lib/alloytrio
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["alloytrio", "healthcheck"]
ENTRYPOINT ["alloytrio"]
# The first that is there: an Alloy file mounted where Alloy's image has it runs without a command of its own.
CMD ["run", "/etc/alloy/config.alloy", "/etc/alloytrio/alloytrio.toml"]
