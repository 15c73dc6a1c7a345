//! Rows and the permanent numbers of the views.

/// One row of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which view.
    pub view: ViewId,
    /// Key; unique within the view.
    pub key: Vec<u8>,
    /// Value.
    pub value: Vec<u8>,
}

/// The views. Numbers are part of every stored key: never reused, never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ViewId {
    /// [`crate::transactions`]
    Transactions = 1,
    /// [`crate::blocks`]
    Blocks = 2,
    /// [`crate::lists`]
    Lists = 3,
    /// [`crate::stories`]
    Stories = 4,
    /// [`crate::postings`]
    Postings = 5,
}

impl ViewId {
    /// Every view.
    pub const ALL: &'static [Self] = &[Self::Transactions, Self::Blocks, Self::Lists, Self::Stories, Self::Postings];

    /// Its permanent number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::Blocks => "blocks",
            Self::Lists => "lists",
            Self::Stories => "stories",
            Self::Postings => "postings",
        }
    }
}

/// Takes bytes apart from the front.
pub(crate) struct Reader<'a> {
    view: ViewId,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(view: ViewId, bytes: &'a [u8]) -> Self {
        Self { view, rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], crate::ReadFault> {
        let (head, rest) =
            self.rest.split_at_checked(length).ok_or_else(|| crate::ReadFault::row(self.view, "a row is cut short"))?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], crate::ReadFault> {
        Ok(self.bytes(N)?.try_into().expect("N bytes were taken"))
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn end(self) -> Result<(), crate::ReadFault> {
        if self.rest.is_empty() { Ok(()) } else { Err(crate::ReadFault::row(self.view, "a row is too long")) }
    }
}
