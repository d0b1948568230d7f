//! [`Savepoint`]: a part of a transaction that can be undone by itself.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use crate::{
    Error, TenantConn,
    executor::executor,
    session::{Level, Session},
};

/// A part of a transaction that can be undone by itself. It comes from [`TenantConn::savepoint`], and
/// cannot end the transaction that it is in.
///
/// ```no_run
/// # use tenantkit_sqlx::{Error, TenantTx};
/// # async fn example(tx: &mut TenantTx) -> Result<(), Error> {
/// let mut attempt = tx.savepoint().await?;
/// match sqlx::query("INSERT INTO documents (id) VALUES (7)").execute(&mut attempt).await {
///     Ok(_) => attempt.release().await?,
///     Err(_) => attempt.rollback().await?, // and the transaction goes on
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropped, it is undone before the next statement of what is around it, also where a statement in
/// it was cancelled.
#[must_use = "what is not released is undone"]
pub struct Savepoint<'c> {
    conn: &'c mut TenantConn,
    level: Level,
    finished: bool,
}

impl<'c> Savepoint<'c> {
    pub(crate) async fn open(conn: &'c mut TenantConn) -> Result<Self, Error> {
        let level = conn.session_mut().prepare_savepoint().await?;
        // It exists before anything is sent, so that a drop from here on undoes it.
        let savepoint = Self { conn, level, finished: false };
        savepoint.conn.session_mut().open(&savepoint.level).await?;
        Ok(savepoint)
    }
}

impl Savepoint<'_> {
    /// Keeps what was done in it, as a part of what is around it.
    ///
    /// # Errors
    ///
    /// [`Error::CommitAborted`] when a statement in it failed, [`Error::BindingLost`] when one changed
    /// the tenant: it is undone then.
    ///
    /// # Cancellation
    ///
    /// It is undone.
    pub async fn release(mut self) -> Result<(), Error> {
        self.conn.session_mut().keep(&self.level).await?;
        self.finished = true;
        Ok(())
    }

    /// Undoes what was done in it. Dropping does the same, before the next statement.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    ///
    /// # Cancellation
    ///
    /// It is undone all the same.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.finished = true;
        self.conn.session_mut().undo(&self.level).await
    }

    const fn session_mut(&mut self) -> &mut Session {
        self.conn.session_mut()
    }
}

executor!(Savepoint<'s>, 's);

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.conn.session_mut().abandon(&self.level);
        }
    }
}

impl Deref for Savepoint<'_> {
    type Target = TenantConn;

    fn deref(&self) -> &TenantConn {
        self.conn
    }
}

impl DerefMut for Savepoint<'_> {
    fn deref_mut(&mut self) -> &mut TenantConn {
        self.conn
    }
}

impl fmt::Debug for Savepoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Savepoint").field("context", self.conn.context()).finish_non_exhaustive()
    }
}
