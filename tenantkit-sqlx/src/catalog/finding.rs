//! [`Finding`] and [`Report`]: what was found, and the SQL that mends it.

use std::fmt;

use super::{Problem, Severity};
use crate::Error;

/// One way in which row-level security does not bind the role, or not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    object: String,
    problem: Problem,
    remedy: String,
    accepted: Option<String>,
}

impl Finding {
    pub(super) const fn new(object: String, problem: Problem, remedy: String) -> Self {
        Self { object, problem, remedy, accepted: None }
    }

    pub(super) fn accept(&mut self, reason: String) {
        self.accepted = Some(reason);
    }

    /// The role, table, policy, key or whatever it is, as SQL names it.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn problem(&self) -> Problem {
        self.problem
    }

    /// What follows from it: nothing but an advice where it was accepted.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self.accepted {
            Some(_) => Severity::Advises,
            None => self.problem.severity(),
        }
    }

    /// The SQL that mends it, for a superuser or the owner.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// Why it was [accepted](super::DangerousAuditor::accept), if it was.
    #[must_use]
    pub fn accepted(&self) -> Option<&str> {
        self.accepted.as_deref()
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

    /// All that was found, also what was accepted.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Why `connect` refuses.
    pub fn refusals(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|it| it.severity() == Severity::Refuses)
    }

    /// What would be better otherwise, and that nobody accepted.
    pub fn advice(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|it| it.severity() == Severity::Advises && it.accepted.is_none())
    }

    /// Whether nothing was found, but for what was accepted.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|it| it.accepted.is_some())
    }

    /// An error, if anything was found that [refuses](Severity::Refuses); else the advice.
    ///
    /// # Errors
    ///
    /// [`Error::Unsafe`] with this report.
    pub fn into_result(self) -> Result<Self, Error> {
        if self.refusals().count() == 0 { Ok(self) } else { Err(Error::Unsafe(Box::new(self))) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (refusals, advice) = (self.refusals().count(), self.advice().count());
        if refusals > 0 {
            write!(f, "row-level security does not bind the role {}:", self.role)?;
            self.refusals().try_for_each(|finding| describe(f, finding))?;
            // All of it would drown why it is refused.
            return if advice == 0 { Ok(()) } else { write!(f, "\n(and {advice} that advise)") };
        }
        write!(f, "row-level security binds the role {}", self.role)?;
        if advice > 0 {
            f.write_str(", and this would be better otherwise:")?;
        }
        self.advice().try_for_each(|finding| describe(f, finding))
    }
}

fn describe(f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
    write!(f, "\n- {finding}\n    {}", finding.remedy.replace('\n', "\n    "))
}
