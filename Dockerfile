# k8snetlook asks from a real pod's network namespace: the image runs as root on the pod's node (README, "The image").
# Nothing here is of one architecture. A release names both bases by digest (bin/release.mjs).
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${NODE_IMAGE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ make python3
WORKDIR /k8snetlook
COPY package.json package-lock.json .npmrc ./
# node-gyp takes the headers of this Node.js, which it would download otherwise
RUN npm_config_nodedir=/usr/local npm ci --omit=dev
COPY bin/prune.mjs bin/
RUN node bin/prune.mjs node_modules

FROM ${BASE_IMAGE}
# what the checks read the node's state with, and nothing that downloads or compiles
RUN apt-get update \
  && apt-get install -y --no-install-recommends conntrack ethtool iproute2 iptables nftables \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/*.log /var/log/apt
COPY --from=build /usr/local/bin/node /usr/local/bin/node
WORKDIR /k8snetlook
COPY --from=build /k8snetlook/node_modules ./node_modules
COPY package.json vitest.config.ts LICENSE ./
COPY bin/bundle.mjs bin/k8snetlook.mjs bin/merge.mjs bin/temporary.mjs ./bin/
COPY checks ./checks
COPY deploy ./deploy
COPY lib ./lib
# the only place that a run writes to; a volume, so that the root file system may be read-only
ENV CI=1 REPORTS_DIR=/reports
VOLUME /reports
ENTRYPOINT ["node", "bin/k8snetlook.mjs"]
CMD ["checks/pod"]
# last: what differs in every build must not end the cache of what does not
ARG BASE_IMAGE
ARG VERSION=unreleased
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="k8snetlook" \
      org.opencontainers.image.description="Network diagnosis of a live Kubernetes cluster, asked from the real pod's namespace" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
