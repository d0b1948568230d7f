use proptest::prelude::*;

use super::charged;
use crate::{
    quota::{Cost, Quota},
    rate::{
        decision::Verdict,
        layout::{self, END_OF_TIME, MAX_PLAN, Tats, base_at, tests::quotas},
        limiter,
    },
};

/// The general way of `RateLimiter::check`, for a word of this plan.
fn in_general(
    quota: &Quota,
    number: u16,
    word: u128,
    now: u64,
    cost: u32,
) -> (Option<(u128, Tats)>, Tats) {
    let layout = quota.layout();
    let before = layout.unpack(word);
    let base = base_at(now).max(layout::base(word));
    let (tats, verdict) = limiter::charged(&layout, &before, Cost::new(cost).unwrap(), now);
    let next = (verdict == Verdict::Allowed).then(|| (layout.pack(number, base, &tats), tats));
    (next, before)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_known_key_is_decided_to_the_bit_as_in_general(
        quota in quotas(),
        number in 1..=MAX_PLAN,
        written in prop_oneof![3 => 0..=END_OF_TIME, 1 => Just(0), 1 => Just(END_OF_TIME)],
        parts in prop::array::uniform3(0_u64..=1_000),
        // Around the last write, and around what each window has left.
        later in prop_oneof![
            2 => -3_000_000_000_i64..3_000_000_000,
            2 => -100_000_000_000_000..100_000_000_000_000_i64,
            1 => Just(0),
        ],
        part in 1_u32..50,
        edge in prop::option::of((0_usize..3, -2_i64..=2)),
    ) {
        let layout = quota.layout();
        let base = base_at(written);
        let mut tats = Tats::default();
        for (at, gcra) in layout.windows().enumerate() {
            let ceiling = layout.ceiling(at, base);
            tats[at] = gcra.ceil(base + (ceiling - base) / 1_000 * parts[at]).min(ceiling);
        }
        let word = layout.pack(number, base, &tats);
        let cost = (quota.largest_cost() / part).max(1);
        let now = match edge {
            // To the nanosecond where a window begins to have room.
            Some((window, off)) => {
                let window = window % layout.windows().len();
                let gcra = layout.windows().nth(window).unwrap();
                let after = tats[window] + gcra.interval * u64::from(cost);
                after.saturating_sub(gcra.tolerance).saturating_add_signed(off)
            }
            None => written.saturating_add_signed(later),
        };
        let now = now.min(END_OF_TIME);
        let (general, before) = in_general(&quota, number, word, now, cost);
        prop_assert_eq!(before, tats);
        prop_assert_eq!(charged(&layout, number, word, now, cost), general);
        // A word of another plan is not for it.
        prop_assert_eq!(charged(&layout, number % MAX_PLAN + 1, word, now, cost), None);
    }
}
