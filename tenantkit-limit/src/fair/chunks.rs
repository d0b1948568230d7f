//! [`Chunks`]: lists of numbers in chunks of a cache line, with removal from the middle.
//!
//! A list of tenants that is read from the front brings thirteen at a time into the cache. Every chunk
//! of a list has something in it, so that memory is bounded by what is listed.

use super::pool::{NIL, Pool, Pooled};

const ROOM: usize = 13;

#[repr(align(64))]
#[derive(Default)]
struct Chunk {
    entries: [u32; ROOM],
    next: u32,
    prev: u32,
    /// Entries are from here ...
    first: u8,
    /// ... to before here.
    end: u8,
}

impl Pooled for Chunk {
    fn link(&mut self) -> &mut u32 {
        &mut self.next
    }

    fn clear(&mut self) {}
}

/// A list. Its chunks are those of one [`Chunks`].
#[derive(Clone, Copy)]
pub(super) struct List {
    head: u32,
    tail: u32,
}

/// Where an entry is: the number of its chunk, and in four bits its place there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place(u32);

impl Place {
    /// There are fewer chunks than can be numbered in what is left of 32 bits, by the bound on tenants.
    const fn new(chunk: u32, at: u8) -> Self {
        Self(chunk << 4 | at as u32)
    }

    const fn split(self) -> (u32, u8) {
        (self.0 >> 4, (self.0 & 15) as u8)
    }
}

pub(super) struct Chunks {
    chunks: Pool<Chunk>,
}

impl List {
    pub(super) const EMPTY: Self = Self { head: NIL, tail: NIL };

    pub(super) const fn is_empty(self) -> bool {
        self.head == NIL
    }
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self { chunks: Pool::new() }
    }

    /// How many chunks are in lists.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.chunks.len()
    }

    #[inline]
    pub(super) fn push(&mut self, list: &mut List, entry: u32) -> Place {
        if list.tail == NIL || usize::from(self.chunks[list.tail].end) == ROOM {
            self.append(list);
        }
        let chunk = &mut self.chunks[list.tail];
        let at = chunk.end;
        chunk.entries[usize::from(at)] = entry;
        chunk.end += 1;
        Place::new(list.tail, at)
    }

    /// The first entry of a list.
    #[inline]
    pub(super) fn front(&self, list: List) -> Option<u32> {
        if list.head == NIL {
            return None;
        }
        let chunk = &self.chunks[list.head];
        Some(chunk.entries[usize::from(chunk.first)])
    }

    /// The entries that are two and four behind the first. The cache is told of the next chunk.
    pub(super) fn after_front(&self, list: List) -> [Option<u32>; 2] {
        if list.head == NIL {
            return [None; 2];
        }
        let chunk = &self.chunks[list.head];
        if chunk.next != NIL {
            self.chunks.expect(chunk.next, |next| next);
        }
        let behind = |places| {
            let at = usize::from(chunk.first + places);
            if at < usize::from(chunk.end) {
                return chunk.entries.get(at).copied();
            }
            if chunk.next == NIL {
                return None;
            }
            let next = &self.chunks[chunk.next];
            let at = at - usize::from(chunk.end) + usize::from(next.first);
            if at < usize::from(next.end) { next.entries.get(at).copied() } else { None }
        };
        [behind(2), behind(4)]
    }

    /// Takes the first entry out.
    #[inline]
    pub(super) fn pop(&mut self, list: &mut List) -> Option<u32> {
        if list.head == NIL {
            return None;
        }
        let number = list.head;
        let chunk = &mut self.chunks[number];
        let entry = chunk.entries[usize::from(chunk.first)];
        chunk.first += 1;
        if chunk.first == chunk.end {
            self.unlink(list, number);
        }
        Some(entry)
    }

    /// Takes an entry out of the middle. Answers which other has now the place that it had.
    pub(super) fn remove(&mut self, list: &mut List, place: Place) -> Option<u32> {
        let (number, at) = place.split();
        let chunk = &mut self.chunks[number];
        chunk.end -= 1;
        let moved = chunk.entries[usize::from(chunk.end)];
        chunk.entries[usize::from(at)] = moved;
        let is_other = at != chunk.end;
        if chunk.first == chunk.end {
            self.unlink(list, number);
        }
        is_other.then_some(moved)
    }

    #[cold]
    fn append(&mut self, list: &mut List) {
        let (number, chunk) = self.chunks.claim();
        (chunk.next, chunk.prev, chunk.first, chunk.end) = (NIL, list.tail, 0, 0);
        match list.tail {
            NIL => list.head = number,
            tail => self.chunks[tail].next = number,
        }
        list.tail = number;
    }

    #[cold]
    fn unlink(&mut self, list: &mut List, number: u32) {
        let Chunk { next, prev, .. } = self.chunks[number];
        self.chunks.remove(number);
        match prev {
            NIL => list.head = next,
            prev => self.chunks[prev].next = next,
        }
        match next {
            NIL => list.tail = prev,
            next => self.chunks[next].prev = prev,
        }
    }
}
