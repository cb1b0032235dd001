# One image for all: the module that comes first is what runs, and after it its options.
#
#   docker run --rm discovery-demo:dev services.provider --help
#   ... services.consumer, discovery.xds, benchmarks.in_cluster.client (the load of benchmarks.compare --cluster)
#
# Pinned are the packages, by version and hash (k8s/image.lock). The two bases are pinned by their tags alone, as their
# digests could be looked up nowhere when this was written. A digest is what this prints as "Digest:", and belongs behind
# the tag, as in `python:3.13.7-slim-trixie@sha256:...`:
#
#   docker buildx imagetools inspect docker.io/library/python:3.13.7-slim-trixie
ARG WITH_COMPILER=docker.io/library/python:3.13.7-trixie
ARG SLIM=docker.io/library/python:3.13.7-slim-trixie

# With a compiler, since hdrhistogram has no wheel for ARM.
FROM ${WITH_COMPILER} AS packages
COPY k8s/image.lock /image.lock
# What is taken along has no pip.
RUN python -m venv --without-pip /packages \
 && pip --python /packages/bin/python install --no-cache-dir --disable-pip-version-check --root-user-action ignore \
      --require-hashes -r /image.lock

FROM ${SLIM}
COPY --from=packages /packages /packages
WORKDIR /app
COPY discovery discovery
COPY protos protos
COPY services services
COPY benchmarks benchmarks
# Now, since nothing can be written later on.
RUN /packages/bin/python -m compileall -q .
ENV PATH=/packages/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# By number, since `runAsNonRoot` cannot tell from a name.
USER 65532:65532
ENTRYPOINT ["python", "-m"]
CMD ["services.provider"]
