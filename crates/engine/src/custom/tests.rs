//! Endpoints on loopback that answer well, badly, much, late, and elsewhere; programs whose ends are told; other configurations.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::beside::environment;
use super::*;
use crate::config::tests::with;
use crate::emergency::Account;
use crate::probing::{Answer, Page as Came, ProbeFault};
use crate::process::program::ProgramEnd;
use std::io;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_nanos(1_000_000_000_000 + seconds * 1_000_000_000)
}

/// A server that answers each request so.
fn serving(answer: impl Fn(&mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten().take(16) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                head.push(byte[0]);
            }
            answer(&mut stream);
        }
    });
    address
}

fn page(status: &'static str, body: impl Into<Vec<u8>>) -> SocketAddr {
    let body = body.into();
    serving(move |stream| {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)));
    })
}

fn asking(address: SocketAddr, more: &str) -> String {
    format!(
        "[[metrics.prometheus]]\nname = \"node\"\nurl = \"http://{address}/metrics?key=s3cret\"\ninterval = \"10s\"\n\
         take = [{{ metric = \"load\", unit = \"jobs\" }}, {{ metric = \"rare\" }}]\n{more}"
    )
}

const COMMANDS: &str = concat!(
    "[[metrics.command]]\nname = \"queue\"\ncommand = [\"./queue\", \"--now\"]\ninterval = \"10s\"\nunit = \"orders\"\n",
    "[[metrics.command]]\nname = \"several\"\ncommand = [\"./several\"]\ninterval = \"20s\"\nenv = { KEY = \"v\" }\n",
    "take = [{ metric = \"a\" }, { metric = \"b\", name = \"b_here\" }]\n",
);

struct Bed {
    sources: Sources,
    tried: mpsc::Receiver<Measured>,
    runtime: tokio::runtime::Runtime,
}

impl Bed {
    fn new(lines: &str) -> Self {
        Self::finding(account_of, lines)
    }

    fn finding(find: Find, lines: &str) -> Self {
        let (sources, tried) = Sources::finding(find, Ready::of(&with(lines)), at(0)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { sources, tried, runtime }
    }

    /// One try of the only source, a page.
    fn try_at(&mut self, seconds: u64) -> Outcome {
        assert_eq!(self.sources.next_deadline(), Some(at(seconds)));
        assert!(self.sources.begin_due(at(seconds)).is_empty(), "no program");
        assert_eq!(self.sources.next_deadline(), None, "one try at a time");
        self.end_next(seconds)
    }

    fn next(&mut self) -> Measured {
        let tried = self.runtime.block_on(async { tokio::time::timeout(2 * LONG, self.tried.recv()).await });
        tried.unwrap().unwrap()
    }

    /// The end of a try that comes.
    fn end_next(&mut self, seconds: u64) -> Outcome {
        match self.next() {
            Measured::Ended { serial, said, stood_still } => self.sources.ended(at(seconds), serial, said, stood_still),
            Measured::Runnable(run) => panic!("{run:?}"),
        }
    }

    fn adopt(&mut self, lines: &str, seconds: u64) -> (Vec<i32>, Option<StartFailed>) {
        self.sources.adopt(Ready::of(&with(lines)), at(seconds))
    }

    /// The end of a run: what it printed.
    fn printed(&mut self, seconds: u64, run: &Run, text: &str) -> Outcome {
        let body = text.as_bytes().to_vec();
        let answer = Answer { page: Some(Came { status: 0, body }), ..Answer::default() };
        self.end(seconds, run, Ok(answer))
    }

    fn end(&mut self, seconds: u64, run: &Run, outcome: Result<Answer, ProbeFault>) -> Outcome {
        self.sources.ended(at(seconds), run.serial, run.reading.read(outcome), false)
    }
}

fn values(outcome: Outcome) -> Vec<(String, f64)> {
    match outcome {
        Outcome::Read { values, .. } => values,
        other => panic!("{other:?}"),
    }
}

fn fault(lines: &str) -> String {
    match Bed::new(lines).try_at(0) {
        Outcome::Failed { words, .. } => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_page_says_what_is_taken_of_it_and_what_is_missing_is_said_once() {
    let mut bed = Bed::new(&asking(page("200 OK", "load{job=\"a\"} 1\nload{job=\"b\"} 2\nother 9\n"), ""));
    let Outcome::Read { source, at: when, values, words } = bed.try_at(0) else { panic!("nothing was read") };
    assert_eq!((&*source, when, values), ("node", at(0), vec![("load".to_owned(), 3.0)]));
    assert_eq!(words.unwrap(), "\"node\" has no number for rare");
    assert!(matches!(bed.try_at(10), Outcome::Read { words: None, .. }));
    let summary = bed.sources.summary();
    assert_eq!((summary[0].up, summary[0].taken, &summary[0].missing[..]), (Some(true), 2, &["rare".to_owned()][..]));
    let declared: Vec<Declared> = bed.sources.declared().collect();
    assert_eq!((declared[0].unit.as_str(), declared[0].stale_after), ("jobs", Duration::from_secs(35)));
}

#[test]
fn failures_are_counted_said_once_and_come_slower() {
    let address = page("503 No", "s3cret");
    let mut bed = Bed::new(&asking(address, ""));
    let mut said = Vec::new();
    for (tries, seconds) in (1..).zip([0, 10, 30, 70, 130]) {
        assert_eq!(bed.sources.failing().is_some(), tries > 2);
        let Outcome::Failed { words, news } = bed.try_at(seconds) else { panic!("it answered") };
        assert_eq!(words, format!("source of metrics \"node\": http://{address}/metrics answers with status 503"));
        said.push(news);
    }
    assert_eq!(said, [false, true, false, false, false]);
    let summary = bed.sources.summary();
    assert_eq!((summary[0].up, summary[0].failed, bed.sources.are_known()), (Some(false), 5, false));
}

#[test]
fn what_is_no_page_of_metrics_is_said_and_nothing_of_it_is_taken() {
    let said = |address: SocketAddr, more: &str| {
        let words = fault(&asking(address, more));
        words.strip_prefix(&format!("source of metrics \"node\": http://{address}/metrics")).unwrap().to_owned()
    };
    let html = said(page("200 OK", "<html>\n<body>"), "");
    assert_eq!(html, " says in line 1: there is no number behind the name: <html>");
    let broken = said(page("200 OK", "load 1\nload{job=\"b\" 2\n"), "");
    assert_eq!(broken, " says in line 2: the labels make no sense: load{job=\"b\" 2");
    assert_eq!(said(page("200 OK", ""), ""), " says nothing");
    let elsewhere = page("200 OK", "load 1\n");
    let moved = serving(move |stream| {
        let head = format!("HTTP/1.1 302 Found\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n");
        drop(stream.write_all(head.as_bytes()));
    });
    assert_eq!(said(moved, ""), " answers with status 302");
    let endless = serving(|stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nload 1\n"));
        while stream.write_all(b"other{a=\"b\"} 123456789\n").is_ok() {}
    });
    assert_eq!(said(endless, "timeout = \"20s\"\n"), " answers with more than 1024 KiB");
    let slow = serving(|stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\nload 1\n"));
        std::thread::sleep(LONG);
    });
    assert_eq!(said(slow, "timeout = \"200ms\"\n"), ": no answer in time");
}

#[test]
fn programs_are_handed_out_once_when_they_are_due() {
    let mut bed = Bed::new(COMMANDS);
    let runs = bed.sources.begin_due(at(0));
    let [queue, several] = &runs[..] else { panic!("{runs:?}") };
    assert_eq!(
        (queue.argv.join(" "), several.env.clone()),
        ("./queue --now".to_owned(), vec![("KEY".to_owned(), "v".to_owned())])
    );
    assert_eq!((bed.sources.begin_due(at(5)).len(), bed.sources.next_deadline()), (0, None));
    assert_eq!(values(bed.printed(1, queue, " 12.5\n")), [("queue".to_owned(), 12.5)]);
    assert_eq!(bed.printed(1, queue, "13"), Outcome::Nothing, "its end was told already");
    let two = values(bed.printed(2, several, "# what there is\na 1\nb{x=\"y\"} 2\nc 3\n"));
    assert_eq!(two, [("a".to_owned(), 1.0), ("b_here".to_owned(), 2.0)]);
    assert_eq!(bed.sources.next_deadline(), Some(at(10)));
    assert_eq!((bed.sources.failing(), bed.sources.are_known()), (None, true));
}

#[test]
fn a_program_that_prints_nonsense_or_fails_says_nothing_and_one_that_found_no_room_is_run_again() {
    let mut bed = Bed::new("[[metrics.command]]\nname = \"queue\"\ncommand = [\"./queue\"]\n");
    let run = bed.sources.begin_due(at(0)).remove(0);
    let Outcome::Failed { words, news: false } = bed.printed(0, &run, "many") else { panic!("it was taken") };
    assert!(words.starts_with("source of metrics \"queue\": ./queue must print one finite number"), "{words}");
    let run = bed.sources.begin_due(at(60)).remove(0);
    let failed = ProbeFault::Program { program: "./queue".to_owned(), how: "ended with status 1".to_owned() };
    let outcome = bed.end(60, &run, Err(failed));
    let words = "source of metrics \"queue\": ./queue ended with status 1".to_owned();
    assert_eq!(outcome, Outcome::Failed { words: words.clone(), news: true });
    assert_eq!(bed.sources.failing(), Some(words));
    let run = bed.sources.begin_due(at(120)).remove(0);
    let kind = io::ErrorKind::WouldBlock;
    let no_room = ProbeFault::NotStarted { program: "./queue".to_owned(), kind, why: "64 programs run".to_owned() };
    assert_eq!(bed.end(120, &run, Err(no_room)), Outcome::Nothing);
    assert_eq!((bed.sources.next_deadline(), bed.sources.summary()[0].failed), (Some(at(121)), 2));
    let run = bed.sources.begin_due(at(121)).remove(0);
    assert!(matches!(bed.printed(121, &run, "3"), Outcome::Read { words: Some(_), .. }), "it is back");
    assert_eq!(bed.sources.failing(), None);
}

#[test]
fn another_configuration_keeps_what_is_the_same_and_gives_up_what_is_gone() {
    let mut bed = Bed::new(COMMANDS);
    let runs = bed.sources.begin_due(at(0));
    for (run, pid) in runs.iter().zip([101, 102]) {
        bed.sources.runs(run.serial, Some(pid));
    }
    let address = page("200 OK", "load 7\n");
    let first = COMMANDS.split_inclusive("\"orders\"\n").next().unwrap();
    let (given_up, failed) = bed.adopt(&format!("{first}{}", asking(address, "")), 1);
    assert!(failed.is_none());
    assert_eq!(given_up, [102], "the other one goes on");
    let names: Vec<String> = bed.sources.declared().map(|declared| declared.name).collect();
    assert_eq!(names, ["queue", "load", "rare"]);
    assert_eq!(bed.printed(1, &runs[1], "a 1\nb 2"), Outcome::Nothing, "nobody waits for it");
    assert_eq!(values(bed.printed(1, &runs[0], "5")), [("queue".to_owned(), 5.0)]);
    // The page is asked from now on, and goes on being asked where only programs change.
    assert!(bed.sources.begin_due(at(1)).is_empty());
    let (given_up, failed) = bed.adopt(&asking(address, ""), 2);
    assert!(given_up.is_empty() && failed.is_none());
    assert_eq!(values(bed.end_next(2)), [("load".to_owned(), 7.0)]);
    // Another page: what was under way with the old one is over, and both are asked.
    let both = format!(
        "{}{}",
        asking(address, ""),
        asking(address, "timeout = \"4s\"\n")
            .replace("\"node\"", "\"again\"")
            .replace("metric = \"load\"", "metric = \"load\", name = \"x\"")
            .replace("metric = \"rare\"", "metric = \"rare\", name = \"y\"")
    );
    assert!(bed.sources.begin_due(at(11)).is_empty());
    assert!(bed.adopt(&both, 11).1.is_none());
    assert_eq!(bed.sources.next_deadline(), Some(at(11)));
    assert!(bed.sources.begin_due(at(12)).is_empty());
    let mut names = Vec::new();
    while names.len() < 2 {
        if let Outcome::Read { source, .. } = bed.end_next(12) {
            names.push(source.to_string());
        }
    }
    names.sort();
    assert_eq!(names, ["again", "node"]);
    assert!(bed.adopt("", 13).1.is_none());
    assert_eq!((bed.sources.next_deadline(), bed.sources.declared().count()), (None, 0));
}

#[test]
fn a_user_that_is_none_is_a_fault_of_its_source() {
    let mut bed = Bed::new("[[metrics.command]]\nname = \"q\"\ncommand = [\"true\"]\nuser = \"nobody-here\"\n");
    assert!(bed.sources.begin_due(at(0)).is_empty());
    let Outcome::Failed { words, .. } = bed.end_next(0) else { panic!("it ran") };
    assert_eq!(words, "source of metrics \"q\": true was not started: there is no user \"nobody-here\"");
}

#[test]
fn a_program_has_what_its_user_has() {
    let account =
        Account { uid: 7, gid: 7, groups: vec![7], name: "trader".to_owned(), home: "/home/trader".to_owned() };
    let has = environment(vec![("HOME".to_owned(), "/elsewhere".to_owned())], Some(&account));
    let names: Vec<String> = has.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(names, ["HOME=/elsewhere", "USER=trader", "LOGNAME=trader"]);
}

#[test]
fn what_comes_of_a_page_and_of_a_program_is_numbers() {
    let mut bed = Bed::new(&asking(page("200 OK", "load 3\nother 9\n"), ""));
    assert!(bed.sources.begin_due(at(0)).is_empty());
    assert!(matches!(bed.next(), Measured::Ended { said: Ok(said), .. } if said == [Some(3.0), None]));

    let mut bed = Bed::new(COMMANDS);
    let several = bed.sources.begin_due(at(0)).remove(1);
    let (printed, writer) = pipe().unwrap();
    std::fs::File::from(writer).write_all(b"b 2\na 1\n").unwrap();
    let end = ProgramEnd::Ended(failstop_core::Exit::Status(0));
    bed.sources.beside().unwrap().read(several.serial, "./several".to_owned(), printed, end, several.reading);
    let Measured::Ended { serial, said: Ok(said), .. } = bed.next() else { panic!("nothing was read") };
    assert_eq!((serial, said), (several.serial, vec![Some(1.0), Some(2.0)]));
}

#[test]
fn a_user_who_comes_while_this_runs_is_found_at_the_next_try() {
    static THERE: AtomicBool = AtomicBool::new(false);
    fn find(user: &str) -> Result<Option<Account>, String> {
        let account = |name: &str| Account {
            uid: 7,
            gid: 7,
            groups: vec![7],
            name: name.to_owned(),
            home: "/home/trader".to_owned(),
        };
        let there = THERE.load(Ordering::SeqCst);
        there.then(|| Some(account(user))).ok_or_else(|| format!("there is no user \"{user}\""))
    }
    let lines = "[[metrics.command]]\nname = \"q\"\ncommand = [\"true\"]\nuser = \"trader\"\ninterval = \"10s\"\n";
    let mut bed = Bed::finding(find, lines);
    assert!(bed.sources.begin_due(at(0)).is_empty());
    assert!(matches!(bed.end_next(0), Outcome::Failed { .. }));
    THERE.store(true, Ordering::SeqCst);
    assert!(bed.sources.begin_due(at(10)).is_empty());
    let Measured::Runnable(run) = bed.next() else { panic!("nobody was found") };
    assert!(bed.sources.awaits(run.serial));
    assert_eq!(run.account.as_ref().map(|account| account.uid), Some(7));
    assert!(run.env.contains(&("HOME".to_owned(), "/home/trader".to_owned())), "{:?}", run.env);
    assert_eq!(values(bed.printed(11, &run, "3")), [("q".to_owned(), 3.0)]);
    // One that was looked for meanwhile for a source that is gone is nobody's.
    assert!(bed.sources.begin_due(at(20)).is_empty());
    let Measured::Runnable(run) = bed.next() else { panic!("nobody was found") };
    assert!(bed.adopt("", 20).1.is_none());
    assert!(!bed.sources.awaits(run.serial));
}

#[test]
fn authorities_that_cannot_be_read_are_a_fault_of_their_source() {
    let lines = asking(([127, 0, 0, 1], 9).into(), "ca_file = \"/\"\n").replace("http:", "https:");
    let words = fault(&lines);
    assert!(words.contains("cannot be asked: / is not a file"), "{words}");
}
