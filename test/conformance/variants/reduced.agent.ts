import { conformanceAgent } from '../agents/conformance-agent.js';

/** The conformance agent without what an agent may do without. */
export default conformanceAgent({ streaming: false, pushNotifications: false });
