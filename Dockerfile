# gryphon in a container. The two lines to run it are in docs/docker.md.
FROM node:22-slim AS build
WORKDIR /gryphon
COPY package.json package-lock.json .npmrc tsconfig.json tsconfig.build.json rolldown.config.ts ./
COPY src ./src
COPY bin ./bin
COPY scripts/bundle.mjs ./scripts/
# Without a compiler raw-socket, the optional second way to send, is left out by itself.
RUN npm ci && npm prune --omit=dev --ignore-scripts

FROM node:22-slim
# libpcap compiles the expressions of --filter; setcap lets an ordinary user open packet sockets
# where the container has NET_RAW, as it has by default.
RUN apt-get update \
  && apt-get install -y --no-install-recommends iproute2 iptables libcap2-bin libpcap0.8 \
  && rm -rf /var/lib/apt/lists/* \
  && setcap cap_net_raw+ep /usr/local/bin/node
WORKDIR /gryphon
COPY --from=build /gryphon/package.json ./
COPY --from=build /gryphon/node_modules ./node_modules
COPY --from=build /gryphon/lib ./lib
COPY bin ./bin
COPY assets ./assets
COPY fixtures/http-keepalive.pcap ./fixtures/
COPY LICENSE README.md ./
RUN ln -s /gryphon/bin/gryphon.js /usr/local/bin/gryphon
USER node
WORKDIR /work
ENTRYPOINT ["gryphon"]
CMD ["--help"]
