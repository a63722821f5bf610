-- Where somebody is told by mail what changed of their devices and codes: what the panel's directory (source zeros) or a
-- host's has said of them. The address is sealed.
CREATE TABLE reach (
    realm TEXT NOT NULL,
    id TEXT NOT NULL,
    source BLOB NOT NULL,
    seen INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (realm, id, source)
) STRICT;
