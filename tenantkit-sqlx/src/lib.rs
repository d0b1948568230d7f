//! Transactions that belong to a tenant, on Postgres and sqlx.
