//! Headers, whatever stands in them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::{Message, consumer::BaseConsumer, message::Headers as _, producer::BaseProducer};
use tenantkit_core::Reason;
use tenantkit_kafka::headers::{Bounds, Headers, HeadersError};

use crate::{
    cluster::{Read, World, next},
    raw::{RawHeader, produce, produce_one, producer},
};

/// A topic, who writes to it, and who reads it.
struct Topic {
    _world: World,
    name: String,
    producer: BaseProducer,
    consumer: BaseConsumer,
}

impl Topic {
    fn new() -> Self {
        let world = World::new();
        let name = world.topic();
        let (producer, consumer) = (producer(&world.brokers), world.consumer(&name));
        Self { _world: world, name, producer, consumer }
    }

    fn produce(&self, headers: &[RawHeader<'_>]) {
        produce(&self.producer, &self.name, headers);
    }

    /// What is read of one record with these headers.
    fn read(&self, headers: &[RawHeader<'_>]) -> Read {
        self.produce(headers);
        Read::of(&mut next(&self.consumer))
    }

    fn identity(&self, headers: &[RawHeader<'_>]) -> Result<Option<String>, Reason> {
        let headers = self.read(headers).headers.unwrap();
        headers.identity().map(|identity| identity.tenant.map(|tenant| tenant.to_string()))
    }
}

#[test]
fn a_name_that_is_not_utf_8_panics_in_rdkafka_and_is_read_here() {
    let topic = Topic::new();
    produce_one(&topic.producer, &topic.name, (b"\xff\xfe", b"value"));
    let mut message = next(&topic.consumer);

    let theirs = catch_unwind(AssertUnwindSafe(|| message.headers().unwrap().get(0).key.len()));
    assert!(theirs.is_err(), "rdkafka reads such names now: look whether ours is still needed");

    let ours = Headers::read(&mut message, Bounds::DEFAULT).unwrap();
    let header = ours.iter().next().unwrap();
    assert_eq!((header.name, header.value), (&b"\xff\xfe"[..], Some(&b"value"[..])));
    assert_eq!(ours.identity().unwrap().tenant, None);
}

#[test]
fn a_name_that_goes_on_behind_a_nul_is_another_in_rdkafka_and_refused_here() {
    let topic = Topic::new();
    topic.produce(&[(b"tenant_id\0evil", Some(b"acme"))]);
    let mut message = next(&topic.consumer);

    let theirs = message.headers().unwrap().get(0);
    assert_eq!(theirs.key, "tenant_id", "rdkafka tells such names apart now: look");

    let ours = Headers::read(&mut message, Bounds::DEFAULT).unwrap();
    assert!(!ours.iter().next().unwrap().is_whole);
    assert_eq!(ours.identity().unwrap_err(), Reason::AliasedHeader);
}

#[test]
fn a_nul_alias_is_refused_beside_a_good_header_and_whatever_its_value() {
    let topic = Topic::new();
    let identity = |headers: &[RawHeader<'_>]| topic.identity(headers);
    let good: RawHeader<'_> = (b"tenant_id", Some(b"acme"));
    for name in [&b"tenant_id\0"[..], b"tenant_id\0\0", b"tenant_id\0tenant_id"] {
        for value in [None, Some(&b""[..]), Some(b"acme"), Some(b"globex")] {
            for headers in [[good, (name, value)], [(name, value), good]] {
                assert_eq!(identity(&headers), Err(Reason::AliasedHeader), "{name:?} {value:?}");
            }
        }
    }
    for name in [&b"tenant_envelope\0x"[..], b"Tenant-Id\0x"] {
        assert_eq!(identity(&[good, (name, None)]), Err(Reason::AliasedHeader), "{name:?}");
    }
    // Of another name it is nobody's identity.
    assert_eq!(identity(&[good, (b"color\0tenant_id", Some(b"x"))]), Ok(Some("acme".into())));
}

#[test]
fn headers_that_cannot_be_parsed_are_none_in_rdkafka_and_unreadable_here() {
    let topic = Topic::new();
    // librdkafka parses up to 100,000.
    let headers: Vec<RawHeader<'_>> = (0..100_001).map(|_| (&b"h"[..], None)).collect();
    topic.produce(&headers);
    let mut message = next(&topic.consumer);
    assert!(message.headers().is_none(), "rdkafka tells them apart now: look");
    let ours = Headers::read(&mut message, Bounds { count: usize::MAX, bytes: usize::MAX });
    assert_eq!(ours.unwrap_err(), HeadersError::Unreadable);
    assert_eq!(HeadersError::Unreadable.reason(), Reason::UnreadableHeaders);
}

#[test]
fn ten_thousand_headers_are_counted_and_not_copied() {
    let headers: Vec<RawHeader<'_>> =
        (0..10_001).map(|_| (&b"tenant_id"[..], Some(&b"acme"[..]))).collect();
    let error = Topic::new().read(&headers).headers.unwrap_err();
    assert_eq!(error, HeadersError::TooMany { count: 10_001 });
    assert_eq!(error.reason(), Reason::TooManyHeaders);
}

#[test]
fn headers_are_bounded_in_bytes_as_well() {
    let large = vec![b'x'; 70_000];
    let error = Topic::new().read(&[(b"large", Some(&large))]).headers.unwrap_err();
    assert_eq!(error, HeadersError::TooLarge { most: 65_536 });
    let error = Topic::new().read(&[(&large, None)]).headers.unwrap_err();
    assert_eq!(error, HeadersError::TooLarge { most: 65_536 });
}

#[test]
fn no_headers_are_none_and_no_error() {
    let read = Topic::new().read(&[]);
    let headers = read.headers.unwrap();
    assert!(headers.is_empty());
    assert_eq!(headers.identity().unwrap().tenant, None);
}

#[test]
fn null_and_empty_values_are_told_apart_and_the_order_is_kept() {
    let given: [RawHeader<'_>; 4] =
        [(b"b", None), (b"a", Some(b"")), (b"b", Some(b"\0\xff")), (b"", Some(b"no name"))];
    let read = Topic::new().read(&given);
    let headers = read.headers.unwrap();
    let read: Vec<RawHeader<'_>> = headers.iter().map(|it| (it.name, it.value)).collect();
    assert_eq!(read, given);
    assert!(headers.iter().all(|header| header.is_whole));
}

#[test]
fn exactly_one_tenant_id_and_at_most_one_envelope_in_no_other_spelling() {
    let topic = Topic::new();
    let identity = |headers: &[RawHeader<'_>]| topic.identity(headers);
    let acme: RawHeader<'_> = (b"tenant_id", Some(b"acme"));
    assert_eq!(identity(&[acme]), Ok(Some("acme".into())));
    assert_eq!(identity(&[acme, acme]), Err(Reason::DuplicateHeader));
    let envelope: RawHeader<'_> = (b"tenant_envelope", Some(b"a.b.c"));
    assert_eq!(identity(&[acme, envelope]), Ok(Some("acme".into())));
    assert_eq!(identity(&[acme, envelope, envelope]), Err(Reason::DuplicateHeader));
    let aliases: [&[u8]; 7] = [
        b"Tenant_Id",
        b"TENANT_ID",
        b"tenant-id",
        b"tenant.id",
        b" tenant_id",
        b"tenant_id ",
        b"Tenant-Envelope",
    ];
    for alias in aliases {
        assert_eq!(identity(&[acme, (alias, Some(b"acme"))]), Err(Reason::AliasedHeader));
        assert_eq!(identity(&[(alias, None)]), Err(Reason::AliasedHeader));
    }
    for value in [None, Some(&b""[..]), Some(b"Acme"), Some(b"acme "), Some(b"\xff"), Some(b"a\0")]
    {
        assert_eq!(identity(&[(b"tenant_id", value)]), Err(Reason::MalformedHeader), "{value:?}");
    }
    let long = [b'a'; 9000];
    assert_eq!(identity(&[(b"tenant_id", Some(&long))]), Err(Reason::OversizeHeader));
}
