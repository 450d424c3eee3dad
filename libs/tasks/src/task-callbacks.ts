import { type Config, type Secrets, type Signals } from '#platform';
import { type CallbackRow, type DelegationKey, type Store } from '#store';

/** Below the public URL: where peers call back; the delegation's id follows. */
export const CALLBACK_PATH = 'callbacks';

/** Where followers are told that a peer has called, by the delegation's id. */
export const CALLBACK_SIGNALS = 'callbacks';

/** What a peer needs to call back. */
export interface CallbackAddress {
  readonly url: string;
  /** Known to this delegation's peer alone: a secret. */
  readonly token: string;
}

/** Keeps the tokens from being of use for anything else that is made with the secret key. */
const PLACE = 'delegation callback';

/**
 * What peers say by themselves of the tasks that were delegated to them (docs/adr/0039). It is never believed: it says when
 * to look.
 */
export class TaskCallbacks {
  /** What addresses begin with; undefined where this server takes no callbacks. */
  private readonly base: string | undefined;

  constructor(
    private readonly store: Store,
    private readonly signals: Signals,
    /** Without any, callers could not be told apart, and nobody is asked to call. */
    private readonly secrets: Secrets | undefined,
    { publicUrl, takesCallbacks }: Pick<Config, 'publicUrl' | 'takesCallbacks'>,
  ) {
    this.base = secrets && takesCallbacks ? publicUrl?.replace(/\/+$/, '') : undefined;
  }

  /** Where the peer of a delegation may call, always the same for one; undefined where this server takes no callbacks. */
  address(id: string): CallbackAddress | undefined {
    if (this.base === undefined) return undefined;
    return { url: `${this.base}/${CALLBACK_PATH}/${id}`, token: this.secrets!.mac(id, PLACE) };
  }

  /** Whether that is the delegation's token. Costs no look at the database, and as much for a wrong one as for the right one. */
  admits(id: string, token: string): boolean {
    return this.base !== undefined && this.secrets!.isMac(token, id, PLACE);
  }

  /** Before the peer is asked to call. `jwks`: URL of the JWK set whose keys sign its calls, where it signs them. */
  async expect(key: DelegationKey, jwks: string | undefined): Promise<void> {
    await this.store.callbacks.expect(this.store.db, key, jwks ?? null);
  }

  find(id: string): Promise<CallbackRow | undefined> {
    return this.store.callbacks.find(this.store.db, id);
  }

  /** The peer has called: with news it is asked now, without it is known to reach this server, and need not be watched. */
  async heard(key: DelegationKey, isNews: boolean): Promise<void> {
    if (await this.store.callbacks.heard(this.store.db, key, isNews)) this.signals.publish(CALLBACK_SIGNALS, key.id);
  }
}
