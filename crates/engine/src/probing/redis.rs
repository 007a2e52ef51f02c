//! Redis (and Valkey): AUTH where a password is configured, then PING.

use super::fault::{Answer, ProbeFault, peers_words};
use super::resolve;
use crate::config::{HostPort, Secret};
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest line that is read, bytes.
const LINE_MAX: usize = 4 * 1024;

pub(super) async fn ping(at: &HostPort, user: Option<&str>, password: Option<&Secret>) -> Result<Answer, ProbeFault> {
    let target = at.to_string();
    let password = password
        .map(Secret::reveal)
        .transpose()
        .map_err(|fault| ProbeFault::Unusable { target: target.clone(), why: fault.to_string() })?;
    let stream = resolve::connect(at).await?;
    let mut talk = Talk { stream, read: Vec::new(), target };
    if let Some(password) = &password {
        let words = match user {
            Some(user) => vec!["AUTH", user, password],
            None => vec!["AUTH", password],
        };
        let answer = talk.ask(&words).await?;
        if answer != "+OK" {
            return Err(talk.unfit("does not take the password", &answer));
        }
    }
    let answer = talk.ask(&["PING"]).await?;
    if answer == "+PONG" {
        Ok(Answer::saying("answers PONG"))
    } else if answer.starts_with("-NOAUTH") {
        Err(talk.unfit("wants a password (set `password`)", &answer))
    } else {
        Err(talk.unfit("does not answer PONG", &answer))
    }
}

struct Talk {
    stream: TcpStream,
    read: Vec<u8>,
    target: String,
}

impl Talk {
    fn unfit(&self, how: &str, said: &str) -> ProbeFault {
        ProbeFault::Unfit { target: self.target.clone(), how: format!("{how}: {}", peers_words(said)) }
    }

    fn broken(&self, error: io::Error) -> ProbeFault {
        ProbeFault::Io { target: self.target.clone(), error }
    }

    /// One command and the first line of its answer.
    async fn ask(&mut self, words: &[&str]) -> Result<String, ProbeFault> {
        let request = command(words);
        self.stream.write_all(&request).await.map_err(|error| self.broken(error))?;
        let mut chunk = [0_u8; 512];
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.read.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.read.len() > LINE_MAX {
                return Err(self.unfit("does not speak Redis", &String::from_utf8_lossy(&self.read)));
            }
            match self.stream.read(&mut chunk).await.map_err(|error| self.broken(error))? {
                0 if self.read.is_empty() => {
                    return Err(self.broken(io::Error::other("the connection ended before an answer")));
                }
                0 => return Err(self.unfit("does not speak Redis", &String::from_utf8_lossy(&self.read))),
                n => self.read.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            }
        }
    }
}

/// A command as an array of bulk strings: whatever a password holds, it is one word.
fn command(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    out
}
