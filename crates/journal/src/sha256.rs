//! SHA-256 in the shapes that the journal needs: of a short text, of a 64-byte head followed by a record's bytes, and of a whole
//! file as it passes. The compression function is the `sha2` crate's, which uses the processor's own instructions; many
//! independent hashes at once are [`lanes`]'s.

pub(crate) mod lanes;

use lanes::Run;
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

/// The unit in which SHA-256 takes its message.
pub(crate) type Block = [u8; 64];

/// What a hash begins with.
pub(crate) const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Of a whole text.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Of one block followed by `rest`, without copying either. The head is exactly one block long, which is what makes a record's
/// hash cheap.
#[inline]
pub(crate) fn after_block(block: &Block, rest: &[u8]) -> [u8; 32] {
    let mut state = START;
    compress256(&mut state, std::slice::from_ref(block));
    let (blocks, tail) = rest.as_chunks::<64>();
    compress256(&mut state, blocks);
    let (last, used) = closing(tail, 64 + rest.len() as u64);
    compress256(&mut state, &last[..used]);
    spelled(&state)
}

/// Appends the message of [`after_block`] as SHA-256 takes it, padding included: hashing it from [`START`] is compressing it.
#[inline]
pub(crate) fn push_after_block(out: &mut Vec<Block>, block: &Block, rest: &[u8]) {
    let (blocks, tail) = rest.as_chunks::<64>();
    let (last, used) = closing(tail, 64 + rest.len() as u64);
    out.reserve(blocks.len() + 3);
    out.push(*block);
    out.extend_from_slice(blocks);
    out.extend_from_slice(&last[..used]);
}

/// The last one or two blocks of a message of `len` bytes that ends with `tail`, which is shorter than a block.
#[inline]
fn closing(tail: &[u8], len: u64) -> ([Block; 2], usize) {
    let mut last = [[0u8; 64]; 2];
    last[0][..tail.len()].copy_from_slice(tail);
    last[0][tail.len()] = 0x80;
    let used = if tail.len() < 56 { 1 } else { 2 };
    last[used - 1][56..].copy_from_slice(&(len * 8).to_be_bytes());
    (last, used)
}

/// A state as the 32 bytes of a hash.
#[inline]
pub(crate) fn spelled(state: &[u32; 8]) -> [u8; 32] {
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

/// Of a file, by whole blocks, so that [`lanes`] can take it beside the records in it.
#[derive(Clone)]
pub(crate) struct BlockDigest {
    state: [u32; 8],
    blocks: u64,
}

impl BlockDigest {
    pub(crate) fn new() -> Self {
        Self { state: START, blocks: 0 }
    }

    /// These blocks, to be compressed and handed back to [`Self::ran`].
    pub(crate) fn run<'a>(&self, blocks: &'a [Block]) -> Run<'a> {
        Run { state: self.state, blocks }
    }

    /// The state after so many blocks.
    pub(crate) fn ran(&mut self, state: [u32; 8], blocks: usize) {
        self.state = state;
        self.blocks += blocks as u64;
    }

    pub(crate) fn update(&mut self, blocks: &[Block]) {
        compress256(&mut self.state, blocks);
        self.blocks += blocks.len() as u64;
    }

    /// After the rest of the file.
    pub(crate) fn finish(mut self, rest: &[u8]) -> [u8; 32] {
        let (blocks, tail) = rest.as_chunks::<64>();
        self.update(blocks);
        let (last, used) = closing(tail, self.blocks * 64 + tail.len() as u64);
        compress256(&mut self.state, &last[..used]);
        spelled(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Block, Vec<u8>) {
        (std::array::from_fn(|i| i as u8 ^ 0x5a), (0..400u32).map(|i| (i * 7) as u8).collect())
    }

    #[test]
    fn a_block_and_a_rest_of_every_length_hash_like_their_concatenation() {
        let (block, rest) = sample();
        for len in 0..rest.len() {
            let joined: Vec<u8> = block.iter().chain(&rest[..len]).copied().collect();
            assert_eq!(after_block(&block, &rest[..len]), digest(&joined), "length {len}");
            let mut blocks = Vec::new();
            push_after_block(&mut blocks, &block, &rest[..len]);
            let mut state = START;
            compress256(&mut state, &blocks);
            assert_eq!(spelled(&state), digest(&joined), "length {len}, padded");
        }
    }

    #[test]
    fn a_file_taken_by_blocks_hashes_as_a_whole() {
        let (_, bytes) = sample();
        for len in 0..bytes.len() {
            for first in 0..=len / 64 {
                let mut digest = BlockDigest::new();
                let (head, rest) = bytes[..len].split_at(first * 64);
                let mut run = digest.run(head.as_chunks::<64>().0);
                compress256(&mut run.state, run.blocks);
                let state = run.state;
                digest.ran(state, first);
                assert_eq!(digest.finish(rest), super::digest(&bytes[..len]), "length {len}, {first} blocks first");
            }
        }
    }
}
