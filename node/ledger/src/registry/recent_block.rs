//! Record: the ids of the last blocks, so that a candidate can prove that it follows the chain (rulebook §17, 0108).

use crate::{
    state::{Head, Overlay, Record},
    wire::message,
};
use octroi_primitives::*;

/// Heights that are remembered.
pub const REMEMBERED: u64 = 1_000;

message! {
    /// A block; its key is its height.
    pub struct RecentBlock = RecentBlock {
        /// Its id.
        pub id: BlockId,
    }
}

impl Record for RecentBlock {
    type Key = Height;
}

/// The id of the block of a height, if it is one of those before the block in execution that are remembered.
pub fn id_at(state: &Overlay<'_>, height: Height) -> Option<BlockId> {
    let head = state.parent().head();
    if height == head.height && height != Height(0) {
        return Some(head.id);
    }
    state.get::<RecentBlock>(&height).map(|block| block.id)
}

/// Notes the parent of the block in execution, and forgets the one that is too old for it.
pub(crate) fn note(state: &mut Overlay<'_>, parent: &Head) {
    let height = parent.height;
    if height == Height(0) {
        return;
    }
    state.put::<RecentBlock>(height, RecentBlock { id: parent.id });
    if let Some(old) = height.checked_sub(REMEMBERED)
        && state.has::<RecentBlock>(&old)
    {
        state.remove::<RecentBlock>(&old);
    }
}
