//! [`Problem`]: what is looked for, and how much it matters.

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
    /// What is run outside of a transaction would be done as that tenant, or as all.
    #[error("the session has a tenant before any transaction does")]
    DefaultTenant,
    /// A role that reads files or starts programs on the server is above row-level security.
    #[error("the role can, or can come to, read files or start programs on the server")]
    ServerAccess,
    /// The other roles of the server's own see or disturb what others do.
    #[error("the role is, or can come to be, a member of a predefined role")]
    PredefinedRole,
    /// In these versions a statement changes rows that the policies hide.
    #[error("this server does not hold every statement to the policies")]
    PoliciesUnfixed,
    /// In these versions somebody who runs SQL of their own gets past the policies.
    #[error("this server lacks a fix of row-level security, or is not maintained any more")]
    ServerUnfixed,
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
    /// A nondeterministic collation can take two tenants for one, as `acme-eu` and `acmeeu`.
    #[error("the collation of the tenant's column takes different texts for equal")]
    Collation,
    /// Nobody sees anything, and the next policy decides what it will be.
    #[error("no policy shows the role its tenant's rows")]
    NoPolicy,
    /// `INSERT ... RETURNING` fails, `UPDATE` and `DELETE` find nothing.
    #[error("there are policies, but none for SELECT: INSERT ... RETURNING fails")]
    NoSelectPolicy,
    /// A policy lets more through than the tenant's rows.
    #[error("{0}")]
    UnsafePolicy(PolicyFlaw),
    /// These privileges pass row-level security by.
    #[error("TRUNCATE, REFERENCES, TRIGGER or MAINTAIN is granted, which no policy restrains")]
    ExcessGrant,
    /// A view that shows what its owner sees.
    #[error("the view runs as its owner, whom other policies bind or none")]
    DefinerView,
    /// A materialized view has everybody's rows, and no policies.
    #[error("this is a materialized view, which no policy protects")]
    MaterializedView,
    /// Such a function is a way around every policy.
    #[error("the function runs as its owner, who sees more than a tenant")]
    DefinerFunction,
    /// It sees what a tenant sees, today.
    #[error("the function runs as its owner, who is bound as a tenant is")]
    OwnersFunction,
    /// It is another tenant while it runs.
    #[error("the function sets whose transaction it is")]
    RebindingFunction,
    /// A key that a caller chooses: a duplicate tells one tenant what another has.
    #[error("a key is unique over all tenants: a duplicate tells one what another has")]
    UniqueAcrossTenants,
    /// The same for a number of a sequence or a UUID, which a caller has to guess.
    #[error("an id is unique over all tenants: whoever may choose one learns whether it exists")]
    IdAcrossTenants,
    /// A foreign key is checked past the policies: whether it holds tells what another tenant has.
    #[error("a foreign key does not compare the tenants: rows can hang on another tenant's")]
    ForeignKeyAcrossTenants,
    /// The action of a foreign key is done past the policies, on every tenant's rows.
    #[error("a foreign key changes or deletes rows of other tenants")]
    CascadeAcrossTenants,
    /// Where a sequence stands tells one tenant how much the others write.
    #[error("the role can use or read a sequence, which counts for all tenants")]
    Sequence,
    /// Every query reads all tenants' rows.
    #[error("no index leads with the tenant: each query reads every tenant's rows")]
    NoTenantIndex,
    /// Postgres asks the policy first where an operator could tell of a row that it hides.
    #[error("the index has a column that row-level security cannot use: not leakproof")]
    NotLeakproof,
    /// `UPDATE` and `DELETE` fail, for every tenant.
    #[error("a publication filters by a column that is not in the replica identity")]
    Publication,
    /// What was accepted is gone, or cannot be accepted.
    #[error("what is accepted here was not found, or cannot be accepted")]
    AcceptsNothing,
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

/// What follows from a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// One tenant can see, change or learn of what is another's: `connect` refuses.
    Refuses,
    /// It costs speed, or tells little, or only somebody who runs SQL of their own: `connect` goes on.
    Advises,
}

impl Problem {
    /// What follows from it, where nobody accepted it.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::Superuser
            | Self::BypassRls
            | Self::Replication
            | Self::CreateRole
            | Self::LoginRole
            | Self::DefaultTenant
            | Self::ServerAccess
            | Self::PredefinedRole
            | Self::PoliciesUnfixed
            | Self::NoSchema
            | Self::DatabaseOwner
            | Self::Creates
            | Self::Functions
            | Self::Temporary
            | Self::Owner
            | Self::RlsDisabled
            | Self::RlsNotForced
            | Self::ForeignTable
            | Self::NoTenantColumn
            | Self::ColumnType
            | Self::Collation
            | Self::NoPolicy
            | Self::UnsafePolicy(_)
            | Self::ExcessGrant
            | Self::DefinerView
            | Self::MaterializedView
            | Self::DefinerFunction
            | Self::RebindingFunction
            | Self::UniqueAcrossTenants
            | Self::ForeignKeyAcrossTenants
            | Self::CascadeAcrossTenants => Severity::Refuses,
            Self::ServerUnfixed
            | Self::NoSelectPolicy
            | Self::OwnersFunction
            | Self::IdAcrossTenants
            | Self::Sequence
            | Self::NoTenantIndex
            | Self::NotLeakproof
            | Self::Publication
            | Self::AcceptsNothing => Severity::Advises,
        }
    }

    /// Whether an operator may go on with it, one object at a time
    /// ([`accept`](super::DangerousAuditor::accept)): what can be harmless where somebody has read it,
    /// and every advice. What switches the policies off as a whole cannot.
    #[must_use]
    pub const fn can_be_accepted(self) -> bool {
        match self {
            Self::PredefinedRole
            | Self::PoliciesUnfixed
            | Self::DefinerFunction
            | Self::UniqueAcrossTenants
            | Self::ForeignKeyAcrossTenants
            | Self::CascadeAcrossTenants
            | Self::UnsafePolicy(
                PolicyFlaw::CastsColumn | PolicyFlaw::Volatile | PolicyFlaw::OtherCondition,
            ) => true,
            Self::AcceptsNothing => false,
            _ => matches!(self.severity(), Severity::Advises),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Problem; 44] = [
        Problem::Superuser,
        Problem::BypassRls,
        Problem::Replication,
        Problem::CreateRole,
        Problem::LoginRole,
        Problem::DefaultTenant,
        Problem::ServerAccess,
        Problem::PredefinedRole,
        Problem::PoliciesUnfixed,
        Problem::ServerUnfixed,
        Problem::NoSchema,
        Problem::DatabaseOwner,
        Problem::Creates,
        Problem::Functions,
        Problem::Temporary,
        Problem::Owner,
        Problem::RlsDisabled,
        Problem::RlsNotForced,
        Problem::ForeignTable,
        Problem::NoTenantColumn,
        Problem::ColumnType,
        Problem::Collation,
        Problem::NoPolicy,
        Problem::NoSelectPolicy,
        Problem::UnsafePolicy(PolicyFlaw::AlwaysTrue),
        Problem::UnsafePolicy(PolicyFlaw::EmptyTenant),
        Problem::UnsafePolicy(PolicyFlaw::CastsColumn),
        Problem::UnsafePolicy(PolicyFlaw::Volatile),
        Problem::UnsafePolicy(PolicyFlaw::OtherCondition),
        Problem::ExcessGrant,
        Problem::DefinerView,
        Problem::MaterializedView,
        Problem::DefinerFunction,
        Problem::OwnersFunction,
        Problem::RebindingFunction,
        Problem::UniqueAcrossTenants,
        Problem::IdAcrossTenants,
        Problem::ForeignKeyAcrossTenants,
        Problem::CascadeAcrossTenants,
        Problem::Sequence,
        Problem::NoTenantIndex,
        Problem::NotLeakproof,
        Problem::Publication,
        Problem::AcceptsNothing,
    ];

    /// The variants of both enums, as they stand above.
    fn declared() -> usize {
        let source = include_str!("problem.rs");
        let body = |name: &str| {
            let (_, rest) = source.split_once(&format!("pub enum {name} {{\n")).unwrap();
            rest.split_once("\n}").unwrap().0
        };
        let variants = |body: &str| {
            body.lines().filter(|line| line.trim_start().starts_with(char::is_uppercase)).count()
        };
        // A policy's flaws stand in the place of the one variant that has them.
        variants(body("Problem")) - 1 + variants(body("PolicyFlaw"))
    }

    #[test]
    fn the_table_of_the_docs_has_every_check_as_it_is() {
        assert_eq!(declared(), ALL.len());
        let rows: String = ALL
            .into_iter()
            .map(|problem| {
                let severity = match problem.severity() {
                    Severity::Refuses => "refuses",
                    Severity::Advises => "advises",
                };
                let accepted = if problem.can_be_accepted() { "yes" } else { "no" };
                format!("| `{problem:?}` | {problem} | {severity} | {accepted} |\n")
            })
            .collect();
        let table = include_str!("checks.md");
        assert!(table.contains(&rows), "src/catalog/checks.md should have these rows:\n{rows}");
        assert_eq!(table.lines().filter(|line| line.starts_with("| `")).count(), ALL.len());
    }
}
