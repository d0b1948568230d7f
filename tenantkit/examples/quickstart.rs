//! A list of documents, of which each tenant sees its own.
use std::{error::Error as StdError, path::Path};

use axum::{Json, Router, extract::State, routing::get};
use tenantkit::{audit::JsonLinesSink, prelude::*};

const TIERS: TierSet = TierSet::new(&["bronze", "gold"]); // a bad set does not compile

/// The service, in front of its database.
pub async fn app(db: &str, jwks: &str, audit: &Path) -> Result<Router, Box<dyn StdError>> {
    let gold = TenantRecord::active(TIERS.get("gold").ok_or("no such tier")?);
    let authority = Authority::builder(TIERS)
        .bearer(
            Jwks::parse(jwks)?, // your identity provider's public keys
            BearerPolicy::new("https://id.example", "acmedocs")
                .tenant_claim("tenant")
                .asserts_any_tenant(),
        )
        .directory(MemoryDirectory::new([("acme".parse()?, gold)]))
        .audit(JsonLinesSink::open(audit)?)
        .build()?;
    let pool = TenantPool::connect(db, &authority).await?; // refuses what RLS does not bind

    Ok(Router::new()
        .route("/v1/documents", get(list))
        .layer(TenantLayer::new(&authority).admit(Source::Bearer))
        .with_state(pool))
}

async fn list(
    tenant: TenantContext,
    State(pool): State<TenantPool>,
) -> Result<Json<Vec<String>>, Error> {
    let mut tx = pool.begin(&tenant).await?;
    let titles = sqlx::query_scalar("SELECT title FROM documents").fetch_all(&mut tx).await?;
    tx.commit().await?;
    Ok(Json(titles))
}
