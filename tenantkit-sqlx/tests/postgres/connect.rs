//! What is wrong with where a pool was told to connect.

use std::{error::Error as _, io, net::TcpListener, time::Duration};

use sqlx::postgres::PgPoolOptions;
use tenantkit_core::{Grant, Subject, TierSet, test_util::TestAuthority};
use tenantkit_sqlx::{CrossTenantPool, Error, TenantPool, catalog::Auditor};

use super::fixture::{Fixture, on_each_server};

fn hasty(options: PgPoolOptions) -> PgPoolOptions {
    options.max_connections(1).acquire_timeout(Duration::from_millis(200))
}

/// Everything that an error says, however it is asked.
fn said(error: &Error) -> String {
    let mut said = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        said += &format!(" {error} {error:?}");
        source = error.source();
    }
    said
}

/// A role of its own for work over many tenants.
fn support(fixture: &Fixture) -> (String, String) {
    let role = fixture.database.role("support", "").unwrap();
    let grant = format!("GRANT SELECT ON documents TO {role}");
    fixture.database.execute(grant).unwrap();
    (fixture.database.url(&role), role)
}

fn open(fixture: &Fixture, role: &str) {
    let open = format!("SELECT tenantkit.open_across('documents', '{role}')");
    fixture.database.execute(open).unwrap();
}

on_each_server! {
    async fn what_is_wrong_with_the_url_is_told_and_its_password_is_not(fixture: &Fixture) {
        const SECRET: &str = "s3cr3t";
        let good = fixture.database.url(&fixture.serving);
        let login = format!("{}:{SECRET}@", fixture.serving);
        let at = good.find('@').unwrap();
        let with_password = format!("postgres://{login}{}", &good[at + 1..]);
        let told = async |url: &str| {
            let builder = TenantPool::builder(fixture.authority()).options(hasty);
            let refused = builder.connect(url).await.unwrap_err();
            let work = CrossTenantPool::builder(fixture.authority()).options(hasty);
            let across = work.connect(url).await.unwrap_err();
            for error in [&refused, &across] {
                assert!(!said(error).contains(SECRET), "{}", said(error));
            }
            assert_eq!(std::mem::discriminant(&refused), std::mem::discriminant(&across));
            refused
        };

        for url in [
            format!("mysql://{login}localhost/acmedocs"),
            format!("postgres://{login}localhost:port/acmedocs"),
            format!("postgres://{login}localhost/acmedocs?sslmode=maybe"),
            format!("{login}localhost/acmedocs"),
            String::new(),
        ] {
            let error = told(&url).await;
            assert!(matches!(error, Error::Url(_)), "{url}: {error:?}");
        }

        let nobody = with_password.replace(&fixture.serving, "nobody");
        let error = told(&nobody).await;
        assert!(matches!(error, Error::LoginRefused(_)), "{error:?}");
        assert_eq!((error.sqlstate(), error.refusal()), (Some("28000"), None));

        let nowhere = with_password.replace(fixture.database.name(), "none");
        let error = told(&nowhere).await;
        assert!(matches!(error, Error::NoDatabase(_)), "{error:?}");
        assert_eq!((error.sqlstate(), error.refusal()), (Some("3D000"), None));

        // Nobody listens there any more.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = told(&format!("postgres://{login}127.0.0.1:{port}/acmedocs")).await;
        let Error::Unavailable(sqlx::Error::Io(why)) = &error else { panic!("{error:?}") };
        assert_eq!(why.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.refusal().is_some());
    }

    async fn a_timeout_for_a_tier_that_nobody_has_is_refused(fixture: &Fixture) {
        const OTHERS: TierSet = TierSet::new(&["free", "paid"]);
        let paid = OTHERS.get("paid").unwrap();
        let url = fixture.database.url(&fixture.serving);
        let builder = fixture.builder(1).statement_timeout_of(paid, Duration::from_secs(1));
        let refused = builder.connect(&url).await.unwrap_err();
        assert!(matches!(refused, Error::ForeignTier(tier) if tier == paid), "{refused:?}");
        assert!(refused.to_string().contains("paid"));
    }

    async fn a_pool_to_which_no_table_is_open_is_refused(fixture: &Fixture) {
        let (url, role) = support(fixture);
        let refused = CrossTenantPool::connect(&url, fixture.authority()).await.unwrap_err();
        assert!(matches!(&refused, Error::NothingOpen { role: of } if *of == role), "{refused:?}");
        assert!(refused.to_string().contains("tenantkit.open_across("));
        open(fixture, &role);
        CrossTenantPool::connect(&url, fixture.authority()).await.unwrap();
        let some = format!(
            "REVOKE SELECT ON documents FROM {role}; GRANT SELECT (id) ON documents TO {role}");
        fixture.database.execute(some).unwrap();
        CrossTenantPool::connect(&url, fixture.authority()).await.unwrap();
        // A policy that shows rows which the role may not select shows nothing.
        let revoke = format!("REVOKE SELECT (id) ON documents FROM {role}");
        fixture.database.execute(revoke).unwrap();
        let refused = CrossTenantPool::connect(&url, fixture.authority()).await.unwrap_err();
        assert!(matches!(refused, Error::NothingOpen { .. }), "{refused:?}");
    }

    async fn a_pool_for_work_over_many_tenants_has_options_and_an_auditor(fixture: &Fixture) {
        let (url, role) = support(fixture);
        open(fixture, &role);
        let builder = || CrossTenantPool::builder(fixture.authority()).options(hasty);
        let refused = builder().audit(Auditor::across_tenants().schema("none")).connect(&url).await.unwrap_err();
        assert!(matches!(refused, Error::Unsafe(_)), "{refused:?}");

        let pool = builder()
            .statement_timeout(Duration::from_secs(7))
            .idle_timeout(Duration::from_secs(8))
            .transaction_timeout(Duration::from_secs(9))
            .connect(&url)
            .await
            .unwrap();
        let actor = Subject::new("test".parse().unwrap(), "operator".parse().unwrap());
        let grant = Grant::new(actor, "ticket 7".parse().unwrap(), Duration::from_secs(60));
        let work = fixture.authority().cross_tenant(TestAuthority::CROSS, grant).await.unwrap();
        let mut tx = pool.begin(&work).await.unwrap();
        let (statement, idle, transaction): (String, String, Option<String>) = sqlx::query_as(
            "SELECT current_setting('statement_timeout'),
                current_setting('idle_in_transaction_session_timeout'),
                current_setting('transaction_timeout', true)")
            .fetch_one(&mut tx)
            .await
            .unwrap();
        assert_eq!((&*statement, &*idle), ("7s", "8s"));
        // Only from 17 on.
        assert!(transaction.is_none_or(|it| it == "9s"));
        // One connection, as was said, and no patience.
        let busy = pool.begin(&work).await.unwrap_err();
        assert!(matches!(busy, Error::Unavailable(_)), "{busy:?}");
        tx.commit().await.unwrap();
    }
}
