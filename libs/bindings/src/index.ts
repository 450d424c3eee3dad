export { BindingsModule, type BindingsOptions } from './bindings.module.js';
export { GrpcAddress } from './grpc/grpc-address.js';
export { GrpcServer } from './grpc/grpc-server.js';
export { HealthModule } from './health.module.js';
export { createHttpAdapter } from './http/http-adapter.js';
export { PublicUrl } from './http/public-url.js';
export { OpenCalls } from './open-calls.js';
export { A2A_OPERATIONS } from './operations.js';
export { HEALTH_CHECKS, type HealthCheck } from './readiness.js';
