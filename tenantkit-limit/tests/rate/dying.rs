use std::{
    hash::{Hash, Hasher},
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use tenantkit_limit::{
    quota::{Cost, Quota},
    rate::RateLimiter,
};

/// A key of which the copy of that number panics, and no later one. All hash alike.
#[derive(Debug)]
struct Fragile {
    id: u32,
    copies: Arc<AtomicI32>,
}

impl Fragile {
    fn new(id: u32, dies_at: i32) -> Self {
        Self { id, copies: Arc::new(AtomicI32::new(dies_at)) }
    }
}

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert_ne!(self.copies.fetch_sub(1, Ordering::SeqCst), 1, "a copy that dies");
        Self { id: self.id, copies: Arc::clone(&self.copies) }
    }
}

impl PartialEq for Fragile {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Fragile {}

impl Hash for Fragile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(0);
    }
}

#[test]
fn one_that_dies_while_its_key_is_added_stops_nobody() {
    // The first copy is the one that is written; no other is made here.
    for dies_at in 1..=2 {
        let (done, all_pass) = mpsc::channel();
        thread::spawn(move || {
            let limiter = RateLimiter::new(8);
            let plan =
                limiter.plan(&Quota::per_second(1).build().unwrap(), Duration::ZERO).unwrap();
            let passes = |key| limiter.check(key, &plan, Cost::ONE, Duration::ZERO).is_allowed();
            let (dying, others) =
                (Fragile::new(0, dies_at), [1, 2, 3].map(|id| Fragile::new(id, 0)));
            let died = panic::catch_unwind(AssertUnwindSafe(|| passes(&dying))).is_err();
            assert_eq!(died, dies_at == 1);
            // Whoever wants the same slot goes on without the one that died, and so does its next call.
            let pass = others.iter().all(|key| passes(key) && !passes(key));
            done.send(pass && passes(&dying) == died && !passes(&dying)).unwrap();
        });
        let pass = all_pass.recv_timeout(Duration::from_secs(30));
        assert_eq!(pass, Ok(true), "copy {dies_at}");
    }
}

#[test]
fn one_that_dies_while_a_shard_is_rebuilt_loses_nothing() {
    let limiter = RateLimiter::new(100);
    let plan = limiter.plan(&Quota::per_second(1).build().unwrap(), Duration::ZERO).unwrap();
    let passes = |key| limiter.check(key, &plan, Cost::ONE, Duration::ZERO).is_allowed();
    // Its second copy is the first that is made for a larger table.
    let fragile = Fragile::new(0, 2);
    assert!(passes(&fragile));
    let others: Vec<_> = (1..=60).map(|id| Fragile::new(id, 0)).collect();
    let passed = |key| panic::catch_unwind(AssertUnwindSafe(|| passes(key)));
    let died: Vec<_> = others.iter().filter(|key| !passed(key).is_ok_and(|pass| pass)).collect();
    // The call of the one that wanted a larger table ended; whoever came next made it.
    assert_eq!(died.len(), 1);
    assert!(passes(died[0]));
    assert!(!passes(&fragile) && others.iter().all(|key| !passes(key)));
}
