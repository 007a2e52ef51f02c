//! A bot API like Telegram's, on loopback: `getUpdates` with offsets and waiting, `sendMessage`, and what goes wrong with them.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Long enough for anything here on a busy machine; never waited out when all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The token that it takes.
pub const TOKEN: &str = "123:abc-DEF_ghi";

/// Unix seconds.
pub fn unix_now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// An answer that is not the usual one.
#[derive(Clone, Debug)]
pub enum Odd {
    /// This status and body.
    Says(u16, String),
    /// The connection ends.
    HangsUp,
    /// Nothing, for as long as the other side waits.
    Hangs,
}

/// What was asked and said, and what is to be answered.
#[derive(Default)]
pub struct State {
    /// Those that are not confirmed.
    pub updates: Vec<Value>,
    /// The number of the last one.
    pub next: i64,
    /// Every request: its method and its body.
    pub asked: Vec<(String, Value)>,
    /// Every message: to whom, and what.
    pub sent: Vec<(i64, String)>,
    /// Answers to the next questions.
    pub odd: VecDeque<Odd>,
    /// Answers to the next messages, which are not sent.
    pub odd_sent: VecDeque<Odd>,
    /// Questions that confirm and do not wait are refused.
    pub confirms_nothing: bool,
    /// They are answered once this is over.
    pub confirms_later: bool,
    /// Nobody who sends a message is answered, nor is it sent.
    pub mute: bool,
    /// Updates come as often as they are asked for, confirmed or not.
    pub repeats: bool,
}

/// A bot API. Its threads end with the test's process.
#[derive(Clone)]
pub struct BotApi {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl BotApi {
    /// Listens on a port of its own.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let first = State { next: 100, ..State::default() };
        let api =
            Self { address: listener.local_addr().unwrap(), state: Arc::new((Mutex::new(first), Condvar::new())) };
        let serving = api.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let api = serving.clone();
                std::thread::spawn(move || while api.serve(&stream).is_some() {});
            }
        });
        api
    }

    /// Where it is.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does, or looks at what it was asked.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state.0.lock().unwrap());
        self.state.1.notify_all();
        changed
    }

    /// One request; `None` when the connection is over.
    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let (mut path, mut length) = (String::new(), 0usize);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if path.is_empty() {
                path = line.split(' ').nth(1)?.to_owned();
            } else if line.is_empty() {
                break;
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let asked: Value = serde_json::from_slice(&body).ok()?;
        let method = path.strip_prefix(&format!("/bot{TOKEN}/")).map(str::to_owned);
        let (status, answer) = match method.as_deref() {
            Some(method) => self.answer(method, asked)?,
            None => (401, refused(401, "Unauthorized")),
        };
        let mut stream = stream;
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(answer.as_bytes()).ok()
    }

    fn answer(&self, method: &str, asked: Value) -> Option<(u16, String)> {
        let (lock, changed) = &*self.state;
        let mut state = lock.lock().unwrap();
        state.asked.push((method.to_owned(), asked.clone()));
        changed.notify_all();
        let sends = method == "sendMessage";
        let odd = if sends { &mut state.odd_sent } else { &mut state.odd };
        match odd.pop_front() {
            Some(Odd::Says(status, body)) => return Some((status, body)),
            Some(Odd::HangsUp) => return None,
            Some(Odd::Hangs) => {
                drop(state);
                std::thread::sleep(PATIENCE);
                return None;
            }
            None => {}
        }
        if sends {
            if state.mute {
                drop(state);
                std::thread::sleep(PATIENCE);
                return None;
            }
            let (chat, text) = (asked["chat_id"].as_i64()?, asked["text"].as_str()?.to_owned());
            state.sent.push((chat, text));
            changed.notify_all();
            return Some((200, json!({ "ok": true, "result": { "message_id": 1 } }).to_string()));
        }
        let wait = Duration::from_secs(asked["timeout"].as_u64()?);
        let limit = usize::try_from(asked["limit"].as_u64()?).ok()?;
        let confirms = wait.is_zero() && asked["offset"].as_i64() >= Some(0);
        if confirms {
            state = changed.wait_while(state, |state| state.confirms_later).unwrap();
        }
        if state.confirms_nothing && confirms {
            return Some((500, refused(500, "Internal Server Error")));
        }
        match asked["offset"].as_i64() {
            Some(offset) if offset >= 0 && !state.repeats => {
                state.updates.retain(|update| update["update_id"].as_i64() >= Some(offset))
            }
            Some(offset) if offset < 0 => {
                let keep = usize::try_from(-offset).ok()?;
                let forget = state.updates.len().saturating_sub(keep);
                state.updates.drain(..forget);
            }
            Some(_) | None => {}
        }
        let (state, _) =
            changed.wait_timeout_while(state, wait, |state| state.updates.is_empty() && state.odd.is_empty()).unwrap();
        let updates: Vec<&Value> = state.updates.iter().take(limit).collect();
        Some((200, json!({ "ok": true, "result": updates }).to_string()))
    }

    /// Somebody writes something now.
    pub fn write(&self, user: i64, text: &str) -> i64 {
        self.push(|id| message(id, user, text))
    }

    /// An update that is made of its number.
    pub fn push(&self, update: impl FnOnce(i64) -> Value) -> i64 {
        self.change(|state| {
            state.next += 1;
            let update = update(state.next);
            state.updates.push(update);
            state.next
        })
    }

    /// Waits until there is something.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut found: impl FnMut(&State) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut state = self.state.0.lock().unwrap();
        loop {
            if let Some(found) = found(&state) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}: {:?} {:?}", state.asked, state.sent);
            state = self.state.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits for an answer to this user that has these words.
    #[track_caller]
    pub fn answered(&self, user: i64, words: &str) -> String {
        self.until(words, |state| {
            let found = state.sent.iter().find(|(chat, text)| *chat == user && text.contains(words));
            found.map(|(_, text)| text.clone())
        })
    }

    /// Every message that was sent.
    pub fn sent(&self) -> Vec<(i64, String)> {
        self.change(|state| state.sent.clone())
    }
}

/// Somebody's message of now, as an update of this number.
pub fn message(id: i64, user: i64, text: &str) -> Value {
    json!({ "update_id": id, "message": {
        "message_id": id, "date": unix_now(), "text": text,
        "from": { "id": user, "is_bot": false, "first_name": "x" }, "chat": { "id": user, "type": "private" },
    } })
}

/// The body of a refusal.
pub fn refused(code: u16, description: &str) -> String {
    json!({ "ok": false, "error_code": code, "description": description }).to_string()
}
