//! SHA-256 in the three shapes that the journal needs: of a short text, of a 64-byte head followed by a record's bytes, and of
//! a whole file as it passes. The compression function is the `sha2` crate's, which uses the processor's own instructions.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Of a whole text.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Of one block followed by `rest`, without copying either. The head is exactly one block long, which is what makes a record's
/// hash cheap.
#[inline]
pub(crate) fn after_block(block: &[u8; 64], rest: &[u8]) -> [u8; 32] {
    let mut state = START;
    compress256(&mut state, std::slice::from_ref(block));
    let (blocks, tail) = rest.as_chunks::<64>();
    compress256(&mut state, blocks);
    let bits = (64 + rest.len() as u64) * 8;
    let mut last = [[0u8; 64]; 2];
    last[0][..tail.len()].copy_from_slice(tail);
    last[0][tail.len()] = 0x80;
    let used = if tail.len() < 56 { 1 } else { 2 };
    last[used - 1][56..].copy_from_slice(&bits.to_be_bytes());
    compress256(&mut state, &last[..used]);
    let mut out = [0u8; 32];
    for (word, to) in state.iter().zip(out.as_chunks_mut::<4>().0) {
        *to = word.to_be_bytes();
    }
    out
}

/// Of a file, piece by piece.
#[derive(Clone, Default)]
pub(crate) struct FileDigest(Sha256);

impl FileDigest {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_and_a_rest_of_every_length_hash_like_their_concatenation() {
        let block: [u8; 64] = std::array::from_fn(|i| i as u8 ^ 0x5a);
        let rest: Vec<u8> = (0..400u32).map(|i| (i * 7) as u8).collect();
        for len in 0..rest.len() {
            let joined: Vec<u8> = block.iter().chain(&rest[..len]).copied().collect();
            assert_eq!(after_block(&block, &rest[..len]), digest(&joined), "length {len}");
        }
    }
}
