# One image for every role: docker run perdure [serve --role all|server|worker] | migrate | any other command of perdure
FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY libs libs
COPY apps apps
RUN npm run build && npm prune --omit=dev && rm dist/.tsbuildinfo

FROM node:20-bookworm-slim
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY migrations migrations
COPY examples examples
# /data is for the embedded Postgres, which runs without DATABASE_URL and no other role: mount a volume there.
RUN ln -s /app/dist/apps/cli/src/main.js /usr/local/bin/perdure && mkdir /data && chown node:node /data
ENV PERDURE_DATA_DIR=/data PERDURE_LOG_FORMAT=json
# By number: Kubernetes cannot tell whether a user by name is root.
USER 1000:1000
EXPOSE 8080 50051
# Every role answers there, so the check is the same for all.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8080}/health/ready`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Inside of a container loopback reaches nobody: HOST=0.0.0.0 with PERDURE_ALLOW_PUBLIC=true is for whoever runs it to say.
ENTRYPOINT ["perdure"]
CMD ["serve"]
