//! The story. Each line does one thing over the network, and says what was promised.

use std::time::Duration;

use acmedocs::proto::{ExportRequest, ListRequest};
use hyper::{Method, StatusCode};
use sqlx::{Connection, PgConnection, Row};
use tonic::{Code, Request, metadata::MetadataValue};

use crate::{
    Failed,
    edge::Answer,
    issuer::{self, Issuer},
    tell::Teller,
    world::World,
};

const DOCUMENTS: &str = "/v1/documents";

/// Tells everything.
///
/// # Errors
///
/// When nothing comes back at all.
pub async fn tell(world: &World, teller: &mut Teller) -> Result<(), Failed> {
    each_tenant_sees_its_own(world, teller).await?;
    refusals(world, teller).await?;
    between_the_services(world, teller).await?;
    in_the_database(world, teller).await?;
    a_cancelled_request(world, teller).await?;
    what_an_auditor_reads(world, teller)
}

async fn each_tenant_sees_its_own(world: &World, teller: &mut Teller) -> Result<(), Failed> {
    teller.chapter("Each tenant sees its own documents");
    let (acme, globex) = (bearer(world, "acme"), bearer(world, "globex"));

    let pong = get(world, "/v1/ping", &acme).await?;
    teller.line("acme asks who it is", &pong, pong.member("tenant") == "acme");

    let secret = r#"{"title":"Merger plan","body":"buy globex"}"#;
    let created = post(world, &acme, secret).await?;
    teller.line("acme writes a document", &created, created.status == StatusCode::CREATED);
    let theirs = post(world, &globex, r#"{"title":"Doomsday device"}"#).await?;
    teller.line("globex writes another", &theirs, theirs.status == StatusCode::CREATED);

    let listed = get(world, DOCUMENTS, &acme).await?;
    let only_own = listed.body.contains("Merger plan") && !listed.body.contains("Doomsday");
    teller.line("acme lists its documents, by a query without a WHERE", &listed, only_own);
    let listed = get(world, DOCUMENTS, &globex).await?;
    let only_own = listed.body.contains("Doomsday") && !listed.body.contains("Merger plan");
    teller.line("globex lists its own", &listed, only_own);

    let path = format!("{DOCUMENTS}/{}", created.member("id"));
    let stolen = get(world, &path, &globex).await?;
    let as_promised = stolen.status == StatusCode::NOT_FOUND && !stolen.body.contains("Merger");
    teller.line("globex asks for acme's document by its id", &stolen, as_promised);
    Ok(())
}

async fn refusals(world: &World, teller: &mut Teller) -> Result<(), Failed> {
    teller.chapter("Identity that does not hold is refused");
    let now = issuer::now();
    let good = bearer(world, "acme");

    let nobody = call(world, &[]).await?;
    refused(teller, "nobody asks", &nobody, StatusCode::UNAUTHORIZED, "no-tenant");

    let expired = format!("Bearer {}", world.idp.bearer("acme", "alice", now - 3600));
    let answer = call(world, &[("authorization", &expired)]).await?;
    refused(teller, "an expired token", &answer, StatusCode::UNAUTHORIZED, "unverified");

    let forger = Issuer::new("idp-1")?;
    let forged = format!("Bearer {}", forger.bearer("acme", "mallory", now));
    let answer = call(world, &[("authorization", &forged)]).await?;
    refused(teller, "a forged signature", &answer, StatusCode::UNAUTHORIZED, "unverified");

    let answer = call(world, &[("x-tenant-id", "acme")]).await?;
    refused(teller, "x-tenant-id from outside", &answer, StatusCode::UNAUTHORIZED, "unverified");

    let answer = call(world, &[("authorization", &good), ("x-tenant-id", "acme")]).await?;
    let done = "a good token, and x-tenant-id beside it: refused, not stripped";
    refused(teller, done, &answer, StatusCode::UNAUTHORIZED, "unverified");

    let other = bearer(world, "globex");
    let answer = call(world, &[("authorization", &good), ("authorization", &other)]).await?;
    refused(teller, "two tokens", &answer, StatusCode::UNAUTHORIZED, "unverified");

    let host = [("authorization", good.as_str()), ("host", "globex.acmedocs.example")];
    let answer = call(world, &host).await?;
    let done = "acme's token at globex's host: two identities that disagree";
    refused(teller, done, &answer, StatusCode::FORBIDDEN, "mismatch");

    let answer = get(world, DOCUMENTS, &bearer(world, "initech")).await?;
    refused(teller, "a suspended tenant", &answer, StatusCode::FORBIDDEN, "suspended");

    let answer = get(world, DOCUMENTS, &bearer(world, "hooli")).await?;
    refused(teller, "an unknown tenant", &answer, StatusCode::FORBIDDEN, "not-allowed");
    Ok(())
}

async fn between_the_services(world: &World, teller: &mut Teller) -> Result<(), Failed> {
    teller.chapter("The documents service believes nobody either");
    let mut documents = world.documents().await?;

    let status = documents.list(ListRequest::default()).await.err();
    grpc_refused(teller, "a gRPC call without a token", status, Code::Unauthenticated);

    let mut request = Request::new(ListRequest::default());
    let outside = MetadataValue::try_from(bearer(world, "acme"))?;
    request.metadata_mut().insert("authorization", outside);
    let status = documents.list(request).await.err();
    let done = "a gRPC call with a token of the outside world";
    grpc_refused(teller, done, status, Code::Unauthenticated);

    let status = documents.list(signed(&Issuer::new("edge-1")?, "acme")?).await.err();
    grpc_refused(teller, "a gRPC call with a forged token", status, Code::Unauthenticated);

    let request = signed(&world.services, "acme")?.map(|_| ExportRequest {});
    let mut stream = documents.export(request).await?.into_inner();
    let mut titles = Vec::new();
    while let Some(document) = stream.message().await? {
        titles.push(document.title);
    }
    let as_promised = titles == ["Merger plan"];
    teller.line("acme's export, as a stream", titles.join(", "), as_promised);
    Ok(())
}

async fn in_the_database(world: &World, teller: &mut Teller) -> Result<(), Failed> {
    teller.chapter("Postgres holds the line by itself, for the role that acmedocs serves with");
    let mut serving = PgConnection::connect(&world.database.url(&world.serving_role)).await?;

    let count = count(&mut serving).await?;
    teller.line("SELECT count(*) FROM documents, for no tenant", count, count == 0);

    let mut tx = serving.begin().await?;
    sqlx::query("SET LOCAL app.tenant_id = 'acme'").execute(&mut *tx).await?;
    let for_acme = self::count(&mut tx).await?;
    teller.line("the same in a transaction of acme's", for_acme, for_acme == 1);

    let sql = "INSERT INTO documents (tenant_id, title, body) VALUES ('globex', 'planted', '')";
    let error = sqlx::query(sql).execute(&mut *tx).await.err();
    let code = error.as_ref().and_then(|error| error.as_database_error()?.code());
    let as_promised = code.as_deref() == Some("42501");
    let came_back = error.map_or_else(|| "inserted".to_owned(), |error| error.to_string());
    teller.line("acme's transaction inserts a document for globex", came_back, as_promised);
    tx.rollback().await?;
    Ok(())
}

async fn a_cancelled_request(world: &World, teller: &mut Teller) -> Result<(), Failed> {
    teller.chapter("A cancelled request leaves nothing behind");
    let acme = bearer(world, "acme");
    // Slow enough that callers hang up in the middle of the transaction, each a little later.
    world.link.set_delay(Duration::from_millis(10));
    let mut cancelled = 0;
    for at in 0..30 {
        let call = post(world, &acme, r#"{"title":"cancelled"}"#);
        let patience = Duration::from_millis(5 + 5 * at);
        cancelled += usize::from(tokio::time::timeout(patience, call).await.is_err());
    }
    world.link.set_delay(Duration::ZERO);
    let left = "30 callers hang up at 30 moments of a slow transaction";
    teller.line(left, format!("{cancelled} were cut off"), cancelled > 0);

    let mut admin = PgConnection::connect(&world.database.admin_url()).await?;
    let mut open = i64::MAX;
    for _ in 0..100 {
        open = sqlx::query(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state <> 'idle'",
        )
        .bind(&world.serving_role)
        .fetch_one(&mut admin)
        .await?
        .get(0);
        if open == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    teller.line("transactions of theirs that are still open", open, open == 0);

    let listed = get(world, DOCUMENTS, &bearer(world, "globex")).await?;
    let only_own = listed.body.contains("Doomsday") && !listed.body.contains("cancelled");
    teller.line("globex, on the connections they used, lists its own", &listed, only_own);
    Ok(())
}

fn what_an_auditor_reads(world: &World, teller: &mut Teller) -> Result<(), Failed> {
    teller.chapter("What an auditor reads");
    let audited = world.audited()?;
    let mismatch = audited.lines().find(|line| line.contains("sources-disagree"));
    teller.line("the disagreement, as it was audited", mismatch.unwrap_or("-"), mismatch.is_some());
    let leaks = audited.contains("eyJ") || audited.contains("Merger plan");
    let found = if leaks { "some" } else { "none" };
    teller.line("tokens or documents in the audit log", found, !leaks);
    Ok(())
}

async fn get(world: &World, path: &str, bearer: &str) -> Result<Answer, Failed> {
    world.edge.call(Method::GET, path, &[("authorization", bearer)], None).await
}

async fn post(world: &World, bearer: &str, body: &str) -> Result<Answer, Failed> {
    world.edge.call(Method::POST, DOCUMENTS, &[("authorization", bearer)], Some(body)).await
}

async fn call(world: &World, headers: &[(&str, &str)]) -> Result<Answer, Failed> {
    world.edge.call(Method::GET, DOCUMENTS, headers, None).await
}

fn bearer(world: &World, tenant: &str) -> String {
    format!("Bearer {}", world.idp.bearer(tenant, "alice", issuer::now()))
}

fn signed(key: &Issuer, tenant: &str) -> Result<Request<ListRequest>, Failed> {
    let mut request = Request::new(ListRequest::default());
    let token = key.txn_token(tenant, "alice", issuer::now());
    request.metadata_mut().insert("txn-token", MetadataValue::try_from(token)?);
    Ok(request)
}

fn refused(teller: &mut Teller, done: &str, answer: &Answer, status: StatusCode, code: &str) {
    let named = answer.member("type") == format!("urn:tenantkit:{code}");
    let stored = answer.headers.get("cache-control").is_none_or(|value| value != "no-store");
    teller.line(done, answer, answer.status == status && named && !stored);
}

fn grpc_refused(teller: &mut Teller, done: &str, status: Option<tonic::Status>, code: Code) {
    let came_back =
        status.as_ref().map(|status| format!("{:?} {}", status.code(), status.message()));
    let as_promised = status.is_some_and(|status| status.code() == code);
    teller.line(done, came_back.as_deref().unwrap_or("answered"), as_promised);
}

async fn count(conn: &mut PgConnection) -> Result<i64, Failed> {
    Ok(sqlx::query("SELECT count(*) FROM documents").fetch_one(conn).await?.get(0))
}
