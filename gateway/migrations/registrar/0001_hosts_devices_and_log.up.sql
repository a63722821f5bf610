-- What the registrar keeps: who was certified, what is being enrolled, and the log of everything issued.
CREATE TABLE meta (
    -- Grows whenever a device is added or removed.
    generation INTEGER NOT NULL
) STRICT;
INSERT INTO meta (generation) VALUES (1);

CREATE TABLE host (
    id       BLOB PRIMARY KEY,
    key_id   BLOB NOT NULL UNIQUE,
    -- The public key as JSON text.
    key      TEXT NOT NULL,
    display  TEXT NOT NULL,
    document TEXT NOT NULL,
    nbf      INTEGER NOT NULL,
    exp      INTEGER NOT NULL,
    revoked  INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
    id       BLOB PRIMARY KEY,
    key_id   BLOB NOT NULL UNIQUE,
    key      TEXT NOT NULL,
    name     TEXT NOT NULL,
    -- As the user calls it now; the certificate keeps the first label.
    label    TEXT NOT NULL,
    document TEXT NOT NULL,
    -- When it was enrolled: a renewal changes document and exp alone.
    nbf      INTEGER NOT NULL,
    exp      INTEGER NOT NULL,
    revoked  INTEGER,
    -- 1: its user removed it. Whoever removed their last device is no newcomer to the mode "directory".
    left     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE device_identity (
    device BLOB NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    realm  TEXT NOT NULL,
    id     TEXT NOT NULL,
    PRIMARY KEY (realm, id, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE host_token (
    id       BLOB PRIMARY KEY,
    name     TEXT NOT NULL,
    -- Gone once the token is used or dead.
    secret   TEXT,
    ends_at  INTEGER NOT NULL,
    tries    INTEGER NOT NULL,
    -- SHA-256 of the request that used it: the same request again gets the same certificate.
    used_by  BLOB,
    host     BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE enrolment (
    token_id BLOB PRIMARY KEY,
    host     BLOB NOT NULL,
    -- The owner as JSON text.
    owner    TEXT NOT NULL,
    -- Gone once the enrolment is certified or over.
    secret   TEXT,
    opened   INTEGER NOT NULL,
    ends_at  INTEGER NOT NULL,
    -- 0 waiting, 1 digits, 2 certified, 3 over, 4 waits for the approval of another device
    state    INTEGER NOT NULL CHECK (state BETWEEN 0 AND 4),
    tries    INTEGER NOT NULL,
    digit_tries INTEGER NOT NULL,
    -- The bound request as JSON text, its key as JSON text, and that key's id.
    request  TEXT,
    key      TEXT,
    key_id   BLOB,
    -- Chosen when it was bound; the six digits are made from both.
    n        TEXT,
    device   BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX enrolment_key ON enrolment (key_id) WHERE key_id IS NOT NULL;

CREATE TABLE enrolment_identity (
    token_id BLOB NOT NULL REFERENCES enrolment (token_id) ON DELETE CASCADE,
    realm    TEXT NOT NULL,
    id       TEXT NOT NULL,
    PRIMARY KEY (realm, id, token_id)
) STRICT, WITHOUT ROWID;

-- One-time links to the Register Panel.
CREATE TABLE link (
    id       BLOB PRIMARY KEY,
    host     BLOB NOT NULL,
    owner    TEXT NOT NULL,
    -- Gone once the link is redeemed or dead.
    secret   TEXT,
    ends_at  INTEGER NOT NULL,
    tries    INTEGER NOT NULL,
    redeemed INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE nonce (
    key_id  BLOB NOT NULL,
    n       BLOB NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (key_id, n)
) STRICT, WITHOUT ROWID;

-- Every certificate that may still live: which serials a revocation lists.
CREATE TABLE certificate (
    serial  BLOB PRIMARY KEY,
    -- The host or device.
    subject BLOB NOT NULL,
    exp     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX certificate_subject ON certificate (subject);

-- Keys of the code service. One that is revoked is never certified again.
CREATE TABLE code_service (
    key_id   BLOB PRIMARY KEY,
    -- Names it among the subjects of certificates.
    subject  BLOB NOT NULL UNIQUE,
    document TEXT NOT NULL,
    exp      INTEGER NOT NULL,
    revoked  INTEGER
) STRICT, WITHOUT ROWID;

-- Whose pushes are frozen.
CREATE TABLE freeze (
    salt   BLOB PRIMARY KEY,
    realm  TEXT NOT NULL,
    id     TEXT NOT NULL,
    -- The source as JSON text; NULL: every source.
    origin TEXT,
    since  INTEGER NOT NULL,
    until  INTEGER NOT NULL,
    device BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX freeze_identity ON freeze (realm, id);

-- Reports that were taken: each counts once.
CREATE TABLE report (
    -- SHA-256 of the request.
    request BLOB PRIMARY KEY,
    seq     INTEGER NOT NULL,
    until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest revocation list; its number only grows.
CREATE TABLE revocation_list (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    seq      INTEGER NOT NULL,
    document TEXT NOT NULL,
    issuer   TEXT NOT NULL
) STRICT;
CREATE TRIGGER revocation_list_only_grows BEFORE UPDATE ON revocation_list WHEN NEW.seq <= OLD.seq
    BEGIN SELECT RAISE(ABORT, 'the revocation list only grows'); END;
CREATE TRIGGER revocation_list_stays BEFORE DELETE ON revocation_list
    BEGIN SELECT RAISE(ABORT, 'the revocation list only grows'); END;

-- Everything that was ever issued or revoked. Each row's hash covers the one before it.
CREATE TABLE log (
    idx      INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    document TEXT NOT NULL,
    prev     BLOB NOT NULL,
    hash     BLOB NOT NULL
) STRICT;
CREATE TRIGGER log_is_never_changed BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER log_is_never_cut BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
