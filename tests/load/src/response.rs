//! Answers of HTTP/1.1, read as far as a client needs: the status, `Retry-After`, and where the answer
//! ends, so that the connection can be used again.

use std::time::Duration;

use httparse::{EMPTY_HEADER, Status};

/// More than any answer that we ask for has in its head.
const HEADERS: usize = 48;

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) keep_alive: bool,
}

/// The answer is none, or there is more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads one answer after the other.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    unread: Vec<u8>,
    head: Option<(Answer, Body)>,
}

/// What is still to come of the body.
#[derive(Debug, Clone, Copy)]
enum Body {
    Bytes(usize),
    ChunkSize,
    /// With the line end behind it.
    Chunk(usize),
    Trailers,
}

impl Reader {
    /// Takes what has come, and gives the answer when that was its end.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Malformed> {
        self.unread.extend_from_slice(bytes);
        if self.head.is_none() {
            self.head = self.read_head()?;
        }
        let Some((answer, mut body)) = self.head else { return Ok(None) };
        let ended = self.read_body(&mut body)?;
        self.head = Some((answer, body));
        if !ended {
            return Ok(None);
        }
        self.head = None;
        // One call is under way on a connection: nothing may follow its answer.
        if self.unread.is_empty() { Ok(Some(answer)) } else { Err(Malformed) }
    }

    fn read_head(&mut self) -> Result<Option<(Answer, Body)>, Malformed> {
        let mut headers = [EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(&self.unread).map_err(|_| Malformed)? {
            Status::Complete(length) => length,
            Status::Partial => return Ok(None),
        };
        let mut answer = Answer {
            status: response.code.ok_or(Malformed)?,
            retry_after: None,
            keep_alive: response.version == Some(1),
        };
        let mut body = Body::Bytes(0);
        for header in response.headers.iter() {
            let value = std::str::from_utf8(header.value).map_err(|_| Malformed)?;
            if header.name.eq_ignore_ascii_case("content-length") {
                body = Body::Bytes(value.parse().map_err(|_| Malformed)?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                body = Body::ChunkSize;
            } else if header.name.eq_ignore_ascii_case("connection") {
                answer.keep_alive &= !value.eq_ignore_ascii_case("close");
            } else if header.name.eq_ignore_ascii_case("retry-after") {
                answer.retry_after = value.parse().ok().map(Duration::from_secs);
            }
        }
        self.unread.drain(..length);
        Ok(Some((answer, body)))
    }

    /// Whether the body has ended.
    fn read_body(&mut self, body: &mut Body) -> Result<bool, Malformed> {
        loop {
            match *body {
                Body::Bytes(left) => {
                    let left = self.skip(left);
                    *body = Body::Bytes(left);
                    return Ok(left == 0);
                }
                Body::ChunkSize => {
                    match httparse::parse_chunk_size(&self.unread).map_err(|_| Malformed)? {
                        Status::Partial => return Ok(false),
                        Status::Complete((length, size)) => {
                            self.unread.drain(..length);
                            let size = usize::try_from(size).map_err(|_| Malformed)?;
                            let with_end = size.checked_add(2).ok_or(Malformed)?;
                            *body = if size == 0 { Body::Trailers } else { Body::Chunk(with_end) };
                        }
                    }
                }
                Body::Chunk(left) => {
                    let left = self.skip(left);
                    *body = if left == 0 { Body::ChunkSize } else { Body::Chunk(left) };
                    if left > 0 {
                        return Ok(false);
                    }
                }
                Body::Trailers => {
                    let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") else {
                        return Ok(false);
                    };
                    self.unread.drain(..end + 2);
                    if end == 0 {
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// Takes up to so many bytes, and says how many are still to come.
    fn skip(&mut self, bytes: usize) -> usize {
        let there = bytes.min(self.unread.len());
        self.unread.drain(..there);
        bytes - there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Answer = Answer { status: 200, retry_after: None, keep_alive: true };

    /// The answers, however the bytes are cut on their way.
    fn read(wire: &str) -> Result<Vec<Answer>, Malformed> {
        let whole: Vec<_> = Reader::default().feed(wire.as_bytes())?.into_iter().collect();
        for cut in 1..wire.len() {
            let mut reader = Reader::default();
            let mut answers = Vec::new();
            for part in wire.as_bytes().chunks(cut) {
                answers.extend(reader.feed(part)?);
            }
            assert_eq!(answers, whole, "cut at {cut}");
        }
        Ok(whole)
    }

    #[test]
    fn an_answer_ends_where_its_length_or_its_last_chunk_says() {
        assert_eq!(read("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"), Ok(vec![OK]));
        assert_eq!(read("HTTP/1.1 200 OK\r\n\r\n"), Ok(vec![OK]));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n";
        assert_eq!(read(&format!("{chunked}\r\n")), Ok(vec![OK]));
        assert_eq!(read(&format!("{chunked}x: y\r\n\r\n")), Ok(vec![OK]));
        assert_eq!(read(chunked), Ok(vec![]));
        assert_eq!(read("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell"), Ok(vec![]));
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let refused = read(
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nConnection: close\r\ncontent-length: 2\r\n\r\n{}",
        );
        let retry_after = Some(Duration::from_secs(2));
        assert_eq!(refused, Ok(vec![Answer { status: 429, retry_after, keep_alive: false }]));
    }

    #[test]
    fn what_nobody_asked_for_is_no_answer() {
        assert_eq!(read("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nhello"), Err(Malformed));
        assert_eq!(read("what?\r\n\r\n"), Err(Malformed));
    }
}
