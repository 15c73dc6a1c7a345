//! Pages that neither skip nor repeat: a token pins the height and the filter, and names the last item given.

use crate::ViewError;
use octroi_primitives::{Height, hash};

/// Items of a page if none are asked for.
pub const DEFAULT_PAGE: usize = 50;
/// Most items of a page; more are clamped.
pub const MAX_PAGE: usize = 1000;

const VERSION: u8 = 1;

/// A request for a page of a list, with its height settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    height: Height,
    filter: [u8; 8],
    after: Option<Vec<u8>>,
    size: usize,
}

/// What a list gives: items, and the token of the next page if there is more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf<T> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// Opaque; `None` at the end.
    pub next: Option<Vec<u8>>,
}

impl Page {
    /// Reads a request. `query` names the query and every filter of it: a token of another query is refused. The height is the token's, else
    /// `at`, which the caller takes from the request or from the newest view.
    ///
    /// # Errors
    /// [`ViewError::PageToken`] for a token that this query did not give.
    pub fn new(query: &[&[u8]], size: u32, token: &[u8], at: Height) -> Result<Self, ViewError> {
        let filter = fingerprint(query);
        let size = match size as usize {
            0 => DEFAULT_PAGE,
            size => size.min(MAX_PAGE),
        };
        if token.is_empty() {
            return Ok(Self { height: at, filter, after: None, size });
        }
        let (version, rest) = token.split_first().expect("not empty");
        if *version != VERSION {
            return Err(ViewError::PageToken("made by another version"));
        }
        let (height, rest) = rest.split_first_chunk::<8>().ok_or(ViewError::PageToken("cut short"))?;
        let (of, after) = rest.split_first_chunk::<8>().ok_or(ViewError::PageToken("cut short"))?;
        if *of != filter {
            return Err(ViewError::PageToken("made for another query or filter"));
        }
        Ok(Self { height: Height(u64::from_be_bytes(*height)), filter, after: Some(after.to_vec()), size })
    }

    /// The whole of a list at a height, for callers that page themselves.
    pub fn first(height: Height, size: usize) -> Self {
        Self { height, filter: [0; 8], after: None, size }
    }

    /// The height it reads at.
    pub fn height(&self) -> Height {
        self.height
    }

    /// Most items.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Position of the last item given, as [`Page::token`] got it.
    pub fn after(&self) -> Option<&[u8]> {
        self.after.as_deref()
    }

    /// The token of the page after the item at `position`.
    pub fn token(&self, position: &[u8]) -> Vec<u8> {
        let mut token = Vec::with_capacity(17 + position.len());
        token.push(VERSION);
        token.extend_from_slice(&self.height.0.to_be_bytes());
        token.extend_from_slice(&self.filter);
        token.extend_from_slice(position);
        token
    }

    /// Cuts a page out of items that come in order, each with its position; those up to [`Page::after`] are passed over. For lists that are read
    /// from the state, where a position is a key.
    pub fn cut<T>(&self, items: impl IntoIterator<Item = (Vec<u8>, T)>) -> PageOf<T> {
        let rest =
            items.into_iter().filter(|(position, _)| self.after().is_none_or(|after| position.as_slice() > after));
        let mut page = Vec::new();
        let mut last = Vec::new();
        for (position, item) in rest {
            if page.len() == self.size {
                return PageOf { items: page, next: Some(self.token(&last)) };
            }
            page.push(item);
            last = position;
        }
        PageOf { items: page, next: None }
    }
}

fn fingerprint(query: &[&[u8]]) -> [u8; 8] {
    let hash = hash("page-filter", query);
    let (first, _) = hash.as_bytes().split_first_chunk::<8>().expect("a hash has 32 bytes");
    *first
}
