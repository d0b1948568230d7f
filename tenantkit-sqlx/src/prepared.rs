//! [`Prepared`]: a statement that goes by the extended protocol, which takes one at a time.

use sqlx::{
    Execute, Postgres, SqlStr,
    error::BoxDynError,
    postgres::{PgArguments, PgStatement},
};

use crate::statement;

/// A statement that was examined. It always has arguments, if only none: sqlx sends what has not as
/// a simple query, in which several statements may stand.
pub(crate) struct Prepared {
    sql: SqlStr,
    statement: Option<PgStatement>,
    arguments: PgArguments,
    persistent: bool,
}

impl Prepared {
    pub(crate) fn of<'q, E>(mut query: E, unnamed: bool) -> Result<Self, sqlx::Error>
    where
        E: Execute<'q, Postgres>,
    {
        let statement = query.statement().cloned();
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        let persistent = query.persistent() && !unnamed;
        let sql = query.sql();
        statement::examine(sql.as_str())?;
        Ok(Self { sql, statement, arguments: arguments.unwrap_or_default(), persistent })
    }

    pub(crate) fn text(&self) -> &str {
        self.sql.as_str()
    }
}

impl Execute<'_, Postgres> for Prepared {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        Ok(Some(std::mem::take(&mut self.arguments)))
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}
