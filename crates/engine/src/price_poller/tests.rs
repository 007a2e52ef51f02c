//! Sources on loopback that answer well, badly, much, late, and elsewhere.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use crate::config::{Header, Secret};
use failstop_settings::Url;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc as channel;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// A server that answers each request so, and hands out what was asked.
fn serving(answer: impl Fn(&mut TcpStream) + Send + 'static) -> (SocketAddr, channel::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = channel::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten().take(16) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                head.push(byte[0]);
            }
            drop(seen.send(String::from_utf8_lossy(&head).into_owned()));
            answer(&mut stream);
        }
    });
    (address, requests)
}

fn page(status: &'static str, body: impl Into<Vec<u8>>) -> (SocketAddr, channel::Receiver<String>) {
    let body = body.into();
    serving(move |stream| {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)));
    })
}

fn url(at: SocketAddr, path: &str) -> Url {
    let host = at.ip().to_string();
    Url::parse(&format!("http://{host}:{}{path}", at.port())).unwrap()
}

fn last(at: SocketAddr, path: &str) -> Poll {
    Poll {
        source: "venue".to_owned(),
        instrument: "BTC-USD".to_owned(),
        url: url(at, "/ticker?key=s3cret"),
        ca_file: None,
        headers: Vec::new(),
        interval: Duration::from_secs(2),
        timeout: LONG,
        price: Where::Last(Path::parse(path).unwrap()),
        time: None,
    }
}

/// One try of each, at second `seconds`.
struct Bed {
    poller: PricePoller,
    tried: mpsc::Receiver<Came>,
    runtime: tokio::runtime::Runtime,
    /// Why no price is taken.
    refuses: Option<&'static str>,
    /// How long the pages took whose prices were offered.
    offered: Vec<Duration>,
}

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_nanos(1_000_000_000_000 + seconds * 1_000_000_000)
}

impl Bed {
    fn new(poll: Poll) -> Self {
        let (poller, tried) = PricePoller::open(vec![poll], at(0)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { poller, tried, runtime, refuses: None, offered: Vec::new() }
    }

    fn try_at(&mut self, seconds: u64) -> Outcome {
        self.begin(seconds);
        self.end(seconds)
    }

    fn begin(&mut self, seconds: u64) {
        assert_eq!(self.poller.next_deadline(), Some(at(seconds)));
        self.poller.begin_due(at(seconds));
        assert_eq!(self.poller.next_deadline(), None, "one try at a time");
    }

    fn end(&mut self, seconds: u64) -> Outcome {
        let tried = self.runtime.block_on(async { tokio::time::timeout(2 * LONG, self.tried.recv()).await });
        self.poller.ended(at(seconds), tried.unwrap().unwrap(), |_, took| {
            self.offered.push(took);
            self.refuses.map_or(Ok(()), |why| Err(why.to_owned()))
        })
    }

    fn health(&self) -> PollHealth {
        self.poller.health().next().unwrap().clone()
    }
}

fn fault(poll: Poll) -> String {
    match Bed::new(poll).try_at(0) {
        Outcome::Failed { words, .. } => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_price_comes_to_the_last_digit_with_its_time_and_a_key_goes_in_the_head() {
    let (address, requests) = page(
        "200 OK",
        r#"{"result":{"b":["64231.40000","1"],"a":["64231.5000000000000000000000000001"],"at":1794009900.123}}"#,
    );
    let path = |text| Path::parse(text).unwrap();
    let value = Secret::Inline("k3y".to_owned());
    let poll = Poll {
        headers: vec![Header { name: "X-Api-Key".to_owned(), value }],
        price: Where::BidAsk { bid: path("$.result.b[0]"), ask: path("$.result.a[0]") },
        time: Some((path("$.result.at"), TimeForm::Seconds)),
        ..last(address, "$")
    };
    let mut bed = Bed::new(poll);
    let Outcome::Price { price, news: true } = bed.try_at(0) else { panic!("no price") };
    let quote = Quote::BidAsk { bid: "64231.4".to_owned(), ask: "64231.5000000000000000000000000001".to_owned() };
    assert_eq!(price.quote, quote);
    assert_eq!(price.time.map(|time| time.as_micros()), Some(1_794_009_900_123_000));
    let request = requests.recv().unwrap();
    assert!(request.starts_with("GET /ticker?key=s3cret HTTP/1.1\r\n") && request.contains("x-api-key: k3y\r\n"));
    assert_eq!(bed.poller.next_deadline(), Some(at(2)));
    assert!(matches!(bed.try_at(2), Outcome::Price { news: false, .. }));
    assert_eq!((bed.health().taken, bed.health().failed), (2, 0));
}

#[test]
fn failures_are_counted_said_once_and_come_slower() {
    let (address, _requests) = page("503 No", "s3cret");
    let mut bed = Bed::new(last(address, "$"));
    let mut said = Vec::new();
    for (tries, seconds) in (1..).zip([0, 2, 6, 14, 30, 62, 122, 182]) {
        let Outcome::Failed { words, news } = bed.try_at(seconds) else { panic!("it answered") };
        assert_eq!(
            words,
            format!("price source \"venue\" of BTC-USD: http://{address}/ticker answers with status 503")
        );
        said.push(news);
        assert_eq!((bed.health().failed, bed.health().failed_in_a_row), (tries, u32::try_from(tries).unwrap()));
    }
    assert_eq!(said, [false, false, true, false, false, false, false, false]);
    assert_eq!(bed.health().taken, 0);
}

#[test]
fn a_price_that_nobody_takes_is_a_failed_try() {
    let (address, _requests) = page("200 OK", "7");
    let mut bed = Bed::new(last(address, "$"));
    assert!(matches!(bed.try_at(0), Outcome::Price { news: true, .. }));
    bed.refuses = Some("it is beyond what is believed");
    let mut said = Vec::new();
    for (tries, seconds) in (1..).zip([2, 4, 8, 16, 32, 64, 124, 184]) {
        let Outcome::Failed { words, news } = bed.try_at(seconds) else { panic!("it was taken") };
        assert_eq!(words, "price source \"venue\" of BTC-USD: it is beyond what is believed");
        said.push(news);
        let health = bed.health();
        assert_eq!((health.taken, health.failed, health.failed_in_a_row), (1, u64::from(tries), tries));
        assert_eq!(health.fault.as_deref(), bed.refuses);
    }
    assert_eq!(said, [false, false, true, false, false, false, false, false]);
    assert_eq!(bed.offered.len(), 9);
    bed.refuses = None;
    assert!(matches!(bed.try_at(244), Outcome::Price { news: true, .. }));
    assert_eq!((bed.health().failed_in_a_row, bed.health().fault), (0, None));
}

#[test]
fn what_is_no_price_is_said_with_its_place() {
    let wrong = |body: &'static [u8], path: &str| {
        let (address, _requests) = page("200 OK", body);
        let words = fault(last(address, path));
        words.strip_prefix(&format!("price source \"venue\" of BTC-USD: http://{address}/ticker ")).unwrap().to_owned()
    };
    assert_eq!(wrong(b"<html>", "$.a"), "the page is no JSON; correct the path");
    assert_eq!(wrong(b"{\"a\":\"\xff\"}", "$.a"), "answers with something that is no text in UTF-8");
    assert_eq!(wrong(b"{\"b\":1}", "$.a.c"), "the page has nothing at $['a']; correct the path");
    assert_eq!(wrong(b"{\"a\":1,\"a\":2}", "$.a"), "the page has $['a'] twice; correct the path");
    assert_eq!(wrong(b"{\"a\":null}", "$.a"), "what stands at $.a is no number: null");
    assert_eq!(wrong(b"{\"a\":\"1,5\"}", "$.a"), "what stands at $.a is no number: \"1,5\"");
    let long = wrong(b"[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21]]", "$[0]");
    assert_eq!(long, "what stands at $[0] is no number: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,...");
    let (address, _requests) = page("200 OK", "{\"a\":1,\"t\":\"noon\"}");
    let time = Some((Path::parse("$.t").unwrap(), TimeForm::Rfc3339));
    assert!(
        fault(Poll { time, ..last(address, "$.a") }).ends_with("what stands at $.t is no time of that form: \"noon\"")
    );
}

#[test]
fn a_page_as_large_as_may_be_is_read_and_one_that_is_larger_is_not() {
    let list = |bytes: usize| format!("{}7]", "[1,".to_owned() + &"1,".repeat((bytes - 5) / 2));
    let (address, _requests) = page("200 OK", list(PAGE_MAX));
    let mut bed = Bed::new(last(address, "$[-1]"));
    let Outcome::Price { price, .. } = bed.try_at(0) else { panic!("no price") };
    assert_eq!(price.quote, Quote::Last("7".to_owned()));
    let (address, _requests) = page("200 OK", list(PAGE_MAX + 2));
    assert!(fault(last(address, "$[-1]")).ends_with("answers with more than 1024 KiB"));
    // One that never ends is not read to its end.
    let (address, _requests) = serving(|stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n["));
        while stream.write_all(&[b'1'; 4096]).is_ok() {}
    });
    assert!(fault(last(address, "$")).ends_with("answers with more than 1024 KiB"));
}

#[test]
fn no_redirect_is_followed_and_no_key_travels() {
    let (elsewhere, never) = page("200 OK", "1");
    let (address, _requests) = serving(move |stream| {
        let head = format!("HTTP/1.1 302 Found\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n");
        drop(stream.write_all(head.as_bytes()));
    });
    assert!(fault(last(address, "$")).ends_with("answers with status 302"));
    assert!(never.try_recv().is_err(), "the redirect was followed");
}

#[test]
fn what_does_not_answer_in_time_is_given_up_and_a_late_page_is_nobodys() {
    let (address, _requests) = serving(|stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n1"));
        std::thread::sleep(LONG);
    });
    let words = fault(Poll { timeout: Duration::from_millis(200), ..last(address, "$") });
    assert!(words.ends_with("no answer in time"), "{words}");
    let (poller, _tried) = PricePoller::open(vec![last(address, "$")], at(0)).unwrap();
    let mut poller = poller;
    poller.begin_due(at(0));
    let late = |serial| Came { target: 0, serial, read: Err("no page".to_owned()), stood_still: false };
    let ended = |poller: &mut PricePoller, came| poller.ended(at(1), came, |_, _| panic!("it was offered"));
    assert_eq!(ended(&mut poller, late(0)), Outcome::Nothing);
    assert_eq!(ended(&mut poller, Came { target: 9, ..late(1) }), Outcome::Nothing);
    // A process that stood still says nothing about anybody, once.
    poller.stood_still();
    assert_eq!(ended(&mut poller, late(1)), Outcome::Nothing);
    assert_eq!(poller.health().map(|health| health.failed).sum::<u64>(), 0);
}

#[test]
fn a_page_that_was_had_before_this_process_stood_still_is_no_price_after_it() {
    let (address, _requests) = page("200 OK", "7");
    let mut bed = Bed::new(last(address, "$"));
    bed.begin(0);
    bed.poller.stood_still();
    assert_eq!(bed.end(1), Outcome::Nothing);
    // Nor where nobody noticed but the clock.
    bed.begin(2);
    assert_eq!(bed.end(2 + LONG.as_secs() + 1), Outcome::Nothing);
    assert_eq!((bed.health().taken, bed.health().failed, bed.offered.len()), (0, 0, 0));
    // And otherwise it may be as old as it took.
    bed.begin(23);
    assert!(matches!(bed.end(27), Outcome::Price { .. }));
    assert_eq!(bed.offered, [Duration::from_secs(4)]);
}

#[test]
fn who_is_asked_is_known() {
    let (poller, _tried) = PricePoller::open(vec![last(([127, 0, 0, 1], 9).into(), "$")], at(0)).unwrap();
    assert!(poller.asks("venue", "BTC-USD"));
    assert!(!poller.asks("bot", "BTC-USD") && !poller.asks("venue", "ETH-USD"));
}

#[test]
fn a_header_that_cannot_be_sent_is_said_without_its_value() {
    let (address, _requests) = page("200 OK", "1");
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: Secret::Inline(value.to_owned()) };
    let with = |header| fault(Poll { headers: vec![header], ..last(address, "$") });
    let words = with(header("X-Key", "s3\ncret"));
    assert!(words.ends_with("the value of the header x-key holds what no header may"), "{words}");
    assert!(with(header("X Key", "v")).ends_with("\"X Key\" is no name of a header"));
    let unset = Header { name: "X-Key".to_owned(), value: Secret::Variable("FAILSTOP_TEST_UNSET".to_owned()) };
    assert!(with(unset).ends_with("the environment variable FAILSTOP_TEST_UNSET is not set"));
}
