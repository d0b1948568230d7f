//! [`Label`]: a closed set of values, declared in the program. The only thing that a metric can be told apart
//! by.
//!
//! ```
//! use tenantkit_otel::labels;
//!
//! labels! {
//!     /// How a request ended.
//!     pub enum Outcome: "acmedocs.outcome" {
//!         /// As it should.
//!         Served = "served",
//!         /// By a refusal.
//!         Refused = "refused",
//!     }
//!
//!     /// Which route it took.
//!     pub enum Route: "http.route" {
//!         /// All documents.
//!         Documents = "/v1/documents",
//!         /// One document.
//!         Document = "/v1/documents/{id}",
//!     }
//! }
//!
//! // What a framework says is looked up, and never taken over. What is not in the set is `None`, which is a
//! // label too: `_other`, and counted.
//! assert_eq!(Route::of("/v1/documents/{id}"), Some(Route::Document));
//! assert_eq!(Route::of("/v1/documents/4711"), None);
//! ```

mod labels;

use opentelemetry::StringValue;
use tenantkit_core::{Door, RefusalCode, Tier, TierSet};

pub use labels::Labels;

use crate::names::{REFUSAL_CODE, REFUSAL_DOOR, TENANT_TIER};

/// What a value is called that is not in the set.
pub const OTHER: &str = "_other";

/// A closed set of values that a metric may be told apart by: what [`labels!`](crate::labels) declares, a
/// [`Tier`], a [`RefusalCode`], a [`Door`], and an `Option` of one, whose `None` is [`OTHER`].
///
/// A tenant's id, a path, a text is not one, and nothing makes it one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no closed set of labels, so a metric cannot be told apart by it",
    label = "every value that it ever has would be a series of its own, in every metrics store, for ever",
    note = "declare the values with `tenantkit_otel::labels! {{ .. }}`, and look a text up in them with `of`",
    note = "a tenant's id belongs in spans and logs, where it is by itself; `TopTenants` tells who is heavy"
)]
pub trait Label: Copy + Send + Sync + 'static {
    /// The name of the label.
    const KEY: &'static str;

    /// Every value that the program declared.
    #[doc(hidden)]
    fn declared(tiers: TierSet) -> Vec<&'static str>;

    /// How many series it makes of one: the values that were declared, and [`OTHER`] where there is one.
    #[doc(hidden)]
    fn count(tiers: TierSet) -> usize;

    /// Its place among the values, or `None` for [`OTHER`].
    #[doc(hidden)]
    fn place(self, tiers: TierSet) -> Option<usize>;
}

/// A tier of another set than the meter's is [`OTHER`].
impl Label for Tier {
    const KEY: &'static str = TENANT_TIER;

    fn declared(tiers: TierSet) -> Vec<&'static str> {
        tiers.iter().map(Self::as_str).collect()
    }

    fn count(tiers: TierSet) -> usize {
        tiers.iter().len() + 1
    }

    #[inline]
    fn place(self, tiers: TierSet) -> Option<usize> {
        tiers.contains(self).then(|| self.rank())
    }
}

impl<L: Label> Label for Option<L> {
    const KEY: &'static str = L::KEY;

    fn declared(tiers: TierSet) -> Vec<&'static str> {
        L::declared(tiers)
    }

    fn count(tiers: TierSet) -> usize {
        L::declared(tiers).len() + 1
    }

    #[inline]
    fn place(self, tiers: TierSet) -> Option<usize> {
        self.and_then(|label| label.place(tiers))
    }
}

macro_rules! of_core {
    ($($type:ident: $key:ident),+) => {$(
        impl Label for $type {
            const KEY: &'static str = $key;

            fn declared(_: TierSet) -> Vec<&'static str> {
                Self::ALL.iter().map(|it| it.as_str()).collect()
            }

            fn count(_: TierSet) -> usize {
                Self::ALL.len()
            }

            fn place(self, _: TierSet) -> Option<usize> {
                Self::ALL.iter().position(|it| *it == self)
            }
        }
    )+};
}

of_core! { RefusalCode: REFUSAL_CODE, Door: REFUSAL_DOOR }

/// One label of an instrument, with all its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    pub(crate) key: &'static str,
    pub(crate) values: Vec<&'static str>,
}

impl Dimension {
    pub(crate) fn of<L: Label>(tiers: TierSet) -> Self {
        let mut values = L::declared(tiers);
        if L::count(tiers) > values.len() {
            values.push(OTHER);
        }
        Self { key: L::KEY, values }
    }

    pub(crate) fn value(&self, at: usize) -> StringValue {
        StringValue::from(self.values.get(at).copied().unwrap_or(OTHER))
    }
}

/// Declares closed sets of labels: see the example of [`label`](crate::label).
///
/// Each becomes an enum that is a [`Label`](crate::label::Label), with `of`, which looks a text up.
#[macro_export]
macro_rules! labels {
    ($($(#[$of:meta])* $vis:vis enum $name:ident: $key:literal {
        $($(#[$doc:meta])* $variant:ident = $value:literal),+ $(,)?
    })+) => {$(
        $(#[$of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $vis enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every one of them.
            #[allow(dead_code, reason = "not everybody asks")]
            $vis const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The one that is called so.
            #[must_use]
            #[allow(dead_code, reason = "not everybody looks one up")]
            $vis fn of(text: &str) -> ::core::option::Option<Self> {
                match text {
                    $($value => ::core::option::Option::Some(Self::$variant),)+
                    _ => ::core::option::Option::None,
                }
            }
        }

        impl $crate::label::Label for $name {
            const KEY: &'static str = $key;

            fn declared(_: $crate::TierSet) -> ::std::vec::Vec<&'static str> {
                ::std::vec![$($value,)+]
            }

            fn count(_: $crate::TierSet) -> usize {
                Self::ALL.len()
            }

            #[inline]
            fn place(self, _: $crate::TierSet) -> ::core::option::Option<usize> {
                ::core::option::Option::Some(self as usize)
            }
        }
    )+};
}
