//! The handful of `google.rpc` messages that a refusal needs, encoded by hand: four of them, two
//! levels deep, against a code generator in every user's build. A test decodes them with
//! `tonic-types`.

use std::time::Duration;

use tenantkit_core::Refusal;

/// The domain of every `ErrorInfo` of this family.
const DOMAIN: &str = "tenantkit";

/// A `google.rpc.Status`.
pub(super) fn encode(refusal: &Refusal, message: &str) -> Vec<u8> {
    let mut status = Message::default();
    status.int(1, refusal.code().grpc_code().unsigned_abs().into());
    status.text(2, message);
    status.message(3, any("type.googleapis.com/google.rpc.ErrorInfo", error_info(refusal)));
    if let Some(wait) = refusal.advised_wait() {
        status.message(3, any("type.googleapis.com/google.rpc.RetryInfo", retry_info(wait)));
    }
    if refusal.code().http_status() == 429 {
        status
            .message(3, any("type.googleapis.com/google.rpc.QuotaFailure", quota_failure(refusal)));
    }
    status.0
}

fn any(type_url: &str, value: Message) -> Message {
    let mut any = Message::default();
    any.text(1, type_url);
    any.message(2, value);
    any
}

fn error_info(refusal: &Refusal) -> Message {
    let mut info = Message::default();
    // UPPER_SNAKE_CASE, as google.rpc wants it.
    info.text(1, &refusal.code().as_str().to_ascii_uppercase().replace('-', "_"));
    info.text(2, DOMAIN);
    for (key, value) in [("reason", refusal.reason().as_str()), ("door", refusal.door().as_str())] {
        let mut entry = Message::default();
        entry.text(1, key);
        entry.text(2, value);
        info.message(3, entry);
    }
    info
}

/// Whose quota: the caller's own tenant, which it knows the name of.
fn quota_failure(refusal: &Refusal) -> Message {
    let mut violation = Message::default();
    violation.text(1, "tenant");
    violation.text(2, &refusal.reason().to_string());
    let mut failure = Message::default();
    failure.message(1, violation);
    failure
}

fn retry_info(wait: Duration) -> Message {
    let mut duration = Message::default();
    // 10,000 years are the most that a google.protobuf.Duration may hold.
    duration.int(1, wait.as_secs().min(315_576_000_000));
    duration.int(2, wait.subsec_nanos().into());
    let mut info = Message::default();
    info.message(1, duration);
    info
}

/// A protobuf message under way.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn int(&mut self, field: u8, value: u64) {
        if value != 0 {
            self.0.push(field << 3);
            self.varint(value);
        }
    }

    fn text(&mut self, field: u8, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    #[expect(clippy::needless_pass_by_value, reason = "a message that is put in another is done")]
    fn message(&mut self, field: u8, value: Self) {
        self.bytes(field, &value.0);
    }

    fn bytes(&mut self, field: u8, value: &[u8]) {
        self.0.push(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn varint(&mut self, mut value: u64) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.0.push(low & 0x7f);
            }
            self.0.push(low | 0x80);
        }
    }
}

#[cfg(test)]
mod tests {
    use tenantkit_core::{Door, Reason};
    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    fn decode(refusal: Refusal) -> ErrorDetails {
        let code = tonic::Code::from(refusal.code().grpc_code());
        let details = encode(&refusal, "message").into();
        let status = tonic::Status::with_details(code, "message", details);
        status.check_error_details().expect("tonic-types can read it")
    }

    #[test]
    fn a_stock_decoder_reads_code_reason_door_and_wait() {
        for reason in Reason::ALL {
            let wait = Duration::from_millis(2_500);
            let details = decode(Refusal::new(*reason, Door::Transaction).retry_after(wait));
            let info = details.error_info().expect("an ErrorInfo");
            assert_eq!(info.domain, "tenantkit");
            assert_eq!(info.reason, reason.code().as_str().to_uppercase().replace('-', "_"));
            assert_eq!(info.metadata["reason"], reason.as_str());
            assert_eq!(info.metadata["door"], "transaction");
            let retry = details.retry_info().expect("a RetryInfo");
            assert_eq!(retry.retry_delay, Some(wait));
        }
    }

    #[test]
    fn only_a_limit_of_the_tenants_own_tells_of_a_quota() {
        for reason in Reason::ALL {
            let details = decode(Refusal::new(*reason, Door::Permit));
            let is_own = matches!(reason, Reason::RateExceeded | Reason::ConcurrencyExceeded);
            let quota = details.quota_failure();
            assert_eq!(quota.is_some(), is_own, "{reason}");
            assert!(quota.is_none_or(|it| it.violations[0].subject == "tenant"), "{reason}");
        }
    }

    #[test]
    fn only_what_waiting_helps_tells_a_wait() {
        for reason in Reason::ALL {
            let details = decode(Refusal::new(*reason, Door::Request));
            assert_eq!(details.retry_info().is_some(), reason.code().is_transient(), "{reason}");
        }
    }
}
