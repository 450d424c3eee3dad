export { Execution } from './execution.js';
