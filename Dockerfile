# k8snetlook: asks from a real pod's network namespace, so it runs privileged on the pod's node (see README, "With Docker").
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ make python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /k8snetlook
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="k8snetlook" \
      org.opencontainers.image.description="Network diagnosis of a live Kubernetes cluster from the real pod's namespace" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update && apt-get install -y --no-install-recommends iproute2 && rm -rf /var/lib/apt/lists/*
WORKDIR /k8snetlook
COPY --from=build /k8snetlook/node_modules ./node_modules
COPY package.json vitest.config.ts LICENSE ./
COPY bin ./bin
COPY lib ./lib
COPY checks ./checks
ENV CI=1 REPORTS_DIR=/reports
VOLUME /reports
# --configLoader runner: the bundled loader writes beside the configuration, which a read-only root file system refuses
ENTRYPOINT ["node", "node_modules/vitest/vitest.mjs", "run", "--configLoader", "runner"]
CMD ["checks/pod"]
