//! Takes known secrets out of a text before anybody sees it: services echo what they were sent.

use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What stands in a secret's place.
const COVER: &str = "(covered)";

/// The longest text that comes out, characters.
const SHOWN_MAX: usize = 200;

/// A secret shorter than this is no secret, and would cover half of every text.
const SECRET_MIN: usize = 4;

/// Knows the secrets of the configuration, as they are and as services may show them.
#[derive(Clone, Default)]
pub(crate) struct Mask {
    /// The longest first, so that what holds another one goes as a whole.
    forms: Vec<String>,
}

impl Mask {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut forms: Vec<String> = secrets.into_iter().flat_map(|secret| forms(secret.expose())).collect();
        forms.retain(|form| form.len() >= SECRET_MIN);
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        Self { forms }
    }

    /// `text` on one line, without secrets and what could drive a terminal, and short.
    pub(crate) fn cover(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in &self.forms {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), COVER);
            }
        }
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        let mut short: String = text.chars().take(SHOWN_MAX).map(clean).collect();
        if text.chars().nth(SHOWN_MAX).is_some() {
            short.push('…');
        }
        short
    }
}

/// A secret as it is, without its URL's common beginning, percent-encoded, quoted in JSON, and in base64 at each of the three
/// places that it may have within a longer text.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    if let Some((_, rest)) = secret.split_once("://") {
        // The part that is secret of a URL is its path and query.
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        forms.push(path.to_owned());
        forms.extend(path.split(['/', '?', '&', '=']).filter(|part| part.len() >= 16).map(str::to_owned));
    }
    for form in forms.clone() {
        forms.push(percent_encoded(&form));
        forms.push(serde_json::Value::from(form.as_str()).to_string().trim_matches('"').to_owned());
        for shift in 0..3 {
            let mut bytes = vec![0; shift];
            bytes.extend_from_slice(form.as_bytes());
            // Only the letters that come of the secret alone: the first and the last may hold bits of its neighbours.
            for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                let encoded = engine.encode(&bytes);
                let whole = bytes.len() / 3 * 4;
                let from = if shift == 0 { 0 } else { 4 };
                if let Some(inner) = encoded.get(from..whole).filter(|inner| inner.len() >= 8) {
                    forms.push(inner.to_owned());
                }
            }
        }
        forms.push(STANDARD.encode(&form));
    }
    forms
}

/// Everything but letters, digits and `-_.~` as `%XX`.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_secret_is_covered() {
        let token = "123456:canary/token+\"x\"";
        let hook = "https://hooks.example.com/services/T000/B000/canarycanarycanary";
        let mask = Mask::new(&[Secret::new(token), Secret::new(hook)]);
        let echoes = [
            format!("not found: /bot{token}/sendMessage"),
            format!("bad token {}", percent_encoded(token)),
            serde_json::json!({ "echo": token }).to_string(),
            STANDARD.encode(format!("user:{token}")),
            STANDARD.encode(format!("\0user\0{token}")),
            STANDARD.encode(token),
            format!("POST {hook}"),
            "POST /services/T000/B000/canarycanarycanary HTTP/1.1".to_owned(),
            "unknown hook canarycanarycanary".to_owned(),
        ];
        for echo in echoes {
            let shown = mask.cover(&echo);
            assert!(shown.contains(COVER), "{echo}: {shown}");
            assert!(!shown.contains("canary"), "{echo}: {shown}");
            let decoded = shown.split_whitespace().filter_map(|word| STANDARD.decode(word).ok());
            assert!(!decoded.into_iter().any(|bytes| String::from_utf8_lossy(&bytes).contains("canary")));
        }
    }

    #[test]
    fn what_comes_out_is_short_and_harmless() {
        let shown = Mask::default().cover(&format!("a\x1b[2Jb\r\n{}", "é".repeat(300)));
        assert!(shown.starts_with("a [2Jb  é"));
        assert_eq!(shown.chars().count(), SHOWN_MAX + 1);
    }
}
