//! A node that speaks JSON-RPC: the number of its newest block, and whether that moves on.

use super::fault::{Answer, ProbeFault, origin, peers_words};
use super::http::{BODY_MAX, Client, Method};
use crate::config::Url;
use core::time::Duration;
use failstop_core::Monotonic;
use serde_json::{Value, json};

/// Asks for the number of the newest block.
pub(super) async fn block(client: &Client, url: &Url) -> Result<Answer, ProbeFault> {
    let target = origin(url);
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": [] });
    let response = client.ask(Method::Post(request.to_string()), &url.to_string(), &target, BODY_MAX).await?;
    let unfit = |how: String| ProbeFault::Unfit { target: target.clone(), how };
    let answer: Value = match serde_json::from_slice(&response.body) {
        Ok(answer) => answer,
        Err(_) if response.status != 200 => {
            return Err(ProbeFault::Status { target: target.clone(), status: response.status });
        }
        Err(_) => return Err(unfit("answers with something that is not JSON-RPC".to_owned())),
    };
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
        let said = error.get("message").and_then(Value::as_str).unwrap_or_default();
        return Err(unfit(format!("answers with error {code}: {}", peers_words(said))));
    }
    let number = answer.get("result").and_then(Value::as_str).and_then(quantity);
    let number = number.ok_or_else(|| unfit("answers without a block number".to_owned()))?;
    Ok(Answer { block: Some(number), ..Answer::saying(format!("is at block {number}")) })
}

/// A number as JSON-RPC writes it: `0x1b4`.
fn quantity(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    // `from_str_radix` would take a sign.
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// The highest block that a node has shown, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocks(Option<(u64, Monotonic)>);

impl Blocks {
    /// A node is at `block` now.
    ///
    /// # Errors
    /// It has shown no higher one for at least `stuck_after`: in words.
    pub fn seen(&mut self, block: u64, now: Monotonic, stuck_after: Duration) -> Result<(), String> {
        match self.0 {
            Some((highest, since)) if block <= highest => {
                let stood = now.since(since);
                if stood < stuck_after {
                    return Ok(());
                }
                let behind = if block < highest { format!(", and was at {highest} before") } else { String::new() };
                Err(format!("is stuck at block {block} for {} s{behind}", stood.as_secs()))
            }
            Some(_) | None => {
                self.0 = Some((block, now));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_stands_still_for_too_long_is_stuck_and_moves_on_again() {
        let at = |seconds: u64| Monotonic::from_nanos(seconds * 1_000_000_000);
        let minute = Duration::from_secs(60);
        let mut blocks = Blocks::default();
        assert_eq!(blocks.seen(100, at(0), minute), Ok(()));
        assert_eq!(blocks.seen(100, at(59), minute), Ok(()));
        assert_eq!(blocks.seen(100, at(60), minute), Err("is stuck at block 100 for 60 s".to_owned()));
        let back = blocks.seen(99, at(90), minute);
        assert_eq!(back, Err("is stuck at block 99 for 90 s, and was at 100 before".to_owned()));
        assert_eq!(blocks.seen(101, at(91), minute), Ok(()));
        assert_eq!(blocks.seen(101, at(92), minute), Ok(()));
    }

    #[test]
    fn quantities() {
        assert_eq!(quantity("0x1b4"), Some(436));
        assert_eq!(quantity("0x0"), Some(0));
        for bad in ["436", "0x", "0x+1", "0x-1", "0xg", "0x10000000000000000", ""] {
            assert_eq!(quantity(bad), None, "{bad}");
        }
    }
}
