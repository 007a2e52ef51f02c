//! What may stand in a record's `b`: one JSON object, at most 32 KiB, no control bytes, numbers whole. Amounts are decimal
//! strings; a binary float never enters the journal.

/// The most bytes that a payload may have.
pub const PAYLOAD_MAX: usize = 32 * 1024;

/// The deepest that objects and arrays may nest.
pub const DEPTH_MAX: usize = 64;

/// Why a payload was refused. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Longer than [`PAYLOAD_MAX`].
    #[error("the payload has {bytes} bytes; at most {PAYLOAD_MAX} fit: shorten it or split it")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not a JSON object.
    #[error("the payload is not a JSON object: unexpected byte at {at}")]
    NotAnObject {
        /// The first offending byte's index.
        at: usize,
    },
    /// A number with a fraction or an exponent.
    #[error("the number at byte {at} of the payload has a fraction or an exponent: write it as a decimal string")]
    Float {
        /// Where.
        at: usize,
    },
    /// A byte below 0x20.
    #[error("control byte at {at} of the payload: escape it")]
    Control {
        /// Where.
        at: usize,
    },
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("the payload nests deeper than {DEPTH_MAX} at byte {at}: flatten it")]
    TooDeep {
        /// Where.
        at: usize,
    },
}

/// Checks a payload.
///
/// # Errors
///
/// [`PayloadError`] with the index of the first offending byte.
pub fn check(text: &str) -> Result<(), PayloadError> {
    let bytes = text.as_bytes();
    if bytes.len() > PAYLOAD_MAX {
        return Err(PayloadError::TooLong { bytes: bytes.len() });
    }
    if bytes.first() != Some(&b'{') {
        return Err(unexpected(bytes, 0));
    }
    let mut walk = Walk { bytes, at: 0 };
    walk.document()?;
    if walk.at == bytes.len() { Ok(()) } else { Err(unexpected(bytes, walk.at)) }
}

/// A walk over JSON text with its nesting on a bit stack, so that no input can exhaust the thread's stack.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn wrong(&self) -> PayloadError {
        unexpected(self.bytes, self.at)
    }

    fn spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    fn document(&mut self) -> Result<(), PayloadError> {
        let mut objects: u64 = 0;
        let mut depth = 0usize;
        loop {
            // A value begins here.
            self.spaces();
            let mut ended = true;
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == DEPTH_MAX {
                        return Err(PayloadError::TooDeep { at: self.at });
                    }
                    let object = open == b'{';
                    objects = objects << 1 | u64::from(object);
                    depth += 1;
                    self.at += 1;
                    self.spaces();
                    if self.peek() == Some(if object { b'}' } else { b']' }) {
                        self.at += 1;
                        objects >>= 1;
                        depth -= 1;
                    } else {
                        ended = false;
                        if object {
                            self.key()?;
                        }
                    }
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => return Err(self.wrong()),
            }
            // After a value: close what ends here, or go on to the next one.
            while ended {
                if depth == 0 {
                    return Ok(());
                }
                self.spaces();
                let object = objects & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.spaces();
                        if object {
                            self.key()?;
                        }
                        ended = false;
                    }
                    Some(b'}') if object => self.close(&mut objects, &mut depth),
                    Some(b']') if !object => self.close(&mut objects, &mut depth),
                    _ => return Err(self.wrong()),
                }
            }
        }
    }

    fn close(&mut self, objects: &mut u64, depth: &mut usize) {
        self.at += 1;
        *objects >>= 1;
        *depth -= 1;
    }

    fn key(&mut self) -> Result<(), PayloadError> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong());
        }
        self.string()?;
        self.spaces();
        if self.peek() != Some(b':') {
            return Err(self.wrong());
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), PayloadError> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                        Some(b'u') => {
                            for _ in 0..4 {
                                self.at += 1;
                                if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                                    return Err(self.wrong());
                                }
                            }
                            self.at += 1;
                        }
                        _ => return Err(self.wrong()),
                    }
                }
                Some(0x20..) => self.at += 1,
                Some(_) | None => return Err(self.wrong()),
            }
        }
    }

    fn number(&mut self) -> Result<(), PayloadError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => {
                while self.peek().is_some_and(|b| b.is_ascii_digit()) {
                    self.at += 1;
                }
            }
            _ => return Err(self.wrong()),
        }
        match self.peek() {
            Some(b'.' | b'e' | b'E') => Err(PayloadError::Float { at: start }),
            _ => Ok(()),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), PayloadError> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.wrong())
        }
    }
}

fn unexpected(bytes: &[u8], at: usize) -> PayloadError {
    match bytes.get(at) {
        Some(0..0x20) => PayloadError::Control { at },
        _ => PayloadError::NotAnObject { at },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_pass_and_everything_else_is_refused_with_its_place() {
        for good in [
            "{}",
            r#"{"a":1}"#,
            r#"{"a":-12,"b":["x",{},[],null,true,false],"c":{"d":"é\u00e9\n"}}"#,
            r#"{ "a" : [ 1 , 2 ] }"#,
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", PayloadError::NotAnObject { at: 0 }),
            ("[]", PayloadError::NotAnObject { at: 0 }),
            ("{}{}", PayloadError::NotAnObject { at: 2 }),
            ("{\"a\"}", PayloadError::NotAnObject { at: 4 }),
            ("{\"a\":1,}", PayloadError::NotAnObject { at: 7 }),
            ("{\"a\":[1}", PayloadError::NotAnObject { at: 7 }),
            ("{\"a\":1.5}", PayloadError::Float { at: 5 }),
            ("{\"a\":1e9}", PayloadError::Float { at: 5 }),
            ("{\"a\":01}", PayloadError::NotAnObject { at: 6 }),
            ("{\"a\":\"\n\"}", PayloadError::Control { at: 6 }),
            ("{\n}", PayloadError::Control { at: 1 }),
            ("{\"a\":\"\\x\"}", PayloadError::NotAnObject { at: 7 }),
            ("{\"a\":\"", PayloadError::NotAnObject { at: 6 }),
        ] {
            assert_eq!(check(bad), Err(why), "{bad:?}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
        assert_eq!(check(&deep), Err(PayloadError::TooDeep { at: 68 }));
        let fits = format!("{{\"a\":{}{}}}", "[".repeat(63), "]".repeat(63));
        assert_eq!(check(&fits), Ok(()));
        assert!(matches!(
            check(&format!("{{\"a\":\"{}\"}}", "x".repeat(PAYLOAD_MAX))),
            Err(PayloadError::TooLong { .. })
        ));
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_a_json_parser(text in "[{}\\[\\]\",:a\\\\0-9 -]{0,24}") {
            let text = format!("{{{text}}}");
            let known = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).is_ok();
            proptest::prop_assert_eq!(check(&text).is_ok(), known, "{}", text);
        }
    }
}
