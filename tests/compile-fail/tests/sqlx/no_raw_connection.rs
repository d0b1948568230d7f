use sqlx::{Connection, PgConnection};
use tenantkit_sqlx::{TenantConn, TenantTx};

fn out_of_a_transaction(tx: &mut TenantTx) -> &mut PgConnection {
    &mut **tx
}

fn out_of_a_connection(conn: &mut TenantConn) -> &mut PgConnection {
    conn
}

async fn a_transaction_of_sqlx(conn: &mut TenantConn) {
    Connection::begin(conn).await.unwrap();
}

fn main() {}
