FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY libs libs
COPY apps apps
RUN npm run build && npm prune --omit=dev

FROM node:20-bookworm-slim
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY migrations migrations
COPY examples examples
# Without DATABASE_URL the embedded Postgres keeps its data here: mount a volume.
RUN mkdir /data && chown node:node /data
ENV PERDURE_DATA_DIR=/data PERDURE_LOG_FORMAT=json
USER node
EXPOSE 8080 50051
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8080}/health/ready`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Inside of a container loopback reaches nobody: HOST=0.0.0.0 with PERDURE_ALLOW_PUBLIC=true is for whoever runs it to say.
CMD ["node", "dist/apps/cli/src/main.js", "serve"]
