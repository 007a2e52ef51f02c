//! Independent SHA-256 computations, two at a time, for verification. A single one leaves the processor waiting for each of its
//! SHA instructions; a second one, interleaved with it instruction by instruction, runs in that time. Where the processor has no
//! such instructions that we know of, the `sha2` crate does one after the other.

use super::Block;
use sha2::block_api::compress256;

/// Blocks to be compressed into a state.
#[derive(Clone, Debug)]
pub(crate) struct Run<'a> {
    pub state: [u32; 8],
    /// What is still to be compressed.
    pub blocks: &'a [Block],
}

/// Compresses all blocks of each run into its state.
pub(crate) fn compress(runs: &mut [Run<'_>]) {
    #[cfg(target_arch = "x86_64")]
    if x86::available() {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { x86::compress(runs) };
    }
    one_by_one(runs);
}

fn one_by_one<'r, 'a: 'r>(runs: impl IntoIterator<Item = &'r mut Run<'a>>) {
    for run in runs {
        compress256(&mut run.state, run.blocks);
        run.blocks = &[];
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Block, Run, one_by_one};
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi64x, _mm_setzero_si128,
        _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
        _mm_storeu_si128,
    };

    /// How many blocks are in work at once: the processor's SHA unit is busy with two.
    const LANES: usize = 2;

    pub fn available() -> bool {
        is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3")
    }

    /// Both lanes take the next run as soon as they have done one, so that runs of different lengths keep them busy too.
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub fn compress(runs: &mut [Run<'_>]) {
        let mut waiting = runs.iter_mut();
        let (mut left, mut right) = (waiting.next(), waiting.next());
        while let (Some(a), Some(b)) = (&mut left, &mut right) {
            let both = a.blocks.len().min(b.blocks.len());
            let (now_a, later_a) = a.blocks.split_at(both);
            let (now_b, later_b) = b.blocks.split_at(both);
            pair([&mut a.state, &mut b.state], now_a, now_b);
            (a.blocks, b.blocks) = (later_a, later_b);
            if later_a.is_empty() {
                left = waiting.next();
            }
            if later_b.is_empty() {
                right = waiting.next();
            }
        }
        one_by_one(left.into_iter().chain(right).chain(waiting));
    }

    /// A state in the order in which the instructions want it: a, b, e, f and c, d, g, h, from the highest word down.
    #[derive(Clone, Copy)]
    struct Packed {
        abef: __m128i,
        cdgh: __m128i,
    }

    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn load(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: 16 bytes are readable, and the instruction asks for no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn quad(words: &[u32; 4]) -> __m128i {
        // SAFETY: 16 bytes are readable, and the instruction asks for no alignment.
        unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
    }

    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn pack(state: &[u32; 8]) -> Packed {
        let (quads, _) = state.as_chunks::<4>();
        let cdab = _mm_shuffle_epi32(quad(&quads[0]), 0xb1);
        let efgh = _mm_shuffle_epi32(quad(&quads[1]), 0x1b);
        Packed { abef: _mm_alignr_epi8(cdab, efgh, 8), cdgh: _mm_blend_epi16(efgh, cdab, 0xf0) }
    }

    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn unpack(packed: Packed, state: &mut [u32; 8]) {
        let feba = _mm_shuffle_epi32(packed.abef, 0x1b);
        let dchg = _mm_shuffle_epi32(packed.cdgh, 0xb1);
        let (quads, _) = state.as_chunks_mut::<4>();
        // SAFETY: each place has 16 writable bytes, and the instruction asks for no alignment.
        unsafe {
            _mm_storeu_si128(quads[0].as_mut_ptr().cast(), _mm_blend_epi16(feba, dchg, 0xf0));
            _mm_storeu_si128(quads[1].as_mut_ptr().cast(), _mm_alignr_epi8(dchg, feba, 8));
        }
    }

    /// Equally many blocks of each into two states.
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn pair(states: [&mut [u32; 8]; LANES], left: &[Block], right: &[Block]) {
        let mut packed = [pack(states[0]), pack(states[1])];
        for (left, right) in left.iter().zip(right) {
            rounds(&mut packed, [left, right]);
        }
        for (packed, state) in packed.into_iter().zip(states) {
            unpack(packed, state);
        }
    }

    /// One block of each.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn rounds(packed: &mut [Packed; LANES], blocks: [&Block; LANES]) {
        let before = *packed;
        let big_endian = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        // Each lane's 16 words of the message schedule, in groups of four.
        let mut words = [[_mm_setzero_si128(); 4]; LANES];
        for (words, block) in words.iter_mut().zip(blocks) {
            for (group, bytes) in words.iter_mut().zip(block.as_chunks::<16>().0) {
                *group = _mm_shuffle_epi8(load(bytes), big_endian);
            }
        }
        let (last, others) = (&CONSTANTS[3], &CONSTANTS[..3]);
        for constants in others {
            four::<0, true>(packed, &mut words, &constants[0]);
            four::<1, true>(packed, &mut words, &constants[1]);
            four::<2, true>(packed, &mut words, &constants[2]);
            four::<3, true>(packed, &mut words, &constants[3]);
        }
        four::<0, false>(packed, &mut words, &last[0]);
        four::<1, false>(packed, &mut words, &last[1]);
        four::<2, false>(packed, &mut words, &last[2]);
        four::<3, false>(packed, &mut words, &last[3]);
        for (after, before) in packed.iter_mut().zip(before) {
            after.abef = _mm_add_epi32(after.abef, before.abef);
            after.cdgh = _mm_add_epi32(after.cdgh, before.cdgh);
        }
    }

    /// Four rounds with the schedule's group `GROUP`, in the place of which the group four further on is put where there will be
    /// one (`ON`). Every step is taken by all lanes before the next one: the processor does not look ahead far enough to find
    /// the second lane by itself.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn four<const GROUP: usize, const ON: bool>(
        packed: &mut [Packed; LANES],
        words: &mut [[__m128i; 4]; LANES],
        constants: &[u32; 4],
    ) {
        let constants = quad(constants);
        let mut sums = [constants; LANES];
        for (sum, words) in sums.iter_mut().zip(words.iter()) {
            *sum = _mm_add_epi32(words[GROUP], constants);
        }
        for (packed, sum) in packed.iter_mut().zip(sums) {
            packed.cdgh = _mm_sha256rnds2_epu32(packed.cdgh, packed.abef, sum);
        }
        for (packed, sum) in packed.iter_mut().zip(sums) {
            packed.abef = _mm_sha256rnds2_epu32(packed.abef, packed.cdgh, _mm_shuffle_epi32(sum, 0x0e));
        }
        if ON {
            for words in words {
                let [second, third, fourth] = [1, 2, 3].map(|ahead| words[(GROUP + ahead) % 4]);
                let sum = _mm_add_epi32(_mm_sha256msg1_epu32(words[GROUP], second), _mm_alignr_epi8(fourth, third, 4));
                words[GROUP] = _mm_sha256msg2_epu32(sum, fourth);
            }
        }
    }

    /// The constants of SHA-256's 64 rounds (FIPS 180-4, 4.2.2): four times four groups of four.
    #[rustfmt::skip]
    const CONSTANTS: [[[u32; 4]; 4]; 4] = [
        [
            [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
            [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
            [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
            [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
        ],
        [
            [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
            [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
            [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
            [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
        ],
        [
            [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
            [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
            [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
            [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
        ],
        [
            [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
            [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
            [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
            [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
        ],
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sha256::{START, digest, push_after_block, spelled};
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    /// A run of blocks that are different wherever one looks.
    fn blocks(count: usize, seed: u8) -> Vec<Block> {
        (0..count).map(|at| std::array::from_fn(|i| (at * 64 + i * 7) as u8 ^ seed)).collect()
    }

    #[test]
    fn every_pair_of_lengths_hashes_as_each_alone() {
        let head: Block = std::array::from_fn(|i| i as u8);
        let rest: Vec<u8> = (0..200u32).map(|i| (i * 11) as u8).collect();
        for left in 0..rest.len() {
            for right in 0..rest.len() {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                push_after_block(&mut a, &head, &rest[..left]);
                push_after_block(&mut b, &head, &rest[rest.len() - right..]);
                let mut runs = [Run { state: START, blocks: &a }, Run { state: START, blocks: &b }];
                compress(&mut runs);
                let known = [&rest[..left], &rest[rest.len() - right..]].map(|rest| digest(&[&head, rest].concat()));
                assert_eq!(runs.map(|run| spelled(&run.state)), known, "lengths {left} and {right}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_runs_from_any_states_end_as_one_by_one(
            given in vec((any::<[u32; 8]>(), 0usize..12, any::<u8>()), 0..9)
        ) {
            let texts: Vec<Vec<Block>> = given.iter().map(|(_, count, seed)| blocks(*count, *seed)).collect();
            let mut runs: Vec<Run<'_>> =
                given.iter().zip(&texts).map(|((state, ..), blocks)| Run { state: *state, blocks }).collect();
            let mut known = runs.clone();
            compress(&mut runs);
            one_by_one(&mut known);
            for (run, known) in runs.iter().zip(&known) {
                prop_assert_eq!(run.state, known.state);
                prop_assert_eq!(run.blocks.len(), 0);
            }
        }
    }
}
