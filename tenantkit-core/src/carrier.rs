//! [`Carrier`]: anything that context travels in.

/// HTTP headers, gRPC metadata, Kafka headers, a job row: one way to read and write identity in all
/// of them.
///
/// It shows every entry, in order, and not a map: two entries of one name are a refusal, which a
/// look-up would hide. A value may be absent (a Kafka header can be null).
pub trait Carrier {
    /// Shows every entry: name and value. Where a protocol ignores the case of names, they are shown
    /// in lower case.
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], Option<&'a [u8]>));

    /// Replaces every entry of that name by one.
    ///
    /// # Errors
    ///
    /// When the carrier cannot hold the name or the value. It is unchanged then.
    fn put(&mut self, name: &'static str, value: &str) -> Result<(), CannotCarry>;

    /// Removes every entry of that name.
    fn strip(&mut self, name: &str);
}

/// A carrier cannot hold a name or a value. It does not say which value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the carrier cannot hold it")]
#[non_exhaustive]
pub struct CannotCarry;

impl CannotCarry {
    /// For carriers outside this crate.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a failure is never a default")]
    pub const fn new() -> Self {
        Self
    }
}

#[cfg(feature = "http")]
impl Carrier for http::HeaderMap {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], Option<&'a [u8]>)) {
        for (name, value) in self {
            visit(name.as_str().as_bytes(), Some(value.as_bytes()));
        }
    }

    fn put(&mut self, name: &'static str, value: &str) -> Result<(), CannotCarry> {
        let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| CannotCarry)?;
        let mut value = http::HeaderValue::from_str(value).map_err(|_| CannotCarry)?;
        value.set_sensitive(true);
        self.insert(name, value);
        Ok(())
    }

    fn strip(&mut self, name: &str) {
        self.remove(name);
    }
}
