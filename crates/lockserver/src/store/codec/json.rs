//! How types of the core, which knows no serde, are written and read as JSON: `#[serde(with = "json")]` at a field.

use super::scalar::{Scalar, may_follow};
use lock_core::{More, RequestKey, Selection, SlotName, SlotRanges, Starts, Tag};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// A type of the core that has a form in JSON.
pub(crate) trait Json: Sized {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

pub(super) fn serialize<T: Json, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    value.write(to)
}

pub(super) fn deserialize<'de, T: Json, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    T::read(from)
}

/// A value, for serde.
pub(super) struct Written<'a, T>(pub(super) &'a T);

impl<T: Json> Serialize for Written<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.write(to)
    }
}

/// A value, from serde.
pub(super) struct Read<T>(pub(super) T);

impl<'de, T: Json> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::read(from).map(Self)
    }
}

impl<T: Scalar> Json for T {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.to_text())
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(AsText(PhantomData))
    }
}

/// Reads a scalar from where its text stands, without a copy of that.
struct AsText<T>(PhantomData<T>);

impl<T: Scalar> Visitor<'_> for AsText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).map_err(E::custom)
    }
}

impl<T: Json> Json for Option<T> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(Written).serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::<Read<T>>::deserialize(from)?.map(|Read(value)| value))
    }
}

/// What is in a box.
macro_rules! boxed {
    ($($type:ty),*) => {$(
        impl Json for Box<$type> {
            fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                <$type>::write(self, to)
            }

            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                <$type>::read(from).map(Self::new)
            }
        }
    )*};
}

boxed!(RequestKey, More);

impl<T: Json> Json for Vec<T> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter().map(Written))
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Vec::<Read<T>>::deserialize(from)?.into_iter().map(|Read(value)| value).collect())
    }
}

impl<T: Json> Json for Box<[T]> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter().map(Written))
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Vec::read(from).map(Self::from)
    }
}

impl Json for Starts {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.all().serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let starts = Self::from_all(&Vec::deserialize(from)?);
        starts.ok_or_else(|| D::Error::custom(format!("not a list of at most {} rising moments", Self::MAX)))
    }
}

/// What serde knows.
macro_rules! plain {
    ($($type:ty),*) => {$(
        impl Json for $type {
            fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.serialize(to)
            }

            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::deserialize(from)
            }
        }
    )*};
}

plain!(bool, i8, u32, u64);

impl Json for SlotRanges {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let slots = Self::deserialize(from)?;
        let befores = std::iter::once(None).chain(slots.iter().map(Some));
        match slots.iter().zip(befores).find(|(range, before)| !may_follow(*before, **range)) {
            None => Ok(slots),
            Some((range, _)) => {
                Err(D::Error::custom(format!("{range:?} is not a range of slots above the one before it")))
            }
        }
    }
}

/// The name of one slot.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedSlot {
    slot: u32,
    #[serde(with = "super::json")]
    name: SlotName,
}

/// The tags of one slot.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaggedSlot {
    #[serde(with = "super::json")]
    slot: SlotName,
    #[serde(with = "super::json")]
    tags: Vec<Tag>,
}

impl Json for (SlotName, Vec<Tag>) {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (slot, tags) = self.clone();
        TaggedSlot { slot, tags }.serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let TaggedSlot { slot, tags } = TaggedSlot::deserialize(from)?;
        Ok((slot, tags))
    }
}

impl Json for Arc<Selection> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Selection::write(self, to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Selection::read(from).map(Self::new)
    }
}

impl Json for (u32, SlotName) {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (slot, name) = self.clone();
        NamedSlot { slot, name }.serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let NamedSlot { slot, name } = NamedSlot::deserialize(from)?;
        Ok((slot, name))
    }
}
