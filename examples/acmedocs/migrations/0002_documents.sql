CREATE TABLE documents (
    tenant_id text NOT NULL,
    -- Random: a sequence would tell one tenant how much the others write.
    id        uuid NOT NULL DEFAULT gen_random_uuid(),
    title     text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    body      text NOT NULL CHECK (length(body) <= 100000),
    PRIMARY KEY (tenant_id, id)
);

-- Whoever migrates tells which role serves: `acmedocs.serving_role`.
SELECT tenantkit.protect('documents', current_setting('acmedocs.serving_role'));
