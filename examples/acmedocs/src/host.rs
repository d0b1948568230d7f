//! The host names the tenant as well: `acme.acmedocs.example`. It proves nothing, so it only
//! corroborates: where it names a tenant, that must be the proven one.

use tenantkit::{Claim, IdentitySource, Presented, Reason, Source, UnixTime};

/// What the hosts of tenants end with.
const SUFFIX: &str = ".acmedocs.example";

/// The host as a source that corroborates.
#[derive(Debug)]
pub struct Host;

impl Host {
    /// Its name.
    pub const SOURCE: Source = Source::Custom("host");
}

impl IdentitySource for Host {
    fn source(&self) -> Source {
        Self::SOURCE
    }

    fn claim(&self, presented: &Presented<'_>, _: UnixTime) -> Result<Option<Claim>, Reason> {
        // A host is the same in capitals, with a port, and with the dot of the root behind it.
        let host = presented.host().unwrap_or_default().to_ascii_lowercase();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &host,
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let Some(label) = name.strip_suffix(SUFFIX) else {
            return Ok(None);
        };
        let tenant = label.parse().map_err(|_| Reason::MalformedHeader)?;
        Ok(Some(Claim::Corroborates(tenant)))
    }
}
