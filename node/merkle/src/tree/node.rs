//! Nodes of the state tree: how a version shares with the version before it, and how it is hashed.
//!
//! Every link carries the hash of the subtree it points to, so that a node is hashed from its own memory. A
//! subtree of at most [`PAGE`] pairs is a page and a larger one is a branch: the layout, like the root, depends
//! on the set of pairs alone. Depth is at most 256, which bounds every recursion here, that of dropping included.

use alloc::sync::Arc;
use alloc::vec::Vec;

use octroi_primitives::hash::{Hash, keyed, keyed_node};

use super::{Leaf, STATE_LEAF_KEY, STATE_NODE_KEY, bit};
use crate::tree::proof::End;

/// The most pairs in a page. Larger pages spare memory and cache misses and cost hashes: to set a value in a page of
/// n pairs takes 2n − 1 of them. Measured at 10⁶ keys (examples/measure.rs).
pub(super) const PAGE: usize = 8;

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

    /// The subtree after changes that agree with it in the bits above `depth`, ascending by key.
    pub(super) fn update(&self, changes: &[(Hash, Option<Hash>)], depth: usize) -> Self {
        if changes.is_empty() {
            return self.clone();
        }
        match &self.node {
            Node::Page(leaves) => {
                let merged = merge(leaves, changes);
                if merged == **leaves { self.clone() } else { Self::build(&merged, depth) }
            }
            Node::Branch(branch) => {
                let Branch { left, right } = &**branch;
                let (to_left, to_right) = changes.split_at(changes.partition_point(|(key, _)| !bit(key, depth)));
                let (left, right) = (left.update(to_left, depth + 1), right.update(to_right, depth + 1));
                if left.hash == branch.left.hash && right.hash == branch.right.hash {
                    return self.clone();
                }
                Self::join(left, right)
            }
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

/// The pairs of a page after changes; both ascend by key.
fn merge(leaves: &[Leaf], changes: &[(Hash, Option<Hash>)]) -> Vec<Leaf> {
    let mut merged = Vec::with_capacity(leaves.len() + changes.len());
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
    merged
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
