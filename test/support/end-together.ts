import { type Socket } from 'node:net';

/** Lets both sides of a proxied connection end when one does; `ended` is called then, once or twice. */
export function endTogether(client: Socket, server: Socket, ended: () => void): void {
  for (const socket of [client, server]) {
    socket.on('error', () => undefined);
    socket.on('close', () => {
      ended();
      client.destroy();
      server.destroy();
    });
  }
}
