//! The consumer beside a bare loop of rdkafka, on a real broker.
//!
//! ```text
//! cargo bench -p tenantkit-kafka --bench consumer -- throughput [records] [microseconds of work]
//! cargo bench -p tenantkit-kafka --bench consumer -- fairness [records of the heavy tenant]
//! ```

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod fairness;
mod plain;
mod stage;
mod throughput;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |at: usize, default: u64| {
        arguments.get(at).map_or(default, |number| number.parse().unwrap())
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match arguments.first().map(String::as_str) {
        Some("throughput") => runtime.block_on(throughput::run(number(1, 200_000), number(2, 20))),
        Some("fairness") => runtime.block_on(fairness::run(number(1, 1_000_000))),
        _ => {
            runtime.block_on(throughput::run(50_000, 20));
            runtime.block_on(fairness::run(100_000));
        }
    }
}
