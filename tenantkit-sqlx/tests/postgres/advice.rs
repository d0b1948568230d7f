//! What `connect` goes on with, and says: it costs speed, or tells little.

use tenantkit_sqlx::catalog::{Finding, Problem};

use super::fixture::{Fixture, on_each_server};

/// Spoils a database, looks that it serves and is advised of `problems`, and mends it with what the
/// report says.
async fn advised(fixture: &Fixture, sql: &str, problems: &[Problem]) {
    let sql = sql.replace("$me", &fixture.serving);
    fixture.database.execute(&sql).unwrap();
    let pool = fixture.pool().await;
    let found: Vec<_> = pool.report().advice().map(Finding::problem).collect();
    assert_eq!(found, problems, "{sql}\n{}", pool.report());
    for finding in pool.report().advice() {
        fixture.database.execute(finding.remedy()).unwrap();
    }
    pool.close().await;
    let pool = fixture.pool().await;
    assert!(pool.report().is_clean(), "{sql}\n{}", pool.report());
    pool.close().await;
}

on_each_server! {
    async fn what_the_kit_makes_has_no_finding(fixture: &Fixture) {
        let pool = fixture.pool().await;
        assert!(pool.report().findings().is_empty(), "{}", pool.report());
        assert_eq!(
            pool.report().to_string(),
            format!("row-level security binds the role {}", fixture.serving)
        );
    }

    async fn the_tables_of_the_reference_service_have_no_finding(fixture: &Fixture) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/acmedocs/migrations");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        // The first is the kit, which is there.
        let migrations: String =
            files[1..].iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let sql = format!(
            "DROP TABLE documents; SET acmedocs.serving_role = '{}'; {migrations}",
            fixture.serving
        );
        fixture.database.execute(sql).unwrap();
        let pool = fixture.pool().await;
        assert!(pool.report().findings().is_empty(), "{}", pool.report());
    }

    async fn an_id_that_is_unique_over_all_tenants_is_told(fixture: &Fixture) {
        for id in ["uuid DEFAULT gen_random_uuid()", "bigint GENERATED ALWAYS AS IDENTITY"] {
            let table = format!(
                "DROP TABLE IF EXISTS notes;
                 CREATE TABLE notes (tenant_id text NOT NULL, id {id} PRIMARY KEY);
                 CREATE INDEX ON notes (tenant_id); SELECT tenantkit.protect('notes', '$me');");
            advised(fixture, &table, &[Problem::IdAcrossTenants]).await;
        }
    }

    async fn a_sequence_that_tells_how_much_others_write_is_told(fixture: &Fixture) {
        advised(fixture, "CREATE SEQUENCE invoices; GRANT USAGE ON SEQUENCE invoices TO $me",
            &[Problem::Sequence]).await;
        advised(fixture, "GRANT SELECT ON SEQUENCE invoices TO PUBLIC", &[Problem::Sequence]).await;
        let serial = "CREATE TABLE \"Notes\" (tenant_id text NOT NULL, \"Id\" bigserial,
                PRIMARY KEY (tenant_id, \"Id\"));
            INSERT INTO \"Notes\" VALUES ('acme'), ('globex'), ('acme');
            SELECT tenantkit.protect('\"Notes\"', '$me')";
        advised(fixture, serial, &[Problem::Sequence]).await;
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let insert = "INSERT INTO \"Notes\" DEFAULT VALUES RETURNING \"Id\"";
        let id: i64 = sqlx::query_scalar(insert).fetch_one(&mut tx).await.unwrap();
        assert_eq!(id, 4);
    }

    async fn an_index_that_leads_with_the_tenant_is_missed(fixture: &Fixture) {
        let missing = "ALTER TABLE documents DROP CONSTRAINT documents_pkey, ADD PRIMARY KEY (id, tenant_id)";
        advised(fixture, missing, &[Problem::NoTenantIndex]).await;
        let partial = "DROP INDEX documents_tenant_id_idx;
            CREATE INDEX ON documents (tenant_id) WHERE id > 5";
        advised(fixture, partial, &[Problem::NoTenantIndex]).await;
    }

    async fn an_index_that_row_level_security_cannot_use_is_told(fixture: &Fixture) {
        let table = "CREATE TYPE state AS ENUM ('open', 'done');
            ALTER TABLE documents ADD COLUMN price numeric, ADD COLUMN state state,
                ADD COLUMN tags jsonb, ADD COLUMN made timestamptz";
        fixture.database.execute(table).unwrap();
        for index in [
            "(lower(title))", "(tenant_id, lower(title))", "(tenant_id, price)", "(tenant_id, state)",
            "USING gin (tags)", "USING hash (price)",
        ] {
            let index = format!("CREATE INDEX ON documents {index}");
            advised(fixture, &index, &[Problem::NotLeakproof]).await;
        }
        let of_use = "CREATE INDEX ON documents (tenant_id, title, id, made)";
        advised(fixture, of_use, &[]).await;
    }

    async fn policies_that_show_nothing_that_was_inserted_are_told(fixture: &Fixture) {
        let insert = "DROP POLICY tenantkit_tenant ON documents;
            CREATE POLICY only_in ON documents FOR INSERT
                WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), ''))";
        fixture.database.execute(insert).unwrap();
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let sql = "INSERT INTO documents (id, title) VALUES (9, 'plan') RETURNING id";
        let failed = sqlx::query(sql).fetch_one(&mut tx).await.unwrap_err();
        assert!(failed.to_string().contains("row-level security"), "{failed}");
        tx.rollback().await.unwrap();
        pool.close().await;

        advised(fixture, "SELECT 1", &[Problem::NoSelectPolicy]).await;
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        sqlx::query(sql).fetch_one(&mut tx).await.unwrap();
        drop(tx);
        pool.close().await;

        // Where nothing can be read, nothing is missed.
        fixture.database.execute(format!(
            "DROP POLICY tenantkit_select ON documents; REVOKE SELECT ON documents FROM {}",
            fixture.serving
        )).unwrap();
        assert!(fixture.pool().await.report().is_clean());
    }

    async fn a_publication_that_stops_every_update_is_told(fixture: &Fixture) {
        let identity = "ALTER TABLE documents ADD COLUMN number bigint NOT NULL DEFAULT 0;
            CREATE UNIQUE INDEX numbers ON documents (tenant_id, number);
            DELETE FROM documents WHERE tenant_id = 'globex';
            ALTER TABLE documents REPLICA IDENTITY USING INDEX numbers;
            CREATE PUBLICATION feed FOR TABLE documents WHERE (id > 5)";
        advised(fixture, identity, &[Problem::Publication]).await;
        let inserts = "ALTER TABLE documents REPLICA IDENTITY NOTHING;
            ALTER PUBLICATION feed SET (publish = 'insert')";
        advised(fixture, inserts, &[]).await;
        let nothing = "ALTER PUBLICATION feed SET (publish = 'insert, delete')";
        advised(fixture, nothing, &[Problem::Publication]).await;
        // The kit's primary key has the columns of this filter.
        let fine = "ALTER TABLE documents REPLICA IDENTITY DEFAULT";
        advised(fixture, fine, &[]).await;
    }
}
