//! View 2: the height of a block id.
//!
//! Key: id. Value: height u64.

use crate::{ReadFault, Row, Rows, ViewId, row::Reader};
use octroi_primitives::{BlockId, Height};

const VIEW: ViewId = ViewId::Blocks;

pub(crate) fn fold(height: Height, id: &BlockId, out: &mut Vec<Row>) {
    out.push(Row { view: VIEW, key: id.as_bytes().to_vec(), value: height.0.to_be_bytes().to_vec() });
}

/// The height of a committed block, as of a height.
///
/// # Errors
/// [`ReadFault`] when the store cannot be read.
pub fn height_of(rows: &dyn Rows, at: Height, id: &BlockId) -> Result<Option<Height>, ReadFault> {
    let Some(value) = rows.get(VIEW, id.as_bytes())? else { return Ok(None) };
    let mut reader = Reader::new(VIEW, &value);
    let height = Height(u64::from_be_bytes(reader.array()?));
    reader.end()?;
    Ok((height <= at).then_some(height))
}
