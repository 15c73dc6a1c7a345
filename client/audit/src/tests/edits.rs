//! Lies with everything around them rebuilt: checksums, lengths, roots, ids, certificates. Each is found, at its height or in the file header.
//!
//! Where validators help (`Signers::Some(4)`), every certificate of the forged chain is genuine: only executing the rules again can tell.

use super::{
    Bench, at,
    forge::{self, Forge, Piece, Signers},
    verdict,
};
use crate::{Check, Expectations, Spot};
use octroi_chain::{CommitCertificate, ValidatorSignature, Vote, VoteKind};
use octroi_ledger::{Genesis, Receipt, Transaction, genesis::GenesisParameter, receipt::Outcome, wire::Canonical as _};
use octroi_primitives::*;
use octroi_vectors::network::{consensus_key, office_key, secret_of};
use std::collections::BTreeMap;

/// Tries edits and counts them.
struct Trial {
    bench: Bench,
    tried: BTreeMap<&'static str, u64>,
}

impl Trial {
    fn new() -> Self {
        Self { bench: Bench::new(), tried: BTreeMap::new() }
    }

    fn tip(&self) -> u64 {
        self.bench.forge.tip()
    }

    /// The first finding of a chain that is honest below `from`.
    fn first(&mut self, what: &'static str, from: u64, edit: impl FnOnce(&mut Forge)) -> (Spot, Check, String) {
        *self.tried.entry(what).or_default() += 1;
        let mut forge = self.bench.forge.clone();
        edit(&mut forge);
        assert!(forge != self.bench.forge, "{what} at {from} changes nothing");
        let findings = self.bench.findings(from as usize, forge.items_from(from));
        let Some(first) = findings.first() else { panic!("{what} at height {from} is not found") };
        (first.spot, first.check, first.detail.clone())
    }

    /// An edit of a height that must be found there by one of these checks.
    fn found(&mut self, what: &'static str, height: u64, checks: &[Check], edit: impl FnOnce(&mut Forge)) {
        let (spot, check, detail) = self.first(what, height, edit);
        assert!(spot == at(height) && checks.contains(&check), "{what} at {height}: {spot}: {check}: {detail}");
    }

    fn report(self, least: u64) {
        let sum: u64 = self.tried.values().sum();
        println!("{sum} edits: {:?}", self.tried);
        assert!(sum >= least, "{sum} edits, {least} were promised");
    }
}

/// A lie about a header.
type HeaderLie = (&'static str, fn(&mut Piece));

fn other(hash: Hash) -> Hash {
    let mut bytes = hash.to_bytes();
    bytes[17] ^= 1;
    Hash::from_bytes(bytes)
}

const HEADER: &[HeaderLie] = &[
    ("version", |piece| piece.header.version += 1),
    ("network", |piece| piece.header.network = NetworkId::new(other(*piece.header.network.hash()))),
    ("height", |piece| piece.header.height.0 += 1),
    ("round", |piece| {
        // A round that belongs to another than the proposer; the same block in a later round of its own would be as good.
        let turn = |round: u32| ((piece.header.height.0 + u64::from(round)) % piece.validators.len() as u64) as usize;
        let later = |round: &u32| piece.validators[turn(*round)] != piece.header.proposer;
        let first = piece.header.round.0 + 1;
        piece.header.round.0 = (first..first + 4).find(later).expect("others have turns");
    }),
    ("time", |piece| piece.header.time = BlockTime(0)),
    ("parent", |piece| piece.header.parent = BlockId::new(other(*piece.header.parent.hash()))),
    ("proposer", |piece| {
        let proposer = piece.header.proposer;
        piece.header.proposer = *piece.validators.iter().find(|key| **key != proposer).expect("another");
    }),
    ("transactions_root", |piece| piece.header.transactions_root = other(piece.header.transactions_root)),
    ("receipts_root", |piece| piece.header.receipts_root = other(piece.header.receipts_root)),
    ("state_root", |piece| piece.header.state_root = other(piece.header.state_root)),
    ("validators_hash", |piece| piece.header.validators_hash = other(piece.header.validators_hash)),
    ("next_validators_hash", |piece| piece.header.next_validators_hash = other(piece.header.next_validators_hash)),
    ("last_commit_hash", |piece| piece.header.last_commit_hash = other(piece.header.last_commit_hash)),
    ("log_root", |piece| piece.header.log_root = other(piece.header.log_root)),
];

const OF_HEADER: &[Check] = &[Check::Block, Check::Header, Check::Execution, Check::Certificate];

#[test]
fn every_header_field_is_held_even_when_all_validators_sign_the_lie() {
    let mut trial = Trial::new();
    for height in 1..=trial.tip() {
        for (field, lie) in HEADER {
            for signers in [Signers::Stale, Signers::Some(1), Signers::Some(4)] {
                trial.found(field, height, OF_HEADER, |forge| {
                    lie(forge.piece(height));
                    forge.relink(height, signers);
                });
            }
        }
    }
    trial.report(38 * 14 * 3);
}

#[test]
fn a_chain_that_too_few_validators_sign_is_found_where_its_certificate_stands() {
    let mut trial = Trial::new();
    for height in 1..=trial.tip() {
        let carrier = (height + 1).min(trial.tip());
        for signers in [Signers::Stale, Signers::Some(1), Signers::Some(2)] {
            // A millisecond later is as good a block as any: only signatures speak against it.
            let (spot, check, _) = trial.first("time by one", height, |forge| {
                forge.piece(height).header.time.0 += 1;
                forge.relink(height, signers);
            });
            let places = [at(height), at(carrier)];
            assert!(places.contains(&spot), "height {height}, {signers:?}: {spot}");
            if spot == at(carrier) && carrier != height {
                assert_eq!(check, Check::Certificate, "height {height}, {signers:?}");
            }
        }
    }
    trial.report(60);
}

type CertificateLie = (&'static str, fn(&mut CommitCertificate, NetworkId));

const CERTIFICATE: &[CertificateLie] = &[
    ("forged signature", |certificate, _| certificate.signatures[0].signature.0[5] ^= 1),
    ("forged last signature", |certificate, _| {
        let last = certificate.signatures.len() - 1;
        certificate.signatures[last].signature.0[63] ^= 1;
    }),
    ("signatures exchanged", |certificate, _| {
        let first = certificate.signatures[0].signature;
        certificate.signatures[0].signature = certificate.signatures[1].signature;
        certificate.signatures[1].signature = first;
    }),
    ("no quorum", |certificate, _| certificate.signatures.truncate(2)),
    ("nobody", |certificate, _| certificate.signatures.clear()),
    ("one twice", |certificate, _| {
        let first = certificate.signatures[0];
        certificate.signatures.truncate(2);
        certificate.signatures.insert(0, first);
    }),
    ("another order", |certificate, _| certificate.signatures.reverse()),
    ("an outsider", |certificate, network| {
        let key = consensus_key("maps");
        let CommitCertificate { height, round, block_id, .. } = *certificate;
        let vote = Vote { kind: VoteKind::Precommit, height, round, block: Some(block_id), validator: key.public() };
        let signed = vote.sign(&network, &key);
        certificate.signatures.push(ValidatorSignature { validator: key.public(), signature: signed.signature });
        certificate.signatures.sort_by_key(|signature| signature.validator);
    }),
    ("prevotes", |certificate, network| {
        let CommitCertificate { height, round, block_id, .. } = *certificate;
        for signature in &mut certificate.signatures {
            let validator = signature.validator;
            let vote = Vote { kind: VoteKind::Prevote, height, round, block: Some(block_id), validator };
            signature.signature = vote.sign(&network, &secret_of(&validator)).signature;
        }
    }),
    ("another network's votes", |certificate, network| {
        let network = NetworkId::new(other(*network.hash()));
        let keys: Vec<PublicKey> = certificate.signers().collect();
        *certificate = forge::certified(&keys, certificate.height, certificate.round, certificate.block_id, network);
    }),
    ("another round", |certificate, _| certificate.round.0 += 1),
    ("another height", |certificate, _| certificate.height.0 += 1),
    ("another block", |certificate, _| certificate.block_id = BlockId::new(other(*certificate.block_id.hash()))),
];

#[test]
fn every_certificate_is_held_even_when_later_validators_sign_above_it() {
    let mut trial = Trial::new();
    let tip = trial.tip();
    for height in 1..=tip {
        let carrier = (height + 1).min(tip);
        for (what, lie) in CERTIFICATE {
            let (spot, check, detail) = trial.first(what, carrier, |forge| {
                let network = forge.network;
                lie(forge.certificate_of(height), network);
                if height < tip {
                    forge.recommit(carrier);
                }
            });
            assert_eq!(spot, at(carrier), "{what} of height {height}: {check}: {detail}");
            assert!(
                [Check::Certificate, Check::Block].contains(&check),
                "{what} of height {height}: {check}: {detail}"
            );
        }
    }
    trial.report(38 * 13);
}

#[test]
fn a_certificate_of_a_round_before_the_proposal_is_found() {
    let mut trial = Trial::new();
    for height in 1..trial.tip() {
        let round = trial.bench.forge.piece(height).header.round;
        if round == Round(0) {
            continue;
        }
        trial.found("earlier round", height + 1, &[Check::Certificate], |forge| {
            let (id, network, keys) =
                (forge.piece(height).header.id(), forge.network, forge.piece(height).validators.clone());
            *forge.certificate_of(height) = forge::certified(&keys, Height(height), Round(0), id, network);
            forge.recommit(height + 1);
        });
    }
    trial.report(1);
}

type TransactionLie = (&'static str, &'static [Check], fn(&mut Piece));

/// Decodes the first transaction, changes it, signs it with a key, puts it back.
fn resign(piece: &mut Piece, key: &SecretKey, change: impl FnOnce(&mut Transaction)) {
    let mut transaction = piece.signed(0).transaction().clone();
    change(&mut transaction);
    piece.transactions[0] = transaction.sign(&[key]).encode();
}

fn raw(piece: &mut Piece, change: impl FnOnce(&mut octroi_proto::v1::SignedTransaction)) {
    use prost::Message as _;
    let mut message = piece.signed(0).to_message();
    change(&mut message);
    piece.transactions[0] = message.encode_to_vec();
}

const ANY: &[Check] =
    &[Check::Block, Check::Transaction, Check::Signature, Check::Header, Check::Execution, Check::Certificate];

const TRANSACTION: &[TransactionLie] = &[
    ("dropped", ANY, |piece| {
        piece.transactions.remove(0);
    }),
    ("doubled", &[Check::Transaction], |piece| {
        let first = piece.transactions[0].clone();
        piece.transactions.push(first);
    }),
    ("signature of another", &[Check::Signature], |piece| {
        raw(piece, |message| message.signatures[0].signature[3] ^= 1);
    }),
    ("key of another", &[Check::Signature], |piece| {
        let signer = piece.signed(0).signatures()[0].key;
        let keys = ["seeds", "maps"].map(|code| office_key(code).public());
        let other = keys.into_iter().find(|key| *key != signer).expect("one of two is another");
        raw(piece, |message| message.signatures[0].key = other.as_bytes().to_vec());
    }),
    ("not signed", &[Check::Transaction], |piece| raw(piece, |message| message.signatures.clear())),
    ("signed twice by one", &[Check::Transaction], |piece| {
        raw(piece, |message| message.signatures.push(message.signatures[0].clone()));
    }),
    ("other body under the signature", &[Check::Signature], |piece| {
        let mut transaction = piece.signed(0).transaction().clone();
        transaction.salt.0[0] ^= 1;
        raw(piece, |message| message.body = transaction.to_bytes());
    }),
    ("signed by an outsider", &[Check::Transaction], |piece| {
        resign(piece, &SecretKey::from_seed([9; 32]), |_| {});
    }),
    ("for another organisation", &[Check::Transaction], |piece| {
        let key = office_key("seeds");
        resign(piece, &key, |transaction| transaction.organisation = OrganisationId::ZERO);
    }),
    ("for another network", &[Check::Signature, Check::Transaction], |piece| {
        resign(piece, &office_key("seeds"), |transaction| transaction.network = NetworkId::ZERO);
    }),
    ("expired", &[Check::Transaction], |piece| {
        let time = piece.header.time;
        resign(piece, &office_key("seeds"), |transaction| transaction.valid_until = time);
    }),
    ("valid too long", &[Check::Transaction], |piece| {
        resign(piece, &office_key("seeds"), |transaction| transaction.valid_until.0 += 86_400_000);
    }),
    ("not canonical", &[Check::Transaction], |piece| piece.transactions[0].extend([0x7a, 0x00])),
    ("cut off", &[Check::Transaction], |piece| {
        let length = piece.transactions[0].len();
        piece.transactions[0].truncate(length - 1);
    }),
    ("noise", &[Check::Transaction], |piece| piece.transactions[0] = vec![0xff; 40]),
];

#[test]
fn every_transaction_is_held_even_when_all_validators_sign_the_block() {
    let mut trial = Trial::new();
    for height in 1..=trial.tip() {
        let count = trial.bench.forge.piece(height).transactions.len();
        if count == 0 {
            continue;
        }
        for (what, checks, lie) in TRANSACTION {
            trial.found(what, height, checks, |forge| {
                let piece = forge.piece(height);
                lie(piece);
                piece.name_transactions();
                forge.relink(height, Signers::Some(4));
            });
            trial.found("root not named", height, ANY, |forge| {
                lie(forge.piece(height));
                forge.relink(height, Signers::Some(4));
            });
        }
        for index in 1..count {
            trial.found("exchanged", height, ANY, |forge| {
                let piece = forge.piece(height);
                piece.transactions.swap(index - 1, index);
                piece.name_transactions();
                forge.relink(height, Signers::Some(4));
            });
        }
        // Honestly signed, but for another act: every signature and root over transactions is good.
        trial.found("another act of the same signer", height, &[Check::Execution], |forge| {
            let piece = forge.piece(height);
            let signer = piece.signed(0).signatures()[0].key;
            let key = [
                "registry",
                "bank",
                "notary",
                "treasury",
                "agency",
                "region",
                "lab",
                "library",
                "university",
                "consumers",
                "tax",
                "platform",
                "maps",
                "seeds",
                "museum",
                "audit",
            ]
            .iter()
            .map(|code| office_key(code))
            .find(|key| key.public() == signer);
            let Some(key) = key else { panic!("height {height} is signed by an unknown key") };
            resign(piece, &key, |transaction| transaction.salt.0[0] ^= 1);
            piece.name_transactions();
            forge.relink(height, Signers::Some(4));
        });
    }
    trial.report(400);
}

type ReceiptLie = (&'static str, fn(&mut Vec<Receipt>));

const RECEIPTS: &[ReceiptLie] = &[
    ("dropped", |receipts| {
        receipts.pop();
    }),
    ("doubled", |receipts| receipts.push(receipts[0].clone())),
    ("all dropped", Vec::clear),
    ("of another transaction", |receipts| receipts[0].transaction = TransactionId::ZERO),
    ("another outcome", |receipts| {
        let kind = receipts[0].kind();
        let code = kind.refusals()[0].code;
        let refusal = octroi_ledger::Refusal { kind, code, message: String::new() };
        receipts[0].outcome = match &receipts[0].outcome {
            Outcome::Applied(_) => Outcome::Refused(refusal),
            Outcome::Refused(old) => Outcome::Refused(octroi_ledger::Refusal { code: old.code + 1, ..refusal }),
        };
    }),
];

#[test]
fn every_receipt_is_compared_and_a_root_over_false_ones_helps_nobody() {
    let mut trial = Trial::new();
    for height in 1..=trial.tip() {
        let receipts = trial.bench.forge.piece(height).receipts();
        if receipts.is_empty() {
            continue;
        }
        for (what, lie) in RECEIPTS {
            let lied = || {
                let mut receipts = receipts.clone();
                lie(&mut receipts);
                receipts
            };
            trial.found(what, height, &[Check::Receipts], |forge| forge.piece(height).set_receipts(lied()));
            trial.found("and its root", height, &[Check::Execution], |forge| {
                let piece = forge.piece(height);
                piece.set_receipts(lied());
                piece.name_receipts();
                forge.relink(height, Signers::Some(4));
            });
        }
        trial.found("not canonical", height, &[Check::Receipts], |forge| {
            forge.piece(height).receipts.extend([0x12, 0x00]);
        });
        if receipts.len() > 1 {
            trial.found("exchanged", height, &[Check::Receipts], |forge| {
                let mut receipts = receipts.clone();
                receipts.swap(0, 1);
                forge.piece(height).set_receipts(receipts);
            });
        }
    }
    trial.report(120);
}

#[test]
fn a_wrong_receipt_does_not_hide_what_comes_later() {
    let mut bench = Bench::new();
    for height in [2, 5] {
        let mut receipts = bench.forge.piece(height).receipts();
        receipts.pop();
        bench.forge.piece(height).set_receipts(receipts);
    }
    let verdict = verdict(Expectations::default(), &bench.forge.archive(), 1 << 16);
    let spots: Vec<Spot> = verdict.findings.iter().map(|finding| finding.spot).collect();
    assert_eq!(spots, [at(2), at(5)]);
    assert_eq!(verdict.height.0, bench.forge.tip());
}

#[test]
fn blocks_cannot_be_dropped_repeated_exchanged_or_added() {
    let mut trial = Trial::new();
    let tip = trial.tip();
    for height in 1..tip {
        trial.found("dropped", height, ANY, |forge| {
            forge.blocks.remove(height as usize - 1);
        });
        trial.found("exchanged", height, ANY, |forge| forge.blocks.swap(height as usize - 1, height as usize));
        let (spot, _, _) = trial.first("repeated", height, |forge| {
            let again = forge.piece(height).clone();
            forge.blocks.insert(height as usize, again);
        });
        assert_eq!(spot, at(height + 1));
    }
    // Above the tip: a block that follows from nothing, and one that its proposer alone signed.
    trial.found("added", tip + 1, ANY, |forge| {
        let last = forge.piece(tip).clone();
        forge.blocks.push(last);
    });
    trial.report(3 * 19);
}

#[test]
fn a_chain_cut_at_a_block_is_noticed_by_who_knows_how_far_it_went() {
    let bench = Bench::new();
    for height in (1..bench.forge.tip()).step_by(6) {
        let mut forge = bench.forge.clone();
        forge.certificate = forge.certificate_of(height).clone();
        forge.blocks.truncate(height as usize);
        let archive = forge.archive();
        let expected = Expectations { reaches: Some(Height(bench.forge.tip())), ..Expectations::default() };
        let told = verdict(expected, &archive, 1 << 16);
        assert_eq!(told.findings.first().map(|finding| finding.spot), Some(at(height)));
        // It is an honest, shorter archive for who does not know; the verdict says that this was not checked.
        let alone = verdict(Expectations::default(), &archive, 1 << 16);
        assert!(alone.is_sound());
        assert!(alone.not_checked.iter().any(|sentence| sentence.contains("cut off the end")));
    }
}

#[test]
fn bytes_cut_off_or_added_anywhere_are_found() {
    let bench = Bench::new();
    let (frames, tip) = (bench.forge.frames(), bench.forge.tip());
    let archive = frames.concat();
    let first =
        |archive: &[u8]| verdict(Expectations::default(), archive, 1 << 16).findings.first().map(|one| one.spot);
    let mut end = 0;
    for (index, frame) in frames.iter().enumerate() {
        let place = if index == 0 { Spot::FileHeader } else { at(index as u64) };
        for cut in [end, end + 1, end + 17, end + frame.len() - 1] {
            assert_eq!(first(&archive[..cut]), Some(place), "cut at {cut}");
        }
        end += frame.len();
    }
    for added in [&[0][..], &frames[2], &frames[frames.len() - 1]] {
        assert_eq!(first(&[&archive[..], added].concat()), Some(at(tip)));
    }
}

#[test]
fn totals_in_the_closing_record_are_held() {
    let bench = Bench::new();
    let mut frames = bench.forge.frames();
    let tip = bench.forge.tip();
    for field in 0..3 {
        for change in [1, u64::MAX] {
            let mut totals = bench.forge.totals();
            let sum = match field {
                0 => &mut totals.blocks,
                1 => &mut totals.block_bytes,
                _ => &mut totals.receipt_bytes,
            };
            *sum = sum.wrapping_add(change);
            let last = frames.len() - 1;
            frames[last] = forge::frame(3, tip, &forge::closing(&totals, &bench.forge.certificate));
            let verdict = verdict(Expectations::default(), &frames.concat(), 1 << 16);
            assert!(matches!(verdict.findings[0].spot, Spot::Height(_)), "field {field}");
        }
    }
}

type GenesisLie = (&'static str, fn(&mut Genesis));

const GENESIS: &[GenesisLie] = &[
    ("name", |genesis| genesis.name = Name::new("vectors-2").expect("a name")),
    ("time", |genesis| genesis.time.0 -= 1),
    ("parameter", |genesis| {
        let name = Code::new("heartbeat_ms").expect("a code");
        genesis.parameters.push(GenesisParameter { name, value: 30_000 });
    }),
    ("territory", |genesis| genesis.territories[0].territory.population += 1),
    ("organisation", |genesis| {
        genesis.organisations.pop();
    }),
    ("role", |genesis| {
        genesis.roles.pop();
    }),
    ("validator", |genesis| {
        genesis.validators.pop();
    }),
    ("opening balance", |genesis| genesis.bank_accounts[0].opening += 1),
    ("policy", |genesis| {
        genesis.policies.pop();
    }),
];

#[test]
fn a_changed_genesis_is_found_in_the_file_header_or_by_the_first_block() {
    let bench = Bench::new();
    let network = bench.forge.network;
    for (what, lie) in GENESIS {
        let mut forge = bench.forge.clone();
        let mut genesis = Genesis::from_bytes(&forge.genesis).expect("a genesis");
        lie(&mut genesis);
        forge.genesis = genesis.to_bytes();
        let first = |forge: &Forge, expected| verdict(expected, &forge.archive(), 1 << 16).findings[0].spot;
        assert_eq!(first(&forge, Expectations::default()), Spot::FileHeader, "{what}");
        // The forger names the new hash: who knows the old one sees it in the header, others when the blocks do not fit.
        forge.network = genesis.network();
        let known = Expectations { network: Some(network), ..Expectations::default() };
        assert_eq!(first(&forge, known), Spot::FileHeader, "{what}");
        let alone = first(&forge, Expectations::default());
        assert!([Spot::FileHeader, at(1)].contains(&alone), "{what}: {alone}");
    }
    let mut forge = bench.forge.clone();
    forge.from = 2;
    assert_eq!(verdict(Expectations::default(), &forge.archive(), 1 << 16).findings[0].spot, Spot::FileHeader);
    let mut forge = bench.forge.clone();
    forge.genesis.extend([0x7a, 0x00]);
    assert_eq!(verdict(Expectations::default(), &forge.archive(), 1 << 16).findings[0].spot, Spot::FileHeader);
}

#[test]
fn a_whole_branch_that_all_validators_signed_is_found_where_it_begins() {
    // The most careful forger: one transaction fewer at height 2, and every id, log root and certificate above made to fit.
    let mut bench = Bench::new();
    let forge = &mut bench.forge;
    forge.piece(2).transactions.pop();
    forge.piece(2).name_transactions();
    let tip = forge.tip();
    forge.relink_up_to(2, tip, Signers::Some(4));
    let verdict = verdict(Expectations::default(), &forge.archive(), 1 << 16);
    assert_eq!(verdict.findings.first().map(|one| (one.spot, one.check)), Some((at(2), Check::Execution)));
}
