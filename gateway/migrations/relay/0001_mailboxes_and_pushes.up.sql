-- What the relay keeps: ids, public keys, times and sealed blobs. No name, no address, no command.
CREATE TABLE meta (
    -- Random, made with the file: an event id of another file's numbering is recognised by it.
    epoch BLOB NOT NULL
) STRICT;
INSERT INTO meta (epoch) VALUES (randomblob(6));

CREATE TABLE mailbox (
    id     BLOB PRIMARY KEY,
    kind   INTEGER NOT NULL CHECK (kind IN (0, 1)),
    -- The public key as JSON text.
    key    TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE push (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    id      BLOB NOT NULL UNIQUE,
    host    BLOB NOT NULL,
    -- SHA-256 of the push as posted, to tell a repetition from a conflict.
    digest  BLOB NOT NULL,
    expiry  INTEGER NOT NULL,
    -- Milliseconds since 1970 by the relay's clock.
    ends_at INTEGER NOT NULL,
    ended   INTEGER,
    why     INTEGER CHECK (why IN (0, 1))
) STRICT;
CREATE INDEX push_live ON push (ends_at) WHERE ended IS NULL;
CREATE INDEX push_ended ON push (ended) WHERE ended IS NOT NULL;

CREATE TABLE item (
    push    INTEGER NOT NULL REFERENCES push (seq) ON DELETE CASCADE,
    device  BLOB NOT NULL,
    host    BLOB NOT NULL,
    blob    BLOB NOT NULL,
    -- 1 while the device has not answered and the push lives.
    open    INTEGER NOT NULL,
    answers INTEGER NOT NULL,
    PRIMARY KEY (push, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_open ON item (device, host) WHERE open = 1;
CREATE INDEX item_ended ON item (device, push) WHERE open = 0;
CREATE INDEX item_silent ON item (device, host) WHERE open = 0 AND answers = 0;

CREATE TABLE answer (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    push   INTEGER NOT NULL REFERENCES push (seq) ON DELETE CASCADE,
    host   BLOB NOT NULL,
    device BLOB NOT NULL,
    -- SHA-256 of the blob: the same answer posted again is the same answer.
    digest BLOB NOT NULL,
    blob   BLOB NOT NULL,
    UNIQUE (push, device, digest)
) STRICT;
CREATE INDEX answer_of_host ON answer (host, seq);
