//! A collector that is down, slow or refusing: no request fails, memory is bounded, what is lost is counted.

use opentelemetry::trace::{Span as _, Tracer as _};
use tenantkit_core::test_util::TestAuthority;
use throwaway::{Collector, free_port, tools};

use crate::world::{Service, eventually};

const ROOM: usize = 512;
/// So many spans that their memory stands out.
const MANY: usize = 400_000;
/// What each of them takes, in bytes, where there is room for all: 103 MiB together, as measured with such a `ROOM`.
const SPAN: u64 = 270;

/// The bytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn work(service: &Service, spans: usize) {
    let acme = TestAuthority::new().context("acme");
    acme.in_scope(|| (0..spans).for_each(|_| service.tracer.start("request").end())).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_what_is_lost_is_counted() {
    let service = Service::new(&format!("http://127.0.0.1:{}", free_port()), ROOM);
    work(&service, 10_000);
    assert_eq!(service.spans.made(), 10_000);
    // Some wait, the rest is dropped at once: nobody waited for room.
    assert!(service.spans.waiting_or_dropped() > 0);
    eventually("exports fail", || service.spans.failed() > 0);
    assert_eq!(service.spans.delivered(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_slows_nobody_and_delivers_again_when_it_answers() {
    let Some(collector) = tools::or_skip(Collector::start()) else { return };
    let service = Service::new(&collector.grpc(), ROOM);
    work(&service, 100);
    eventually("the first are delivered", || service.spans.delivered() == 100);

    collector.pause().unwrap();
    // More than there is room for: those that do not fit are dropped, and the work goes on.
    let before = resident();
    work(&service, MANY);
    let grown = resident().saturating_sub(before);
    assert!(grown < MANY as u64 * SPAN / 2, "{} MiB more are in memory", grown >> 20);
    eventually("exports fail", || service.spans.failed() > 0);
    collector.resume().unwrap();

    let before = service.spans.delivered();
    eventually("what is made later is delivered", || {
        work(&service, 1);
        service.spans.delivered() > before
    });
    let lost = service.spans.failed() + service.spans.waiting_or_dropped();
    assert_eq!(service.spans.made(), service.spans.delivered() + lost);
    assert!(lost > 10_000, "{lost}");
}

/// Takes each connection, and closes it.
fn refuses() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().for_each(drop));
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_refuses_loses_what_it_is_given_and_nothing_else() {
    let service = Service::new(&refuses(), ROOM);
    work(&service, 2_000);
    eventually("exports fail", || service.spans.failed() > 0);
    // What was refused makes room for what comes later.
    let failed = service.spans.failed();
    eventually("exports go on failing", || {
        work(&service, 1);
        service.spans.failed() > failed
    });
    assert_eq!(service.spans.delivered(), 0);
    assert!(service.spans.failed() + service.spans.waiting_or_dropped() >= 2_000);
}
