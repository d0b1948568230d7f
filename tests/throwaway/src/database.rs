//! A database of its own for one test.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

use crate::{Error, Proxy, blocking::block_on, port};

/// A new, empty database. Dropping it drops the database and the roles made through it.
#[derive(Debug)]
pub struct Database {
    /// The superuser's, on the database `postgres`.
    server: Url,
    /// The superuser's, on this database.
    admin: Url,
    name: String,
    roles: Mutex<Vec<String>>,
}

impl Database {
    pub(crate) fn create(server: &Url) -> Result<Self, Error> {
        let name = format!("throwaway_{:012x}", port::random() >> 16);
        run(server, format!("CREATE DATABASE {name}"))?;
        let mut admin = server.clone();
        admin.set_path(&name);
        Ok(Self { server: server.clone(), admin, name, roles: Mutex::default() })
    }

    /// Makes a role that can log in, and gives its name, which is `name` and a random end: roles
    /// belong to the whole server, and several tests share one.
    ///
    /// `options` are those of `CREATE ROLE`, as in `NOBYPASSRLS CONNECTION LIMIT 3`.
    ///
    /// # Errors
    ///
    /// When Postgres refuses: [`Error::Sql`].
    pub fn role(&self, name: &str, options: &str) -> Result<String, Error> {
        let role = format!("{name}_{}", self.name.trim_start_matches("throwaway_"));
        // The password is for a server that the environment names and that asks for one.
        let create = format!("CREATE ROLE {role} LOGIN PASSWORD '{role}' {options}");
        run(&self.server, create)?;
        self.roles.lock().unwrap_or_else(PoisonError::into_inner).push(role.clone());
        Ok(role)
    }

    /// Runs statements, several in one string too, as the superuser.
    ///
    /// # Errors
    ///
    /// When Postgres refuses: [`Error::Sql`].
    pub fn execute(&self, sql: impl Into<String>) -> Result<(), Error> {
        run(&self.admin, sql.into())
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the superuser connects.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.admin.to_string()
    }

    /// Where a [role](Self::role) connects.
    #[must_use]
    pub fn url(&self, role: &str) -> String {
        self.url_of(role).to_string()
    }

    /// Where a [role](Self::role) connects over `link`, which leads to this server.
    #[must_use]
    pub fn url_through(&self, link: &Proxy, role: &str) -> String {
        self.url_at(link.address(), role)
    }

    /// Where a [role](Self::role) connects by way of `address`, which leads to this server.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr, role: &str) -> String {
        let mut url = self.url_of(role);
        url.set_ip_host(address.ip())
            .and_then(|()| url.set_port(Some(address.port())))
            .expect("a Postgres URL has a host");
        url.to_string()
    }

    fn url_of(&self, role: &str) -> Url {
        let mut url = self.admin.clone();
        url.set_username(role)
            .and_then(|()| url.set_password(Some(role)))
            .expect("a Postgres URL has a host");
        url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A test that has stopped the server, or fails because it is gone, has nothing to drop.
        let _ = run(&self.server, format!("DROP DATABASE {} WITH (FORCE)", self.name));
        for role in self.roles.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let _ = run(&self.server, format!("DROP ROLE {role}"));
        }
    }
}

/// Several statements cannot run as one where one of them is `CREATE DATABASE`, so each call sends
/// what it is given and no more.
fn run(url: &Url, sql: String) -> Result<(), Error> {
    block_on(async {
        let mut connection = PgConnection::connect(url.as_str()).await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    })
}
