//! A producer that puts any bytes into headers, as other languages can.

#![expect(unsafe_code, reason = "rdkafka's own way takes only UTF-8 for a name")]

use std::{ffi::CString, ptr, time::Duration};

use rdkafka::{
    ClientConfig,
    bindings::{self, rd_kafka_producev, rd_kafka_vtype_t as vtype},
    producer::{BaseProducer, Producer},
    types::RDKafkaRespErr,
};

pub(crate) type RawHeader<'a> = (&'a [u8], Option<&'a [u8]>);

pub(crate) fn producer(brokers: &str) -> BaseProducer {
    ClientConfig::new().set("bootstrap.servers", brokers).set("linger.ms", "0").create().unwrap()
}

/// Produces one record with these headers to partition 0.
pub(crate) fn produce(producer: &BaseProducer, topic: &str, headers: &[RawHeader<'_>]) {
    let client = producer.client().native_ptr();
    let topic = CString::new(topic).unwrap();
    // SAFETY: The list is made here and handed over with the record; names and values are copied.
    let error = unsafe {
        let list = bindings::rd_kafka_headers_new(headers.len());
        for (name, value) in headers {
            let (at, len) = value.map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
            let added = bindings::rd_kafka_header_add(
                list,
                name.as_ptr().cast(),
                name.len().try_into().unwrap(),
                at.cast(),
                len.try_into().unwrap(),
            );
            assert_eq!(added, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
        }
        rd_kafka_producev(
            client,
            vtype::RD_KAFKA_VTYPE_TOPIC,
            topic.as_ptr(),
            vtype::RD_KAFKA_VTYPE_PARTITION,
            0_i32,
            vtype::RD_KAFKA_VTYPE_MSGFLAGS,
            bindings::RD_KAFKA_MSG_F_COPY,
            vtype::RD_KAFKA_VTYPE_VALUE,
            b"payload".as_ptr(),
            7_usize,
            vtype::RD_KAFKA_VTYPE_HEADERS,
            list,
            vtype::RD_KAFKA_VTYPE_END,
        )
    };
    assert_eq!(error, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    producer.flush(Duration::from_secs(20)).unwrap();
}

/// The same with one header, added by `RD_KAFKA_VTYPE_HEADER`.
pub(crate) fn produce_one(producer: &BaseProducer, topic: &str, (name, value): (&[u8], &[u8])) {
    let topic = CString::new(topic).unwrap();
    // A C string: the length of the name is given, so that only a NUL at the end is asked for.
    let name = [name, b"\0"].concat();
    // SAFETY: Everything lives until the call is over, which copies.
    let error = unsafe {
        rd_kafka_producev(
            producer.client().native_ptr(),
            vtype::RD_KAFKA_VTYPE_TOPIC,
            topic.as_ptr(),
            vtype::RD_KAFKA_VTYPE_PARTITION,
            0_i32,
            vtype::RD_KAFKA_VTYPE_MSGFLAGS,
            bindings::RD_KAFKA_MSG_F_COPY,
            vtype::RD_KAFKA_VTYPE_HEADER,
            name.as_ptr(),
            value.as_ptr(),
            isize::try_from(value.len()).unwrap(),
            vtype::RD_KAFKA_VTYPE_END,
        )
    };
    assert_eq!(error, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    producer.flush(Duration::from_secs(20)).unwrap();
}
