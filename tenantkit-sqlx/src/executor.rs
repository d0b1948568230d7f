//! `sqlx::Executor` for everything that has a [`Session`](crate::session::Session).

/// A macro, because sqlx asks for the trait on `&mut T` and so leaves no room for a generic one.
macro_rules! executor {
    ($type:ty $(, $life:lifetime)?) => {
        impl<'c, $($life: 'c)?> sqlx::Executor<'c> for &'c mut $type {
            type Database = sqlx::Postgres;

            fn fetch_many<'e, 'q, E>(
                self,
                query: E,
            ) -> futures_core::stream::BoxStream<
                'e,
                Result<
                    either::Either<sqlx::postgres::PgQueryResult, sqlx::postgres::PgRow>,
                    sqlx::Error,
                >,
            >
            where
                'c: 'e,
                'q: 'e,
                E: 'q + sqlx::Execute<'q, sqlx::Postgres>,
            {
                self.session_mut().fetch_many(query)
            }

            fn fetch_optional<'e, 'q, E>(
                self,
                query: E,
            ) -> futures_core::future::BoxFuture<
                'e,
                Result<Option<sqlx::postgres::PgRow>, sqlx::Error>,
            >
            where
                'c: 'e,
                'q: 'e,
                E: 'q + sqlx::Execute<'q, sqlx::Postgres>,
            {
                Box::pin(self.session_mut().fetch_optional(query))
            }

            fn prepare_with<'e>(
                self,
                sql: sqlx::SqlStr,
                parameters: &'e [sqlx::postgres::PgTypeInfo],
            ) -> futures_core::future::BoxFuture<
                'e,
                Result<sqlx::postgres::PgStatement, sqlx::Error>,
            >
            where
                'c: 'e,
            {
                Box::pin(self.session_mut().prepare(sql, parameters))
            }

            fn describe<'e>(
                self,
                sql: sqlx::SqlStr,
            ) -> futures_core::future::BoxFuture<
                'e,
                Result<sqlx::Describe<sqlx::Postgres>, sqlx::Error>,
            >
            where
                'c: 'e,
            {
                Box::pin(self.session_mut().describe(sql))
            }
        }
    };
}

pub(crate) use executor;
