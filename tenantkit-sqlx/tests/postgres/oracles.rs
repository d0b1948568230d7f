//! What one tenant learns of another, or does to it, past the policies: by keys, foreign keys and
//! functions.

use tenantkit_core::{
    AuditAction, AuditEvent, AuditSink, Commit, Reason, TierSet, audit::NotCommitted,
    test_util::TestAuthority,
};
use tenantkit_sqlx::{
    Error, TenantPool,
    catalog::{Auditor, Finding, Problem, Severity},
};

use super::{
    audit::{refused, spoil},
    fixture::on_each_server,
};

const FOLDERS: &str = "
    CREATE TABLE folders (
        tenant_id text NOT NULL, id bigint NOT NULL, PRIMARY KEY (tenant_id, id));
    SELECT tenantkit.protect('folders', '$me');
    INSERT INTO folders VALUES ('acme', 1), ('globex', 2);
    ALTER TABLE documents ADD COLUMN folder bigint;";

/// An audit log on a full disk.
#[derive(Debug)]
struct Full;

impl AuditSink for Full {
    fn record(&self, _: AuditEvent) {}

    fn commit(&self, _: AuditEvent) -> Commit {
        Commit::ready(Err(NotCommitted::new()))
    }
}

/// A key that is an oracle, made and accepted.
fn emails() -> Auditor {
    Auditor::new().dangerous().accept(
        Problem::UniqueAcrossTenants,
        "emails on public.documents",
        "the test says so",
    )
}

on_each_server! {
    async fn a_key_that_tells_what_another_tenant_has_is_refused(fixture: &Fixture) {
        let unique = [Problem::UniqueAcrossTenants];
        for spoiled in [
            "ALTER TABLE documents ADD CONSTRAINT titles UNIQUE (title)",
            "ALTER TABLE documents ADD CONSTRAINT titles UNIQUE NULLS NOT DISTINCT (title) INCLUDE (tenant_id)",
            "CREATE UNIQUE INDEX titles ON documents (lower(title)) WHERE id > 0",
            "ALTER TABLE documents ADD CONSTRAINT titles EXCLUDE USING btree (title WITH =)",
            "ALTER TABLE documents DROP CONSTRAINT documents_pkey, ADD PRIMARY KEY (id, title);
             CREATE INDEX ON documents (tenant_id)",
        ] {
            let key = spoiled.replace("titles", &format!("titles_{}", spoiled.len()));
            spoil(fixture, &key, &unique).await;
        }
        let differs = "CREATE EXTENSION btree_gist; ALTER TABLE documents ADD CONSTRAINT others
            EXCLUDE USING gist (title WITH =, tenant_id WITH <>)";
        spoil(fixture, differs, &unique).await;
        // It says the same of both, now that each has it.
        let plan = "INSERT INTO documents VALUES ('globex', 7, 'one plan'), ('acme', 7, 'one plan')";
        fixture.database.execute(plan).unwrap();
    }

    async fn a_key_of_a_partition_is_refused_though_nobody_reads_it_directly(fixture: &Fixture) {
        let partitioned = "CREATE TABLE events (
                tenant_id text NOT NULL, id bigint NOT NULL, name text, PRIMARY KEY (tenant_id, id)
            ) PARTITION BY HASH (tenant_id);
            SELECT tenantkit.protect('events', '$me');
            CREATE TABLE events_0 PARTITION OF events FOR VALUES WITH (MODULUS 1, REMAINDER 0);
            CREATE UNIQUE INDEX names ON events_0 (name)";
        spoil(fixture, partitioned, &[Problem::UniqueAcrossTenants]).await;
    }

    async fn a_leaf_that_is_read_directly_is_refused(fixture: &Fixture) {
        use Problem::{NoPolicy, RlsDisabled};
        let partitioned = "CREATE TABLE events (
                tenant_id text NOT NULL, id bigint NOT NULL, PRIMARY KEY (tenant_id, id)
            ) PARTITION BY HASH (tenant_id);
            SELECT tenantkit.protect('events', '$me');
            CREATE TABLE events_0 PARTITION OF events FOR VALUES WITH (MODULUS 1, REMAINDER 0);
            GRANT SELECT ON events_0 TO $me";
        spoil(fixture, partitioned, &[RlsDisabled, NoPolicy]).await;
    }

    async fn a_foreign_key_that_does_not_compare_tenants_is_refused(fixture: &Fixture) {
        fixture.database.execute(FOLDERS.replace("$me", &fixture.serving)).unwrap();
        let key = "CREATE UNIQUE INDEX ids ON folders (id);
            ALTER TABLE documents ADD CONSTRAINT folder FOREIGN KEY (folder) REFERENCES folders (id)";
        use Problem::{ForeignKeyAcrossTenants, UniqueAcrossTenants};
        spoil(fixture, key, &[ForeignKeyAcrossTenants, UniqueAcrossTenants]).await;

        let pool = fixture.pool().await;
        let hang = async |folder: i64| {
            let mut tx = pool.begin(&fixture.acme()).await.unwrap();
            let moved = sqlx::query("UPDATE documents SET folder = $1").bind(folder).execute(&mut tx);
            moved.await.map_err(Error::from).map(|_| ())
        };
        hang(1).await.unwrap();
        // One that is another's is as one that is nobody's.
        for folder in [2, 3] {
            assert_eq!(hang(folder).await.unwrap_err().sqlstate(), Some("23503"));
        }
    }

    async fn an_action_that_reaches_other_tenants_rows_is_refused(fixture: &Fixture) {
        use Problem::{CascadeAcrossTenants, UniqueAcrossTenants};
        fixture.database.execute(FOLDERS.replace("$me", &fixture.serving)).unwrap();
        for action in
            ["ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE SET DEFAULT", "ON UPDATE CASCADE"]
        {
            let key = format!("CREATE UNIQUE INDEX ids ON folders (id);
                ALTER TABLE documents ADD CONSTRAINT folder
                    FOREIGN KEY (folder) REFERENCES folders (id) {action} DEFERRABLE");
            spoil(fixture, &key, &[CascadeAcrossTenants, UniqueAcrossTenants]).await;
            fixture.database.execute("DROP INDEX ids; ALTER TABLE documents DROP CONSTRAINT folder").unwrap();
        }
        // One table of everybody's, of which a tenant deletes a row.
        let shared = format!(
            "CREATE TABLE labels (id bigint PRIMARY KEY); INSERT INTO labels VALUES (1);
             GRANT SELECT, DELETE ON labels TO {};
             ALTER TABLE documents ADD COLUMN label bigint REFERENCES labels ON DELETE CASCADE;",
            fixture.serving
        );
        fixture.database.execute(shared).unwrap();
        let auditor = || Auditor::new().without_tenants("public.labels");
        let url = fixture.database.url(&fixture.serving);
        let connect = || fixture.builder(1).audit(auditor()).connect(&url);
        let Err(Error::Unsafe(report)) = connect().await else { panic!("not refused") };
        let found: Vec<_> = report.refusals().map(Finding::problem).collect();
        assert_eq!(found, [CascadeAcrossTenants], "{report}");
        fixture.database.execute(report.findings()[0].remedy()).unwrap();
        connect().await.unwrap().close().await;
    }

    async fn an_action_that_no_tenant_can_cause_is_no_finding(fixture: &Fixture) {
        let shared = format!(
            "CREATE TABLE regions (id bigint PRIMARY KEY);
             GRANT SELECT, INSERT ON regions TO {};
             ALTER TABLE documents ADD COLUMN region bigint REFERENCES regions ON DELETE CASCADE;",
            fixture.serving
        );
        fixture.database.execute(shared).unwrap();
        let auditor = Auditor::new().without_tenants("public.regions");
        let pool = fixture.builder(1).audit(auditor);
        let pool = pool.connect(&fixture.database.url(&fixture.serving)).await.unwrap();
        assert!(pool.report().is_clean(), "{}", pool.report());
    }

    async fn a_key_of_what_the_role_only_reads_is_no_finding(fixture: &Fixture) {
        let keys = format!(
            "CREATE TABLE plans (tenant_id text, name text UNIQUE, PRIMARY KEY (tenant_id, name));
             SELECT tenantkit.protect('plans', '{0}');
             REVOKE INSERT, UPDATE, DELETE ON plans FROM {0}",
            fixture.serving
        );
        fixture.database.execute(keys).unwrap();
        let pool = fixture.pool().await;
        assert!(pool.report().is_clean(), "{}", pool.report());
    }

    async fn a_foreign_key_that_is_not_enforced_tells_nothing(fixture: &Fixture) {
        fixture.database.execute(FOLDERS.replace("$me", &fixture.serving)).unwrap();
        let key = "ALTER TABLE folders ADD CONSTRAINT ids UNIQUE (id);
            ALTER TABLE documents ADD CONSTRAINT folder
                FOREIGN KEY (folder) REFERENCES folders (id) ON DELETE CASCADE NOT ENFORCED";
        // Only Postgres 18 has it.
        if fixture.database.execute(key).is_ok() {
            let found: Vec<_> = refused(fixture).await.refusals().map(Finding::problem).collect();
            assert_eq!(found, [Problem::UniqueAcrossTenants]);
        }
    }

    async fn a_foreign_key_from_a_table_of_everybodys_is_refused(fixture: &Fixture) {
        let shares = format!(
            "CREATE TABLE shares (tenant text, document bigint,
                 FOREIGN KEY (tenant, document) REFERENCES documents);
             GRANT SELECT, INSERT ON shares TO {}",
            fixture.serving
        );
        fixture.database.execute(shares).unwrap();
        let url = fixture.database.url(&fixture.serving);
        let auditor = Auditor::new().without_tenants("public.shares");
        let connect = || fixture.builder(1).audit(auditor.clone()).connect(&url);
        let Err(Error::Unsafe(report)) = connect().await else { panic!("not refused") };
        assert_eq!(report.findings()[0].problem(), Problem::ForeignKeyAcrossTenants);
        fixture.database.execute(report.findings()[0].remedy()).unwrap();
        connect().await.unwrap().close().await;
    }

    async fn a_function_that_sees_more_than_a_tenant_is_refused(fixture: &Fixture) {
        let definer = [Problem::DefinerFunction];
        let count = "CREATE OR REPLACE FUNCTION how_many(\"A\" text) RETURNS bigint LANGUAGE sql
            SECURITY DEFINER AS 'SELECT count(*) FROM documents'";
        // The superuser's, and then an owner's to whom a policy shows all.
        spoil(fixture, count, &definer).await;
        let owner = fixture.database.role("owner", "").unwrap();
        let owned = format!(
            "CREATE POLICY maintain ON documents TO {owner} USING (true);
             ALTER FUNCTION how_many OWNER TO {owner}; GRANT EXECUTE ON FUNCTION how_many TO $me"
        );
        spoil(fixture, &owned, &definer).await;
        let bare = format!(
            "DROP POLICY maintain ON documents; CREATE TABLE drafts (tenant_id text);
             GRANT SELECT ON drafts TO {owner}; GRANT EXECUTE ON FUNCTION how_many TO PUBLIC"
        );
        spoil(fixture, &bare, &definer).await;
        let procedure = "CREATE PROCEDURE sweep() LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM documents'";
        spoil(fixture, procedure, &definer).await;
    }

    async fn a_function_that_is_another_tenant_is_refused(fixture: &Fixture) {
        let function = "CREATE FUNCTION theirs() RETURNS bigint LANGUAGE sql
            SET app.tenant_id = 'globex' AS 'SELECT count(*) FROM documents'";
        spoil(fixture, function, &[Problem::RebindingFunction]).await;
    }

    async fn what_a_role_does_not_call_or_cannot_is_no_finding(fixture: &Fixture) {
        let functions = format!(
            "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
                 AS 'BEGIN RETURN NEW; END';
             CREATE SCHEMA hidden; CREATE FUNCTION hidden.all_of_it() RETURNS bigint LANGUAGE sql
                 SECURITY DEFINER AS 'SELECT count(*) FROM public.documents';
             CREATE FUNCTION mine() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
             ALTER FUNCTION mine OWNER TO {};",
            fixture.serving
        );
        fixture.database.execute(functions).unwrap();
        assert!(fixture.pool().await.report().is_clean());
    }

    async fn what_is_accepted_is_one_problem_of_one_object(fixture: &Fixture) {
        let keys = "ALTER TABLE documents ADD CONSTRAINT emails UNIQUE (title),
            ADD CONSTRAINT slugs UNIQUE (title)";
        fixture.database.execute(keys).unwrap();
        let url = fixture.database.url(&fixture.serving);
        let connect = |auditor| fixture.builder(1).audit(auditor).connect(&url);
        let Err(Error::Unsafe(report)) = connect(emails()).await else { panic!("not refused") };
        let refusals: Vec<_> = report.refusals().map(Finding::object).collect();
        assert_eq!(refusals, ["slugs on public.documents"]);

        fixture.database.execute("ALTER TABLE documents DROP CONSTRAINT slugs").unwrap();
        let pool = connect(emails()).await.unwrap();
        let [accepted] = pool.report().findings() else { panic!("{}", pool.report()) };
        assert_eq!(accepted.severity(), Severity::Advises);
        assert_eq!(accepted.accepted(), Some("the test says so"));
        assert!(pool.report().is_clean());
        let event = fixture.authority.audited().pop().unwrap();
        assert_eq!(event.action, AuditAction::Dangerous("accept-finding"));
        assert_eq!(
            event.why.unwrap().as_str(),
            "UniqueAcrossTenants of emails on public.documents: the test says so"
        );
    }

    async fn what_is_accepted_and_not_there_is_told(fixture: &Fixture) {
        let pool = fixture.builder(1).audit(emails());
        let pool = pool.connect(&fixture.database.url(&fixture.serving)).await.unwrap();
        let advice: Vec<_> = pool.report().advice().map(Finding::problem).collect();
        assert_eq!(advice, [Problem::AcceptsNothing]);
    }

    async fn what_cannot_be_audited_is_not_accepted(fixture: &Fixture) {
        let key = "ALTER TABLE documents ADD CONSTRAINT emails UNIQUE (title)";
        fixture.database.execute(key).unwrap();
        let full = TestAuthority::with(TierSet::METALS, |authority| authority.audit(Full));
        let pool = TenantPool::builder(full.authority()).audit(emails());
        let refused = pool.connect(&fixture.database.url(&fixture.serving)).await.map(drop);
        let Err(Error::Refused(refused)) = refused else { panic!("{refused:?}") };
        assert_eq!(refused.reason(), Reason::AuditUnavailable);
    }

    async fn what_switches_policies_off_cannot_be_accepted(fixture: &Fixture) {
        fixture.database.execute("ALTER TABLE documents DISABLE ROW LEVEL SECURITY").unwrap();
        let auditor = Auditor::new().dangerous().accept(
            Problem::RlsDisabled, "public.documents", "it is late");
        let pool = TenantPool::builder(fixture.authority()).audit(auditor);
        let url = fixture.database.url(&fixture.serving);
        assert!(matches!(pool.connect(&url).await, Err(Error::Unsafe(_))));
        assert_eq!(refused(fixture).await.refusals().count(), 1);
    }
}
