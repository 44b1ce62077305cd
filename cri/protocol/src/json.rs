//! Messages as JSON values: written as protojson does with default values, read as Kubernetes' tools read files.
//!
//! Both go by the messages' descriptors, so that no field of the interface can be forgotten.
//!
//! - Written ([`to_value`]): names in lowerCamelCase in the order of the interface, 64-bit numbers as strings, enum
//!   values by name, bytes in base64, maps by their keys; scalars, lists and maps that are empty too, messages that
//!   are not set not.
//! - Read ([`from_value`]): names as the interface spells them (`log_directory`, capitals don't matter) or as they
//!   are written; numbers may be strings and strings numbers; enum values are names or numbers. What the
//!   interface doesn't know is left out and named.

mod read;
mod schema;
mod write;

use std::sync::LazyLock;

use prost::Message as _;
pub use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;

pub use read::FieldError;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let bytes: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
    DescriptorPool::decode(bytes).expect("the build script wrote them")
});

fn descriptor<M: Name>() -> MessageDescriptor {
    let name = M::full_name();
    POOL.get_message_by_name(&name).expect("every message of this crate is in its descriptors")
}

/// A message that was read from a file.
#[derive(Debug)]
pub struct Read<M> {
    /// What was said that the interface knows.
    pub message: M,
    /// Paths of what it doesn't know (`linux.resources.memory`).
    pub unknown: Vec<String>,
}

/// The message as a JSON object.
#[must_use]
pub fn to_value<M: Name>(message: &M) -> Value {
    let bytes = message.encode_to_vec();
    let dynamic = DynamicMessage::decode(descriptor::<M>(), bytes.as_slice())
        .expect("a message's own bytes are of its form");
    write::message(&dynamic)
}

/// The message that a JSON object (of a JSON or YAML file) describes.
///
/// # Errors
/// A value of the wrong type, named by its path; something other than an object.
pub fn from_value<M: Name + Default>(value: &Value) -> Result<Read<M>, FieldError> {
    let mut unknown = Vec::new();
    let dynamic = read::message(&descriptor::<M>(), value, &mut unknown)?;
    let message = M::decode(dynamic.encode_to_vec().as_slice())
        .expect("what was set by its descriptor is of its form");
    Ok(Read { message, unknown })
}

/// What files that describe the message may contain, as a JSON Schema.
#[must_use]
pub fn schema<M: Name>() -> Value {
    schema::of(&descriptor::<M>())
}

#[cfg(test)]
mod tests;
