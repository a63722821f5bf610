-- What the registrar said last, for when this program starts again while the registrar is away.
ALTER TABLE meta ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
-- Trust information as JSON text; only where the registrar runs apart.
ALTER TABLE meta ADD COLUMN trust TEXT;
