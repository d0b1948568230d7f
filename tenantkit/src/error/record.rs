//! What became of a record, as [`Error`].

use super::Error;

impl From<tenantkit_kafka::Error> for Error {
    fn from(error: tenantkit_kafka::Error) -> Self {
        match error {
            tenantkit_kafka::Error::Refused(refusal) => Self::Refused(refusal),
            error => Self::Record(error),
        }
    }
}

impl Error {
    /// What the handler of a consumed record ends with for it. A door that says "later", a database that is gone
    /// for one, puts the record off and costs it no attempt; one that says no makes a dead letter; what is no
    /// refusal is tried again within the tenant's budget.
    ///
    /// A handler works in a function that ends with [`Error`], and maps it here: by `?` alone the record would not
    /// see which door said no.
    #[must_use]
    pub fn into_failure(self) -> tenantkit_kafka::Failure {
        match self.refusal() {
            Some(refusal) => refusal.into(),
            None => self.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tenantkit_core::{Door, Reason, Refusal};

    use super::*;

    #[test]
    fn a_record_sees_through_the_error_which_door_said_no() {
        let failure = |reason| Error::from(Refusal::new(reason, Door::Consume)).into_failure();
        assert!(failure(Reason::UnknownTenant).is_permanent());
        assert!(!failure(Reason::DependencyUnavailable).is_permanent());
    }
}
