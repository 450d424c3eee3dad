import { type IncomingHttpHeaders } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Arrival, type Hook, type WebhookHistory } from './checks/history.js';

/** In so many turns of the event loop all is read that had come: connections are taken, then their requests. */
const TURNS = 4;

/** A webhook that a client asks for. */
export interface OpenHook extends Hook {
  task: string;
  secret?: string;
  isDropped: boolean;
  goneAfter?: number;
}

/** A request that has come. */
export interface OpenArrival extends Arrival {
  body?: string;
  acknowledged?: number;
}

/** Writes down which webhooks the clients ask for, and every request that comes. */
export class WebhookRecorder implements WebhookHistory {
  readonly hooks: OpenHook[] = [];
  readonly arrivals: OpenArrival[] = [];

  hook(): OpenHook {
    const hook: OpenHook = { id: `hook-${this.hooks.length + 1}`, task: '', isDropped: false };
    this.hooks.push(hook);
    return hook;
  }

  /** A request has begun. */
  arrived(hook: string, headers: IncomingHttpHeaders): OpenArrival {
    const text = (name: string) => headers[name]?.toString() ?? '';
    const arrival = {
      hook,
      id: text('webhook-id'),
      timestamp: text('webhook-timestamp'),
      signature: text('webhook-signature'),
      token: text('x-a2a-notification-token'),
    };
    this.arrivals.push(arrival);
    return arrival;
  }

  /** It is about to be answered as a sender wants to be. */
  acknowledged(arrival: OpenArrival): void {
    arrival.acknowledged = this.arrivals.length;
  }

  /** The answer says that nothing more will be sent: what has been sent until now counts as having come before. */
  async gone(hook: OpenHook): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await nextTurn();
    hook.goneAfter = this.arrivals.length;
  }
}
