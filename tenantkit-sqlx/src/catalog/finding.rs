//! [`Finding`] and [`Report`]: what was found, and the SQL that mends it.

use std::fmt;

use crate::Error;

/// One way in which row-level security does not bind the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    object: String,
    problem: Problem,
    remedy: String,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Row-level security does not apply to a superuser.
    #[error("the role is, or can become, a superuser")]
    Superuser,
    /// Nor to a role that bypasses it.
    #[error("the role bypasses, or can come to bypass, row-level security")]
    BypassRls,
    /// A replication connection reads everything.
    #[error("the role may, or can come to, replicate")]
    Replication,
    /// A role that makes roles makes itself a member of others.
    #[error("the role may, or can come to, make roles")]
    CreateRole,
    /// Who logs in can become who logged in, whatever role was set since.
    #[error("the role was set after the login, and whoever sets it back is this one")]
    LoginRole,
    /// A role that reads files or starts programs on the server is above row-level security.
    #[error("the role can, or can come to, read files or start programs on the server")]
    ServerAccess,
    /// The other roles of the server's own see or disturb what others do.
    #[error("the role is, or can come to be, a member of a predefined role")]
    PredefinedRole,
    /// Nothing is looked at in a schema that is not there, or that the role cannot use.
    #[error("there is no such schema, or the role cannot use it")]
    NoSchema,
    /// Whoever owns the database can drop what is in it.
    #[error("the role owns the database, or is a member of its owner")]
    DatabaseOwner,
    /// A table that a tenant's transaction makes has no policies, and every tenant reads it.
    #[error("the role may, or can come to, make tables")]
    Creates,
    /// `set_config` changes the binding within a query, and large objects have no policies.
    #[error("the role can call set_config or functions of large objects")]
    Functions,
    /// A function in `pg_temp` is a way to run several statements as one.
    #[error("the role can make temporary tables and functions")]
    Temporary,
    /// Whoever owns a table can switch its policies off.
    #[error("the role owns this table, or is a member of its owner")]
    Owner,
    /// Everybody sees all rows.
    #[error("row-level security is not enabled")]
    RlsDisabled,
    /// The owner sees all rows, and so does what runs as the owner.
    #[error("row-level security is not forced on the owner")]
    RlsNotForced,
    /// Row-level security does not exist for this kind of table.
    #[error("this is a foreign table, which no policy protects")]
    ForeignTable,
    /// There is no column of the tenant.
    #[error("there is no column of the tenant")]
    NoTenantColumn,
    /// Another type than `text`, `varchar` and `uuid` can take two tenants for one.
    #[error("the column of the tenant is neither text, varchar nor uuid")]
    ColumnType,
    /// Nobody sees anything, and the next policy decides what it will be.
    #[error("no policy shows the role its tenant's rows")]
    NoPolicy,
    /// A policy lets more through than the tenant's rows.
    #[error("{0}")]
    UnsafePolicy(PolicyFlaw),
    /// These privileges pass row-level security by.
    #[error("TRUNCATE, REFERENCES or TRIGGER is granted, which no policy restrains")]
    ExcessGrant,
    /// A view that shows what its owner sees.
    #[error("the view runs as its owner, whom other policies bind or none")]
    DefinerView,
    /// A materialized view has everybody's rows, and no policies.
    #[error("this is a materialized view, which no policy protects")]
    MaterializedView,
}

/// What is wrong with a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFlaw {
    /// It lets every row through.
    #[error("the policy is always true")]
    AlwaysTrue,
    /// Where the setting was once made in a session, it is empty later on, and not null.
    #[error("the policy compares with an empty tenant where there is none: it lacks nullif")]
    EmptyTenant,
    /// No index can be used.
    #[error("the policy casts the column of the tenant, and so no index can be used")]
    CastsColumn,
    /// It is evaluated for each row, before anything else.
    #[error("the policy calls a volatile function for each row")]
    Volatile,
    /// It decides by something else.
    #[error("the policy does not compare the column of the tenant with the transaction's")]
    OtherCondition,
}

impl Finding {
    pub(super) const fn new(object: String, problem: Problem, remedy: String) -> Self {
        Self { object, problem, remedy }
    }

    /// The role, table, policy or view, as SQL names it.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn problem(&self) -> Problem {
        self.problem
    }

    /// The SQL that mends it, for a superuser or the owner.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.problem)
    }
}

/// What an auditor found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    role: String,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) const fn new(role: String, findings: Vec<Finding>) -> Self {
        Self { role, findings }
    }

    /// The role that was looked at, as SQL names it.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// What was found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether nothing was found.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// An error, if anything was found.
    ///
    /// # Errors
    ///
    /// [`Error::Unsafe`] with this report.
    pub fn into_result(self) -> Result<(), Error> {
        if self.is_clean() { Ok(()) } else { Err(Error::Unsafe(Box::new(self))) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return write!(f, "row-level security binds the role {}", self.role);
        }
        write!(f, "row-level security does not bind the role {}:", self.role)?;
        for finding in &self.findings {
            write!(f, "\n- {finding}\n    {}", finding.remedy.replace('\n', "\n    "))?;
        }
        Ok(())
    }
}
