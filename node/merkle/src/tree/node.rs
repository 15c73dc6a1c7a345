//! Nodes of the state tree: how a version shares with the version before it, and how it is hashed.
//!
//! Every link carries the hash of the subtree it points to, so that a node is hashed from its own memory. A
//! subtree of at most [`PAGE`] pairs is a page and a larger one is a branch: the layout, like the root, depends
//! on the set of pairs alone. Depth is at most 256, which bounds every recursion here, that of dropping included.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::black_box;

use octroi_primitives::hash::{Hash, keyed, keyed_node};

use super::{Change, Leaf, STATE_LEAF_KEY, STATE_NODE_KEY, bit};
use crate::tree::proof::End;

/// The most pairs in a page. Larger pages spare memory and cache misses and cost hashes: to set a value in a page of
/// n pairs takes 2n − 1 of them. Of 1, 4, 8 and 16, 8 is the fastest at 10⁶ keys (examples/measure.rs), and takes a
/// third of the memory that 1 takes.
const PAGE: usize = 8;

/// How many changes are looked ahead at once: enough to keep the memory busy, few enough that what was read is still
/// in the cache when the update comes to it. Anything from 8 to 100 does.
const GROUP: usize = 32;

/// A subtree: its hash and where it is.
#[derive(Clone)]
pub(super) struct Link {
    hash: Hash,
    node: Node,
}

#[derive(Clone)]
enum Node {
    /// At most [`PAGE`] pairs, ascending by key; none for the empty subtree.
    Page(Arc<[Leaf]>),
    /// More than [`PAGE`] pairs.
    Branch(Arc<Branch>),
}

struct Branch {
    left: Link,
    right: Link,
}

impl Default for Link {
    fn default() -> Self {
        Self { hash: Hash::ZERO, node: Node::Page(Arc::default()) }
    }
}

impl Link {
    /// The subtree at `depth` over pairs that agree in the bits above it, ascending by key.
    pub(super) fn build(leaves: &[Leaf], depth: usize) -> Self {
        if leaves.len() <= PAGE {
            return Self { hash: subtree_hash(leaves, depth), node: Node::Page(leaves.into()) };
        }
        let (left, right) = split(leaves, depth);
        let (left, right) = (Self::build(left, depth + 1), Self::build(right, depth + 1));
        let hash = node_hash(&left.hash, &right.hash);
        Self { hash, node: Node::Branch(Arc::new(Branch { left, right })) }
    }

    pub(super) fn hash(&self) -> &Hash {
        &self.hash
    }

    /// The pairs, if they fit in one page.
    pub(super) fn single_page(&self) -> Option<&[Leaf]> {
        match &self.node {
            Node::Page(leaves) => Some(leaves),
            Node::Branch(_) => None,
        }
    }

    /// The tree after changes, ascending by key.
    pub(super) fn changed(&self, changes: &[Change]) -> Self {
        if changes.len() <= GROUP {
            self.look_ahead(changes, 0);
        }
        self.update(changes, 0, &mut Vec::new())
    }

    /// The subtree after changes that agree with it in the bits above `depth`, ascending by key. `scratch` is memory
    /// that all pages of one update use in turn.
    fn update(&self, changes: &[Change], depth: usize, scratch: &mut Vec<Leaf>) -> Self {
        if changes.is_empty() {
            return self.clone();
        }
        match &self.node {
            Node::Page(leaves) => {
                merge(leaves, changes, scratch);
                if **scratch == **leaves { self.clone() } else { Self::build(scratch, depth) }
            }
            Node::Branch(branch) => {
                let Branch { left, right } = &**branch;
                let mut update = |child: &Self, part: &[Change]| {
                    if part.len() <= GROUP && changes.len() > GROUP {
                        child.look_ahead(part, depth + 1);
                    }
                    child.update(part, depth + 1, scratch)
                };
                let (to_left, to_right) = split_changes(changes, depth);
                let (new_left, new_right) = (update(left, to_left), update(right, to_right));
                if new_left.hash == left.hash && new_right.hash == right.hash {
                    return self.clone();
                }
                Self::join(new_left, new_right)
            }
        }
    }

    /// Reads, level by level, the memory that [`Link::update`] is about to read, and forgets it.
    ///
    /// A large tree lies outside the caches, and the recursion waits for every node before it learns of the next.
    /// The nodes of one level do not wait for each other, so the machine fetches many at a time: a third less time
    /// per key at 10⁶ keys.
    fn look_ahead(&self, changes: &[Change], depth: usize) {
        let (mut level, mut below) = (Vec::from([(self, changes)]), Vec::new());
        let mut depth = depth;
        let mut seen = 0;
        while !level.is_empty() {
            for (link, changes) in level.drain(..) {
                match &link.node {
                    Node::Page(leaves) => {
                        seen ^= leaves.iter().fold(0, |seen, leaf| seen ^ usize::from(leaf.value.as_bytes()[31]));
                    }
                    Node::Branch(branch) => {
                        let Branch { left, right } = &**branch;
                        let (to_left, to_right) = split_changes(changes, depth);
                        for (child, part) in [(left, to_left), (right, to_right)] {
                            if part.is_empty() {
                                // It will be shared, which writes to its count.
                                seen ^= child.holders();
                            } else {
                                below.push((child, part));
                            }
                        }
                    }
                }
            }
            core::mem::swap(&mut level, &mut below);
            depth += 1;
        }
        // Without a use of what was read, the compiler would spare the reading.
        black_box(seen);
    }

    /// Lets go of the subtree, level by level for the reason of [`Link::look_ahead`]: what no other version holds is
    /// freed. The way nodes drop by themselves is as correct, and slower.
    pub(super) fn release(&mut self) {
        let (mut level, mut below) = (Vec::from([core::mem::take(self)]), Vec::new());
        while !level.is_empty() {
            black_box(level.iter().fold(0, |seen, link| seen ^ link.holders()));
            for link in level.drain(..) {
                match link.node {
                    Node::Page(leaves) => drop(leaves),
                    Node::Branch(branch) => {
                        if let Some(Branch { left, right }) = Arc::into_inner(branch) {
                            below.extend([left, right]);
                        }
                    }
                }
            }
            core::mem::swap(&mut level, &mut below);
        }
    }

    /// How many versions and branches hold this subtree. Another thread may change it at any time.
    pub(super) fn holders(&self) -> usize {
        match &self.node {
            Node::Page(leaves) => Arc::strong_count(leaves),
            Node::Branch(branch) => Arc::strong_count(branch),
        }
    }

    /// The parent of two subtrees of a branch. Removals may have left so few pairs that they fit in one page.
    fn join(left: Self, right: Self) -> Self {
        if let (Some(first), Some(second)) = (left.single_page(), right.single_page())
            && first.len() + second.len() <= PAGE
        {
            let hash = match (first, second) {
                // A pair that is alone moves up to where it is alone.
                ([_], []) => left.hash,
                ([], [_]) => right.hash,
                ([], []) => Hash::ZERO,
                _ => node_hash(&left.hash, &right.hash),
            };
            return Self { hash, node: Node::Page(first.iter().chain(second).copied().collect()) };
        }
        let hash = node_hash(&left.hash, &right.hash);
        Self { hash, node: Node::Branch(Arc::new(Branch { left, right })) }
    }

    pub(super) fn get(&self, key: &Hash) -> Option<Hash> {
        let (leaves, _) = self.page_of(key, |_| {});
        let place = leaves.binary_search_by(|leaf| leaf.key.cmp(key)).ok()?;
        Some(leaves[place].value)
    }

    /// Walks down the path of a key, noting the hashes beside it from here down, and says how the path ends.
    pub(super) fn path(&self, key: &Hash, siblings: &mut Vec<Hash>) -> End {
        let (mut leaves, mut depth) = self.page_of(key, |sibling| siblings.push(*sibling));
        loop {
            match leaves {
                [] => return End::Empty,
                [only] if only.key == *key => return End::Own,
                [only] => return End::Other(*only),
                _ => {
                    let (left, right) = split(leaves, depth);
                    let beside;
                    (leaves, beside) = if bit(key, depth) { (right, left) } else { (left, right) };
                    depth += 1;
                    siblings.push(subtree_hash(beside, depth));
                }
            }
        }
    }

    /// The page on the path of a key and its depth; `beside` sees the hashes of the subtrees passed by.
    fn page_of(&self, key: &Hash, mut beside: impl FnMut(&Hash)) -> (&[Leaf], usize) {
        let (mut link, mut depth) = (self, 0);
        loop {
            match &link.node {
                Node::Page(leaves) => return (leaves, depth),
                Node::Branch(branch) => {
                    let Branch { left, right } = &**branch;
                    let (next, other) = if bit(key, depth) { (right, left) } else { (left, right) };
                    beside(&other.hash);
                    (link, depth) = (next, depth + 1);
                }
            }
        }
    }
}

/// The definition of the tree (see the format in [`super`]), for the few pairs of a page.
fn subtree_hash(leaves: &[Leaf], depth: usize) -> Hash {
    match leaves {
        [] => Hash::ZERO,
        [only] => leaf_hash(only),
        _ => {
            let (left, right) = split(leaves, depth);
            node_hash(&subtree_hash(left, depth + 1), &subtree_hash(right, depth + 1))
        }
    }
}

/// The pairs whose keys have bit `depth` clear, and those that have it set.
fn split(leaves: &[Leaf], depth: usize) -> (&[Leaf], &[Leaf]) {
    leaves.split_at(leaves.partition_point(|leaf| !bit(&leaf.key, depth)))
}

/// The changes to keys that have bit `depth` clear, and to those that have it set.
fn split_changes(changes: &[Change], depth: usize) -> (&[Change], &[Change]) {
    changes.split_at(changes.partition_point(|(key, _)| !bit(key, depth)))
}

/// Puts into `merged` the pairs of a page after changes; both ascend by key.
fn merge(leaves: &[Leaf], changes: &[Change], merged: &mut Vec<Leaf>) {
    merged.clear();
    let mut rest = leaves;
    for (key, value) in changes {
        let (kept, from_key) = rest.split_at(rest.partition_point(|leaf| leaf.key < *key));
        merged.extend_from_slice(kept);
        rest = match from_key {
            [first, after @ ..] if first.key == *key => after,
            _ => from_key,
        };
        merged.extend(value.map(|value| Leaf { key: *key, value }));
    }
    merged.extend_from_slice(rest);
}

pub(super) fn leaf_hash(leaf: &Leaf) -> Hash {
    let Leaf { key, value } = leaf;
    let mut input = [0; 64];
    input[..32].copy_from_slice(key.as_bytes());
    input[32..].copy_from_slice(value.as_bytes());
    keyed(&STATE_LEAF_KEY, &input)
}

pub(super) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    keyed_node(&STATE_NODE_KEY, left, right)
}

#[cfg(test)]
mod tests {
    use octroi_primitives::hash::hash;

    use super::*;

    fn leaf(i: u64) -> Leaf {
        Leaf { key: hash("key", &[&i.to_be_bytes()]), value: hash("value", &[&i.to_be_bytes()]) }
    }

    fn sorted(ids: impl Iterator<Item = u64>) -> Vec<Leaf> {
        let mut leaves: Vec<Leaf> = ids.map(leaf).collect();
        leaves.sort_unstable();
        leaves
    }

    /// Whether two subtrees have the same nodes with the same hashes, all of them true.
    fn same(one: &Link, other: &Link, depth: usize) -> bool {
        let below = match (&one.node, &other.node) {
            (Node::Page(leaves), Node::Page(others)) => leaves == others && one.hash == subtree_hash(leaves, depth),
            (Node::Branch(branch), Node::Branch(others)) => {
                one.hash == node_hash(&branch.left.hash, &branch.right.hash)
                    && same(&branch.left, &others.left, depth + 1)
                    && same(&branch.right, &others.right, depth + 1)
            }
            (Node::Page(_), Node::Branch(_)) | (Node::Branch(_), Node::Page(_)) => false,
        };
        one.hash == other.hash && below
    }

    #[test]
    fn the_layout_depends_on_the_pairs_alone() {
        let few = Link::build(&sorted(0..300), 0);
        let additions: Vec<Change> = sorted(300..2_000).iter().map(|leaf| (leaf.key, Some(leaf.value))).collect();
        let many = few.changed(&additions);
        assert!(same(&many, &Link::build(&sorted(0..2_000), 0), 0));
        // Removing one at a time lets every page pass through every size.
        let mut shrinking = many;
        for (done, (key, _)) in additions.iter().enumerate() {
            shrinking = shrinking.changed(&[(*key, None)]);
            if done % 97 == 0 {
                let rest: Vec<Leaf> =
                    sorted(0..2_000).into_iter().filter(|leaf| shrinking.get(&leaf.key).is_some()).collect();
                assert_eq!(rest.len(), 2_000 - done - 1);
                assert!(same(&shrinking, &Link::build(&rest, 0), 0), "after {done} removals");
            }
        }
        assert!(same(&shrinking, &few, 0));
    }

    #[test]
    fn what_does_not_change_is_shared_and_not_copied() {
        let tree = Link::build(&sorted(0..1_000), 0);
        let again: Vec<Change> = sorted(0..100).iter().map(|leaf| (leaf.key, Some(leaf.value))).collect();
        let absent: Vec<Change> = sorted(5_000..5_100).iter().map(|leaf| (leaf.key, None)).collect();
        for changes in [again, absent] {
            let before = tree.holders();
            let same = tree.changed(&changes);
            assert_eq!(tree.holders(), before + 1);
            assert_eq!(same.hash, tree.hash);
        }
    }

    #[test]
    fn a_released_version_leaves_the_others_whole_and_only_held() {
        let mut versions = Vec::from([Link::build(&sorted(0..1_000), 0)]);
        for round in 0..10 {
            let changes: Vec<Change> =
                sorted(round * 90..round * 90 + 200).iter().map(|leaf| (leaf.key, None)).collect();
            versions.push(versions[versions.len() - 1].changed(&changes));
        }
        let kept = versions.remove(5);
        versions.iter_mut().for_each(Link::release);
        assert_eq!(kept.holders(), 1);
        let held: Vec<Leaf> = sorted(0..1_000).into_iter().filter(|leaf| kept.get(&leaf.key).is_some()).collect();
        assert!(same(&kept, &Link::build(&held, 0), 0));
        fn alone(link: &Link) -> bool {
            match &link.node {
                Node::Page(leaves) => leaves.is_empty() || Arc::strong_count(leaves) == 1,
                Node::Branch(branch) => Arc::strong_count(branch) == 1 && alone(&branch.left) && alone(&branch.right),
            }
        }
        assert!(alone(&kept));
    }

    #[test]
    fn a_link_is_no_larger_than_its_hash_and_a_page_pointer() {
        assert_eq!(size_of::<Link>(), 32 + size_of::<Arc<[Leaf]>>());
    }
}
