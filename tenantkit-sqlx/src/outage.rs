//! [`Outage`]: a short memory of Postgres not being there.
//!
//! sqlx waits as long for a server that refuses connections as for one that is busy, so that while
//! Postgres is down every request would wait out the pool's patience. Here whoever has waited for a
//! while has somebody look: one connection attempt, whoever else waits, and no more often than the
//! pause says, which doubles. Until an attempt brings another answer, who finds no idle connection is
//! refused. It needs no task of its own: the next request after the pause looks again.

use std::{
    io,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::{Either, select};
use sqlx::{Connection, PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    Error,
    error::{is_dead, sqlstate},
};

/// How long to wait for a transaction to begin before somebody looks whether there is a server, and how
/// long to wait for what is seen.
const SUSPICION: Duration = Duration::from_millis(250);
/// How long an attempt may take, where the pool's own patience is not shorter: a host that swallows all
/// that is sent to it is seen to be down by then. A lost packet is sent again within that time.
const ATTEMPT: Duration = Duration::from_secs(2);
/// The pause after an attempt: the first, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
/// Not longer than what a caller is told to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What is known of the server.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// Whether it is known to be down. It decides only whether `memory` is looked at.
    down: AtomicBool,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Why it is known to be down.
    why: Option<Arc<sqlx::Error>>,
    /// Nobody looks again before.
    next: Option<Instant>,
    pause: Duration,
    /// The attempt that is under way. It ends with its sender.
    attempt: Option<watch::Receiver<()>>,
}

impl Outage {
    /// A connection of the pool; an error at once where the server is known to be down and none is
    /// idle.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        pool: &PgPool,
    ) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        if self.is_known() && pool.num_idle() == 0 {
            self.look(pool).await?;
        }
        match pool.acquire().await {
            Err(error) if is_down(&error) => Err(self.remember(error)),
            acquired => acquired,
        }
    }

    /// Works, and has somebody look whether there is a server when that takes long: if there is none,
    /// the work is dropped.
    pub(crate) async fn unless_down<T>(
        self: &Arc<Self>,
        pool: &PgPool,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let (work, seen_down) = (pin!(work), pin!(self.watch(pool)));
        match select(work, seen_down).await {
            Either::Left((worked, _)) => worked,
            Either::Right((down, _)) => Err(down.into()),
        }
    }

    /// The server has answered.
    pub(crate) fn is_over(&self) {
        if self.is_known() {
            self.forget(&mut self.memory());
        }
    }

    fn is_known(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Ends when the server is seen to be down.
    async fn watch(self: &Arc<Self>, pool: &PgPool) -> sqlx::Error {
        loop {
            sleep(SUSPICION).await;
            if let Err(down) = self.look(pool).await {
                return down;
            }
        }
    }

    /// Looks, or waits for who does. Who sees nothing in time goes by what was known before.
    async fn look(self: &Arc<Self>, pool: &PgPool) -> Result<(), sqlx::Error> {
        if let Some(mut attempt) = self.attempt(pool) {
            // Nothing is ever sent: it ends.
            let _ = timeout(SUSPICION, attempt.changed()).await;
        }
        self.memory().why.as_ref().map_or(Ok(()), |why| Err(again(why)))
    }

    /// The attempt that is under way, or a new one; none where the last one was a moment ago.
    fn attempt(self: &Arc<Self>, pool: &PgPool) -> Option<watch::Receiver<()>> {
        let mut memory = self.memory();
        if let Some(attempt) = memory.attempt.as_ref().filter(|it| it.has_changed().is_ok()) {
            return Some(attempt.clone());
        }
        if memory.next.is_some_and(|next| Instant::now() < next) {
            return None;
        }
        let (ends, attempt) = watch::channel(());
        memory.attempt = Some(attempt.clone());
        drop(memory);
        let outage = Arc::clone(self);
        let patience = pool.options().get_acquire_timeout().min(ATTEMPT);
        let options = pool.connect_options();
        Handle::current().spawn(async move {
            let connected = timeout(patience, PgConnection::connect_with(&options)).await;
            let silent = || sqlx::Error::Io(io::ErrorKind::TimedOut.into());
            match connected.unwrap_or_else(|_| Err(silent())) {
                Err(error) if is_down(&error) => drop(outage.remember(error)),
                answer => {
                    // Also where it refuses: whoever asks the pool is told why.
                    outage.answered();
                    drop(ends);
                    if let Ok(connection) = answer {
                        let _ = timeout(patience, connection.close()).await;
                    }
                }
            }
        });
        Some(attempt)
    }

    fn remember(&self, error: sqlx::Error) -> sqlx::Error {
        let error = Arc::new(error);
        let mut memory = self.memory();
        memory.pause = (memory.pause * 2).clamp(PAUSE, LONGEST_PAUSE);
        memory.next = Some(Instant::now() + memory.pause);
        memory.why = Some(Arc::clone(&error));
        self.down.store(true, Ordering::Relaxed);
        again(&error)
    }

    /// It is busy, which does not change so fast.
    fn answered(&self) {
        let mut memory = self.memory();
        self.forget(&mut memory);
        memory.next = Some(Instant::now() + LONGEST_PAUSE);
    }

    fn forget(&self, memory: &mut Memory) {
        memory.why = None;
        memory.next = None;
        memory.pause = Duration::ZERO;
        self.down.store(false, Ordering::Relaxed);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nobody can connect. One connection too many is an answer, by a server that is there.
fn is_down(error: &sqlx::Error) -> bool {
    is_dead(error) && sqlstate(error) != Some("53300")
}

/// The same error for one more caller, of the kind that says that the server is not there.
fn again(why: &Arc<sqlx::Error>) -> sqlx::Error {
    let kind = match &**why {
        sqlx::Error::Io(error) => error.kind(),
        _ => io::ErrorKind::NotConnected,
    };
    sqlx::Error::Io(io::Error::new(kind, Arc::clone(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> sqlx::Error {
        sqlx::Error::Io(io::ErrorKind::ConnectionRefused.into())
    }

    #[test]
    fn the_pause_doubles_up_to_what_a_caller_is_told() {
        let outage = Outage::default();
        let pauses = [0; 6].map(|_| {
            drop(outage.remember(refused()));
            outage.memory().pause.as_millis()
        });
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn who_comes_later_is_told_the_kind_of_it() {
        let kind = |why| match again(&Arc::new(why)) {
            sqlx::Error::Io(error) => error.kind(),
            other => panic!("{other}"),
        };
        assert_eq!(kind(refused()), io::ErrorKind::ConnectionRefused);
        assert_eq!(kind(sqlx::Error::WorkerCrashed), io::ErrorKind::NotConnected);
    }

    #[test]
    fn an_answer_ends_the_outage() {
        let outage = Outage::default();
        drop(outage.remember(refused()));
        assert!(outage.is_known());
        outage.is_over();
        assert!(!outage.is_known());
        assert!(outage.memory().why.is_none());
    }
}
