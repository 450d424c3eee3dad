import { defineAgent } from 'perdure';
import witness from '../replicated/witness.agent.js';

/** The same for a worker of its own. */
export default defineAgent({
  card: { name: 'Outpost', description: 'Tells when it is stopped.', defaultInputModes: ['application/json'] },
  run: (task) => witness.run(task),
});
