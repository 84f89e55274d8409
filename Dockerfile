# Server and workers.   docker build -t reelscope:cpu .      docker build -t reelscope:cuda --build-arg VARIANT=cuda .
ARG VARIANT=cpu

FROM python:3.11-slim-bookworm AS base-cpu
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

# PyTorch brings its CUDA libraries; from here come Python and the check that the driver is new enough
FROM nvidia/cuda:13.0.1-base-ubuntu24.04 AS base-cuda
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0t64 python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

# hadolint ignore=DL3006
FROM base-${VARIANT}
# options of pip, such as an index that has PyTorch without CUDA, which saves some gigabytes in the CPU variant
ARG PIP_OPTIONS=""
ENV PATH=/opt/reelscope/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PROJECT_ROOT=/app \
    PREFECT_HOME=/home/reelscope/prefect \
    XDG_CACHE_HOME=/cache
RUN useradd --create-home --uid 10001 reelscope \
    && mkdir -p /app /cache /out \
    && chown reelscope: /app /cache /out \
    && python3 -m venv /opt/reelscope
WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY tasks tasks
COPY flows flows
COPY data data
COPY deployments deployments
# editable: deployments are entrypoints in this folder, and workers import the project from it
# hadolint ignore=SC2086
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint constraints.txt ${PIP_OPTIONS} --editable '.[s3]'
USER 10001
VOLUME ["/cache", "/out"]
CMD ["reelscope", "--help"]
