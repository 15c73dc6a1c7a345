//! A hash in words that people can read aloud to each other over a telephone.

use octroi_primitives::Hash;

const ONSETS: [&str; 16] = ["b", "d", "f", "g", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "ch", "z"];
const VOWELS: [&str; 4] = ["a", "i", "o", "ou"];

/// The first 16 bytes of a hash as eight words of two bytes each: 128 bits, pronounceable in French and English, no dictionary needed.
///
/// A word is consonant, vowel, consonant, vowel, consonant; its 16 bits are 4 + 2 + 4 + 2 + 4.
pub fn words(hash: &Hash) -> String {
    let word = |pair: &[u8]| {
        let bits = u16::from_be_bytes([pair[0], pair[1]]);
        let onset = |shift: u16| ONSETS[usize::from(bits >> shift & 15)];
        let vowel = |shift: u16| VOWELS[usize::from(bits >> shift & 3)];
        [onset(12), vowel(10), onset(6), vowel(4), onset(0)].concat()
    };
    hash.as_bytes()[..16].chunks_exact(2).map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_words_mean_equal_sixteen_bytes() {
        let mut seen = std::collections::BTreeSet::new();
        for first in 0..=u16::MAX {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&first.to_be_bytes());
            assert!(seen.insert(words(&Hash::from_bytes(bytes))), "{first}");
        }
    }
}
