//! The signature rule on the edge cases where implementations of Ed25519 disagree.
//!
//! The twelve vectors are those of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020; published as the
//! cases of ed25519-speccheck). What ZIP-215 says of each is computed here a second time from its text, on the curve.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use octroi_primitives::error::KeyFault;
use octroi_primitives::{
    BatchVerifier, PreparedKey, PrimitiveError, PublicKey, SecretKey, Signature, verify, verify_each,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha512};

/// Message, key, signature, and whether ZIP-215 takes it.
const EDGE_CASES: [(&str, &str, &str, bool); 12] = [
    // S = 0, small A, small R.
    (
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a\
         0000000000000000000000000000000000000000000000000000000000000000",
        true,
    ),
    // Small A, mixed R.
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43\
         a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        true,
    ),
    // Mixed A, small R.
    (
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa\
         8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
        true,
    ),
    // Mixed A and R.
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f\
         87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
        true,
    ),
    // Passes with the cofactor only.
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512\
         5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
        true,
    ),
    // Fails if 8·k is reduced before it is multiplied.
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7\
         e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
        true,
    ),
    // S above the order of the group.
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e\
         547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
        false,
    ),
    // S far above it.
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa1942\
         7e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
        false,
    ),
    // R not canonical, right only if it is hashed after reduction.
    (
        "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\
         03be9678ac102edcd92b0210bb34d7428d12ffc5df5f37e359941266a4e35f0f",
        false,
    ),
    // R not canonical, hashed as it is.
    (
        "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\
         ca8c5b64cd208982aa38d4936621a4775aa233aa0505711d8fdcfdaa943d4908",
        true,
    ),
    // A not canonical, of small order: the hash does not matter with the cofactor.
    (
        "e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc\
         a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        true,
    ),
    // The same, hashed as it is.
    (
        "39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc\
         a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        true,
    ),
];

type Case = (PublicKey, Vec<u8>, Signature, bool);

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    assert_eq!(hex.len(), 2 * N, "{hex}");
    core::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
}

fn edge_cases() -> Vec<Case> {
    EDGE_CASES
        .iter()
        .map(|(message, key, signature, expected)| {
            let key = PublicKey::from_bytes_unchecked(bytes(key));
            (key, bytes::<32>(message).to_vec(), Signature(bytes(signature)), *expected)
        })
        .collect()
}

/// Good signatures of a few signers, some then spoiled in key, message or signature.
fn ordinary_cases(rng: &mut ChaCha20Rng) -> Vec<Case> {
    let secrets: Vec<SecretKey> = (1..=5).map(|seed| SecretKey::from_seed([seed; 32])).collect();
    (0u32..40)
        .map(|i| {
            let secret = &secrets[i as usize % secrets.len()];
            let mut message = i.to_be_bytes().to_vec();
            let mut signature = secret.sign(&message);
            let spoil = rng.next_u32() as usize;
            match i % 8 {
                5 => message.push(0),
                6 => signature.0[spoil % 32] ^= 1 << (spoil % 8),
                7 => signature.0[32 + spoil % 32] ^= 1 << (spoil % 8),
                _ => {}
            }
            (secret.public(), message, signature, i % 8 < 5)
        })
        .collect()
}

/// ZIP-215 in its own words: A and R are points in any encoding, s < ℓ, and [8][s]B = [8]R + [8][k]A.
fn zip_215(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let (r, s) = signature.0.split_at(32);
    let (r, s): ([u8; 32], [u8; 32]) = (r.try_into().unwrap(), s.try_into().unwrap());
    let points = CompressedEdwardsY(*key.as_bytes()).decompress().zip(CompressedEdwardsY(r).decompress());
    let (Some((a, r_point)), Some(s)) = (points, Option::<Scalar>::from(Scalar::from_canonical_bytes(s))) else {
        return false;
    };
    let digest = Sha512::new().chain_update(r).chain_update(key.as_bytes()).chain_update(message).finalize();
    let k = Scalar::from_bytes_mod_order_wide(&digest.into());
    (EdwardsPoint::mul_base(&s) - r_point - a * k).mul_by_cofactor().is_identity()
}

#[test]
fn edge_cases_get_the_answers_of_zip_215_singly() {
    for (i, (key, message, signature, expected)) in edge_cases().iter().enumerate() {
        assert_eq!(zip_215(key, message, signature), *expected, "case {i}: the table is wrong");
        assert_eq!(verify(key, message, signature), *expected, "case {i}");
        assert_eq!(PreparedKey::new(key).unwrap().verify(message, signature), *expected, "case {i}, prepared");
        assert_eq!(verify_each(&[(*key, message, *signature)]), [*expected], "case {i}, a batch of one");
    }
}

#[test]
fn two_thousand_random_batches_give_the_same_answers_as_single_verification() {
    let seed = [0x15; 32];
    println!("seed {seed:?}");
    let mut rng = ChaCha20Rng::from_seed(seed);
    let mut cases = edge_cases();
    cases.extend(ordinary_cases(&mut rng));
    for (i, (key, message, signature, expected)) in cases.iter().enumerate() {
        assert_eq!(verify(key, message, signature), *expected, "case {i} singly");
    }

    let (good, all): (Vec<usize>, Vec<usize>) =
        ((0..cases.len()).filter(|&i| cases[i].3).collect(), (0..cases.len()).collect());
    let (mut passed, mut failed) = (0, 0);
    for round in 0..2_000 {
        // Half of the batches hold good signatures only, or most would fail; all hold at least two edge cases.
        let pool = if round % 2 == 0 { &good } else { &all };
        let mut chosen: Vec<usize> =
            (0..2 + rng.next_u32() % 9).map(|_| pool[rng.next_u32() as usize % pool.len()]).collect();
        for _ in 0..2 {
            let edges: Vec<usize> = pool.iter().copied().filter(|&i| i < EDGE_CASES.len()).collect();
            chosen.push(edges[rng.next_u32() as usize % edges.len()]);
        }
        let expected: Vec<bool> = chosen.iter().map(|&i| cases[i].3).collect();

        let mut batch = BatchVerifier::new();
        for &i in &chosen {
            let (key, message, signature, _) = &cases[i];
            batch.push(key, message, signature);
        }
        let whole = expected.iter().all(|&good| good);
        assert_eq!(batch.clone().verify(), whole, "batch {round} of {chosen:?}");
        assert_eq!(batch.verify_each(), expected, "batch {round} of {chosen:?}, one by one");
        if whole { passed += 1 } else { failed += 1 }
    }
    assert!(passed >= 1_000 && failed >= 500, "{passed} passed, {failed} failed: the batches test too little");
}

#[test]
fn an_empty_batch_holds_nothing_that_fails() {
    assert!(BatchVerifier::new().is_empty() && BatchVerifier::new().verify());
    assert!(verify_each(&[]).is_empty());
}

#[test]
fn halving_finds_every_culprit_of_a_large_batch() {
    let secrets: Vec<SecretKey> = (1..=16).map(|seed| SecretKey::from_seed([seed; 32])).collect();
    let bad = [0, 1, 100, 254, 255];
    let mut signed: Vec<(PublicKey, Vec<u8>, Signature)> = (0u32..256)
        .map(|i| {
            let secret = &secrets[i as usize % 16];
            let message = i.to_be_bytes().to_vec();
            (secret.public(), message.clone(), secret.sign(&message))
        })
        .collect();
    for i in bad {
        signed[i].2.0[40] ^= 1;
    }
    let listed: Vec<(PublicKey, &[u8], Signature)> = signed.iter().map(|(k, m, s)| (*k, m.as_slice(), *s)).collect();
    let verdicts = verify_each(&listed);
    let culprits: Vec<usize> = (0..256).filter(|&i| !verdicts[i]).collect();
    assert_eq!(culprits, bad);
}

fn fault(key: [u8; 32]) -> Option<KeyFault> {
    match PublicKey::checked(key) {
        Ok(admitted) => {
            assert_eq!(admitted.to_bytes(), key);
            None
        }
        Err(PrimitiveError::Key { fault, .. }) => Some(fault),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn only_canonical_keys_of_the_large_subgroup_are_admitted() {
    for (hex, expected) in [
        // RFC 8032, test 1.
        ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", None),
        // The base point.
        ("5866666666666666666666666666666666666666666666666666666666666666", None),
        // y = 2 is the coordinate of no point.
        ("0200000000000000000000000000000000000000000000000000000000000000", Some(KeyFault::NotAPoint)),
        // The identity; -1, of order 2; points of order 4 and 8.
        ("0100000000000000000000000000000000000000000000000000000000000000", Some(KeyFault::SmallOrder)),
        ("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", Some(KeyFault::SmallOrder)),
        ("0000000000000000000000000000000000000000000000000000000000000000", Some(KeyFault::SmallOrder)),
        ("0000000000000000000000000000000000000000000000000000000000000080", Some(KeyFault::SmallOrder)),
        ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", Some(KeyFault::SmallOrder)),
        ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", Some(KeyFault::SmallOrder)),
        ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", Some(KeyFault::SmallOrder)),
        ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", Some(KeyFault::SmallOrder)),
        // y not below p (p, p + 1), and x = 0 with a sign: second encodings of points above.
        ("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", Some(KeyFault::NonCanonical)),
        ("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", Some(KeyFault::NonCanonical)),
        ("0100000000000000000000000000000000000000000000000000000000000080", Some(KeyFault::NonCanonical)),
        ("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", Some(KeyFault::NonCanonical)),
        // Points of large order with a torsion part, of the edge cases above.
        ("f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43", Some(KeyFault::Torsion)),
        ("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", Some(KeyFault::Torsion)),
    ] {
        assert_eq!(fault(bytes(hex)), expected, "{hex}");
    }
}

#[test]
fn an_admitted_key_plus_any_point_of_small_order_is_refused() {
    let key = SecretKey::from_seed([3; 32]).public();
    let point = CompressedEdwardsY(*key.as_bytes()).decompress().unwrap();
    assert_eq!(fault(key.to_bytes()), None);
    for torsion in &curve25519_dalek::constants::EIGHT_TORSION[1..] {
        assert_eq!(fault((point + torsion).compress().0), Some(KeyFault::Torsion));
        assert_eq!(fault(torsion.compress().0), Some(KeyFault::SmallOrder));
    }
}
