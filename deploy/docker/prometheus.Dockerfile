# Prometheus from Debian, for deploy/compose.yaml
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends prometheus \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 65534 -g 65534 /data
COPY prometheus.yml alerts.yml /etc/telos/
USER 65534
EXPOSE 9090
ENTRYPOINT ["prometheus", "--config.file=/etc/telos/prometheus.yml", "--storage.tsdb.path=/data"]
