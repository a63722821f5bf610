-- Where a device's browser hears by Web Push. A row without an endpoint: the push service has ended it.
CREATE TABLE subscription (
    device   BLOB PRIMARY KEY REFERENCES mailbox (id) ON DELETE CASCADE,
    endpoint TEXT,
    p256dh   BLOB,
    auth     BLOB,
    -- Seconds since 1970: since when nothing that was sent has been heard.
    silent   INTEGER,
    CHECK ((endpoint IS NULL) = (p256dh IS NULL) AND (endpoint IS NULL) = (auth IS NULL))
) STRICT, WITHOUT ROWID;
