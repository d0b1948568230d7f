//! `google.rpc.RetryInfo` in `grpc-status-details-bin`, read by hand as it is written by hand (see
//! `refusal::details`).

use std::time::Duration;

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::HeaderMap;

/// Binary metadata may be padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// How long the peer wants waited. What cannot be read says nothing.
pub(super) fn read(headers: &HeaderMap) -> Option<Duration> {
    let details = BASE64.decode(headers.get("grpc-status-details-bin")?.as_bytes()).ok()?;
    retry_info(&details)
}

/// In a `google.rpc.Status`: `repeated google.protobuf.Any details = 3`.
fn retry_info(status: &[u8]) -> Option<Duration> {
    fields(status)?.into_iter().filter_map(|field| field.bytes(3)).find_map(|any| {
        let fields = fields(any)?;
        let text = |number| fields.iter().rev().find_map(|field| field.bytes(number));
        let is_retry_info = text(1)?.ends_with(b"/google.rpc.RetryInfo");
        is_retry_info.then(|| retry_delay(text(2).unwrap_or_default()))?
    })
}

/// `google.protobuf.Duration retry_delay = 1`, of `int64 seconds = 1` and `int32 nanos = 2`. One that is
/// not said is none, and so is a negative one.
fn retry_delay(info: &[u8]) -> Option<Duration> {
    let delay = fields(info)?.into_iter().rev().find_map(|field| field.bytes(1))?;
    let fields = fields(delay)?;
    let number =
        |wanted| fields.iter().rev().find_map(|field| field.number(wanted)).unwrap_or_default();
    // A negative number is one beyond the positive range.
    let seconds = i64::try_from(number(1)).ok()?.unsigned_abs();
    let nanos = u32::try_from(number(2)).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos))
}

struct Field<'a> {
    number: u64,
    value: Value<'a>,
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

impl<'a> Field<'a> {
    fn bytes(&self, number: u64) -> Option<&'a [u8]> {
        match self.value {
            Value::Bytes(bytes) if self.number == number => Some(bytes),
            _ => None,
        }
    }

    fn number(&self, number: u64) -> Option<u64> {
        match self.value {
            Value::Number(value) if self.number == number => Some(value),
            _ => None,
        }
    }
}

/// The fields of a message; `None` where it is not one.
fn fields(mut rest: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut rest)?),
            1 => {
                rest = rest.get(8..)?;
                Value::Other
            }
            2 => {
                let len = usize::try_from(varint(&mut rest)?).ok()?;
                let (bytes, after) = rest.split_at_checked(len)?;
                rest = after;
                Value::Bytes(bytes)
            }
            5 => {
                rest = rest.get(4..)?;
                Value::Other
            }
            _ => return None,
        };
        fields.push(Field { number: tag >> 3, value });
    }
    Some(fields)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tenantkit_core::{Door, Reason, Refusal};
    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    fn from_tonic(details: ErrorDetails) -> Option<Duration> {
        let status = tonic::Status::with_error_details(tonic::Code::Unavailable, "no", details);
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        read(&headers)
    }

    #[test]
    fn what_a_stock_encoder_writes_is_read() {
        let wait = Duration::new(3, 250_000_000);
        let mut details =
            ErrorDetails::with_error_info("WHY", "domain", std::collections::HashMap::new());
        assert_eq!(from_tonic(details.clone()), None);
        details.set_retry_info(Some(wait));
        assert_eq!(from_tonic(details), Some(wait));
        assert_eq!(
            from_tonic(ErrorDetails::with_retry_info(Some(Duration::ZERO))),
            Some(Duration::ZERO)
        );
        assert_eq!(from_tonic(ErrorDetails::with_retry_info(None)), None);
    }

    #[test]
    fn what_this_crate_writes_is_read() {
        let wait = Duration::from_millis(1_700);
        let refusal = Refusal::new(Reason::RateExceeded, Door::Permit).retry_after(wait);
        assert_eq!(read(&crate::refusal::grpc_headers(&refusal)), Some(wait));
    }

    #[test]
    fn a_negative_or_impossible_delay_is_none() {
        // -1 second, and a billion nanoseconds.
        let seconds = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let nanos = [0x10, 0x80, 0x94, 0xeb, 0xdc, 0x03];
        for duration in [&seconds[..], &nanos[..]] {
            let info: Vec<u8> = [0x0a, u8::try_from(duration.len()).unwrap()]
                .iter()
                .chain(duration)
                .copied()
                .collect();
            assert_eq!(retry_delay(&info), None);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_peer_sends_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = retry_info(&bytes);
        }
    }
}
