import { conformanceAgent } from '../agents/conformance-agent.js';

/** The conformance agent for clients that know its extension alone. */
export default conformanceAgent({ requiredExtension: true });
