-- tenantkit: row-level security for tables whose rows belong to tenants.
-- Part of the crate tenantkit-sqlx; copy it into your migrations as it is.

CREATE SCHEMA tenantkit;
REVOKE ALL ON SCHEMA tenantkit FROM PUBLIC;
COMMENT ON SCHEMA tenantkit IS 'Row-level security for tables whose rows belong to tenants';

-- Lets `granted_role` name what is in the schema of `target`. Used by the functions below.
CREATE FUNCTION tenantkit.let_in(target regclass, granted_role name)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    its_schema name := n.nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
        WHERE c.oid = target;
BEGIN
    IF NOT has_schema_privilege(granted_role, its_schema, 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', its_schema, granted_role);
    END IF;
END $$;

-- Gives each row of `target` to the tenant in `tenant_column`, and lets `serving_role` read and
-- write the rows of its transaction's tenant. Called in the migration that makes the table, and again
-- for each further role that serves. What is wrong is all in the message: not every client shows hints.
CREATE FUNCTION tenantkit.protect(
    target regclass, serving_role name, tenant_column name DEFAULT 'tenant_id'
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    setting text := $s$nullif(current_setting('app.tenant_id', true), '')$s$;
    attribute pg_attribute;
    used_sequence regclass;
BEGIN
    SELECT * INTO attribute FROM pg_attribute
        WHERE attrelid = target AND attname = tenant_column AND NOT attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'tenantkit: % has no column %: name the column of the tenant as the third '
            'argument of protect', target, tenant_column;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_index WHERE indrelid = target AND indkey[0] = attribute.attnum
            AND indisvalid AND indpred IS NULL
    ) THEN
        RAISE EXCEPTION 'tenantkit: no index of % leads with %: make it PRIMARY KEY (%, ...)',
            target, tenant_column, quote_ident(tenant_column);
    END IF;
    -- Another type could take two tenants for one: a char(4) cuts off what does not fit.
    IF attribute.atttypid NOT IN ('text'::regtype, 'varchar'::regtype, 'uuid'::regtype) THEN
        RAISE EXCEPTION 'tenantkit: the column % of % is neither text, varchar nor uuid: make it one',
            tenant_column, target;
    END IF;
    -- So could a collation: one that skips punctuation takes acme-eu for acmeeu.
    IF NOT (SELECT collisdeterministic FROM pg_collation WHERE oid = attribute.attcollation) THEN
        RAISE EXCEPTION 'tenantkit: the collation of the column % of % takes different texts for '
            'equal: make it COLLATE "C"', tenant_column, target;
    END IF;
    -- The setting is cast to the type of the column, never the column to that of the setting.
    IF attribute.atttypid <> 'text'::regtype THEN
        setting := setting || '::' || format_type(attribute.atttypid, NULL);
    END IF;
    EXECUTE format('ALTER TABLE %1$s ALTER COLUMN %2$I SET NOT NULL, '
        'ALTER COLUMN %2$I SET DEFAULT %3$s', target, tenant_column, setting);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', target);
    IF NOT EXISTS (
        SELECT FROM pg_policy WHERE polrelid = target AND polname = 'tenantkit_tenant'
    ) THEN
        EXECUTE format('CREATE POLICY tenantkit_tenant ON %1$s '
            'USING (%2$I = %3$s) WITH CHECK (%2$I = %3$s)', target, tenant_column, setting);
    END IF;
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', target);
    PERFORM tenantkit.let_in(target, serving_role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', target, serving_role);
    -- A serial takes its numbers as whoever inserts; an identity column needs no grant.
    FOR used_sequence IN
        SELECT used.refobjid
        FROM pg_attrdef d
        JOIN pg_depend used ON used.classid = 'pg_attrdef'::regclass AND used.objid = d.oid
            AND used.refclassid = 'pg_class'::regclass
        JOIN pg_class s ON s.oid = used.refobjid AND s.relkind = 'S'
        WHERE d.adrelid = target
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', used_sequence, serving_role);
    END LOOP;
END $$;

-- Lets `across_role` read the rows of all tenants of `target`, in transactions that say so.
CREATE FUNCTION tenantkit.open_across(target regclass, across_role name)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE POLICY %I ON %s FOR SELECT TO %I '
        'USING (current_setting(''app.cross_tenant'', true) = ''on'')',
        'tenantkit_across_' || across_role, target, across_role);
    PERFORM tenantkit.let_in(target, across_role);
    EXECUTE format('GRANT SELECT ON %s TO %I', target, across_role);
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tenantkit FROM PUBLIC;
