import { conformanceAgent, switchesOf } from './conformance-agent.js';

/** The agent that the official kits are pointed at; docs/conformance.md says how. */
export default conformanceAgent({ ...switchesOf(process.env), default: true });
