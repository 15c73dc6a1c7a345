//! The archive: any change of it is found, and named with its place.

use crate::fixture::{NETWORK, certificate};
use octroi_chain::archive::{
    ArchiveError, BlockRecord, Closing, Fault, FileHeader, MAX_RECORD, Place, Reader, Record, Totals, Writer, crc32c,
};
use octroi_primitives::{BlockId, Height};

const ID: BlockId = BlockId::from_bytes([9; 32]);

/// The records of an archive of heights 5, 6 and 7, each with its bytes.
fn pieces() -> Vec<Vec<u8>> {
    let header = FileHeader { network: NETWORK, from: Height(5), genesis: b"genesis".to_vec() };
    let (mut writer, first) = Writer::new(&header);
    let mut pieces = vec![first];
    for height in 5..8u8 {
        let record = BlockRecord { height: Height(height.into()), block: vec![height; 20], receipts: vec![!height; 7] };
        pieces.push(writer.block(&record));
    }
    assert_eq!(writer.next(), Height(8));
    pieces.push(writer.close(Some(&certificate(7, 0, ID, 4, 3))));
    pieces
}

fn read(bytes: &[u8], chunk: usize) -> Result<(Vec<Record>, Totals), ArchiveError> {
    let mut reader = Reader::new();
    let mut records = vec![];
    for chunk in bytes.chunks(chunk) {
        reader.push(chunk);
        while let Some(record) = reader.next()? {
            records.push(record);
        }
    }
    reader.finish().map(|totals| (records, totals))
}

/// With length and checksum made right again.
fn reframed(piece: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut piece = piece.to_vec();
    change(&mut piece);
    let length = (piece.len() - 17) as u32;
    piece[..4].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c(&[&piece[..13], &piece[17..]]);
    piece[13..17].copy_from_slice(&crc.to_be_bytes());
    piece
}

#[test]
fn an_archive_reads_back_in_chunks_of_any_size() {
    let bytes = pieces().concat();
    let (whole, totals) = read(&bytes, bytes.len()).expect("it is right");
    assert_eq!(totals, Totals { blocks: 3, block_bytes: 60, receipt_bytes: 21 });
    assert_eq!(whole.len(), 5);
    assert_eq!(
        whole[0],
        Record::FileHeader(FileHeader { network: NETWORK, from: Height(5), genesis: b"genesis".to_vec() })
    );
    assert_eq!(whole[2], Record::Block(BlockRecord { height: Height(6), block: vec![6; 20], receipts: vec![!6; 7] }));
    assert_eq!(whole[4], Record::Closing(Closing { certificate: Some(certificate(7, 0, ID, 4, 3)), totals }));
    for chunk in [1, 2, 3, 16, 17, 18, 100] {
        assert_eq!(read(&bytes, chunk), Ok((whole.clone(), totals)), "chunks of {chunk}");
    }
}

#[test]
fn an_archive_without_blocks_is_one() {
    let header = FileHeader { network: NETWORK, from: Height(1), genesis: vec![] };
    let (writer, mut bytes) = Writer::new(&header);
    bytes.extend(writer.close(None));
    let (records, totals) = read(&bytes, 7).expect("it is right");
    assert_eq!(records, [Record::FileHeader(header), Record::Closing(Closing { certificate: None, totals })]);
    assert_eq!(totals, Totals::default());
}

#[test]
fn any_flipped_byte_is_found_at_its_record() {
    let pieces = pieces();
    let bytes = pieces.concat();
    let places = [Place::FileHeader, Place::Height(Height(5)), Place::Height(Height(6)), Place::Height(Height(7))];
    let mut start = 0;
    for (i, piece) in pieces.iter().enumerate() {
        for at in start..start + piece.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                let error = read(&damaged, 64).expect_err("a byte was changed");
                let place = places.get(i).copied().unwrap_or(Place::Height(Height(8)));
                assert_eq!((error.place, error.offset), (place, start as u64), "byte {at}: {error}");
            }
        }
        start += piece.len();
    }
}

#[test]
fn a_cut_archive_is_found_wherever_it_is_cut() {
    let bytes = pieces().concat();
    for length in 0..bytes.len() {
        let error = read(&bytes[..length], 50).expect_err("bytes are missing");
        assert_eq!(error.fault, Fault::CutOff, "cut at {length}");
    }
}

#[test]
fn records_that_are_missing_repeated_moved_or_added_are_found() {
    let p = pieces();
    let fault = |order: &[usize]| {
        let bytes: Vec<u8> = order.iter().flat_map(|i| p[*i].clone()).collect();
        let error = read(&bytes, 33).expect_err("the order is wrong");
        (error.place, error.fault)
    };
    let height = |h| Place::Height(Height(h));
    assert_eq!(fault(&[0, 1, 3, 4]), (height(6), Fault::Height { expected: 6, found: 7 }));
    assert_eq!(fault(&[0, 1, 1, 2, 3, 4]), (height(6), Fault::Height { expected: 6, found: 5 }));
    assert_eq!(fault(&[0, 2, 1, 3, 4]), (height(5), Fault::Height { expected: 5, found: 6 }));
    assert_eq!(fault(&[1, 0, 2, 3, 4]), (Place::FileHeader, Fault::Kind(2)));
    assert_eq!(fault(&[0, 0, 1, 2, 3, 4]), (height(5), Fault::Kind(1)));
    assert_eq!(fault(&[0, 1, 2, 4]), (height(7), Fault::Height { expected: 6, found: 7 }));
    assert_eq!(fault(&[0, 1, 2, 3]), (height(8), Fault::CutOff));
    assert_eq!(fault(&[0, 1, 2, 3, 4, 4]), (Place::End, Fault::Trailing));
    assert_eq!(fault(&[0, 1, 2, 3, 4, 1]), (Place::End, Fault::Trailing));
}

#[test]
fn damage_with_checksums_made_right_is_still_no_archive() {
    let p = pieces();
    let fault = |i: usize, piece: Vec<u8>| {
        let mut all = p.clone();
        all[i] = piece;
        read(&all.concat(), 40).expect_err("it is damaged").fault
    };
    assert_eq!(fault(0, reframed(&p[0], |b| b[17] ^= 1)), Fault::Magic);
    assert_eq!(fault(0, reframed(&p[0], |b| b[28] = 2)), Fault::Version(2));
    assert_eq!(fault(0, reframed(&p[0], |b| b.truncate(40))), Fault::Payload("no network"));
    assert_eq!(fault(0, reframed(&p[0], |b| b[12] = 0)), Fault::Height { expected: 1, found: 0 });
    assert_eq!(fault(1, reframed(&p[1], |b| b[4] = 9)), Fault::Kind(9));
    assert_eq!(fault(1, reframed(&p[1], |b| b[19] = 1)), Fault::Payload("block is longer than the record"));
    assert_eq!(fault(1, reframed(&p[1], |b| b.truncate(19))), Fault::Payload("no length of the block"));
    let counted = Totals { blocks: 3, block_bytes: 61, receipt_bytes: 21 };
    let found = Totals { blocks: 3, block_bytes: 60, receipt_bytes: 21 };
    let longer = reframed(&p[1], |b| {
        b[20] += 1;
        b.insert(21, 0);
    });
    assert_eq!(fault(1, longer), Fault::Totals { found, counted });
    assert_eq!(fault(4, reframed(&p[4], |b| b.truncate(41))), Fault::Payload("no certificate of the last block"));
    assert!(matches!(fault(4, reframed(&p[4], |b| b.push(0))), Fault::Certificate(_)));
}

#[test]
fn a_record_beyond_the_bound_is_refused_before_it_is_read() {
    let mut bytes = pieces()[0].clone();
    bytes.extend((MAX_RECORD as u32 + 1).to_be_bytes());
    bytes.extend([0; 13]);
    let error = read(&bytes, 1_000).expect_err("it is too long");
    assert_eq!(error.fault, Fault::TooLong(MAX_RECORD as u64 + 1));
    assert_eq!(
        error.to_string(),
        "archive, height 5, offset 68: record of 16777217 bytes, at most 16777216 are allowed"
    );
}

#[test]
fn a_reader_that_failed_stays_failed() {
    let mut bytes = pieces().concat();
    bytes[100] ^= 1;
    let mut reader = Reader::new();
    reader.push(&bytes);
    let error = loop {
        match reader.next() {
            Ok(record) => assert!(record.is_some(), "the damage was read over"),
            Err(error) => break error,
        }
    };
    reader.push(&pieces().concat());
    assert_eq!(reader.next(), Err(error.clone()));
    assert_eq!(reader.finish(), Err(error));
}
