//! Reads one sd_notify datagram: lines of `KEY=VALUE`, in any combination, with or without a newline at the end.
//!
//! Bots reach this through many libraries, so it is lenient about form and strict about values: a line that is not
//! understood is left out and counted, never guessed at.

use super::access::Access;
use crate::clock;
use failstop_core::Sign;
use nix::errno::Errno;
use std::time::Duration;

/// The longest `STATUS=` that is kept, in bytes.
pub const MAX_STATUS_BYTES: usize = 1024;

/// The longest extension or beat span that a bot may ask for: a larger one is a mistake in units.
pub const MAX_SPAN: Duration = Duration::from_secs(24 * 60 * 60);

/// Every variable that is understood, for the table of conformance.
pub const VARIABLES: [&str; 20] = [
    "READY",
    "RELOADING",
    "MONOTONIC_USEC",
    "STOPPING",
    "STATUS",
    "NOTIFYACCESS",
    "ERRNO",
    "BUSERROR",
    "EXIT_STATUS",
    "MAINPID",
    "MAINPIDFDID",
    "MAINPIDFD",
    "WATCHDOG",
    "WATCHDOG_USEC",
    "EXTEND_TIMEOUT_USEC",
    "FDSTORE",
    "FDSTOREREMOVE",
    "FDNAME",
    "FDPOLL",
    "BARRIER",
];

/// The most lines of one datagram that are read.
const MAX_LINES: usize = 128;

/// One thing that a component said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    /// `READY=1`.
    Ready,
    /// `RELOADING=1`, with `MONOTONIC_USEC` where it came along.
    Reloading {
        /// `CLOCK_MONOTONIC` in microseconds when the reload began.
        monotonic_us: Option<u64>,
    },
    /// `STOPPING=1`.
    Stopping,
    /// `STATUS=`: what it says of itself; control characters replaced, at most [`MAX_STATUS_BYTES`].
    Status(String),
    /// `ERRNO=`: why it fails, 1 to 4095.
    Errno(i32),
    /// `BUSERROR=`: why it fails, as a D-Bus error name.
    BusError(String),
    /// `EXIT_STATUS=`: what it will exit with, 0 to 255.
    ExitStatus(u8),
    /// `WATCHDOG=1`: a beat.
    Watchdog,
    /// `WATCHDOG=trigger`: it says itself that it hangs.
    WatchdogTrigger,
    /// `WATCHDOG_USEC=`: its beats come at least this often from now on.
    WatchdogSpan(Duration),
    /// `EXTEND_TIMEOUT_USEC=`: what it is doing takes this much longer from now.
    ExtendTimeout(Duration),
    /// `MAINPID=`: its main process.
    MainPid {
        /// Its process number.
        pid: i32,
        /// `MAINPIDFDID=`: the inode number of a pidfd of it, by which it is told from a later process of that number.
        pidfd_id: Option<u64>,
    },
    /// `MAINPIDFD=1`: the process behind the pidfd that came along is its main process.
    MainPidFd,
    /// `BARRIER=1`: it waits until its descriptor is closed.
    Barrier,
    /// `FDSTORE=1`: it wants the descriptors that came along kept over a restart.
    StoreDescriptors {
        /// `FDNAME=`.
        name: Option<String>,
        /// Whether one whose other end hangs up is dropped; `FDPOLL=0` says no.
        poll: bool,
    },
    /// `FDSTOREREMOVE=1`.
    RemoveDescriptors {
        /// `FDNAME=`.
        name: Option<String>,
    },
    /// `NOTIFYACCESS=`: who of it may speak from now on.
    Access(Access),
}

impl Notification {
    /// The sign that the core takes from it, where there is one. What depends on more than the words is the loop's:
    /// `MAINPID`, which must be looked at, and descriptors.
    pub fn sign(&self) -> Option<Sign> {
        match self {
            Self::Ready => Some(Sign::Ready),
            Self::Stopping => Some(Sign::Stopping),
            Self::Watchdog => Some(Sign::Beat),
            Self::WatchdogTrigger => Some(Sign::WatchdogTrigger),
            Self::WatchdogSpan(span) => Some(Sign::WatchdogSpan(*span)),
            Self::ExtendTimeout(span) => Some(Sign::ExtendTimeout(*span)),
            Self::Reloading { monotonic_us } => Some(Sign::Reloading(monotonic_us.map(clock::of_monotonic))),
            Self::Errno(number) => Some(Sign::Failing(format!("errno {}", errno(*number)))),
            Self::BusError(name) => Some(Sign::Failing(format!("bus error {name}"))),
            Self::ExitStatus(status) => Some(Sign::Failing(format!("exit status {status}"))),
            Self::Status(_)
            | Self::MainPid { .. }
            | Self::MainPidFd
            | Self::Access(_)
            | Self::Barrier
            | Self::StoreDescriptors { .. }
            | Self::RemoveDescriptors { .. } => None,
        }
    }
}

/// `2 (ENOENT: No such file or directory)`, as far as it is known here.
fn errno(number: i32) -> String {
    match Errno::from_raw(number) {
        Errno::UnknownErrno => number.to_string(),
        known => format!("{number} ({known})"),
    }
}

/// What one datagram said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// In the order of the lines.
    pub notifications: Vec<Notification>,
    /// Lines of known keys whose values make no sense, and lines that are no `KEY=VALUE`.
    pub malformed: usize,
    /// Lines of keys that failstop does not know. Legal: the protocol lets programs add their own.
    pub unknown: usize,
}

/// Reads a datagram.
pub fn parse(datagram: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut monotonic_us = None;
    let mut descriptor_name = None;
    let mut pidfd_id = None;
    let mut polls = true;
    for line in datagram.split(|byte| *byte == b'\n').take(MAX_LINES) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = line.strip_suffix(b"\0").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let Some(split) = line.iter().position(|byte| *byte == b'=') else {
            parsed.malformed += 1;
            continue;
        };
        let (key, value) = (&line[..split], &line[split + 1..]);
        match read_line(key, value) {
            Line::Says(notification) => parsed.notifications.push(notification),
            Line::MonotonicUs(us) => monotonic_us = Some(us),
            Line::DescriptorName(name) => descriptor_name = Some(name),
            Line::PidFdId(id) => pidfd_id = Some(id),
            Line::Polls(wanted) => polls = wanted,
            Line::Malformed => parsed.malformed += 1,
            Line::Unknown => parsed.unknown += 1,
        }
    }
    // These qualify other lines, before or after themselves.
    for notification in &mut parsed.notifications {
        match notification {
            Notification::Reloading { monotonic_us: at } => *at = monotonic_us,
            Notification::MainPid { pid: _, pidfd_id: id } => *id = pidfd_id,
            Notification::StoreDescriptors { name, poll } => {
                name.clone_from(&descriptor_name);
                *poll = polls;
            }
            Notification::RemoveDescriptors { name } => name.clone_from(&descriptor_name),
            _ => {}
        }
    }
    parsed
}

enum Line {
    Says(Notification),
    MonotonicUs(u64),
    DescriptorName(String),
    PidFdId(u64),
    Polls(bool),
    Malformed,
    Unknown,
}

fn read_line(key: &[u8], value: &[u8]) -> Line {
    match key {
        b"READY" => flag(value, Notification::Ready),
        b"RELOADING" => flag(value, Notification::Reloading { monotonic_us: None }),
        b"STOPPING" => flag(value, Notification::Stopping),
        b"BARRIER" => flag(value, Notification::Barrier),
        b"FDSTORE" => flag(value, Notification::StoreDescriptors { name: None, poll: true }),
        b"FDSTOREREMOVE" => flag(value, Notification::RemoveDescriptors { name: None }),
        b"WATCHDOG" => match value {
            b"1" => Line::Says(Notification::Watchdog),
            b"trigger" => Line::Says(Notification::WatchdogTrigger),
            _ => Line::Malformed,
        },
        b"STATUS" => Line::Says(Notification::Status(printable(value, MAX_STATUS_BYTES))),
        b"ERRNO" => {
            number(value, |n| i32::try_from(n).ok().filter(|n| (1..=4095).contains(n)).map(Notification::Errno))
        }
        b"EXIT_STATUS" => number(value, |n| u8::try_from(n).ok().map(Notification::ExitStatus)),
        b"BUSERROR" => Line::Says(Notification::BusError(printable(value, 256))),
        b"WATCHDOG_USEC" => span(value, Notification::WatchdogSpan),
        b"EXTEND_TIMEOUT_USEC" => span(value, Notification::ExtendTimeout),
        b"MAINPID" => number(value, |n| {
            let pid = i32::try_from(n).ok().filter(|pid| *pid > 0)?;
            Some(Notification::MainPid { pid, pidfd_id: None })
        }),
        b"MAINPIDFD" => flag(value, Notification::MainPidFd),
        b"MAINPIDFDID" => digits(value).map_or(Line::Malformed, Line::PidFdId),
        b"MONOTONIC_USEC" => digits(value).map_or(Line::Malformed, Line::MonotonicUs),
        b"FDNAME" => Line::DescriptorName(printable(value, 255)),
        b"FDPOLL" => match value {
            b"0" => Line::Polls(false),
            b"1" => Line::Polls(true),
            _ => Line::Malformed,
        },
        b"NOTIFYACCESS" => {
            Access::of_word(value).map_or(Line::Malformed, |access| Line::Says(Notification::Access(access)))
        }
        _ => Line::Unknown,
    }
}

fn flag(value: &[u8], notification: Notification) -> Line {
    if value == b"1" { Line::Says(notification) } else { Line::Malformed }
}

fn number(value: &[u8], make: impl FnOnce(u64) -> Option<Notification>) -> Line {
    digits(value).and_then(make).map_or(Line::Malformed, Line::Says)
}

fn span(value: &[u8], make: impl FnOnce(Duration) -> Notification) -> Line {
    number(value, |us| {
        let span = Duration::from_micros(us);
        (us > 0 && span <= MAX_SPAN).then(|| make(span))
    })
}

/// Decimal digits and nothing else; `parse` alone would take a sign too.
fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Text that is safe to show on a terminal and in a log line.
fn printable(value: &[u8], max_bytes: usize) -> String {
    let mut text = String::new();
    for character in String::from_utf8_lossy(value).chars() {
        let shown = if character.is_control() { char::REPLACEMENT_CHARACTER } else { character };
        if text.len() + shown.len_utf8() > max_bytes {
            break;
        }
        text.push(shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(datagram: &[u8]) -> Vec<Notification> {
        let parsed = parse(datagram);
        assert_eq!((parsed.malformed, parsed.unknown), (0, 0), "{:?}", String::from_utf8_lossy(datagram));
        parsed.notifications
    }

    #[test]
    fn fields_combined_with_and_without_a_newline_at_the_end() {
        let all = [Notification::Ready, Notification::Status("trading 3 pairs".to_owned())];
        assert_eq!(said(b"READY=1\nSTATUS=trading 3 pairs"), all);
        assert_eq!(said(b"READY=1\nSTATUS=trading 3 pairs\n"), all);
        assert_eq!(said(b"\nREADY=1\n\nSTATUS=trading 3 pairs\n\n"), all);
        assert_eq!(said(b"READY=1\r\nSTATUS=trading 3 pairs\r\n"), all);
        assert_eq!(said(b"READY=1\0"), [Notification::Ready], "a C program that sends its terminating zero");
        assert_eq!(said(b""), []);
    }

    #[test]
    fn every_field() {
        assert_eq!(said(b"WATCHDOG=1"), [Notification::Watchdog]);
        assert_eq!(said(b"WATCHDOG=trigger"), [Notification::WatchdogTrigger]);
        assert_eq!(said(b"WATCHDOG_USEC=20000000"), [Notification::WatchdogSpan(Duration::from_secs(20))]);
        assert_eq!(said(b"EXTEND_TIMEOUT_USEC=5000000"), [Notification::ExtendTimeout(Duration::from_secs(5))]);
        assert_eq!(said(b"STOPPING=1"), [Notification::Stopping]);
        assert_eq!(said(b"ERRNO=2"), [Notification::Errno(2)]);
        assert_eq!(said(b"EXIT_STATUS=3"), [Notification::ExitStatus(3)]);
        assert_eq!(said(b"MAINPID=4711"), [Notification::MainPid { pid: 4711, pidfd_id: None }]);
        assert_eq!(said(b"MAINPID=4711\nMAINPIDFDID=99"), [Notification::MainPid { pid: 4711, pidfd_id: Some(99) }]);
        assert_eq!(said(b"MAINPIDFD=1"), [Notification::MainPidFd]);
        assert_eq!(said(b"NOTIFYACCESS=main"), [Notification::Access(Access::Main)]);
        assert_eq!(said(b"BARRIER=1"), [Notification::Barrier]);
        assert_eq!(said(b"BUSERROR=org.x.Y"), [Notification::BusError("org.x.Y".to_owned())]);
        assert_eq!(
            said(b"FDNAME=db\nFDSTORE=1"),
            [Notification::StoreDescriptors { name: Some("db".to_owned()), poll: true }],
            "the name counts from before or after"
        );
        assert_eq!(said(b"FDSTORE=1\nFDPOLL=0"), [Notification::StoreDescriptors { name: None, poll: false }]);
        assert_eq!(said(b"RELOADING=1\nMONOTONIC_USEC=12\n"), [Notification::Reloading { monotonic_us: Some(12) }]);
        assert_eq!(said(b"STATUS=a=b"), [Notification::Status("a=b".to_owned())]);
        assert_eq!(said(b"STATUS="), [Notification::Status(String::new())]);
    }

    #[test]
    fn what_makes_no_sense_is_counted_and_left_out() {
        for bad in [
            &b"READY=0"[..],
            b"READY",
            b"WATCHDOG=2",
            b"WATCHDOG_USEC=0",
            b"WATCHDOG_USEC=-1",
            b"WATCHDOG_USEC=+1",
            b"WATCHDOG_USEC=1s",
            b"WATCHDOG_USEC=99999999999999999999999",
            b"EXTEND_TIMEOUT_USEC=86400000001",
            b"MAINPID=0",
            b"MAINPID=-1",
            b"MAINPID=4294967297",
            b"MAINPIDFD=0",
            b"FDPOLL=2",
            b"NOTIFYACCESS=everybody",
            b"ERRNO=0",
            b"ERRNO=99999",
            b"\xff\xfe",
        ] {
            let parsed = parse(bad);
            assert_eq!((parsed.notifications.len(), parsed.malformed), (0, 1), "{:?}", String::from_utf8_lossy(bad));
        }
        let parsed = parse(b"X_MINE=1\nREADY=1\nnonsense\n");
        assert_eq!(parsed, Parsed { notifications: vec![Notification::Ready], malformed: 1, unknown: 1 });
    }

    #[test]
    fn a_status_cannot_write_on_the_terminal_or_fill_memory() {
        assert_eq!(said(b"STATUS=\x1b[2Jgone"), [Notification::Status("\u{fffd}[2Jgone".to_owned())]);
        let mut long = b"STATUS=".to_vec();
        long.extend("\u{e9}".repeat(4_000).as_bytes());
        let [Notification::Status(text)] = &said(&long)[..] else { panic!("one status") };
        assert_eq!(text.len(), MAX_STATUS_BYTES);
        let flood = b"READY=1\n".repeat(10_000);
        assert_eq!(said(&flood).len(), MAX_LINES);
    }

    #[test]
    fn every_variable_of_the_list_is_known() {
        for variable in VARIABLES {
            let parsed = parse(format!("{variable}=").as_bytes());
            assert_eq!(parsed.unknown, 0, "{variable}");
        }
    }

    #[test]
    fn signs_for_the_core() {
        assert_eq!(Notification::Ready.sign(), Some(Sign::Ready));
        assert_eq!(Notification::Watchdog.sign(), Some(Sign::Beat));
        assert_eq!(Notification::Barrier.sign(), None);
        let failing = |notification: Notification| match notification.sign() {
            Some(Sign::Failing(text)) => text,
            other => format!("{other:?}"),
        };
        assert_eq!(failing(Notification::Errno(2)), "errno 2 (ENOENT: No such file or directory)");
        assert_eq!(failing(Notification::Errno(4000)), "errno 4000");
        assert_eq!(failing(Notification::ExitStatus(3)), "exit status 3");
        assert_eq!(failing(Notification::BusError("org.x.Y".to_owned())), "bus error org.x.Y");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_taken(datagram: Vec<u8>) {
            let parsed = parse(&datagram);
            proptest::prop_assert!(parsed.notifications.len() <= MAX_LINES);
        }
    }
}
