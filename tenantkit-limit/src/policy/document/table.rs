//! [`Table`]: a table of a document whose keys are given out one by one, each once.

use std::{collections::HashSet, convert::Infallible, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor},
};

/// What a table becomes.
pub(super) trait Table: Sized {
    /// What comes of it.
    type Made;

    /// What its keys may be, for the message.
    const KEYS: &'static str;

    /// Takes the value of a key.
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;

    /// There are no more keys.
    fn made<E: Error>(self) -> Result<Self::Made, E>;

    /// A key that may not be there.
    fn unknown<'de, A: MapAccess<'de>>(key: &str, map: &mut A) -> A::Error {
        let key: String = key.chars().take(24).collect();
        let why = format!("{key:?} is not known here; there are: {}", Self::KEYS);
        refuse(map, why)
    }
}

/// Refuses a key, in the place of its value: the parsers know the line of what they are reading.
pub(super) fn refuse<'de, A: MapAccess<'de>>(map: &mut A, why: impl fmt::Display) -> A::Error {
    match map.next_value_seed(Refused(why)) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

struct Refused<W>(W);

impl<'de, W: fmt::Display> DeserializeSeed<'de> for Refused<W> {
    type Value = Infallible;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Infallible, D::Error> {
        serde::de::IgnoredAny::deserialize(value)?;
        Err(D::Error::custom(self.0))
    }
}

/// Reads a [`Table`].
pub(super) struct Read<T>(pub(super) T);

impl<'de, T: Table> DeserializeSeed<'de> for Read<T> {
    type Value = T::Made;

    fn deserialize<D: Deserializer<'de>>(self, table: D) -> Result<T::Made, D::Error> {
        table.deserialize_map(self)
    }
}

impl<'de, T: Table> Visitor<'de> for Read<T> {
    type Value = T::Made;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a table of {}", T::KEYS)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<T::Made, A::Error> {
        // JSON lets a key stand twice, and a reader of it may have seen either.
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(refuse(&mut map, "a key stands twice"));
            }
            self.0.entry(&key, &mut map)?;
        }
        self.0.made()
    }
}
