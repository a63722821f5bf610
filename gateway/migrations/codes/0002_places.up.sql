-- Wrong guesses in a row of one place: a host, and where its login came from (a digest of both). What `guess` counts from
-- now on is those of all places together that the person never passed at.
CREATE TABLE guess_at (
    realm  TEXT NOT NULL,
    id     TEXT NOT NULL,
    place  BLOB NOT NULL,
    name   TEXT NOT NULL,
    wrong  INTEGER NOT NULL,
    -- No code counts here until then; 0: any.
    locked INTEGER NOT NULL,
    -- A right code was typed here; the place is known until then. 0: it is not.
    known  INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (realm, id, place)
) STRICT, WITHOUT ROWID;

-- Codes that were typed lately, for their person to see; where, is sealed.
CREATE TABLE typed (
    realm  TEXT NOT NULL,
    id     TEXT NOT NULL,
    at     INTEGER NOT NULL,
    ok     INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE INDEX typed_of ON typed (realm, id, at);
