//! Everything that a server can do wrong, done by a real one or by what stands between.

use super::askers::{bounds, question, settings, started, word};
use super::server::{Redis, eventually};
use crate::config::{HostPort, Secret};
use crate::shared_rates::resp::Reply;
use crate::shared_rates::{Address, By, Fallback, LineState, Settings, SharedRates, Word};
use core::time::Duration;
use nix::sys::signal::Signal;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::Receiver;

/// A third: of three openings, one.
const THIRD: Fallback = Fallback::Local { share: 333_334 };

/// What an order waits in these tests, where it must not be answered in time.
const SHORT: Duration = Duration::from_millis(60);

fn on(redis: &Redis, fallback: Fallback) -> Settings {
    settings(Address::Unix(redis.socket()), redis.folder(), "one", fallback)
}

/// Asks, and takes the word.
fn ask(rates: &SharedRates, words: &mut Receiver<Word>, id: &str) -> Word {
    rates.ask(question(id, bounds(3, 0))).unwrap();
    word(words)
}

fn tcp(address: SocketAddr) -> Address {
    Address::Tcp(HostPort { host: address.ip().to_string(), port: address.port() })
}

fn fault(rates: &SharedRates) -> String {
    rates.health().fault.unwrap_or_default()
}

#[test]
fn a_killed_server_leaves_everything_to_the_fallback_and_one_that_comes_back_empty_is_not_believed() {
    let mut redis = Redis::start(&[]);
    let (refusing, mut refused) = started(on(&redis, Fallback::Refuse));
    let other = Settings { system: "two".to_owned(), file: redis.folder().join("two.json"), ..on(&redis, THIRD) };
    let (sharing, mut shared) = started(other);
    let counted = ask(&refusing, &mut refused, "o1");
    assert_eq!(counted.by, By::Group);
    refusing.keep(counted);
    redis.kill();
    eventually("it is missed", || {
        refusing.health().line == LineState::Apart && sharing.health().line == LineState::Apart
    });
    let word = ask(&refusing, &mut refused, "o2");
    assert_eq!((word.by, refusing.decided(&word, &bounds(3, 0))), (By::Gone, None));
    refusing.give_up(word);
    let word = ask(&sharing, &mut shared, "o3");
    assert_eq!(sharing.decided(&word, &bounds(3, 0)), Some(vec![]), "one of three is a third");
    assert_eq!(sharing.decided(&word, &bounds(3, 1)).unwrap().len(), 2, "two of three are more");
    sharing.keep(word);
    eventually("it is owed", || sharing.health().owed == 1);
    redis.restart();
    eventually("both are back", || {
        refusing.health().line == LineState::Good && sharing.health().line == LineState::Good
    });
    assert_eq!(sharing.health().owed, 0);
    assert_eq!(redis.client().used("failstop:{desk}:all", "openings"), 1, "what was owed came, what was lost is lost");
    let word = ask(&refusing, &mut refused, "o4");
    assert_eq!((word.by, refusing.decided(&word, &bounds(3, 0))), (By::Forgotten, None));
    refusing.give_up(word);
    let word = ask(&sharing, &mut shared, "o5");
    assert_eq!((word.by, sharing.decided(&word, &bounds(3, 0))), (By::Forgotten, Some(vec![])));
    assert_eq!(sharing.decided(&word, &bounds(3, 1)).unwrap().len(), 2, "the share holds until the windows are whole");
    sharing.keep(word);
    assert_eq!(redis.client().used("failstop:{desk}:all", "openings"), 2);
}

#[test]
fn what_is_known_outlives_the_program_so_that_both_may_be_restarted() {
    let mut redis = Redis::start(&[]);
    let (rates, mut words) = started(on(&redis, Fallback::Refuse));
    let word = ask(&rates, &mut words, "o1");
    rates.keep(word);
    eventually("it is written down", || redis.folder().join("one.json").exists());
    drop((rates, words));
    redis.restart();
    let (rates, mut words) = started(on(&redis, Fallback::Refuse));
    let word = ask(&rates, &mut words, "o2");
    assert_eq!((word.by, rates.decided(&word, &bounds(3, 0))), (By::Forgotten, None));
}

#[test]
fn a_stopped_server_costs_one_time_out_and_what_it_counts_afterwards_is_taken_back() {
    let redis = Redis::start(&[]);
    let (rates, mut words) = started(Settings { timeout: SHORT, ..on(&redis, Fallback::Refuse) });
    redis.signal(Signal::SIGSTOP);
    let late = ask(&rates, &mut words, "o1");
    assert_eq!((late.by, rates.decided(&late, &bounds(3, 0))), (By::TimedOut, None));
    rates.give_up(late);
    for id in ["o2", "o3", "o4"] {
        let word = ask(&rates, &mut words, id);
        assert_eq!(word.by, By::Gone, "{id} waited as well");
        rates.give_up(word);
    }
    assert_eq!(rates.health().counts.timed_out, 1);
    // Long enough stopped, and the connection is given up too.
    eventually("it is given up", || rates.health().line == LineState::Apart);
    redis.signal(Signal::SIGCONT);
    eventually("it is back", || rates.health().line == LineState::Good);
    let mut client = redis.client();
    eventually("nothing is counted", || client.used("failstop:{desk}:all", "openings") == 0);
    let word = ask(&rates, &mut words, "o1");
    assert_eq!((word.by, rates.decided(&word, &bounds(3, 0))), (By::Group, Some(vec![])));
    rates.keep(word);
    assert_eq!(client.used("failstop:{desk}:all", "openings"), 1);
}

/// Stands between and holds up what the server answers; what it does with each connection may change.
struct Between {
    address: SocketAddr,
    delay_ms: Arc<AtomicU64>,
    instead: Arc<Mutex<Option<&'static [u8]>>>,
}

impl Between {
    fn new(redis: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (delay_ms, instead) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None)));
        let (delay, other, socket) = (Arc::clone(&delay_ms), Arc::clone(&instead), redis.socket());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten().take(64) {
                let (delay, other) = (Arc::clone(&delay), Arc::clone(&other));
                let Ok(far) = UnixStream::connect(&socket) else { continue };
                let (mut from_near, mut to_far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || {
                    drop(std::io::copy(&mut from_near, &mut to_far));
                    drop(to_far.shutdown(std::net::Shutdown::Both));
                });
                std::thread::spawn(move || pass_back(far, near, &delay, &other));
            }
        });
        Self { address, delay_ms, instead }
    }
}

fn pass_back(mut far: UnixStream, mut near: TcpStream, delay: &AtomicU64, other: &Mutex<Option<&'static [u8]>>) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(read @ 1..) = far.read(&mut chunk) {
        std::thread::sleep(Duration::from_millis(delay.load(Ordering::Relaxed)));
        let bytes = other.lock().unwrap().unwrap_or(&chunk[..read]);
        if near.write_all(bytes).is_err() {
            break;
        }
    }
    drop(near.shutdown(std::net::Shutdown::Both));
}

#[test]
fn a_slow_server_decides_nothing_until_it_is_fast_again() {
    let redis = Redis::start(&[]);
    let between = Between::new(&redis);
    let at = tcp(between.address);
    let settings = Settings { address: at, timeout: SHORT, ..on(&redis, Fallback::Refuse) };
    let (rates, mut words) = started(settings);
    between.delay_ms.store(200, Ordering::Relaxed);
    let late = ask(&rates, &mut words, "o1");
    assert_eq!(late.by, By::TimedOut);
    rates.give_up(late);
    eventually("it was tried, and is too slow", || fault(&rates).contains("later than the 60 ms that an order waits"));
    let word = ask(&rates, &mut words, "o2");
    assert_eq!(word.by, By::Gone);
    rates.give_up(word);
    between.delay_ms.store(0, Ordering::Relaxed);
    eventually("it is fast again", || rates.health().line == LineState::Good);
    let mut client = redis.client();
    eventually("what came late is taken back", || client.used("failstop:{desk}:all", "openings") == 0);
}

#[test]
fn garbage_ends_the_connection_and_is_no_answer() {
    for garbage in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"*7\r\n$7\r\ncounted\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$3\r\n1:1\r\n$0\r\n\r\n$1\r\n0\r\n",
        b"+OK\r\n",
        b":1\r\n",
        b"$99999999\r\n",
        b"-ERR no\r\n",
        b"*7\r\n$7\r\ncounted\r\n",
    ] {
        let redis = Redis::start(&[]);
        let between = Between::new(&redis);
        let timeout = Duration::from_secs(1);
        let settings = Settings { address: tcp(between.address), timeout, ..on(&redis, Fallback::Refuse) };
        let (rates, mut words) = started(settings);
        *between.instead.lock().unwrap() = Some(garbage);
        let word = ask(&rates, &mut words, "o1");
        // What is only the beginning of an answer is waited for.
        let by = if garbage.ends_with(b"counted\r\n") { By::TimedOut } else { By::Gone };
        assert_eq!((word.by, rates.decided(&word, &bounds(3, 0))), (by, None), "{garbage:?}");
        rates.give_up(word);
        eventually("it is a failure", || rates.health().counts.failures > 0);
        *between.instead.lock().unwrap() = None;
        eventually("it is good again", || rates.health().line == LineState::Good);
        let mut client = redis.client();
        eventually("nothing is counted", || client.used("failstop:{desk}:all", "openings") == 0);
    }
}

#[test]
fn why_it_is_not_used_is_said() {
    let redis = Redis::start(&[]);
    let mut client = redis.client();
    let (rates, mut words) = started(on(&redis, Fallback::Refuse));
    let breaks_and_mends: [(&[&str], &[&str], &str); 3] = [
        (&["CONFIG", "SET", "maxmemory", "1"], &["CONFIG", "SET", "maxmemory", "0"], "OOM"),
        (&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"], "READONLY"),
        (
            &["CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"],
            &["CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction"],
            "set `maxmemory-policy noeviction`",
        ),
    ];
    for (breaks, mends, said) in breaks_and_mends {
        client.call(breaks);
        // What a server does when it is full is seen when a connection is made.
        client.call(&["CLIENT", "KILL", "TYPE", "normal"]);
        eventually(said, || {
            if let Ok(_serial) = rates.ask(question("o1", bounds(3, 0))) {
                let word = word(&mut words);
                rates.give_up(word);
            }
            fault(&rates).contains(said)
        });
        assert!(fault(&rates).starts_with(&redis.socket().display().to_string()));
        client.call(mends);
        eventually("it is good again", || rates.health().line == LineState::Good);
    }
    client.call(&["SCRIPT", "FLUSH"]);
    let word = ask(&rates, &mut words, "o2");
    assert_eq!(word.by, By::Group, "the script is loaded again");
    rates.keep(word);
}

#[test]
fn a_password_is_needed_given_and_never_said() {
    let redis = Redis::start(&["--requirepass", "s3cret"]);
    let password = |text: &str| Some(Secret::Inline(text.to_owned()));
    let (rates, _words) = SharedRates::start(on(&redis, Fallback::Refuse)).unwrap();
    eventually("it is refused", || fault(&rates).contains("NOAUTH"));
    let (rates, _words) = SharedRates::start(Settings { password: password("wr0ng"), ..on(&redis, THIRD) }).unwrap();
    eventually("it is refused", || fault(&rates).contains("does not take the user and the password: WRONGPASS"));
    assert!(!fault(&rates).contains("wr0ng"));
    // The user of docs/guide/several-hosts.md.
    let mut client = redis.client();
    client.call(&["AUTH", "s3cret"]);
    let rights = "on >0wn ~failstop:* +@scripting +@read +@write -@dangerous +info +time +select";
    let words: Vec<&str> = ["ACL", "SETUSER", "failstop"].into_iter().chain(rights.split(' ')).collect();
    client.call(&words);
    for (user, secret) in [(None, "s3cret"), (Some("default"), "s3cret"), (Some("failstop"), "0wn")] {
        let user = user.map(str::to_owned);
        let settings = Settings { password: password(secret), user, database: 3, ..on(&redis, THIRD) };
        let (rates, mut words) = started(settings);
        let word = ask(&rates, &mut words, "o1");
        assert_eq!(word.by, By::Group);
        rates.give_up(word);
    }
    // With it nobody can empty the server by mistake.
    let mut theirs = redis.client();
    theirs.call(&["AUTH", "failstop", "0wn"]);
    assert!(matches!(theirs.call(&["FLUSHALL"]), Reply::Error(words) if words.starts_with("NOPERM")));
}
