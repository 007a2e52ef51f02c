//! PostgreSQL: the start-up message of a client, and what the server says to it. Nobody logs in: that a server asks for a
//! password, or refuses this user, shows that it takes connections.

use super::fault::{Answer, ProbeFault, peers_words};
use super::resolve;
use crate::config::HostPort;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Version 3.0 of the protocol.
const VERSION: u32 = 3 << 16;

/// The longest message that is read, bytes.
const MESSAGE_MAX: usize = 8 * 1024;

/// Whose start-up message is sent where the configuration names nobody.
const USER: &str = "failstop";

/// Classes of errors that mean that it takes no connections: starting up or shutting down, and out of room for one more.
const NOT_TAKING: [&str; 2] = ["57P", "53"];

pub(super) async fn greet(at: &HostPort, user: Option<&str>) -> Result<Answer, ProbeFault> {
    let target = at.to_string();
    let broken = |error: io::Error| ProbeFault::Io { target: at.to_string(), error };
    let mut stream = resolve::connect(at).await?;
    stream.write_all(&start_up(user.unwrap_or(USER))).await.map_err(broken)?;
    let mut head = [0_u8; 5];
    stream.read_exact(&mut head).await.map_err(broken)?;
    let [kind, length @ ..] = head;
    // The length counts itself.
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    let not_postgres = || ProbeFault::Unfit { target: at.to_string(), how: "does not speak PostgreSQL".to_owned() };
    let body = match length.checked_sub(4) {
        Some(body) if body <= MESSAGE_MAX => body,
        Some(_) | None => return Err(not_postgres()),
    };
    match kind {
        b'R' => Ok(Answer::saying("takes connections")),
        b'E' => {
            let mut fields = vec![0_u8; body];
            stream.read_exact(&mut fields).await.map_err(broken)?;
            let code = field(&fields, b'C').ok_or_else(not_postgres)?;
            if NOT_TAKING.iter().any(|class| code.starts_with(class)) {
                let said = field(&fields, b'M').unwrap_or_default();
                let how = format!("takes no connections: {} ({})", peers_words(&said), peers_words(&code));
                return Err(ProbeFault::Unfit { target, how });
            }
            Ok(Answer::saying(format!("takes connections (and refuses this one: {})", peers_words(&code))))
        }
        _ => Err(not_postgres()),
    }
}

fn start_up(user: &str) -> Vec<u8> {
    let mut body = VERSION.to_be_bytes().to_vec();
    for word in ["user", user, "database", "postgres", "application_name", "failstop"] {
        body.extend_from_slice(word.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &body].concat()
}

/// The text of one field of an error: fields are a letter, a text and a zero byte, and a zero byte ends them.
fn field(fields: &[u8], letter: u8) -> Option<String> {
    let text = fields.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(&[letter]))?;
    Some(String::from_utf8_lossy(text).into_owned())
}
