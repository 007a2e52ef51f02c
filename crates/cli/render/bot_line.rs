//! A line that a component wrote, made fit to print: its colours only where they are wanted, and nothing on a terminal that moves
//! the cursor, hides a line or asks the terminal for an answer.

use std::io::{self, IsTerminal as _};

/// How lines are printed here.
pub struct BotLine {
    colours: bool,
    terminal: bool,
}

impl Default for BotLine {
    /// As standard output wants it.
    fn default() -> Self {
        let stdout = io::stdout();
        let colours = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        Self { colours, terminal: stdout.is_terminal() }
    }
}

impl BotLine {
    /// Appends a line.
    pub fn write(&self, line: &[u8], text: &mut Vec<u8>) {
        let mut rest = line;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                0x1b => {
                    let (sequence, after) = escape(rest);
                    rest = after;
                    // Colours alone: ESC [ numbers m.
                    let is_colour = match sequence {
                        [b'[', numbers @ .., b'm'] => numbers.iter().all(|b| b.is_ascii_digit() || *b == b';'),
                        _ => false,
                    };
                    if self.colours && is_colour {
                        text.push(0x1b);
                        text.extend_from_slice(sequence);
                    }
                }
                b'\t' => text.push(*byte),
                b'\r' if rest.is_empty() => {}
                byte if byte.is_ascii_control() && self.terminal => text.push(b'?'),
                byte => text.push(*byte),
            }
        }
    }
}

/// What follows an escape character: the sequence that it begins, and what comes after that.
fn escape(rest: &[u8]) -> (&[u8], &[u8]) {
    let length = match rest {
        // CSI: to its final byte.
        [b'[', sequence @ ..] => {
            sequence.iter().position(|b| (0x40..=0x7e).contains(b)).map_or(rest.len(), |at| at + 2)
        }
        // OSC, DCS and their kin: to a BEL, or an escape and a backslash.
        [b']' | b'P' | b'_' | b'^' | b'X', sequence @ ..] => {
            let bell = sequence.iter().position(|b| *b == 0x07).map(|at| at + 2);
            let string_end = sequence.windows(2).position(|pair| pair == b"\x1b\\").map(|at| at + 3);
            bell.into_iter().chain(string_end).min().unwrap_or(rest.len())
        }
        [] => 0,
        _ => 1,
    };
    rest.split_at(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, colours: bool, terminal: bool) -> String {
        let mut text = Vec::new();
        BotLine { colours, terminal }.write(line.as_bytes(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    #[test]
    fn colours_stay_where_they_are_wanted_and_nothing_else_of_the_kind_ever() {
        let line = "\x1b[1;31mred\x1b[0m \x1b[2Jgone\x1b]0;title\x07 \x1b]8;;x\x1b\\link\x1b[?1049h\tend é";
        assert_eq!(shown(line, true, true), "\x1b[1;31mred\x1b[0m gone link\tend é");
        assert_eq!(shown(line, false, true), "red gone link\tend é");
        assert_eq!(shown(line, false, false), "red gone link\tend é");
    }

    #[test]
    fn a_terminal_gets_no_control_characters_and_a_file_what_was_written() {
        assert_eq!(shown("a\x08b\rc\r", false, true), "a?b?c");
        assert_eq!(shown("a\x08b\rc\r", false, false), "a\x08b\rc");
        for odd in ["\x1b", "\x1b[", "\x1b[31", "\x1b]never ends", "\x1bm", "\x1b[m"] {
            assert!(!shown(odd, false, true).contains('\x1b'), "{odd:?}");
        }
    }
}
