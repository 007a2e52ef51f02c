//! Whether a word of letters and digits is a wallet's address, or a key that spends what is in one.
//!
//! | form | told by |
//! | --- | --- |
//! | EVM chains: `0x` and 40 hexadecimal digits | exactly 40: hashes of orders and transactions have 64 |
//! | base58 with a check sum: Bitcoin and its kin, Tron, Tezos, XRP | four bytes of SHA-256 |
//! | bech32 and bech32m: Bitcoin, Litecoin, Cardano, Cosmos and its kin | their check sum |
//! | Solana: base58 of 32 bytes | no check sum; 32 to 44 characters, capitals, small letters and digits among them |
//!
//! Keys that spend (WIF, extended keys, XRP seeds, nsec) have forms and check sums of the same kinds: nothing of them is shown. The
//! one that Solana's wallets export is 64 bytes in base58, as a signature is: a seed, and the public key that belongs to it, which
//! no signature is by chance.
//! An id that nobody meant as an address passes a check sum once in four thousand million times or, bech32, once in a thousand
//! million; the one form without a check sum also takes a random id of 43 or 44 base58 characters. Hexadecimal ids, UUIDs, ULIDs
//! and numbers have no capitals beside small letters, or characters that base58 has not.

use ring::signature::Ed25519KeyPair;
use sha2::{Digest as _, Sha256};

/// The shortest word that may be an address.
pub(super) const SHORTEST: usize = 25;

/// The longest word that is read as base58: an extended key has 111 characters.
const BASE58_MAX: usize = 112;

/// The longest as bech32: an address of Cardano has 103, one for staking 108.
const BECH32_MAX: usize = 128;

/// The longest word that may be one.
pub(super) const LONGEST: usize = if BASE58_MAX > BECH32_MAX { BASE58_MAX } else { BECH32_MAX };

/// What was found in a word: from `starts` to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) starts: usize,
    pub(super) kind: Kind,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It names a wallet.
    Address,
    /// It spends what is in one.
    Key,
}

/// What `word` is, if it is one: letters and digits with neither before nor after it. The first `escape` of them may be of an escape.
pub(super) fn find(word: &[u8], escape: usize) -> Option<Found> {
    if let Some(starts) = of_evm(word) {
        return Some(Found { starts, kind: Kind::Address });
    }
    let whole = kind(word).map(|kind| Found { starts: 0, kind });
    whole.or_else(|| {
        let rest = word.get(escape..).filter(|rest| escape > 0 && rest.len() >= SHORTEST)?;
        kind(rest).map(|kind| Found { starts: escape, kind })
    })
}

fn kind(word: &[u8]) -> Option<Kind> {
    base58(word).or_else(|| bech32(word))
}

/// Where `0x` and 40 digits that end the word begin.
fn of_evm(word: &[u8]) -> Option<usize> {
    let starts = word.len().checked_sub(42)?;
    let digits = word.get(starts..)?.strip_prefix(b"0x")?;
    digits.iter().all(u8::is_ascii_hexdigit).then_some(starts)
}

const BITCOIN: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const RIPPLE: &[u8; 58] = b"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz";

fn base58(word: &[u8]) -> Option<Kind> {
    // The same characters in another order: what the one has not the other has not.
    if word.len() > BASE58_MAX || !word.iter().all(|letter| BITCOIN.contains(letter)) {
        return None;
    }
    let bytes = decoded(word, BITCOIN)?;
    if has_check_sum(&bytes) {
        // An address has at most 28 bytes; a key of 32 bytes has more.
        return Some(if bytes.len() < 36 { Kind::Address } else { Kind::Key });
    }
    if is_key_pair(&bytes) {
        return Some(Kind::Key);
    }
    let of_solana = bytes.len() == 32
        && word.len() <= 44
        && word.iter().any(u8::is_ascii_digit)
        && word.iter().any(u8::is_ascii_uppercase)
        && word.iter().any(u8::is_ascii_lowercase);
    if of_solana {
        return Some(Kind::Address);
    }
    match word.first()? {
        b'r' | b'X' => has_check_sum(&decoded(word, RIPPLE)?).then_some(Kind::Address),
        b's' => has_check_sum(&decoded(word, RIPPLE)?).then_some(Kind::Key),
        _ => None,
    }
}

/// The number that `word` writes, the most significant byte first, a zero byte for each leading zero; `None` where a character is
/// none of the alphabet's.
fn decoded(word: &[u8], alphabet: &[u8; 58]) -> Option<Vec<u8>> {
    let zero = alphabet.first()?;
    let zeros = word.iter().take_while(|letter| *letter == zero).count();
    // The least significant byte first.
    let mut number: Vec<u8> = Vec::with_capacity(word.len());
    for letter in word {
        let mut carry = alphabet.iter().position(|known| known == letter)?;
        for byte in &mut number {
            carry += usize::from(*byte) * 58;
            *byte = low_byte(carry);
            carry >>= 8;
        }
        while carry > 0 {
            number.push(low_byte(carry));
            carry >>= 8;
        }
    }
    number.resize(number.len() + zeros, 0);
    number.reverse();
    Some(number)
}

const fn low_byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

/// Whether the last four bytes are those that the hash of the hash of the others begins with.
fn has_check_sum(bytes: &[u8]) -> bool {
    bytes.split_last_chunk::<4>().is_some_and(|(body, sum)| {
        // What is shorter than the hash of a key is neither.
        body.len() >= 17 && Sha256::digest(Sha256::digest(body)).starts_with(sum)
    })
}

/// Whether these are a seed of Ed25519 and the public key that belongs to it.
fn is_key_pair(bytes: &[u8]) -> bool {
    let pair = bytes.split_first_chunk::<32>().filter(|(_, public)| public.len() == 32);
    pair.is_some_and(|(seed, public)| Ed25519KeyPair::from_seed_and_public_key(seed, public).is_ok())
}

const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// What the check comes to: of bech32, and of bech32m.
const SUMS: [u32; 2] = [1, 0x2bc8_30a3];

fn bech32(word: &[u8]) -> Option<Kind> {
    let one_case = !(word.iter().any(u8::is_ascii_lowercase) && word.iter().any(u8::is_ascii_uppercase));
    if word.len() > BECH32_MAX || !one_case {
        return None;
    }
    let separator = word.iter().rposition(|letter| *letter == b'1').filter(|at| *at > 0)?;
    let (name, data) = (word.get(..separator)?, word.get(separator + 1..)?);
    let mut sum: u32 = 1;
    for letter in name {
        sum = step(sum, u32::from(letter.to_ascii_lowercase() >> 5));
    }
    sum = step(sum, 0);
    for letter in name {
        sum = step(sum, u32::from(letter.to_ascii_lowercase() & 31));
    }
    for letter in data {
        let value = BECH32.iter().position(|known| *known == letter.to_ascii_lowercase())?;
        sum = step(sum, u32::try_from(value).ok()?);
    }
    let is_secret = name.eq_ignore_ascii_case(b"nsec");
    SUMS.contains(&sum).then_some(if is_secret { Kind::Key } else { Kind::Address })
}

/// One step of the check sum's polynomial, by the published generator.
fn step(sum: u32, value: u32) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = sum >> 25;
    let shifted = ((sum & 0x01ff_ffff) << 5) ^ value;
    GENERATOR.iter().enumerate().fold(shifted, |sum, (bit, term)| if (top >> bit) & 1 == 1 { sum ^ term } else { sum })
}
