//! [`Found`]: a record at the head of its partition, verified and not yet taken.

use rdkafka::{Message, message::BorrowedMessage};

use super::{
    super::{judge::Judged, policy::Wire},
    Owned, Shared, claimed, owned,
};
use crate::Headers;

pub(super) struct Found<'m> {
    message: BorrowedMessage<'m>,
    headers: Headers,
    judged: Judged,
    /// Which of the partitions it is of.
    owned: usize,
}

impl<'m> Found<'m> {
    /// Whose it is. None when nothing is to be done with it now.
    pub(super) fn look(
        shared: &Shared,
        partitions: &mut [Owned],
        mut message: BorrowedMessage<'m>,
    ) -> Option<Self> {
        let offset = message.offset();
        // One that was given or taken in this very turn is read again from where it was committed.
        let at = owned::position(partitions, &message)?;
        let owned = &mut partitions[at];
        if !owned.partition.at(offset, |progress| progress.read(offset)) {
            return None;
        }
        let (headers, readable) = shared.judge.policy.look(&mut message);
        // Whose it says it is does for leaving it behind: it is verified once, when it is come back for.
        if owned.left.has(&claimed(&headers)) {
            return None;
        }
        let place = (&owned.partition.place, offset);
        let judged = shared.judge.judge(&Wire::of(&message), &headers, readable, place);
        Some(Self { message, headers, judged, owned: at })
    }
}

/// Takes into memory and the queue what there is room for, in order. All else is left behind.
pub(super) fn take<'m>(
    shared: &Shared,
    partitions: &mut [Owned],
    found: impl IntoIterator<Item = Found<'m>>,
) {
    for Found { message, headers, judged, owned } in found {
        let (owned, lane) = (&mut partitions[owned], judged.lane);
        if owned.left.has(&lane) || !shared.admit(owned, &message, headers, judged) {
            owned.left.leave(lane, message.offset());
        }
    }
}
