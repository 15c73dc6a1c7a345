//! Values of blocks, receipts, certificates, evidence and heads: checked from end to end, and compressed where that pays.
//!
//! ```text
//! crc32c u32 of key and the rest ‖ form u8 ‖ length u32 of the content ‖ content, as it is (form 0) or as an LZ4 block (form 1)
//! ```
//!
//! RocksDB checks what it reads from files; this also catches what went wrong in memory or in its cache, and makes a value of one key unusable
//! under another: the checksum covers the key.

use lz4_flex::block::{compress, decompress};

const PLAIN: u8 = 0;
const LZ4: u8 = 1;
const HEAD: usize = 9;
/// More than any block with its receipts can have: a length above it is damage, not a reason to allocate.
const MAX_CONTENT: usize = 64 << 20;

/// The stored form of `content` under `key`. What could not be opened again is not written: a content over the bound is a bug of whoever made it,
/// as blocks, receipts and evidence are bounded far below it.
pub(crate) fn seal(key: &[u8], content: &[u8]) -> Vec<u8> {
    assert!(content.len() <= MAX_CONTENT, "a value of {} bytes is over the bound of {MAX_CONTENT}", content.len());
    let packed = compress(content);
    let (form, body) = if packed.len() < content.len() { (LZ4, packed.as_slice()) } else { (PLAIN, content) };
    let length = u32::try_from(content.len()).expect("the bound is below 4 GiB");
    let mut value = Vec::with_capacity(HEAD + body.len());
    value.extend_from_slice(&[0; 4]);
    value.push(form);
    value.extend_from_slice(&length.to_be_bytes());
    value.extend_from_slice(body);
    let crc = checksum(key, &value[4..]);
    value[..4].copy_from_slice(&crc.to_be_bytes());
    value
}

/// The content; `Err` says what is wrong with the value.
pub(crate) fn open(key: &[u8], value: &[u8]) -> Result<Vec<u8>, String> {
    let (head, body) = value.split_at_checked(HEAD).ok_or("value is cut short")?;
    let crc = u32::from_be_bytes(head[..4].try_into().expect("4 bytes"));
    let found = checksum(key, &value[4..]);
    if found != crc {
        return Err(format!("checksum {crc:08x}, the bytes give {found:08x}"));
    }
    let length = u32::from_be_bytes(head[5..].try_into().expect("4 bytes")) as usize;
    if length > MAX_CONTENT {
        return Err(format!("value says to hold {length} bytes"));
    }
    let content = match head[4] {
        PLAIN => body.to_vec(),
        LZ4 => decompress(body, length).map_err(|error| format!("value does not decompress: {error}"))?,
        form => return Err(format!("value has form {form}, which is unknown")),
    };
    if content.len() != length {
        return Err(format!("value holds {} bytes instead of {length}", content.len()));
    }
    Ok(content)
}

fn checksum(key: &[u8], rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_under_its_own_key_alone_and_any_flipped_bit_is_noticed() {
        for content in [vec![], vec![7; 5000], (0..=255).collect::<Vec<u8>>()] {
            let value = seal(b"key", &content);
            assert_eq!(open(b"key", &value).as_deref(), Ok(content.as_slice()));
            assert!(open(b"kez", &value).is_err());
            for bit in 0..value.len() * 8 {
                let mut flipped = value.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(open(b"key", &flipped).is_err(), "bit {bit}");
            }
            for length in 0..value.len() {
                assert!(open(b"key", &value[..length]).is_err(), "cut at {length}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "over the bound")]
    fn what_could_not_be_opened_is_not_sealed() {
        seal(b"", &vec![0; MAX_CONTENT + 1]);
    }

    #[test]
    fn what_repeats_itself_takes_less_room() {
        assert!(seal(b"", &[7; 5000]).len() < 100);
    }
}
