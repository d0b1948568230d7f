//! JSON without a member that stands twice.
//!
//! Of two members of one name, one parser takes the first and another the last. A document in which
//! that happens, at any level, is refused before anything is read from it.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::Reason;

/// Reads a value. `Reason::MalformedToken` when it is not JSON or has a member twice, and `otherwise`
/// when it is not of the type.
pub(crate) fn read<'a, T: Deserialize<'a>>(json: &'a [u8], otherwise: Reason) -> Result<T, Reason> {
    serde_json::from_slice::<Unambiguous>(json).map_err(|_| Reason::MalformedToken)?;
    serde_json::from_slice(json).map_err(|_| otherwise)
}

/// The string member `name` of an object; `None` when it is not there or not a string. The document
/// has been [`read`] before.
pub(crate) fn string_member<'a>(json: &'a [u8], name: &str) -> Option<Str<'a>> {
    let mut json = serde_json::Deserializer::from_slice(json);
    Member(name).deserialize(&mut json).ok().flatten()
}

/// A string, borrowed where it has no escapes.
pub(crate) struct Str<'a>(Cow<'a, str>);

impl Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// By hand, because a derived newtype does not read the name under which serde_json shows a number
/// when another crate of the build asks for its `arbitrary_precision`.
impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Str<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Str::from(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Str::from(text.to_owned()))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// For a member that may be left out: when it is there, it is not `null`.
pub(crate) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Whether a member is there, whatever it is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Present {
    #[default]
    No,
    Yes,
}

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self::Yes)
    }
}

/// Any value in which no object has a member twice.
struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON in which no member stands twice")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self, A::Error> {
        while elements.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        // Sorted at the end, and not searched at each: an object of a thousand members must not cost
        // a million comparisons.
        let mut names = Vec::new();
        while let Some(name) = members.next_key::<Str<'de>>()? {
            names.push(name.0);
            members.next_value::<Self>()?;
        }
        names.sort_unstable();
        match names.array_windows().any(|[one, next]| one == next) {
            true => Err(A::Error::custom("a member stands twice")),
            false => Ok(self),
        }
    }
}

struct Member<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<Str<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<Str<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<Str<'de>>()? {
            if *name == *self.0 {
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

impl<'a> From<&'a str> for Str<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Str<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}
