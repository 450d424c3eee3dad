import { type Server } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { type ThreadSettings } from '../thread-messages.js';

/** grpc.health.v1.Health: for the server as a whole (the service '') and for each service, always the same. */
export class Health {
  private readonly health = new HealthImplementation();
  private readonly names: readonly string[];

  constructor(server: Server, { services }: Pick<ThreadSettings, 'services'>) {
    this.names = ['', ...services];
    this.tell(false);
    this.health.addToServer(server);
  }

  tell(isServing: boolean): void {
    for (const name of this.names) this.health.setStatus(name, isServing ? 'SERVING' : 'NOT_SERVING');
  }
}
