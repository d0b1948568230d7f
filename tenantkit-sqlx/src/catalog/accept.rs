//! [`DangerousAuditor`]: what an operator goes on with, one object at a time.

use tenantkit_core::{AuditAction, AuditEvent, Authority, Door, Text};

use super::{Auditor, Finding, Problem, Report};
use crate::Error;

/// What was accepted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    problem: Problem,
    object: String,
    reason: String,
}

/// What makes an auditor see less, behind a name that says so. It comes from
/// [`Auditor::dangerous`].
#[derive(Debug)]
#[must_use = "it does nothing until `accept`"]
pub struct DangerousAuditor(Auditor);

impl DangerousAuditor {
    pub(super) const fn new(auditor: Auditor) -> Self {
        Self(auditor)
    }

    /// Goes on with this problem of this object, as a report [names](Finding::object) it. The reason is
    /// for whoever reads the report, in which the finding stays.
    ///
    /// ```
    /// use tenantkit_sqlx::catalog::{Auditor, Problem};
    ///
    /// let auditor = Auditor::new().dangerous().accept(
    ///     Problem::UniqueAcrossTenants,
    ///     "hosts_name_key on public.hosts",
    ///     "a host name is one tenant's in the whole world, and public",
    /// );
    /// ```
    ///
    /// What it costs: one tenant may learn of another what the problem says. Another problem of the same
    /// object is found as before, and so is one that [cannot be accepted](Problem::can_be_accepted):
    /// then, and where there is no such finding any more, the report says so. Each pool that goes on with it
    /// tells the audit log, with the reason where that is at most [`Text::MAX_LEN`] bytes with the object.
    pub fn accept(
        self,
        problem: Problem,
        object: impl Into<String>,
        reason: impl Into<String>,
    ) -> Auditor {
        let mut auditor = self.0;
        let accepted = Accepted { problem, object: object.into(), reason: reason.into() };
        auditor.accepted.push(accepted);
        auditor
    }
}

/// Marks what is accepted, and finds what is accepted and not there.
pub(super) fn apply(accepted: &[Accepted], findings: &mut Vec<Finding>) {
    for Accepted { problem, object, reason } in accepted {
        let found = findings
            .iter_mut()
            .find(|it| it.problem() == *problem && it.object() == object)
            .filter(|_| problem.can_be_accepted());
        match found {
            Some(finding) => finding.accept(reason.clone()),
            None => {
                let remedy = format!("-- take `accept(Problem::{problem:?}, ...)` away");
                findings.push(Finding::new(object.clone(), Problem::AcceptsNothing, remedy));
            }
        }
    }
}

/// Tells the audit log, durably, what a pool goes on with.
pub(crate) async fn tell(report: &Report, authority: &Authority) -> Result<(), Error> {
    for finding in report.findings() {
        let Some(reason) = finding.accepted() else { continue };
        let mut event = AuditEvent::new(authority.now(), AuditAction::Dangerous("accept-finding"));
        let what = format!("{:?} of {}", finding.problem(), finding.object());
        event.why = Text::new(&format!("{what}: {reason}")).or_else(|_| Text::new(&what)).ok();
        authority.commit(event, Door::Transaction).await?;
    }
    Ok(())
}
