//! The framing of the ordered channel: `length u32 big-endian ‖ kind u8 ‖ payload`, length counting kind and payload.
//!
//! Promises: nothing is decoded past its limit; a frame is judged by its five head bytes before its payload is waited for.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::config::MAX_FRAME_BYTES;
use crate::score::Offence;

/// Bytes before the payload.
pub(crate) const HEAD_BYTES: usize = 5;

/// The longest payload of each kind, by kind; kinds without an entry are unknown.
#[derive(Clone, Debug)]
pub(crate) struct FrameLimits([Option<u32>; 256]);

impl FrameLimits {
    pub(crate) fn new(kinds: &BTreeMap<u8, u32>) -> Self {
        let mut limits = [None; 256];
        for (kind, limit) in kinds {
            limits[usize::from(*kind)] = Some(*limit);
        }
        Self(limits)
    }

    /// The longest payload of this kind, bytes.
    pub(crate) fn of(&self, kind: u8) -> Option<usize> {
        self.0[usize::from(kind)].map(|limit| limit as usize)
    }
}

/// Appends one frame. The payload is within the kind's limit, which `send` has checked.
pub(crate) fn encode(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len() + 1).expect("a payload is at most 64 KiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.push(kind);
    out.extend_from_slice(payload);
}

/// Bytes read and not yet cut into frames; it holds one frame of the longest kind and what was read behind it.
pub(crate) struct FrameBuffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl FrameBuffer {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; HEAD_BYTES + MAX_FRAME_BYTES].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Room to read into; never empty after [`Self::next`] said that it needs more.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.end == self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes of the room are now filled.
    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// The next whole frame, `None` when more bytes are needed.
    ///
    /// # Errors
    /// The peer's offence, when the head alone condemns the frame.
    pub(crate) fn next(&mut self, limits: &FrameLimits) -> Result<Option<(u8, Bytes)>, Offence> {
        let waiting = &self.bytes[self.start..self.end];
        let Some((head, rest)) = waiting.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let [a, b, c, d, kind] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length == 0 {
            return Err(Offence::Malformed);
        }
        if length > MAX_FRAME_BYTES + 1 {
            return Err(Offence::TooLarge);
        }
        let limit = limits.of(kind).ok_or(Offence::UnknownKind)?;
        let size = length - 1;
        if size > limit {
            return Err(Offence::TooLarge);
        }
        let Some(payload) = rest.get(..size) else {
            return Ok(None);
        };
        // A copy, so that a vote of 200 bytes does not keep this whole buffer alive.
        let payload = Bytes::copy_from_slice(payload);
        self.start += HEAD_BYTES + size;
        Ok(Some((kind, payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> FrameLimits {
        FrameLimits::new(&BTreeMap::from([(1, 64), (2, MAX_FRAME_BYTES as u32), (3, 0)]))
    }

    fn feed(buffer: &mut FrameBuffer, bytes: &[u8]) {
        buffer.room()[..bytes.len()].copy_from_slice(bytes);
        buffer.filled(bytes.len());
    }

    #[test]
    fn the_wire_form_is_length_kind_payload() {
        let mut out = Vec::new();
        encode(2, b"abc", &mut out);
        assert_eq!(out, [0, 0, 0, 4, 2, b'a', b'b', b'c']);
    }

    #[test]
    fn frames_survive_any_cut_of_the_stream() {
        let payloads: Vec<Vec<u8>> =
            [0usize, 1, 63, 64].iter().map(|size| (0..*size).map(|byte| byte as u8).collect()).collect();
        let mut wire = Vec::new();
        for payload in &payloads {
            encode(1, payload, &mut wire);
        }
        for step in 1..wire.len() {
            let mut buffer = FrameBuffer::new();
            let mut seen = Vec::new();
            for piece in wire.chunks(step) {
                feed(&mut buffer, piece);
                while let Some((kind, payload)) = buffer.next(&limits()).unwrap() {
                    assert_eq!(kind, 1);
                    seen.push(payload.to_vec());
                }
            }
            assert_eq!(seen, payloads, "step {step}");
        }
    }

    #[test]
    fn the_longest_frames_pass_back_to_back_through_one_buffer() {
        let payload = vec![9u8; MAX_FRAME_BYTES];
        let mut wire = Vec::new();
        for _ in 0..3 {
            encode(2, &payload, &mut wire);
        }
        let (mut buffer, mut seen, mut rest) = (FrameBuffer::new(), 0, &wire[..]);
        while !rest.is_empty() {
            let room = buffer.room();
            assert!(!room.is_empty());
            let count = room.len().min(rest.len()).min(50_000);
            room[..count].copy_from_slice(&rest[..count]);
            buffer.filled(count);
            rest = &rest[count..];
            while let Some((_, bytes)) = buffer.next(&limits()).unwrap() {
                assert_eq!(bytes, payload);
                seen += 1;
            }
        }
        assert_eq!(seen, 3);
    }

    #[test]
    fn a_bad_head_is_refused_before_its_payload_arrives() {
        for (head, offence) in [
            ([0, 0, 0, 0, 1], Offence::Malformed),
            ([0, 0, 0, 66, 1], Offence::TooLarge),
            ([0, 0, 0, 2, 3], Offence::TooLarge),
            ([0, 1, 0, 2, 2], Offence::TooLarge),
            ([255, 255, 255, 255, 1], Offence::TooLarge),
            ([0, 0, 0, 1, 9], Offence::UnknownKind),
        ] {
            let mut buffer = FrameBuffer::new();
            feed(&mut buffer, &head);
            assert_eq!(buffer.next(&limits()), Err(offence), "{head:?}");
        }
        let mut buffer = FrameBuffer::new();
        feed(&mut buffer, &[0, 0, 0, 65, 1]);
        assert_eq!(buffer.next(&limits()), Ok(None));
    }
}
