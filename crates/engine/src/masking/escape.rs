//! Letters and digits that stand before a word without being of it: those of an escape (`\n`, `\u001b`), and those that end a colour
//! code. Libraries that write logs colour values, into pipes as well, and JSON and quoted texts escape what cannot be printed.

/// What begins a colour code before its `[`: the character itself, as JSON, Rust, C, a shell and a terminal write it, and what stands
/// in its place where it was taken out.
const INTRODUCERS: [&[u8]; 9] = [b"\x1b", b"1b", b"1B", b"1b}", b"1B}", b"033", b"\\e", b"^[", "\u{fffd}".as_bytes()];

/// How far back a colour code's `[` may stand, bytes: `[38;2;255;255;255;48;2;255;255;` has 31.
const PARAMETERS_MAX: usize = 40;

/// How many of the first characters of `word` may be the end of an escape or of a colour code. `before`: what stands before the word;
/// its last byte is neither letter nor digit.
pub(super) fn within(before: &[u8], word: &[u8]) -> usize {
    match before.last() {
        Some(b'\\') => of_escape(word),
        // One character ends what is no colour code.
        Some(b'\x1b') => 1,
        _ if ends_in_colour_code(before) => word.iter().take_while(|byte| byte.is_ascii_digit()).count() + 1,
        _ => 0,
    }
}

fn of_escape(word: &[u8]) -> usize {
    let digits = match word.first() {
        Some(b'u') => 4,
        Some(b'x') => 2,
        _ => 0,
    };
    let are_there = word.get(1..=digits).is_some_and(|found| found.iter().all(u8::is_ascii_hexdigit));
    1 + if are_there { digits } else { 0 }
}

fn ends_in_colour_code(before: &[u8]) -> bool {
    let is_parameter = |byte: &&u8| byte.is_ascii_digit() || matches!(**byte, b';' | b':');
    let parameters = before.iter().rev().take(PARAMETERS_MAX).take_while(is_parameter).count();
    let rest = before.get(..before.len() - parameters).and_then(|rest| rest.strip_suffix(b"["));
    rest.is_some_and(|rest| INTRODUCERS.iter().any(|introducer| rest.ends_with(introducer)))
}
