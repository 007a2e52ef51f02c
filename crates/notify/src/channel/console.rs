//! The console: the program's own standard output, one block a message.

use crate::answer::Answer;
use crate::message::Message;
use std::io::Write as _;

/// Writes the message. Blocks where a terminal or a pipe does.
pub(crate) fn write(message: &Message) -> Answer {
    let mut out = std::io::stdout().lock();
    match out.write_all(block(message).as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Answer::ok(),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Answer::permanent("nobody reads standard output any more")
        }
        Err(error) => Answer::retry(format!("standard output: {}", error.kind())),
    }
}

/// `09:14:07Z  alert  CRITICAL demo: ...`, the rest below it.
fn block(message: &Message) -> String {
    let text = message.text.whole();
    let mut lines = text.lines();
    let mut out = format!("{}  alert  {}\n", message.now.strftime("%H:%M:%SZ"), lines.next().unwrap_or_default());
    for line in lines {
        out.push_str("           ");
        out.push_str(line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heart::What;

    #[test]
    fn a_block_of_lines() {
        let block = block(&crate::message::tests::message(What::Trigger));
        assert!(
            block.starts_with("09:14:07Z  alert  CRITICAL demo: bot beats no more\n           do: failstop status\n")
        );
        assert!(block.ends_with('\n'));
    }
}
