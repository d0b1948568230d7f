//! `connect` refuses a database in which row-level security does not bind the role, and what it says
//! mends it.

use sqlx::postgres::PgConnectOptions;
use tenantkit_core::TenantRecord;
use tenantkit_sqlx::{
    CrossTenantPool, Error, Report, TenantPool,
    catalog::{Auditor, Finding, PolicyFlaw, Problem},
};

use super::fixture::{Fixture, on_each_server};

/// What `connect` refuses with.
pub(crate) async fn refused(fixture: &Fixture) -> Report {
    let url = fixture.database.url(&fixture.serving);
    match TenantPool::connect(&url, fixture.authority()).await {
        Err(Error::Unsafe(report)) => *report,
        other => panic!("not refused: {other:?}"),
    }
}

/// Spoils a database, looks that it is refused for `problems`, and mends it with what the report
/// says.
pub(crate) async fn spoil(fixture: &Fixture, sql: &str, problems: &[Problem]) {
    let sql = sql.replace("$me", &fixture.serving);
    fixture.database.execute(&sql).unwrap();
    let report = refused(fixture).await;
    let found: Vec<_> = report.refusals().map(Finding::problem).collect();
    assert_eq!(found, problems, "{sql}\n{report}");
    for finding in report.refusals() {
        fixture.database.execute(finding.remedy()).unwrap();
    }
    fixture.pool().await.close().await;
}

on_each_server! {
    async fn a_role_that_row_level_security_does_not_bind_is_refused(fixture: &Fixture) {
        spoil(fixture, "ALTER ROLE $me SUPERUSER", &[Problem::Superuser]).await;
        spoil(fixture, "ALTER ROLE $me BYPASSRLS", &[Problem::BypassRls]).await;
        spoil(fixture, "ALTER ROLE $me REPLICATION", &[Problem::Replication]).await;
        spoil(fixture, "ALTER ROLE $me CREATEROLE", &[Problem::CreateRole]).await;
        let group = fixture.database.role("group", "BYPASSRLS").unwrap();
        spoil(fixture, &format!("GRANT {group} TO $me"), &[Problem::BypassRls]).await;
    }

    async fn a_schema_that_is_not_there_is_not_clean(fixture: &Fixture) {
        let url = fixture.database.url(&fixture.serving);
        let builder = || {
            let auditor = Auditor::new().schema("public").schema("pubic");
            TenantPool::builder(fixture.authority()).audit(auditor).connect(&url)
        };
        let Err(Error::Unsafe(report)) = builder().await else { panic!("not refused") };
        assert_eq!(report.findings()[0].problem(), Problem::NoSchema);
        fixture.database.execute(report.findings()[0].remedy()).unwrap();
        builder().await.unwrap().close().await;
    }

    async fn the_servers_first_superuser_is_not_told_to_lock_everybody_out(fixture: &Fixture) {
        let url = fixture.database.admin_url();
        let Err(Error::Unsafe(report)) = TenantPool::connect(&url, fixture.authority()).await else {
            panic!("not refused")
        };
        let remedy = report.findings()[0].remedy();
        assert!(remedy.contains("CREATE ROLE") && !remedy.contains("ALTER ROLE"), "{remedy}");
    }

    async fn an_owner_is_refused(fixture: &Fixture) {
        let owner = fixture.database.role("owner", "").unwrap();
        let owned = format!("ALTER TABLE documents OWNER TO {owner}; GRANT {owner} TO $me");
        spoil(fixture, &owned, &[Problem::Owner]).await;
        fixture.database.execute(format!("ALTER TABLE documents OWNER TO {}", fixture.serving)).unwrap();
        let report = refused(fixture).await;
        assert_eq!(report.findings()[0].problem(), Problem::Owner);
        let remedy = report.findings()[0].remedy();
        assert!(remedy.contains("the role of the migrations: let it be"), "{remedy}");
        fixture.database.execute("ALTER TABLE documents OWNER TO postgres").unwrap();
    }

    async fn a_table_that_is_not_protected_is_refused(fixture: &Fixture) {
        use Problem::*;
        spoil(fixture, "ALTER TABLE documents DISABLE ROW LEVEL SECURITY", &[RlsDisabled]).await;
        spoil(fixture, "ALTER TABLE documents NO FORCE ROW LEVEL SECURITY", &[RlsNotForced]).await;
        spoil(fixture, "DROP POLICY tenantkit_tenant ON documents", &[NoPolicy]).await;
        spoil(fixture, "GRANT TRUNCATE ON documents TO $me", &[ExcessGrant]).await;
        spoil(fixture, "GRANT REFERENCES (id) ON documents TO PUBLIC", &[ExcessGrant]).await;
        let group = fixture.database.role("group", "").unwrap();
        let by_group = format!("GRANT {group} TO $me; GRANT TRUNCATE, TRIGGER ON documents TO {group}");
        spoil(fixture, &by_group, &[ExcessGrant]).await;
        let plain = "CREATE SCHEMA \"Odd\"; GRANT USAGE ON SCHEMA \"Odd\" TO $me;
            CREATE TABLE \"Odd\".\"T\" (tenant_id text); GRANT SELECT ON \"Odd\".\"T\" TO $me";
        spoil(fixture, plain, &[RlsDisabled, NoPolicy]).await;
        let none = "CREATE TABLE countries (id int); GRANT SELECT ON countries TO $me";
        spoil(fixture, none, &[NoTenantColumn, RlsDisabled]).await;
    }

    async fn a_role_that_maintains_a_table_is_refused_where_there_is_such_a_privilege(
        fixture: &Fixture
    ) {
        let admin = fixture.admin().await;
        let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
            .fetch_one(&admin).await.unwrap();
        if version >= 170_000 {
            // With it goes LOCK, which stops every tenant.
            spoil(fixture, "GRANT MAINTAIN ON documents TO $me", &[Problem::ExcessGrant]).await;
        }
    }

    async fn a_policy_that_was_accepted_is_refused_when_it_gets_worse(fixture: &Fixture) {
        let shared = "tenant_id = 'public' OR
            tenant_id = nullif(current_setting('app.tenant_id', true), '')";
        let policy = |using: &str| format!("ALTER POLICY tenantkit_tenant ON documents USING ({using})");
        let url = fixture.database.url(&fixture.serving);
        let connect = || {
            let auditor = Auditor::new().dangerous().accept(
                Problem::UnsafePolicy(PolicyFlaw::OtherCondition),
                "tenantkit_tenant on public.documents",
                "every tenant reads the templates",
            );
            fixture.builder(1).audit(auditor).connect(&url)
        };
        fixture.database.execute(policy(shared)).unwrap();
        connect().await.unwrap().close().await;
        fixture.database.execute(policy("true")).unwrap();
        let Err(Error::Unsafe(report)) = connect().await else { panic!("not refused") };
        let found: Vec<_> = report.refusals().map(Finding::problem).collect();
        assert_eq!(found, [Problem::UnsafePolicy(PolicyFlaw::AlwaysTrue)]);
    }

    async fn a_pool_of_tenants_looks_as_such_with_any_auditor(fixture: &Fixture) {
        let across = "ALTER POLICY tenantkit_tenant ON documents
            USING (current_setting('app.cross_tenant', true) = 'on')";
        fixture.database.execute(across).unwrap();
        let pool = fixture.builder(1).audit(Auditor::across_tenants());
        let refused = pool.connect(&fixture.database.url(&fixture.serving)).await;
        assert!(matches!(refused, Err(Error::Unsafe(_))), "{refused:?}");
    }

    async fn an_unsafe_policy_is_refused(fixture: &Fixture) {
        use PolicyFlaw::*;
        let volatile = "CREATE FUNCTION now_and_then() RETURNS boolean LANGUAGE sql AS 'SELECT true'";
        fixture.database.execute(volatile).unwrap();
        for (using, flaw) in [
            ("true", AlwaysTrue),
            ("tenant_id = current_setting('app.tenant_id', true)", EmptyTenant),
            ("tenant_id::varchar(3) = nullif(current_setting('app.tenant_id', true), '')", CastsColumn),
            ("tenant_id = nullif(current_setting('app.tenant_id', true), '') OR id = 1", OtherCondition),
            ("tenant_id = nullif(current_setting('app.tenant_id', true), '') AND now_and_then()", Volatile),
            ("tenant_id = nullif(current_setting('app.tenant_id', true), '') AND random() < 2", Volatile),
            ("current_setting('app.cross_tenant', true) = 'on'", OtherCondition),
        ] {
            let alter = format!("ALTER POLICY tenantkit_tenant ON documents USING ({using})");
            spoil(fixture, &alter, &[Problem::UnsafePolicy(flaw)]).await;
        }
        let second = "CREATE POLICY shared ON documents FOR SELECT USING (true)";
        spoil(fixture, second, &[Problem::UnsafePolicy(AlwaysTrue)]).await;
        let insert = "CREATE POLICY anybodys ON documents FOR INSERT WITH CHECK (true)";
        spoil(fixture, insert, &[Problem::UnsafePolicy(AlwaysTrue)]).await;
    }

    async fn a_view_that_sees_more_than_the_role_is_refused(fixture: &Fixture) {
        let view = "CREATE VIEW all_documents AS SELECT * FROM documents;
            GRANT SELECT ON all_documents TO $me";
        spoil(fixture, view, &[Problem::DefinerView]).await;
        let materialized = "CREATE MATERIALIZED VIEW copies AS SELECT * FROM documents;
            GRANT SELECT ON copies TO $me";
        spoil(fixture, materialized, &[Problem::MaterializedView]).await;
    }

    async fn a_view_of_an_owner_with_other_policies_is_refused(fixture: &Fixture) {
        let owner = fixture.database.role("owner", "").unwrap();
        let view = format!(
            "GRANT SELECT ON documents TO {owner};
             CREATE POLICY maintain ON documents TO {owner} USING (true);
             CREATE VIEW all_documents AS SELECT * FROM documents;
             ALTER VIEW all_documents OWNER TO {owner};
             GRANT SELECT ON all_documents TO $me"
        );
        spoil(fixture, &view, &[Problem::DefinerView]).await;
    }

    async fn a_role_that_was_set_after_the_login_is_refused(fixture: &Fixture) {
        let login = fixture.database.role("login", "BYPASSRLS").unwrap();
        fixture.database.execute(format!("GRANT {} TO {login}", fixture.serving)).unwrap();
        let options: PgConnectOptions = fixture.database.url(&login).parse().unwrap();
        let options = options.options([("role", &fixture.serving)]);
        match fixture.builder(1).connect_with(options).await {
            Err(Error::Unsafe(report)) => {
                let found: Vec<_> = report.findings().iter().map(Finding::problem).collect();
                assert_eq!(found, [Problem::LoginRole, Problem::BypassRls], "{report}");
            }
            other => panic!("not refused: {other:?}"),
        }
    }

    async fn a_session_that_is_some_tenants_from_the_start_is_refused(fixture: &Fixture) {
        let database = fixture.database.name();
        let default = [Problem::DefaultTenant];
        spoil(fixture, "ALTER ROLE $me SET app.tenant_id = 'acme'", &default).await;
        let of_all = format!("ALTER DATABASE {database} SET app.cross_tenant = 'on'");
        spoil(fixture, &of_all, &default).await;
    }

    async fn what_a_role_reaches_by_becoming_another_is_found(fixture: &Fixture) {
        let reader = fixture.database.role("reader", "").unwrap();
        let sql = format!(
            "CREATE TABLE secrets (tenant_id text); GRANT SELECT ON secrets TO {reader};
             GRANT {reader} TO $me; ALTER ROLE $me NOINHERIT"
        );
        spoil(fixture, &sql, &[Problem::RlsDisabled, Problem::NoPolicy]).await;
    }

    async fn what_comes_by_another_role_is_revoked_from_that_one(fixture: &Fixture) {
        let group = fixture.database.role("group", "").unwrap();
        fixture.database.execute(format!("GRANT {group} TO {}", fixture.serving)).unwrap();
        let database = fixture.database.name();
        for (granted, problem) in [
            (format!("CREATE ON SCHEMA public TO {group}"), Problem::Creates),
            (format!("CREATE ON DATABASE {database} TO {group}"), Problem::Creates),
            (format!("SELECT ON copies TO {group}"), Problem::MaterializedView),
        ] {
            let sql = format!(
                "CREATE MATERIALIZED VIEW IF NOT EXISTS copies AS SELECT * FROM documents;
                 GRANT {granted}");
            spoil(fixture, &sql, &[problem]).await;
        }
    }

    async fn a_role_that_starts_programs_on_the_server_is_refused(fixture: &Fixture) {
        let grant = "GRANT pg_execute_server_program TO $me";
        spoil(fixture, grant, &[Problem::ServerAccess]).await;
        let grant = "GRANT pg_signal_backend TO $me";
        spoil(fixture, grant, &[Problem::PredefinedRole]).await;
    }

    async fn a_role_that_makes_tables_is_refused(fixture: &Fixture) {
        let creates = [Problem::Creates];
        spoil(fixture, "GRANT CREATE ON SCHEMA public TO $me", &creates).await;
        spoil(fixture, "CREATE SCHEMA \"Odd\"; GRANT CREATE ON SCHEMA \"Odd\" TO PUBLIC", &creates).await;
        let database = fixture.database.name();
        spoil(fixture, &format!("GRANT CREATE ON DATABASE {database} TO $me"), &creates).await;
        let maker = fixture.database.role("maker", "").unwrap();
        let hidden = format!(
            "CREATE SCHEMA theirs AUTHORIZATION {maker}; GRANT {maker} TO $me; ALTER ROLE $me NOINHERIT");
        spoil(fixture, &hidden, &creates).await;
    }

    async fn what_a_new_database_lets_everybody_do_is_found_where_it_is_asked_for(
        fixture: &Fixture
    ) {
        let url = fixture.database.url(&fixture.serving);
        let connect = || fixture.builder(1).audit(Auditor::new().hardened()).connect(&url);
        let Err(Error::Unsafe(report)) = connect().await else { panic!("not refused") };
        let found: Vec<_> = report.findings().iter().map(Finding::problem).collect();
        assert_eq!(found, [Problem::Functions, Problem::Temporary]);
        for finding in report.findings() {
            fixture.database.execute(finding.remedy()).unwrap();
        }
        let pool = connect().await.unwrap();
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        for sql in ["SELECT lo_creat(-1)", "CREATE TEMPORARY TABLE a ()"] {
            let mut attempt = tx.savepoint().await.unwrap();
            let refused = sqlx::query(sql).execute(&mut attempt).await.unwrap_err();
            assert_eq!(Error::from(refused).sqlstate(), Some("42501"), "{sql}");
            attempt.rollback().await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn an_owner_of_the_database_is_refused(fixture: &Fixture) {
        let database = fixture.database.name();
        let owner = fixture.database.role("owner", "").unwrap();
        let owned = format!("ALTER DATABASE {database} OWNER TO {owner}; GRANT {owner} TO $me");
        spoil(fixture, &owned, &[Problem::DatabaseOwner]).await;
        let own = format!("ALTER DATABASE {database} OWNER TO {}", fixture.serving);
        fixture.database.execute(own).unwrap();
        assert_eq!(refused(fixture).await.findings()[0].problem(), Problem::DatabaseOwner);
        fixture.database.execute(format!("ALTER DATABASE {database} OWNER TO postgres")).unwrap();
    }

    async fn a_collation_that_takes_two_tenants_for_one_is_refused(fixture: &Fixture) {
        let loose = "CREATE COLLATION loose
                (provider = icu, locale = 'und-u-ka-shifted', deterministic = false);
            CREATE TABLE bare (tenant_id text COLLATE loose NOT NULL, id int);
            CREATE INDEX ON bare (tenant_id);
            INSERT INTO bare VALUES ('acme-eu', 1);
            ALTER TABLE bare ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
            CREATE POLICY bare ON bare
                USING (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
            GRANT SELECT ON bare TO $me";
        spoil(fixture, loose, &[Problem::Collation]).await;
        let gold = fixture.acme().tier();
        fixture.authority.directory().set("acmeeu".parse().unwrap(), TenantRecord::active(gold));
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.authority.context("acmeeu")).await.unwrap();
        let seen: i64 =
            sqlx::query_scalar("SELECT count(*) FROM bare").fetch_one(&mut tx).await.unwrap();
        assert_eq!(seen, 0);
    }

    async fn a_column_that_cuts_tenants_off_is_refused(fixture: &Fixture) {
        let sql = "CREATE TABLE short (tenant_id char(4), id int, PRIMARY KEY (tenant_id, id));
            SELECT tenantkit.protect('short', '$me')";
        let refused = fixture.database.execute(sql.replace("$me", &fixture.serving)).unwrap_err();
        assert!(refused.to_string().contains("neither text, varchar nor uuid"), "{refused}");

        for column in ["char(4)", "\"char\"", "bit(4)", "varchar_4"] {
            let setting = "nullif(current_setting('app.tenant_id', true), '')";
            let sql = format!(
                "DROP TABLE IF EXISTS short; DROP DOMAIN IF EXISTS varchar_4;
                 CREATE DOMAIN varchar_4 AS varchar(4);
                 CREATE TABLE short (tenant_id {column} DEFAULT {setting}::{column}, id int);
                 ALTER TABLE short ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
                 CREATE POLICY short ON short USING (tenant_id = {setting}::{column});
                 GRANT SELECT ON short TO $me");
            spoil(fixture, &sql, &[Problem::ColumnType]).await;
        }

        // By hand, where the cast of the kit was the one that cut.
        let sql = "CREATE TABLE cut (tenant_id varchar(4), id int, PRIMARY KEY (tenant_id, id));
            SELECT tenantkit.protect('cut', '$me');
            ALTER POLICY tenantkit_tenant ON cut USING (tenant_id =
                nullif(current_setting('app.tenant_id', true), '')::varchar(4))";
        let flaw = Problem::UnsafePolicy(PolicyFlaw::CastsColumn);
        spoil(fixture, sql, &[flaw]).await;
    }

    async fn a_long_tenant_is_not_taken_for_a_short_one(fixture: &Fixture) {
        let sql = format!(
            "CREATE TABLE short (tenant_id varchar(4), id int, PRIMARY KEY (tenant_id, id));
             INSERT INTO short VALUES ('acme', 1);
             SELECT tenantkit.protect('short', '{}')",
            fixture.serving
        );
        fixture.database.execute(sql).unwrap();
        let gold = fixture.acme().tier();
        fixture.authority.directory().set("acme-eu".parse().unwrap(), TenantRecord::active(gold));
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.authority.context("acme-eu")).await.unwrap();
        let seen: i64 =
            sqlx::query_scalar("SELECT count(*) FROM short").fetch_one(&mut tx).await.unwrap();
        assert_eq!(seen, 0);
    }

    async fn a_table_without_tenants_has_to_be_declared(fixture: &Fixture) {
        let sql = format!("CREATE TABLE countries (id int); GRANT SELECT ON countries TO {}", fixture.serving);
        fixture.database.execute(sql).unwrap();
        refused(fixture).await;
        let auditor = Auditor::new().without_tenants("public.countries");
        let pool = fixture.builder(1).audit(auditor);
        pool.connect(&fixture.database.url(&fixture.serving)).await.unwrap();
    }

    async fn a_cross_tenant_role_may_not_bypass_either(fixture: &Fixture) {
        let support = fixture.database.role("support", "BYPASSRLS").unwrap();
        let refused =
            CrossTenantPool::connect(&fixture.database.url(&support), fixture.authority()).await;
        assert!(matches!(refused, Err(Error::Unsafe(_))), "{refused:?}");
    }
}
