-- tenantkit: row-level security for tables whose rows belong to tenants.
-- Part of the crate tenantkit-sqlx; copy it into your migrations as it is.

CREATE SCHEMA tenantkit;
REVOKE ALL ON SCHEMA tenantkit FROM PUBLIC;
COMMENT ON SCHEMA tenantkit IS 'Row-level security for tables whose rows belong to tenants';

-- Gives each row of `target` to the tenant in `tenant_column`, and lets `serving_role` read and
-- write the rows of its transaction's tenant. Called once, in the migration that makes the table.
CREATE FUNCTION tenantkit.protect(
    target regclass, serving_role name, tenant_column name DEFAULT 'tenant_id'
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    setting text := $s$nullif(current_setting('app.tenant_id', true), '')$s$;
    attribute pg_attribute;
BEGIN
    SELECT * INTO attribute FROM pg_attribute
        WHERE attrelid = target AND attname = tenant_column AND NOT attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'tenantkit: % has no column %', target, tenant_column
            USING HINT = 'Name the column of the tenant as the third argument.';
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_index WHERE indrelid = target AND indkey[0] = attribute.attnum AND indisvalid
    ) THEN
        RAISE EXCEPTION 'tenantkit: no index of % leads with %', target, tenant_column
            USING HINT = format('PRIMARY KEY (%I, ...)', tenant_column);
    END IF;
    -- Another type could take two tenants for one: a char(4) cuts off what does not fit.
    IF attribute.atttypid NOT IN ('text'::regtype, 'varchar'::regtype, 'uuid'::regtype) THEN
        RAISE EXCEPTION 'tenantkit: the column % of % is neither text, varchar nor uuid',
            tenant_column, target;
    END IF;
    -- The setting is cast to the type of the column, never the column to that of the setting.
    IF attribute.atttypid <> 'text'::regtype THEN
        setting := setting || '::' || format_type(attribute.atttypid, NULL);
    END IF;
    EXECUTE format('ALTER TABLE %1$s ALTER COLUMN %2$I SET NOT NULL, '
        'ALTER COLUMN %2$I SET DEFAULT %3$s', target, tenant_column, setting);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY tenantkit_tenant ON %1$s '
        'USING (%2$I = %3$s) WITH CHECK (%2$I = %3$s)', target, tenant_column, setting);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', target);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', target, serving_role);
END $$;

-- Lets `across_role` read the rows of all tenants of `target`, in transactions that say so.
CREATE FUNCTION tenantkit.open_across(target regclass, across_role name)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE POLICY %I ON %s FOR SELECT TO %I '
        'USING (current_setting(''app.cross_tenant'', true) = ''on'')',
        'tenantkit_across_' || across_role, target, across_role);
    EXECUTE format('GRANT SELECT ON %s TO %I', target, across_role);
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tenantkit FROM PUBLIC;
