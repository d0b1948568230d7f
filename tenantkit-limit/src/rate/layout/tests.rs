use std::time::Duration;

use proptest::prelude::*;

use super::{END_OF_TIME, FROZEN, MAX_PLAN, Tats, base, base_at, plan};
use crate::quota::Quota;

pub(crate) fn quotas() -> impl Strategy<Value = Quota> {
    let window = || (1_u32..200_000, 1_u32..200_000);
    proptest::collection::vec(window(), 1..=3).prop_filter_map("contradictory", |windows| {
        let periods = [1, 60, 86_400].map(Duration::from_secs);
        let add = |quota: crate::quota::QuotaBuilder, ((count, burst), period)| {
            quota.and_per(count, period).burst(burst)
        };
        windows.into_iter().zip(periods).fold(Quota::builder(), add).build().ok()
    })
}

proptest! {
    #[test]
    fn rounding_lengthens_an_interval_and_by_one_percent_at_most(quota in quotas()) {
        for (gcra, window) in quota.layout().windows().zip(quota.windows()) {
            let (used, exact) = (
                u128::from(gcra.interval) * u128::from(window.count()),
                window.period().as_nanos(),
            );
            // Longer by a unit less one at least, which is what the tolerance is larger by.
            let unit_less_one = (1_u128 << gcra.unit) - 1;
            prop_assert!(used >= exact + unit_less_one * u128::from(window.count()));
            prop_assert!(used * 100 <= exact * 101, "{} for {}", used, exact);
            prop_assert_eq!(gcra.interval % (1 << gcra.unit), 0);
        }
    }

    #[test]
    fn a_word_holds_what_was_packed_at_any_time(
        quota in quotas(),
        number in 1..=MAX_PLAN,
        now in prop_oneof![0..=END_OF_TIME, Just(0), Just(END_OF_TIME)],
        parts in prop::array::uniform3(0_u64..=1_000),
    ) {
        let layout = quota.layout();
        let written = base_at(now);
        let mut tats = Tats::default();
        for (at, gcra) in layout.windows().enumerate() {
            let ceiling = layout.ceiling(at, written);
            // Room for twice the burst at any time of the base's granule.
            prop_assert!(ceiling >= gcra.ceil(now) + 2 * gcra.interval * u64::from(gcra.burst));
            tats[at] = gcra.ceil(written + (ceiling - written) / 1_000 * parts[at]).min(ceiling);
        }
        let word = layout.pack(number, written, &tats);
        prop_assert_eq!(word & FROZEN, 0);
        prop_assert_ne!(word, 0);
        prop_assert_eq!(plan(word), number);
        prop_assert_eq!(base(word), written);
        prop_assert_eq!(layout.unpack(word), tats);
    }
}

#[test]
fn one_window_has_nanoseconds() {
    let day = Quota::per_day(100_000).build().unwrap();
    assert!(day.layout().windows().all(|gcra| gcra.unit == 0 && gcra.interval == 864_000_000));
}
