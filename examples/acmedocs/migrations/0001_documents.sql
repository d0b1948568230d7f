-- The serving role is told by whoever migrates: `SET acmedocs.serving_role = '...'`.
CREATE TABLE documents (
    tenant_id text NOT NULL DEFAULT nullif(current_setting('app.tenant_id', true), ''),
    id        uuid NOT NULL DEFAULT gen_random_uuid(),
    title     text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    body      text NOT NULL CHECK (length(body) <= 100000),
    PRIMARY KEY (tenant_id, id)
);

ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE documents FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON documents
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), ''));

DO $$
BEGIN
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON documents TO %I',
        current_setting('acmedocs.serving_role')
    );
END
$$;
