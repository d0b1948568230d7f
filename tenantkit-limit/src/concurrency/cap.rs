//! [`Cap`]: how much a tenant may have under way in a named [`Resource`].

/// A named resource, by its number: one bulkhead for each tenant. What it is called is said where
/// the limits are declared; here it is a place in a small table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Resource(u8);

impl Resource {
    /// How many resources there can be.
    pub const MAX: usize = 8;

    /// The resource for whoever has only one.
    pub const FIRST: Self = Self(0);

    /// The resource of this number.
    ///
    /// # Panics
    ///
    /// When `number` is not below [`Resource::MAX`]; in a `const` that is an error of compilation.
    #[must_use]
    pub const fn new(number: usize) -> Self {
        assert!(number < Self::MAX, "there are at most 8 resources");
        #[expect(clippy::cast_possible_truncation, reason = "below MAX")]
        Self(number as u8)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0 as usize
    }

    pub(super) const fn bit(self) -> u8 {
        1 << self.0
    }
}

/// How many permits of one resource a tenant may hold at a time. It is given with every call, so
/// that it can follow the tenant's tier and change while running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    resource: Resource,
    permits: u32,
}

impl Cap {
    /// At most `permits` of `resource` for the tenant. With zero, all is refused.
    #[must_use]
    pub const fn new(resource: Resource, permits: u32) -> Self {
        Self { resource, permits }
    }

    /// At most `permits`, where there is only one resource.
    #[must_use]
    pub const fn of(permits: u32) -> Self {
        Self::new(Resource::FIRST, permits)
    }

    /// The resource.
    #[must_use]
    pub const fn resource(self) -> Resource {
        self.resource
    }

    /// How many permits.
    #[must_use]
    pub const fn permits(self) -> u32 {
        self.permits
    }
}
