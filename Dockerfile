# alloytrio as a container: compiled where it counts, no root, nothing written outside /var/lib/alloytrio.
#   docker build -t alloytrio .
#   docker run -p 4317:4317 -p 4318:4318 -p 12345:12345 -v alloytrio-data:/var/lib/alloytrio alloytrio

FROM python:3.11-slim-bookworm AS build
# gcc compiles the hot modules with mypyc; without it the wheel would hold plain Python.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY alloytrio ./alloytrio
RUN python -m venv /opt/alloytrio \
 && /opt/alloytrio/bin/pip install --no-cache-dir --no-compile . \
 # What only installing needs, and tests that libraries ship, would double the layer.
 && /opt/alloytrio/bin/pip uninstall -y pip setuptools \
 && find /opt/alloytrio -depth \( -name tests -o -name test -o -name __pycache__ \) -type d -exec rm -rf {} + \
 && /opt/alloytrio/bin/python -m compileall -q /opt/alloytrio/lib

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="alloytrio" \
      org.opencontainers.image.description="Takes OTLP and container logs to Tempo, Prometheus and Loki" \
      org.opencontainers.image.licenses="Apache-2.0"
# 473 is the user of Grafana Alloy's image: volumes of people who come from there are readable.
RUN groupadd --gid 473 alloytrio && useradd --uid 473 --gid 473 --no-create-home --shell /usr/sbin/nologin alloytrio \
 && install -d -o 473 -g 473 -m 750 /var/lib/alloytrio /var/lib/alloytrio/data
COPY --from=build /opt/alloytrio /opt/alloytrio
COPY config/alloytrio.toml /etc/alloytrio/alloytrio.toml
ENV PATH=/opt/alloytrio/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 473:473
EXPOSE 4317 4318 12345
VOLUME /var/lib/alloytrio
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["alloytrio", "healthcheck"]
ENTRYPOINT ["alloytrio"]
CMD ["run", "/etc/alloytrio/alloytrio.toml"]
