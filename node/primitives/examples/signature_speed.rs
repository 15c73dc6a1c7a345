//! Prints what a signature and a hash cost on this machine: `cargo run --release -p octroi-primitives --example
//! signature_speed`.

use std::hint::black_box;
use std::time::Instant;

use octroi_primitives::{
    BatchVerifier, Domain, Hash, PreparedKey, PublicKey, SecretKey, Signature, hash, keyed_node, verify,
};

/// Runs five times and takes the best: microseconds for each of `count`.
fn best_of_five(count: u32, mut run: impl FnMut()) -> f64 {
    let once = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1e6 / f64::from(count)
    };
    (0..5).map(|_| once(&mut run)).fold(f64::INFINITY, f64::min)
}

fn signed(signers: u8, count: u32) -> Vec<(PublicKey, [u8; 32], Signature)> {
    let secrets: Vec<SecretKey> = (0..signers).map(|seed| SecretKey::from_seed([seed; 32])).collect();
    (0..count)
        .map(|i| {
            let secret = &secrets[i as usize % secrets.len()];
            let message = hash("speed", &[&i.to_be_bytes()]).0;
            (secret.public(), message, secret.sign(&message))
        })
        .collect()
}

fn batch(signatures: &[(PublicKey, [u8; 32], Signature)]) -> BatchVerifier {
    let mut batch = BatchVerifier::new();
    for (key, message, signature) in signatures {
        batch.push(key, message, signature);
    }
    batch
}

fn main() {
    let few = signed(16, 256);
    let many = signed(255, 255);
    let secret = SecretKey::from_seed([1; 32]);

    let sign = best_of_five(256, || {
        for (_, message, _) in &few {
            black_box(secret.sign(message));
        }
    });
    println!("sign                               {sign:8.2} µs");
    let single = best_of_five(256, || {
        for (key, message, signature) in &few {
            assert!(verify(key, message, signature));
        }
    });
    println!("verify                             {single:8.2} µs");
    let prepared = PreparedKey::new(&few[0].0).expect("a signer's key is a point");
    let prepared_single = best_of_five(256, || {
        for _ in 0..256 {
            assert!(prepared.verify(&few[0].1, &few[0].2));
        }
    });
    println!("verify, prepared key               {prepared_single:8.2} µs");
    let batched = best_of_five(256, || assert!(batch(&few).verify()));
    println!("verify in 256, 16 signers          {batched:8.2} µs each");
    let distinct = best_of_five(255, || assert!(batch(&many).verify()));
    println!("verify in 255, 255 signers         {distinct:8.2} µs each");
    let mut spoiled = few.clone();
    spoiled[77].2.0[33] ^= 1;
    let culprit = best_of_five(256, || assert!(!batch(&spoiled).verify_each()[77]));
    println!("verify in 256, 16 signers, one bad {culprit:8.2} µs each");
    let admit = best_of_five(16, || {
        for (key, _, _) in &few[..16] {
            assert!(PublicKey::checked(key.to_bytes()).is_ok());
        }
    });
    println!("admit a key                        {admit:8.2} µs");

    let domain = Domain::new("speed");
    let (left, right) = (Hash([1; 32]), Hash([2; 32]));
    let context = best_of_five(100_000, || {
        for _ in 0..100_000 {
            black_box(hash("speed", &[black_box(&left.0)]));
        }
    });
    let reused = best_of_five(100_000, || {
        for _ in 0..100_000 {
            black_box(domain.hash(&[black_box(&left.0)]));
        }
    });
    let node = best_of_five(100_000, || {
        for _ in 0..100_000 {
            black_box(keyed_node(&left.0, black_box(&left), &right));
        }
    });
    println!("hash 32 bytes, domain each time    {context:8.3} µs");
    println!("hash 32 bytes, domain kept         {reused:8.3} µs");
    println!("tree node                          {node:8.3} µs");
}
