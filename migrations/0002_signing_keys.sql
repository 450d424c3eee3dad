-- The keys that sign agent cards. They are the server's own, the same for every tenant.
create table perdure.signing_keys (
  -- The kid: the key's RFC 7638 thumbprint.
  id                text           primary key,
  algorithm         text           not null,
  -- The public JWK as JSON, as the JWKS shows it.
  public_key        text           not null,
  -- The private JWK as JSON, encrypted; the text names the secret key it was encrypted with. Null once it is retired.
  private_key       text,
  created_at        timestamptz(3) not null default now(),
  -- The key whose time has come last signs. Before, it is published only.
  signs_from        timestamptz(3) not null,
  -- The end of its publication, set when its successor is made; null for the newest key.
  published_until   timestamptz(3)
);
