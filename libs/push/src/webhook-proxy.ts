import { type Agent, type buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici';
import { SendError } from './send-error.js';

/**
 * Sends by way of an HTTP proxy: https by CONNECT, http by the URL in the request line. The proxy resolves the names, so
 * what they resolve to is the proxy's to check. That it does not answer is a SendError `proxy`.
 */
export function proxyDispatcher(proxy: string, timeoutMs: number, options: Agent.Options): Dispatcher {
  const { origin: itself } = new URL(proxy);
  const pool = (origin: string | URL, given: object): Pool => {
    if (new URL(origin).origin !== itself) return new Pool(origin, given);
    const { connect } = given as { connect: buildConnector.connector };
    return new Pool(origin, { ...options, connect: blaming(connect) });
  };
  return new ProxyAgent({
    ...options,
    uri: proxy,
    proxyTunnel: false,
    clientFactory: pool,
    factory: pool,
    proxyTls: { timeout: timeoutMs },
    requestTls: { timeout: timeoutMs },
  });
}

function blaming(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) =>
    connect(options, (cause, socket) => {
      if (socket) return callback(null, socket);
      callback(new SendError('proxy', `no connection to the proxy: ${cause?.message}`, { cause }), null);
    });
}
