-- What the code service keeps. No code, secret or number stands here in the clear: what has to be read again is sealed by
-- codes.key to itself, recovery codes are Argon2id hashes.

-- Calls of hosts, each taken once.
CREATE TABLE nonce (
    host    BLOB NOT NULL,
    n       BLOB NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (host, n)
) STRICT, WITHOUT ROWID;

-- Authenticator apps, lists of recovery codes, mobile numbers.
CREATE TABLE enrolled (
    id      BLOB PRIMARY KEY,
    kind    TEXT NOT NULL CHECK (kind IN ('totp', 'recovery', 'mobile')),
    -- The user's name, for admins.
    name    TEXT NOT NULL,
    since   INTEGER NOT NULL,
    sealed  BLOB NOT NULL,
    -- Of an authenticator app: the last time step of which a code was taken.
    step    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE enrolled_identity (
    realm    TEXT NOT NULL,
    id       TEXT NOT NULL,
    kind     TEXT NOT NULL,
    enrolled BLOB NOT NULL REFERENCES enrolled (id) ON DELETE CASCADE,
    PRIMARY KEY (realm, id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX enrolled_identity_of ON enrolled_identity (enrolled);

CREATE TABLE recovery_code (
    list  BLOB NOT NULL REFERENCES enrolled (id) ON DELETE CASCADE,
    hash  BLOB NOT NULL,
    used  INTEGER,
    PRIMARY KEY (list, hash)
) STRICT, WITHOUT ROWID;

-- Wrong guesses in a row, over methods and logins.
CREATE TABLE guess (
    realm  TEXT NOT NULL,
    id     TEXT NOT NULL,
    name   TEXT NOT NULL,
    wrong  INTEGER NOT NULL,
    -- No code counts until then; 0: any.
    locked INTEGER NOT NULL,
    PRIMARY KEY (realm, id)
) STRICT, WITHOUT ROWID;

-- What is being set up and waits for its first code.
CREATE TABLE opening (
    id      BLOB PRIMARY KEY,
    kind    TEXT NOT NULL CHECK (kind IN ('totp', 'mobile')),
    -- The host that asked, or the gateway's panel.
    host    BLOB NOT NULL,
    sealed  BLOB NOT NULL,
    ends_at INTEGER NOT NULL,
    tries   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Messages of the last day, for their limits. Addresses do not stand here.
CREATE TABLE sent (
    at     INTEGER NOT NULL,
    method TEXT NOT NULL,
    realm  TEXT NOT NULL,
    id     TEXT NOT NULL,
    host   BLOB NOT NULL,
    prefix TEXT NOT NULL
) STRICT;
CREATE INDEX sent_at ON sent (method, at);
