//! A job's sign of life at the watchdog: it begins, and it ended with this exit status. The paths are those that
//! `[[checkin]]` of the watchdog takes, and other services of the kind too: `URL/start`, `URL/STATUS`.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use failstop_engine::outside::{self, Method};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one may take. A job that waits longer for being told of is late itself.
const WITHIN: Duration = Duration::from_secs(20);

/// How often it is tried; a watchdog that is being restarted is back by then.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(2);

/// What is sent along fits on one screen.
const LINES_MAX: usize = 24;
const BYTES_MAX: usize = 4_000;

/// Where to check in.
pub struct CheckIn {
    /// Before the query.
    base: String,
    query: String,
    ca_file: Option<PathBuf>,
}

impl CheckIn {
    /// At this address.
    pub fn new(url: &str, ca_file: Option<&Path>) -> Result<Self, Failure> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Failure::Usage {
                what: format!("--check-in {url}: not an address"),
                next: "write it as https://HOST:8081/ping/NAME, where NAME is a [[checkin]] of the watchdog".to_owned(),
            });
        }
        let (base, query) = match url.split_once('?') {
            Some((base, query)) => (base, format!("?{query}")),
            None => (url, String::new()),
        };
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { base, query, ca_file: ca_file.map(Path::to_owned) })
    }

    /// The job begins.
    pub fn start(&self) {
        self.say("start", "");
    }

    /// It ended, with this to say.
    pub fn end(&self, exit: Exit, text: &str) {
        self.say(&exit.status().to_string(), &one_screen(text));
    }

    /// A check-in that is not delivered changes nothing about the job: the watchdog misses it and says so. Here whoever reads
    /// the job's mail is told why.
    fn say(&self, word: &str, text: &str) {
        let url = format!("{}/{word}{}", self.base, self.query);
        let mut why = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            match outside::ask(Method::Post(text), &url, self.ca_file.as_deref(), 64 << 10, WITHIN) {
                Ok(answer) if (200..300).contains(&answer.status) => return,
                Ok(answer) => {
                    let said = String::from_utf8_lossy(&answer.body);
                    why = format!("HTTP {} {}", answer.status, said.lines().next().unwrap_or_default());
                    // Only what may pass is tried again.
                    if answer.status < 500 && answer.status != 429 {
                        break;
                    }
                }
                Err(error) => why = error,
            }
        }
        let why = failstop_engine::printable::printable(why.trim());
        out::complain(&format!("warning: the check-in `{word}` was not delivered: {why}; see --check-in"));
    }
}

/// The beginning of a text, cut at a line.
fn one_screen(text: &str) -> String {
    let mut screen = String::new();
    let mut lines = text.lines();
    for line in lines.by_ref().take(LINES_MAX) {
        if screen.len() + line.len() >= BYTES_MAX {
            screen.push_str("...\n");
            return screen;
        }
        screen.push_str(line);
        screen.push('\n');
    }
    if lines.next().is_some() {
        screen.push_str("...\n");
    }
    screen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_fits_on_a_screen() {
        assert_eq!(one_screen("a\nb"), "a\nb\n");
        let long = one_screen(&"violated: somewhere\n".repeat(100));
        assert!(long.ends_with("somewhere\n...\n") && long.lines().count() == LINES_MAX + 1, "{long}");
        let wide = one_screen(&format!("{}\n", "x".repeat(3_000)).repeat(9));
        assert!(wide.len() < BYTES_MAX + 10 && wide.ends_with("...\n"), "{}", wide.len());
    }
}
