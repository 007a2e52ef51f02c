//! The language of Redis and Valkey (RESP 2), as far as it is spoken here: commands out, replies in, both bounded.

use core::fmt::Write as _;

/// The longest reply that is taken, bytes. The longest that is asked for, a page of INFO, has some 2 000.
pub(super) const REPLY_MAX: usize = 64 * 1024;

/// The most items of a list that are taken.
const ITEMS_MAX: usize = 64;

/// The longest line: of an error, a number, a length.
const LINE_MAX: usize = 4 * 1024;

/// A command as a list of texts: whatever one holds, it is one word.
pub(super) fn command(words: &[&str]) -> Vec<u8> {
    let mut out = String::with_capacity(words.iter().map(|word| word.len() + 16).sum());
    // Writing to a string does not fail.
    let _ = write!(out, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(out, "${}\r\n{word}\r\n", word.len());
    }
    out.into_bytes()
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A status or a text.
    Text(String),
    /// An error; its first word is its kind.
    Error(String),
    Number(i64),
    Nothing,
    List(Vec<Reply>),
}

/// What came is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("answers with something that is not Redis's language")]
    Foreign,
    #[error("answers with more than was asked for")]
    TooLong,
}

/// Takes bytes as they come and gives replies.
#[derive(Debug, Default)]
pub(super) struct Parser {
    bytes: Vec<u8>,
}

impl Parser {
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next reply that is here whole.
    pub fn next(&mut self) -> Result<Option<Reply>, Malformed> {
        let mut rest = self.bytes.as_slice();
        match reply(&mut rest, true) {
            Ok(reply) => {
                let used = self.bytes.len() - rest.len();
                self.bytes.drain(..used);
                Ok(Some(reply))
            }
            Err(Short::Ends) if self.bytes.len() > REPLY_MAX => Err(Malformed::TooLong),
            Err(Short::Ends) => Ok(None),
            Err(Short::Bad(why)) => Err(why),
        }
    }
}

/// Why there is no reply at the beginning of some bytes.
enum Short {
    /// They end before it does.
    Ends,
    Bad(Malformed),
}

const FOREIGN: Short = Short::Bad(Malformed::Foreign);

fn reply(rest: &mut &[u8], may_be_list: bool) -> Result<Reply, Short> {
    let line = line(rest)?;
    let (kind, text) = line.split_at_checked(1).ok_or(FOREIGN)?;
    match kind {
        "+" => Ok(Reply::Text(text.to_owned())),
        "-" => Ok(Reply::Error(text.to_owned())),
        ":" => text.parse().map(Reply::Number).map_err(|_| FOREIGN),
        "$" if text == "-1" => Ok(Reply::Nothing),
        "$" => {
            let length = length(text, REPLY_MAX)?;
            let (bytes, after) = rest.split_at_checked(length + 2).ok_or(Short::Ends)?;
            let bytes = bytes.strip_suffix(b"\r\n").ok_or(FOREIGN)?;
            *rest = after;
            let text = core::str::from_utf8(bytes).map_err(|_| FOREIGN)?;
            Ok(Reply::Text(text.to_owned()))
        }
        "*" if text == "-1" => Ok(Reply::Nothing),
        "*" if may_be_list => {
            let items = length(text, ITEMS_MAX)?;
            (0..items).map(|_| reply(rest, false)).collect::<Result<Vec<_>, _>>().map(Reply::List)
        }
        _ => Err(FOREIGN),
    }
}

fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a str, Short> {
    let bytes = *rest;
    // A first byte that begins no reply is seen before anything is waited for.
    if bytes.first().is_some_and(|first| !b"+-:$*".contains(first)) {
        return Err(FOREIGN);
    }
    let looked_at = bytes.get(..LINE_MAX).unwrap_or(bytes);
    match looked_at.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => {
            let (line, after) = bytes.split_at(end);
            *rest = after.get(2..).unwrap_or_default();
            core::str::from_utf8(line).map_err(|_| FOREIGN)
        }
        None if bytes.len() >= LINE_MAX => Err(FOREIGN),
        None => Err(Short::Ends),
    }
}

fn length(text: &str, most: usize) -> Result<usize, Short> {
    let length: usize = text.parse().map_err(|_| FOREIGN)?;
    if length > most { Err(Short::Bad(Malformed::TooLong)) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Reply {
        Reply::Text(text.to_owned())
    }

    fn parsed(bytes: &[u8]) -> Result<Option<Reply>, Malformed> {
        let mut parser = Parser::default();
        parser.take(bytes);
        parser.next()
    }

    #[test]
    fn words_stay_words_whatever_they_hold() {
        assert_eq!(command(&["AUTH", "a\r\nb c"]), b"*2\r\n$4\r\nAUTH\r\n$6\r\na\r\nb c\r\n");
    }

    #[test]
    fn replies_come_whole_however_they_are_cut() {
        let bytes = b"+OK\r\n-ERR no\r\n:-7\r\n$-1\r\n$4\r\na\r\nb\r\n*3\r\n$1\r\nx\r\n:1\r\n$0\r\n\r\n";
        let wanted = [
            text("OK"),
            Reply::Error("ERR no".to_owned()),
            Reply::Number(-7),
            Reply::Nothing,
            text("a\r\nb"),
            Reply::List(vec![text("x"), Reply::Number(1), text("")]),
        ];
        for piece in 1..bytes.len() {
            let mut parser = Parser::default();
            let mut found = Vec::new();
            for bytes in bytes.chunks(piece) {
                parser.take(bytes);
                while let Some(reply) = parser.next().unwrap() {
                    found.push(reply);
                }
            }
            assert_eq!(found, wanted, "{piece}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused_at_once_and_what_is_too_long_never_kept() {
        for bad in
            [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"$x\r\n", b"*1\r\n*0\r\n", b":1x\r\n", b"$1\r\nabc", b"\x16\x03"]
        {
            assert_eq!(parsed(bad), Err(Malformed::Foreign), "{bad:?}");
        }
        for long in [&b"$65537\r\n"[..], b"*65\r\n"] {
            assert_eq!(parsed(long), Err(Malformed::TooLong), "{long:?}");
        }
        assert_eq!(parsed(&[b'+'; LINE_MAX]), Err(Malformed::Foreign));
        let mut long = b"*64\r\n".to_vec();
        for _ in 0..10 {
            long.extend_from_slice(format!("$9000\r\n{}\r\n", "x".repeat(9_000)).as_bytes());
        }
        assert_eq!(parsed(&long), Err(Malformed::TooLong));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_breaks_it(bytes in prop::collection::vec(any::<u8>(), 0..200), begin in "[-+:$*][0-9]{0,3}\r\n") {
            let mut parser = Parser::default();
            parser.take(begin.as_bytes());
            parser.take(&bytes);
            for _ in 0..300 {
                if !matches!(parser.next(), Ok(Some(_))) {
                    break;
                }
            }
        }
    }
}
