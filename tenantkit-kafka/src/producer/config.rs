//! What of librdkafka's configuration would break a promise.

use std::time::Duration;

use rdkafka::ClientConfig;

use super::BuildError;

/// When everything that was handed over is delivered or has failed.
const TIMEOUT: [&str; 2] = ["message.timeout.ms", "delivery.timeout.ms"];
const TIMEOUT_UNLESS_TOLD: Duration = Duration::from_secs(120);

struct Rule {
    names: &'static [&'static str],
    allows: fn(&str) -> bool,
    why: &'static str,
}

const RULES: [Rule; 9] = [
    Rule {
        names: &["acks", "request.required.acks"],
        allows: |acks| matches!(acks, "all" | "-1"),
        why: "a record that not all replicas in sync have can be lost: leave it at `all`",
    },
    Rule {
        names: &["enable.idempotence"],
        allows: |on| on == "true",
        why: "a retry could then write a record twice, or two in another order: leave it on",
    },
    Rule {
        names: &["max.in.flight", "max.in.flight.requests.per.connection"],
        allows: |most| most.parse().is_ok_and(|most: u32| (1..=5).contains(&most)),
        why: "with more than 5 requests on their way records could change their order",
    },
    Rule {
        names: &["retries", "message.send.max.retries"],
        allows: |most| most.parse().is_ok_and(|most: u32| most > 0),
        why: "without a retry a broker that is restarted loses records",
    },
    Rule {
        names: &TIMEOUT,
        allows: |millis| millis.parse().is_ok_and(|millis: u32| millis > 0),
        why: "a record that never fails is in flight for ever: bound it",
    },
    Rule {
        names: &["partitioner", "partitioner_cb"],
        allows: |_| false,
        why: "partitions are a tenant's: use `.partitioner(..)`",
    },
    Rule {
        names: &["queue.buffering.max.messages", "queue.buffering.max.kbytes"],
        allows: |_| false,
        why: "what is in flight is bounded by `.in_flight(..)`",
    },
    Rule {
        names: &["message.max.bytes"],
        allows: |_| false,
        why: "a record is bounded by `.max_record_bytes(..)`",
    },
    Rule {
        names: &["transactional.id", "dr_cb", "dr_msg_cb", "delivery.report.only.error"],
        allows: |_| false,
        why: "deliveries are reported to each record's sender, and transactions are not supported",
    },
];

/// Refuses what would break a promise, with the reason.
pub(super) fn check(config: &ClientConfig) -> Result<(), BuildError> {
    for rule in &RULES {
        for name in rule.names {
            if config.get(name).is_some_and(|value| !(rule.allows)(value)) {
                return Err(BuildError::Breaks { name, why: rule.why });
            }
        }
    }
    if config.get("bootstrap.servers").or_else(|| config.get("metadata.broker.list")).is_none() {
        return Err(BuildError::NoBrokers);
    }
    Ok(())
}

/// Sets what the promises need, and tells in which time each record is delivered or has failed.
pub(super) fn complete(config: &mut ClientConfig, in_flight: u32, record: usize) -> Duration {
    let told = TIMEOUT.iter().find_map(|name| config.get(name)?.parse().ok());
    let timeout = told.map_or(TIMEOUT_UNLESS_TOLD, Duration::from_millis);
    // The bound is ours, in bytes, and a little below librdkafka's, which only drops.
    let kib = u64::from(in_flight) / 1024 * 2 + 1024;
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .remove(TIMEOUT[1])
        .set(TIMEOUT[0], timeout.as_millis().to_string())
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", kib.to_string())
        .set("message.max.bytes", record.to_string());
    timeout
}
