//! What of librdkafka's configuration would break a promise, and what the promises need.

use rdkafka::ClientConfig;

use super::InvalidConsumer;

struct Rule {
    names: &'static [&'static str],
    allows: fn(&str) -> bool,
    why: &'static str,
}

const RULES: [Rule; 7] = [
    Rule {
        names: &["enable.auto.commit", "auto.commit.enable", "enable.auto.offset.store"],
        allows: |on| on == "false",
        why: "a record that was read and not handled would be lost in a crash: leave it off",
    },
    Rule {
        names: &["auto.offset.reset"],
        allows: |to| matches!(to, "earliest" | "smallest" | "beginning" | "error"),
        why: "a new group would skip what waits: leave it at `earliest`",
    },
    Rule { names: &["group.id"], allows: |_| false, why: "the group is said with `.group(..)`" },
    Rule {
        names: &["group.instance.id"],
        allows: |_| false,
        why: "a static member leaves its partitions to nobody for as long as its session lasts",
    },
    Rule {
        names: &["queued.max.messages.kbytes", "queued.min.messages"],
        allows: |_| false,
        why: "what is in memory is bounded by `.memory(..)`",
    },
    Rule {
        names: &["isolation.level"],
        allows: |level| level == "read_committed",
        why: "a record of a transaction that was aborted would be handled: leave it at `read_committed`",
    },
    Rule {
        names: &["rebalance_cb", "consume_cb", "offset_commit_cb"],
        allows: |_| false,
        why: "the consumer has callbacks of its own",
    },
];

/// Refuses what would break a promise, with the reason.
pub(super) fn check(config: &ClientConfig) -> Result<(), InvalidConsumer> {
    for rule in &RULES {
        for name in rule.names {
            if config.get(name).is_some_and(|value| !(rule.allows)(value)) {
                return Err(InvalidConsumer::Breaks { name, why: rule.why });
            }
        }
    }
    if config.get("bootstrap.servers").or_else(|| config.get("metadata.broker.list")).is_none() {
        return Err(InvalidConsumer::NoBrokers);
    }
    Ok(())
}

/// For the member of the group, which reads each record once and in order.
pub(super) fn of_member(config: &ClientConfig, group: &str, fetched: usize) -> ClientConfig {
    let mut config = config.clone();
    let unless_told = [
        ("auto.offset.reset", "earliest"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        // Where each partition ends, for `ConsumerStats::lag`.
        ("statistics.interval.ms", "5000"),
    ];
    for (name, value) in unless_told {
        if config.get(name).is_none() {
            config.set(name, value);
        }
    }
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("queued.max.messages.kbytes", (fetched / 1024).max(64).to_string());
    config
}

/// For what goes back for records that were left behind. It is no member, and never commits.
pub(super) fn of_returner(config: &ClientConfig, group: &str, fetched: usize) -> ClientConfig {
    let mut config = of_member(config, group, fetched);
    // What is older than the topic keeps is gone: then it goes on with the oldest that is there.
    config
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "100")
        .set("statistics.interval.ms", "0");
    config
}
