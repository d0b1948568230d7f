//! What the catalog says of a role and of what it can reach: whether row-level security binds it, and
//! what one tenant learns of another all the same.
//!
//! [`TenantPool::connect`](crate::TenantPool::connect) runs this as the serving role. It refuses what
//! leaks, and [reports](crate::TenantPool::report) what would be better otherwise. The same can be run in
//! CI, after the migrations:
//!
//! ```no_run
//! # async fn example(pool: &sqlx::PgPool) -> Result<(), tenantkit_sqlx::Error> {
//! use tenantkit_sqlx::catalog::Auditor;
//!
//! let report = Auditor::new().without_tenants("public.countries").run(pool).await?;
//! for finding in report.findings() {
//!     println!("{:?} {finding}\n    {}", finding.severity(), finding.remedy());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! It looks at every table, view and function that the role can reach, in any schema, except what
//! belongs to an extension, and at the role that logged in, whatever role was set since. Large objects
//! and temporary tables it lets everybody make, as a new database does; [`Auditor::hardened`] does not.
//!
#![doc = include_str!("catalog/checks.md")]

mod accept;
mod database;
mod finding;
mod foreign_key;
mod function;
mod hardening;
mod index;
mod policy;
mod problem;
mod publication;
mod reach;
mod role;
mod schema;
mod sequence;
mod server;
mod setting;
mod table;
mod unique;
mod view;

use sqlx::{PgConnection, PgPool};

pub use accept::DangerousAuditor;
pub(crate) use accept::tell;
pub use finding::{Finding, Report};
pub use problem::{PolicyFlaw, Problem, Severity};

use crate::Error;

/// Looks whether row-level security binds a role.
#[derive(Debug, Clone)]
#[must_use = "an auditor finds nothing until `run`"]
pub struct Auditor {
    /// Empty for all.
    schemas: Vec<String>,
    column: String,
    without_tenants: Vec<String>,
    across: bool,
    hardened: bool,
    accepted: Vec<accept::Accepted>,
}

/// What each check is given.
struct Scope<'a> {
    auditor: &'a Auditor,
    role: String,
}

impl Auditor {
    /// An auditor for the role that serves tenants.
    #[expect(clippy::new_without_default, reason = "it says what it is for")]
    pub fn new() -> Self {
        Self {
            schemas: Vec::new(),
            column: "tenant_id".to_owned(),
            without_tenants: Vec::new(),
            across: false,
            hardened: false,
            accepted: Vec::new(),
        }
    }

    /// An auditor for a role that works over many tenants: policies may show it their rows, in
    /// transactions that say so.
    pub fn across_tenants() -> Self {
        Self { across: true, ..Self::new() }
    }

    /// Looks only at this schema, and at others that are given in the same way.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schemas.push(schema.into());
        self
    }

    /// The column of the tenant, `tenant_id` otherwise.
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = column.into();
        self
    }

    /// This table or view, as in `public.countries`, has no tenants' rows: everybody may see it all.
    pub fn without_tenants(mut self, table: impl Into<String>) -> Self {
        self.without_tenants.push(table.into());
        self
    }

    /// Finds, too, what every new database lets everybody do: call what
    /// [`HARDENING`](crate::rls::HARDENING) takes away, and make temporary tables and functions.
    pub const fn hardened(mut self) -> Self {
        self.hardened = true;
        self
    }

    /// What goes on where this auditor refuses.
    pub const fn dangerous(self) -> DangerousAuditor {
        DangerousAuditor::new(self)
    }

    /// For the role of a pool of tenants, whatever it was made for.
    pub(crate) fn of_one_tenant(self) -> Self {
        Self { across: false, ..self }
    }

    /// For the role of a pool over many tenants, whatever it was made for.
    pub(crate) fn of_many_tenants(self) -> Self {
        Self { across: true, ..self }
    }

    /// Looks, as the role of this pool.
    ///
    /// # Errors
    ///
    /// When Postgres cannot be asked. What is found is no error.
    pub async fn run(&self, pool: &PgPool) -> Result<Report, Error> {
        // A transaction, so that it can be behind PgBouncer.
        let mut transaction = pool.begin().await?;
        let report = self.run_on(&mut transaction).await;
        transaction.rollback().await?;
        Ok(report?)
    }

    async fn run_on(&self, conn: &mut PgConnection) -> Result<Report, sqlx::Error> {
        // Names then come with their schema, however the role's search path is.
        sqlx::raw_sql("SET LOCAL search_path = pg_catalog").execute(&mut *conn).await?;
        let set = role::current(conn).await?;
        // Whatever was set since the login can be set back by whoever gets to send a statement.
        let login = "RESET SESSION AUTHORIZATION; SET ROLE NONE";
        sqlx::raw_sql(login).execute(&mut *conn).await?;
        let role = role::current(conn).await?;
        let scope = Scope { auditor: self, role };
        let mut findings = role::check(&scope, conn).await?;
        findings.extend(setting::check(conn).await?);
        if set != scope.role {
            let remedy = format!("-- log in as {set}, and set no role after the login");
            findings.insert(0, Finding::new(scope.role.clone(), Problem::LoginRole, remedy));
        }
        // It is the owner of everything and has every privilege, which would drown the finding.
        if findings.iter().any(|it| it.problem() == Problem::Superuser) {
            return Ok(Report::new(scope.role, findings));
        }
        findings.extend(server::check(conn));
        findings.extend(schema::check(&scope, conn).await?);
        findings.extend(database::check(&scope, conn).await?);
        if self.hardened {
            findings.extend(hardening::check(&scope, conn).await?);
        }
        let tables = table::find(&scope, conn).await?;
        findings.extend(tables.iter().flat_map(|table| table::check(&scope, table)));
        findings.extend(policy::check(&scope, &tables, conn).await?);
        findings.extend(view::check(&scope, conn).await?);
        findings.extend(function::check(&scope, conn).await?);
        // What one tenant learns of another is known already to who works over all of them.
        if !self.across {
            // Foreign keys first: a key on which one hangs cannot be replaced.
            findings.extend(foreign_key::check(&scope, conn).await?);
            findings.extend(unique::check(&scope, conn).await?);
            findings.extend(sequence::check(&scope, conn).await?);
        }
        findings.extend(index::check(&scope, &tables, conn).await?);
        findings.extend(publication::check(&tables, conn).await?);
        accept::apply(&self.accepted, &mut findings);
        Ok(Report::new(scope.role, findings))
    }
}
