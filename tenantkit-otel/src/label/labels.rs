//! [`Labels`]: the labels of one instrument.

use tenantkit_core::TierSet;

use super::{Dimension, Label};

/// The labels of one instrument: one [`Label`], or none to five of them in a tuple.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no set of labels, so a metric cannot be told apart by it",
    note = "it takes one label or a tuple of labels, each a closed set: `tenantkit_otel::labels! {{ .. }}`"
)]
pub trait Labels: Copy + Send + Sync + 'static {
    /// Each with its values.
    #[doc(hidden)]
    fn dimensions(tiers: TierSet) -> Vec<Dimension>;

    /// Which series these values are, and how many of them are not in their set.
    #[doc(hidden)]
    fn place(self, tiers: TierSet) -> Place;
}

/// Which of its series a measurement goes to.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    pub(crate) series: usize,
    pub(crate) others: u32,
}

impl Place {
    #[inline]
    fn and<L: Label>(self, label: L, tiers: TierSet) -> Self {
        let count = L::count(tiers);
        let (place, other) = match label.place(tiers) {
            Some(place) if place < count => (place, 0),
            // The last, where it is that of `OTHER`.
            _ => (count.saturating_sub(1), 1),
        };
        Self { series: self.series * count + place, others: self.others + other }
    }
}

impl<L: Label> Labels for L {
    fn dimensions(tiers: TierSet) -> Vec<Dimension> {
        vec![Dimension::of::<L>(tiers)]
    }

    #[inline]
    fn place(self, tiers: TierSet) -> Place {
        Place::default().and(self, tiers)
    }
}

macro_rules! tuples {
    ($(($($label:ident),*))+) => {$(
        #[allow(non_snake_case, reason = "a value beside each type")]
        impl<$($label: Label),*> Labels for ($($label,)*) {
            fn dimensions(tiers: TierSet) -> Vec<Dimension> {
                let _ = tiers;
                vec![$(Dimension::of::<$label>(tiers)),*]
            }

            #[inline]
            fn place(self, tiers: TierSet) -> Place {
                let _ = tiers;
                let ($($label,)*) = self;
                Place::default()$(.and($label, tiers))*
            }
        }
    )+};
}

tuples! { () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) }
