//! [`AllowanceTable`]: what is said of one tier or tenant.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::table::{Read, Table};
use crate::{
    policy::{Allowance, InvalidPolicy},
    quota::{Quota, QuotaBuilder},
};

/// `rate = { .. }` and `in_flight = 8`, or `"unlimited"` in place of either. Both are said.
pub(super) struct AllowanceTable<F> {
    rate: Option<Option<Quota>>,
    in_flight: Option<Option<u32>>,
    keep: F,
}

impl<F: FnOnce(Allowance) -> Result<(), InvalidPolicy>> AllowanceTable<F> {
    pub(super) const fn kept(keep: F) -> Self {
        Self { rate: None, in_flight: None, keep }
    }
}

impl<F: FnOnce(Allowance) -> Result<(), InvalidPolicy>> Table for AllowanceTable<F> {
    type Made = ();
    const KEYS: &'static str = "rate, in_flight";

    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "rate" => self.rate = Some(map.next_value_seed(OrUnlimited::<Quota>(PhantomData))?),
            "in_flight" => {
                self.in_flight = Some(map.next_value_seed(OrUnlimited::<u32>(PhantomData))?);
            }
            _ => return Err(Self::unknown(key, map)),
        }
        Ok(())
    }

    fn made<E: Error>(self) -> Result<(), E> {
        let missing =
            |what| move || E::custom(format_args!("{what} is missing: a limit, or \"unlimited\""));
        let allowance = Allowance {
            rate: self.rate.ok_or_else(missing("rate"))?,
            in_flight: self.in_flight.ok_or_else(missing("in_flight"))?,
        };
        (self.keep)(allowance).map_err(E::custom)
    }
}

/// The word `"unlimited"`, or a limit.
struct OrUnlimited<T>(PhantomData<T>);

/// What can stand in place of `"unlimited"`.
trait Limiting: Sized {
    const EXPECTED: &'static str;

    fn number<E: Error>(number: u64) -> Result<Self, E> {
        Err(wrong(number, Self::EXPECTED))
    }

    fn map<'de, A: MapAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(A::Error::custom(format_args!("a table stands where {} must", Self::EXPECTED)))
    }
}

fn wrong<E: Error>(number: u64, expected: &str) -> E {
    E::custom(format_args!("{number} stands where {expected} must"))
}

impl Limiting for Quota {
    const EXPECTED: &'static str = "a table of windows or \"unlimited\"";

    fn map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Read(Rate::default()).visit_map(map)
    }
}

impl Limiting for u32 {
    const EXPECTED: &'static str = "a number from 1 to 4294967295 or \"unlimited\"";

    fn number<E: Error>(number: u64) -> Result<Self, E> {
        Self::try_from(number)
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| wrong(number, Self::EXPECTED))
    }
}

impl<'de, T: Limiting> DeserializeSeed<'de> for OrUnlimited<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Option<T>, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de, T: Limiting> Visitor<'de> for OrUnlimited<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Option<T>, E> {
        match word {
            "unlimited" => Ok(None),
            _ => Err(E::custom(format_args!("another word stands where {} must", T::EXPECTED))),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<T>, E> {
        T::number(number).map(Some)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<T>, E> {
        let number = u64::try_from(number)
            .map_err(|_| E::custom(format_args!("{number} stands where {} must", T::EXPECTED)))?;
        self.visit_u64(number)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::map(map).map(Some)
    }
}

/// What `per_...` can be, the shortest first, in seconds.
const PERIODS: [(&str, u64); 4] =
    [("per_second", 1), ("per_minute", 60), ("per_hour", 3_600), ("per_day", 86_400)];

/// Windows, in any order.
#[derive(Default)]
struct Rate {
    windows: [Option<WindowTable>; PERIODS.len()],
}

impl Table for Rate {
    type Made = Quota;
    const KEYS: &'static str = "per_second, per_minute, per_hour, per_day";

    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let Some(at) = PERIODS.iter().position(|(name, _)| *name == key) else {
            return Err(Self::unknown(key, map));
        };
        self.windows[at] = Some(map.next_value_seed(WindowSeed)?);
        Ok(())
    }

    fn made<E: Error>(self) -> Result<Quota, E> {
        let said =
            PERIODS.iter().zip(self.windows).filter_map(|((_, secs), it)| Some((*secs, it?)));
        let add = |quota: QuotaBuilder, (secs, window): (u64, WindowTable)| {
            let quota = quota.and_per(window.count.unwrap_or(0), Duration::from_secs(secs));
            window.burst.map_or(quota, |burst| quota.burst(burst))
        };
        said.fold(Quota::builder(), add).build().map_err(E::custom)
    }
}

/// `100`, or `{ count = 100, burst = 200 }`.
#[derive(Default)]
struct WindowTable {
    count: Option<u32>,
    burst: Option<u32>,
}

impl Table for WindowTable {
    type Made = Self;
    const KEYS: &'static str = "count, burst";

    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "count" => self.count = Some(map.next_value()?),
            "burst" => self.burst = Some(map.next_value()?),
            _ => return Err(Self::unknown(key, map)),
        }
        Ok(())
    }

    fn made<E: Error>(self) -> Result<Self, E> {
        self.count.ok_or_else(|| E::custom("count is missing"))?;
        Ok(self)
    }
}

struct WindowSeed;

impl<'de> DeserializeSeed<'de> for WindowSeed {
    type Value = WindowTable;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<WindowTable, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for WindowSeed {
    type Value = WindowTable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a table with count and burst")
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<WindowTable, E> {
        let count = u32::try_from(count)
            .map_err(|_| E::custom(format_args!("{count} is more than 4294967295")))?;
        Ok(WindowTable { count: Some(count), burst: None })
    }

    fn visit_i64<E: Error>(self, count: i64) -> Result<WindowTable, E> {
        let count = u64::try_from(count)
            .map_err(|_| E::custom(format_args!("{count} is less than zero")))?;
        self.visit_u64(count)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WindowTable, A::Error> {
        Read(WindowTable::default()).visit_map(map)
    }
}
