-- Counts the changes of a document, so that of two of them everybody knows which is the newer.
ALTER TABLE documents ADD COLUMN version bigint NOT NULL DEFAULT 1;

-- What the indexer knows of each document, from the changes that it was told.
CREATE TABLE search (
    tenant_id text NOT NULL,
    id        uuid NOT NULL,
    version   bigint NOT NULL,
    -- Of a document that was deleted nothing but its version stays, so that an older change of it that comes
    -- late does not bring it back.
    title     text,
    words     tsvector,
    PRIMARY KEY (tenant_id, id)
);

-- No index on `words`: `@@` is not leakproof, so under row-level security Postgres looks at the tenant's rows
-- first, by the primary key, and an index over all tenants' words would never be used.
SELECT tenantkit.protect('search', current_setting('acmedocs.serving_role'));
