//! One connection, which stays open from call to call.

use std::{
    cell::{Cell, OnceCell, RefCell},
    io,
    time::Instant,
};

use tokio::{net::TcpStream, task::AbortHandle};

use crate::response::{Answer, Reader};

/// A try that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Try {
    /// Those of its call so far, this one among them.
    pub(super) tries: u8,
    pub(super) began: Instant,
    /// None is like another, so that a time that has run out is known to be that of this one.
    pub(super) serial: u64,
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    answers: RefCell<Reader>,
    pub(super) under_way: Cell<Option<Try>>,
    pub(super) is_closed: Cell<bool>,
    /// The task that reads.
    pub(super) reader: OnceCell<AbortHandle>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            answers: RefCell::default(),
            under_way: Cell::new(None),
            is_closed: Cell::new(false),
            reader: OnceCell::new(),
        }
    }

    /// A request is far smaller than the system's buffer, which is empty: what is not written at once
    /// is an error.
    pub(super) fn send(&self, request: &[u8]) -> io::Result<()> {
        match self.stream.try_write(request)? {
            written if written == request.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Waits for the end of the next answer.
    pub(super) async fn answer(&self, buffer: &RefCell<Vec<u8>>) -> io::Result<Answer> {
        loop {
            self.stream.readable().await?;
            let mut buffer = buffer.borrow_mut();
            let read = match self.stream.try_read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let fed = self.answers.borrow_mut().feed(&buffer[..read]);
            if let Some(answer) = fed.map_err(|_| io::ErrorKind::InvalidData)? {
                return Ok(answer);
            }
        }
    }
}
