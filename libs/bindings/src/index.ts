export { BindingsModule, type BindingsOptions } from './bindings.module.js';
export { HEALTH_CHECKS, type HealthCheck } from './http/health.controller.js';
export { createHttpAdapter } from './http/http-adapter.js';
export { PublicUrl } from './http/public-url.js';
export { OpenCalls } from './open-calls.js';
export { A2A_OPERATIONS } from './operations.js';
