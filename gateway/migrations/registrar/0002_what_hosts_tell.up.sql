-- What holds for single people on a host, by that host's word: for administrators to read.
CREATE TABLE told (
    host     BLOB PRIMARY KEY,
    at       INTEGER NOT NULL,
    -- The exceptions as JSON text.
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
