//! [`TenantTable`]: what makes a table one of tenants' rows.

use crate::bind::{self, identifier, literal};

/// A table whose rows belong to tenants, and the SQL that makes it one.
///
/// ```
/// use tenantkit_sqlx::rls::TenantTable;
///
/// print!(
///     "{}",
///     TenantTable::new("documents")
///         .key(&["id"])
///         .serving_role("acmedocs_app")
///         .cross_tenant_role("acmedocs_support")
///         .sql()
/// );
/// ```
#[derive(Debug, Clone)]
#[must_use = "call `sql` for the SQL"]
pub struct TenantTable {
    schema: String,
    table: String,
    column: String,
    uuid: bool,
    key: Vec<String>,
    serving: Vec<String>,
    across: Vec<String>,
}

impl TenantTable {
    /// A table of the schema `public` with a column `tenant_id` of type `text`.
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            schema: "public".to_owned(),
            table: table.into(),
            column: "tenant_id".to_owned(),
            uuid: false,
            key: Vec::new(),
            serving: Vec::new(),
            across: Vec::new(),
        }
    }

    /// In another schema.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// With another column for the tenant.
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = column.into();
        self
    }

    /// With a column of type `uuid` instead of `text`. The setting is cast to it, never the column to
    /// the setting: an index could not be used then.
    pub const fn uuid(mut self) -> Self {
        self.uuid = true;
        self
    }

    /// Adds a primary key of the tenant and these columns.
    pub fn key(mut self, columns: &[&str]) -> Self {
        self.key = columns.iter().map(|&column| column.to_owned()).collect();
        self
    }

    /// May be read and written by this role, each tenant's rows in that tenant's transactions.
    pub fn serving_role(mut self, role: impl Into<String>) -> Self {
        self.serving.push(role.into());
        self
    }

    /// May be read by this role over all tenants, in the transactions of a
    /// [`CrossTenantPool`](crate::CrossTenantPool).
    pub fn cross_tenant_role(mut self, role: impl Into<String>) -> Self {
        self.across.push(role.into());
        self
    }

    /// The SQL. It is run once, as the owner of the table.
    #[must_use]
    pub fn sql(&self) -> String {
        let table = format!("{}.{}", identifier(&self.schema), identifier(&self.table));
        let column = identifier(&self.column);
        let tenant = self.tenant();
        let mut sql = String::new();
        if !self.key.is_empty() {
            let key: Vec<_> = self.key.iter().map(|column| identifier(column)).collect();
            let key = key.join(", ");
            sql += &format!("ALTER TABLE {table} ADD PRIMARY KEY ({column}, {key});\n");
        }
        sql += &format!(
            "ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL, \
             ALTER COLUMN {column} SET DEFAULT {tenant};\n\
             ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;\n\
             CREATE POLICY tenantkit_tenant ON {table} \
             USING ({column} = {tenant}) WITH CHECK ({column} = {tenant});\n\
             REVOKE ALL ON {table} FROM PUBLIC;\n"
        );
        let schema = identifier(&self.schema);
        for role in &self.serving {
            let sequences = grant_sequences(&table, role);
            let role = identifier(role);
            sql += &format!(
                "GRANT USAGE ON SCHEMA {schema} TO {role};\n\
                 GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role};\n{sequences}"
            );
        }
        for role in &self.across {
            let (name, role) = (identifier(&format!("tenantkit_across_{role}")), identifier(role));
            sql += &format!(
                "CREATE POLICY {name} ON {table} FOR SELECT TO {role} \
                 USING (current_setting('{}', true) = 'on');\n\
                 GRANT USAGE ON SCHEMA {schema} TO {role};\n\
                 GRANT SELECT ON {table} TO {role};\n",
                bind::CROSS_TENANT
            );
        }
        sql
    }

    /// The transaction's tenant; null, which equals nothing, where there is none. Once it was set in
    /// a session the setting is empty and not null, hence `nullif`.
    fn tenant(&self) -> String {
        let setting = literal(bind::TENANT);
        let setting = setting.trim_start_matches('E');
        let tenant = format!("nullif(current_setting({setting}, true), '')");
        if self.uuid { format!("{tenant}::uuid") } else { tenant }
    }
}

/// A serial takes its numbers as whoever inserts; an identity column needs no grant.
fn grant_sequences(table: &str, role: &str) -> String {
    let (table, role) = (literal(table), literal(role));
    format!(
        "DO $tenantkit$ DECLARE used_sequence regclass; BEGIN\n    \
         FOR used_sequence IN SELECT used.refobjid FROM pg_attrdef d\n        \
         JOIN pg_depend used ON used.classid = 'pg_attrdef'::regclass AND used.objid = d.oid\n            \
         AND used.refclassid = 'pg_class'::regclass\n        \
         JOIN pg_class s ON s.oid = used.refobjid AND s.relkind = 'S'\n        \
         WHERE d.adrelid = {table}::regclass\n    \
         LOOP EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', used_sequence, {role}); END LOOP;\n\
         END $tenantkit$;\n"
    )
}
