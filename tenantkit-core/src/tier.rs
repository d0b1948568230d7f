//! [`Tier`] and [`TierSet`]: what tenants buy, as a closed set that the application declares.
//!
//! ```
//! use tenantkit_core::TierSet;
//!
//! const TIERS: TierSet = TierSet::new(&["bronze", "silver", "gold", "platinum"]);
//!
//! let gold = TIERS.get("gold").unwrap();
//! assert!(gold > TIERS.get("silver").unwrap());
//! assert_eq!(TIERS.get("free"), None);
//! ```
//!
//! A bad set does not compile:
//!
//! ```compile_fail
//! # use tenantkit_core::TierSet;
//! const TIERS: TierSet = TierSet::new(&["gold", "gold"]);
//! ```

use std::fmt;

/// A closed, ordered set of at most 16 tiers, lowest first. Closed, so that a tier can be the label
/// of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierSet {
    names: &'static [&'static str],
}

impl TierSet {
    /// The largest number of tiers.
    pub const MAX: usize = 16;

    /// Bronze, silver, gold, platinum.
    pub const METALS: Self = Self::new(&["bronze", "silver", "gold", "platinum"]);

    /// Declares the tiers, the lowest first. Use it in a `const`, and a bad set does not compile.
    ///
    /// # Panics
    ///
    /// When there are none or more than [`TierSet::MAX`], when two are the same, or when a name is
    /// not `^[a-z][a-z0-9_]{0,23}$`.
    #[must_use]
    pub const fn new(names: &'static [&'static str]) -> Self {
        assert!(!names.is_empty(), "a tier set has at least one tier");
        assert!(names.len() <= Self::MAX, "a tier set has at most 16 tiers");
        let mut at = 0;
        while at < names.len() {
            assert!(
                is_name(names[at].as_bytes()),
                "a tier is named in a-z, 0-9 and _, at most 24 of them, a letter first"
            );
            let mut before = 0;
            while before < at {
                assert!(
                    !same(names[before].as_bytes(), names[at].as_bytes()),
                    "a tier set has each tier once"
                );
                before += 1;
            }
            at += 1;
        }
        Self { names }
    }

    /// The tier of that name, if the set has it.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Tier> {
        self.iter().find(|tier| tier.name == name)
    }

    /// The tiers, the lowest first.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Tier> {
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX")]
        self.names.iter().enumerate().map(|(rank, name)| Tier { rank: rank as u8, name })
    }

    /// Whether `tier` comes from a set that has it at the same place.
    #[must_use]
    pub fn contains(self, tier: Tier) -> bool {
        self.names.get(usize::from(tier.rank)) == Some(&tier.name)
    }
}

/// What a tenant bought. It comes only from a [`TierSet`], and is the same in every set that has its
/// name at the same place. Between sets that differ neither `==` nor `<` says anything: who takes a tier
/// asks [`TierSet::contains`] first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tier {
    /// First, so that the derived order is that of the set.
    rank: u8,
    name: &'static str,
}

impl Tier {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.name
    }

    /// Its place in the set, the lowest tier at 0.
    #[must_use]
    pub const fn rank(self) -> usize {
        self.rank as usize
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl fmt::Debug for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.name, f)
    }
}

const fn is_name(name: &[u8]) -> bool {
    if name.is_empty() || name.len() > 24 {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        match name[at] {
            b'a'..=b'z' => {}
            b'0'..=b'9' | b'_' if at > 0 => {}
            _ => return false,
        }
        at += 1;
    }
    true
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}
