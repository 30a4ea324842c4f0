# TensorBoard from PyPI, for deploy/compose.yaml
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/tensorboard \
 && /opt/tensorboard/bin/pip install --no-cache-dir tensorboard 'setuptools<81'
USER 65534
EXPOSE 6006
ENTRYPOINT ["/opt/tensorboard/bin/tensorboard", "--logdir", "/runs", "--bind_all"]
