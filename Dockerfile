# The operator's image. Any base with Python 3.11 or later and its venv module will do, the same in both stages.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Two environments: one with pip and the build backend, which stays here, and one with the operator alone.
RUN python3 -m venv /build/tools && python3 -m venv --without-pip /opt/skillmeat-operator
WORKDIR /build
COPY requirements/runtime.txt requirements/dev.txt requirements/
# Before the source, so that a changed line of code does not fetch the dependencies again. Wheels only: nothing
# is compiled here, and nothing that was not hashed runs.
RUN /build/tools/bin/pip --python /opt/skillmeat-operator/bin/python install \
        --require-hashes --only-binary :all: -r requirements/runtime.txt
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements/dev.txt > requirements/build.txt \
    && /build/tools/bin/pip install --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
# No build isolation: it would fetch a build backend that nobody pinned.
RUN /build/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /build/tools/bin/pip --python /opt/skillmeat-operator/bin/python install --no-deps --no-index dist/*.whl

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="skillmeat-operator" \
      org.opencontainers.image.description="Brings SkillMeat's templates into a Backstage catalog and verifies that they arrived" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/skillmeat-operator /opt/skillmeat-operator
ENV PATH=/opt/skillmeat-operator/bin:${PATH} \
    # Threads share two arenas and give back what they free; glibc's default keeps a tenth more.
    MALLOC_ARENA_MAX=2 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number, not a name: the kubelet checks runAsNonRoot against it.
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["skillmeat-operator"]
CMD ["run"]
