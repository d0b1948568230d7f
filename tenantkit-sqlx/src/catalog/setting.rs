//! What the session is bound to before any transaction is.
//!
//! A transaction sets its own binding over it. Whatever is run outside of one, by a procedure that commits
//! or by hand, would be done as a tenant that nobody named.

use sqlx::PgConnection;

use super::{Finding, Problem};
use crate::bind;

const SETTINGS: &str = "
    SELECT quote_ident(current_user), quote_ident(current_database()), name
    FROM unnest($1::text[]) name
    WHERE COALESCE(current_setting(name, true), '') <> ''";

pub(super) async fn check(conn: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let made: Vec<(String, String, String)> = sqlx::query_as(SETTINGS)
        .bind([bind::TENANT, bind::CROSS_TENANT])
        .persistent(false)
        .fetch_all(conn)
        .await?;
    let found = made.into_iter().map(|(role, database, setting)| {
        let remedy = format!(
            "ALTER ROLE {role} RESET {setting};\n\
             ALTER ROLE {role} IN DATABASE {database} RESET {setting};\n\
             ALTER ROLE ALL RESET {setting};\n\
             ALTER DATABASE {database} RESET {setting};\n\
             -- or take it out of the options of the connection, or of the server"
        );
        Finding::new(setting, Problem::DefaultTenant, remedy)
    });
    Ok(found.collect())
}
