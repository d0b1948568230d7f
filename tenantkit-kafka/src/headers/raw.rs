//! The one module with `unsafe`: what librdkafka holds of a record's headers, copied out (docs/adr/0013).
//!
//! librdkafka shows the name of a header as a C string. What stands behind a NUL in it cannot be seen that
//! way, but that something stands there can: the look-up by name compares the length as well, and so finds
//! fewer of a name than are shown.

#![expect(unsafe_code, reason = "rdkafka's own way to headers panics and hides: docs/adr/0013")]

use std::{
    collections::HashMap,
    ffi::{CStr, c_char, c_void},
    marker::PhantomData,
    ptr, slice,
};

use rdkafka::{
    bindings::{
        rd_kafka_header_cnt, rd_kafka_header_get, rd_kafka_header_get_all, rd_kafka_headers_t,
        rd_kafka_message_headers,
    },
    message::BorrowedMessage,
    types::RDKafkaRespErr,
};

use super::{Bounds, Headers, HeadersError, is_reserved};

pub(super) fn read(
    message: &mut BorrowedMessage<'_>,
    bounds: Bounds,
) -> Result<Headers, HeadersError> {
    let Some(list) = List::of(message)? else { return Ok(Headers::default()) };
    let count = list.count();
    if count > bounds.count.min(Bounds::MOST) {
        return Err(HeadersError::TooMany { count });
    }
    let (mut headers, mut left) = (Headers::default(), bounds.bytes);
    let mut shown: HashMap<&CStr, usize> = HashMap::with_capacity(count);
    for at in 0..count {
        let (name, value) = list.get(at).ok_or(HeadersError::Unreadable)?;
        let bytes = name.count_bytes() + value.map_or(0, <[u8]>::len);
        left = left.checked_sub(bytes).ok_or(HeadersError::TooLarge { most: bounds.bytes })?;
        headers.push(name.to_bytes(), value);
        *shown.entry(name).or_default() += 1;
    }
    // Each look-up goes through all headers. Where there are many, only those are looked up whose name counts.
    let looks_up = |name: &CStr| count <= Bounds::DEFAULT.count || is_reserved(name.to_bytes());
    for (name, times) in shown {
        if looks_up(name) && !list.has_whole(name, times) {
            headers.mark_cut(name.to_bytes());
        }
    }
    Ok(headers)
}

/// The headers of a record, which stay as they are for as long as the record is borrowed.
struct List<'m> {
    list: *const rd_kafka_headers_t,
    message: PhantomData<&'m mut BorrowedMessage<'m>>,
}

impl<'m> List<'m> {
    /// `None` when there are none.
    fn of(message: &'m mut BorrowedMessage<'_>) -> Result<Option<Self>, HeadersError> {
        let mut list = ptr::null_mut();
        // SAFETY: The message is alive, as it is borrowed, and nobody else looks at it meanwhile, as it is
        // borrowed exclusively: the call writes to it. `list` is a place for the answer.
        let error = unsafe { rd_kafka_message_headers(message.ptr(), &raw mut list) };
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR if !list.is_null() => {
                Ok(Some(Self { list, message: PhantomData }))
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__NOENT => Ok(None),
            _ => Err(HeadersError::Unreadable),
        }
    }

    fn count(&self) -> usize {
        // SAFETY: The message owns the list, and lives for `'m`.
        unsafe { rd_kafka_header_cnt(self.list) }
    }

    /// The header at a place: its name, up to the first NUL, and its value.
    fn get(&self, at: usize) -> Option<(&'m CStr, Option<&'m [u8]>)> {
        let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
        // SAFETY: The list lives for `'m`; the others are places for the answer. A place that is not
        // there is an error, and not undefined.
        let error = unsafe {
            rd_kafka_header_get_all(self.list, at, &raw mut name, &raw mut value, &raw mut len)
        };
        if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
            return None;
        }
        // SAFETY: librdkafka copied the name into an allocation of its own and wrote a NUL behind it. It
        // stays as it is until the header is removed, which takes the message that is borrowed for `'m`.
        let name = unsafe { CStr::from_ptr(name) };
        // SAFETY: As for the name; librdkafka copied `len` bytes there.
        let value = (!value.is_null()).then(|| unsafe { bytes(value, len) });
        Some((name, value))
    }

    /// Whether so many headers have exactly this name, and no NUL with more behind it.
    fn has_whole(&self, name: &CStr, times: usize) -> bool {
        let Some(last) = times.checked_sub(1) else { return true };
        let (mut value, mut len) = (ptr::null(), 0);
        let name: *const c_char = name.as_ptr();
        // SAFETY: The list lives for `'m`, the name is a C string, and the others are places for the
        // answer, which is not looked at.
        let error =
            unsafe { rd_kafka_header_get(self.list, last, name, &raw mut value, &raw mut len) };
        error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
    }
}

/// # Safety
///
/// `at` is not null, and the `len` bytes there stay as they are for `'a`.
unsafe fn bytes<'a>(at: *const c_void, len: usize) -> &'a [u8] {
    // SAFETY: As the caller promises. An allocation has at most `isize::MAX` bytes.
    unsafe { slice::from_raw_parts(at.cast(), len) }
}
