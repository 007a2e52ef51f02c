//! `failstop events`: prints the journal's records, and those that come.

use crate::args::Format;
use crate::args::journal::EventsArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::journal_tail::{JournalTail, Next};
use crate::out::{self, Reader, Stream};
use crate::place::Place;
use crate::record_types::Types;
use crate::render::event::{Envelope, line};
use crate::traces::Trace;
use failstop_journal::glance;
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::fd::AsFd as _;
use std::path::Path;

/// Prints them.
pub fn events(args: &EventsArgs) -> Result<Exit, Failure> {
    let place = Place::of(&args.place)?;
    let state = place.state_dir()?;
    let mut filter = Filter::new(args)?;
    let unreadable = |folder: &Path| {
        let path = folder.to_owned();
        move |source| Failure::Unreadable {
            path,
            source,
            next: "name the state directory of a system that has run; read it as its user or as root",
        }
    };
    let folder = state.join("journal");
    // Watched before it is read, so that nothing slips in between.
    let growth = if args.follow { Some(Growth::watch(&folder).map_err(unreadable(&folder))?) } else { None };
    if let Some(trace) = &mut filter.trace {
        learn_all(trace, state).map_err(unreadable(&folder))?;
    }
    let mut tail = JournalTail::open(state).map_err(unreadable(&folder))?;
    if let Some(since) = filter.since {
        tail.start_at_last(|segment| begins_before(segment, since)).map_err(unreadable(&folder))?;
    }
    let mut stream = Stream::new();
    loop {
        if print_all(&mut tail, &mut filter, args.format, &mut stream)? == Reader::Gone {
            return Ok(Exit::Good);
        }
        match &growth {
            None => {
                filter.say_if_nothing_was_wanted();
                return Ok(Exit::Good);
            }
            Some(growth) => {
                if growth.wait()? == Reader::Gone {
                    return Ok(Exit::Good);
                }
            }
        }
    }
}

/// Reads the whole journal for the halts of an incident: they may have been raised long before what is printed.
fn learn_all(trace: &mut Trace, state: &Path) -> io::Result<()> {
    let mut tail = JournalTail::open(state)?;
    let mut raw = Vec::new();
    loop {
        match tail.next(&mut raw)? {
            Next::Line => {}
            // Printing says so.
            Next::Oversized(..) => continue,
            Next::End => return Ok(()),
        }
        let may = glance(&raw).is_none_or(|seen| Trace::learns_from(seen.kind));
        if let Some(envelope) = may.then(|| serde_json::from_slice::<Envelope>(&raw).ok()).flatten() {
            trace.learn(&envelope);
        }
    }
}

/// Prints what is there now.
fn print_all(
    tail: &mut JournalTail,
    filter: &mut Filter,
    format: Format,
    stream: &mut Stream,
) -> Result<Reader, Failure> {
    let mut raw = Vec::new();
    loop {
        let next = tail.next(&mut raw).map_err(|source| Failure::Unreadable {
            path: tail.folder().to_owned(),
            source,
            next: "see `failstop verify-data`",
        })?;
        match next {
            Next::Line => {}
            Next::Oversized(file, offset) => {
                out::complain(&format!(
                    "warning: {} byte {offset}: no line of a journal is so long; see `failstop verify-data`",
                    file.display()
                ));
                continue;
            }
            Next::End => return stream.flush(),
        }
        // Most lines of a long journal are not wanted: they are passed over by their beginnings.
        if glance(&raw).is_some_and(|seen| !filter.wants(seen.kind, seen.time)) {
            continue;
        }
        let reader = match serde_json::from_slice::<Envelope>(&raw) {
            Ok(envelope) if glance(&raw).is_none() && !filter.wants(&envelope.t, &envelope.ts) => Reader::There,
            Ok(envelope) if !filter.follows(&envelope) => Reader::There,
            Ok(envelope) => match format {
                Format::Text => stream.line(line(&envelope).as_bytes())?,
                Format::Json => stream.line(&raw)?,
            },
            Err(error) => {
                out::complain(&format!("warning: {}: no record ({error}); see `failstop verify-data`", tail.place()));
                Reader::There
            }
        };
        if reader == Reader::Gone {
            return Ok(Reader::Gone);
        }
    }
}

/// Which records are wanted.
struct Filter {
    types: Types,
    since: Option<Timestamp>,
    trace: Option<Trace>,
    /// Records that were looked at, those of a wanted type among them, and those that follow from what is traced.
    seen: (u64, u64, u64),
}

impl Filter {
    fn new(args: &EventsArgs) -> Result<Self, Failure> {
        let since = args.since.as_deref().map(|text| since(text, Timestamp::now())).transpose()?;
        let trace = args.trace.as_deref().map(Trace::parse).transpose()?;
        Ok(Self { types: Types::new(&args.types), since, trace, seen: (0, 0, 0) })
    }

    /// Whether a record is wanted; counts it.
    fn wants(&mut self, kind: &str, time: &str) -> bool {
        let of_type = self.types.have(kind);
        self.seen.0 += 1;
        self.seen.1 += u64::from(of_type);
        let in_time = match self.since {
            // A time that cannot be read is no reason to hide a record.
            Some(since) => of_type && time.parse::<Timestamp>().map_or(true, |ts| ts >= since),
            None => true,
        };
        of_type && in_time
    }

    /// Whether a record follows from what is traced, where something is; counts it.
    fn follows(&mut self, record: &Envelope) -> bool {
        let Some(trace) = &mut self.trace else { return true };
        // What came since the journal was read for it.
        trace.learn(record);
        let follows = trace.has(record);
        self.seen.2 += u64::from(follows);
        follows
    }

    /// A typing mistake in a runbook must not look like "nothing happened".
    fn say_if_nothing_was_wanted(&self) {
        match self.seen {
            (all @ 1.., 0, _) => {
                out::complain(&format!("note: of {all} records none is of type {}", self.types.text()));
            }
            (all @ 1.., _, 0) if self.trace.is_some() => {
                out::complain(&format!("note: of {all} records none follows from that request or incident"));
            }
            (..) => {}
        }
    }
}

/// A time, a day, or how long ago.
pub fn since(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let ago = || {
        let unit = text.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = text[..unit].parse().ok()?;
        let seconds = match &text[unit..] {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        now.checked_sub(SignedDuration::from_secs(number.checked_mul(seconds)?)).ok()
    };
    let day = || Some(text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    text.parse().ok().or_else(ago).or_else(|| if text.contains('T') { None } else { day() }).ok_or_else(|| {
        Failure::Usage {
            what: format!("--since {text}: not a time"),
            next: "write a time (2026-11-07T09:00:00Z), a day (2026-11-07), or how long ago (90s, 15m, 2h, 7d)"
                .to_owned(),
        }
    })
}

/// Whether the first record of a segment was written before `since`, so that no earlier segment need be read. What
/// cannot be read does not count.
pub fn begins_before(segment: &Path, since: Timestamp) -> bool {
    let first = || {
        let mut raw = Vec::new();
        BufReader::new(File::open(segment)?).take(65_536).read_until(b'\n', &mut raw)?;
        let envelope: Envelope = serde_json::from_slice(&raw)?;
        envelope.ts.parse::<Timestamp>().map_err(io::Error::other)
    };
    first().is_ok_and(|ts| ts < since)
}

/// Tells when files have grown.
pub struct Growth {
    inotify: Inotify,
}

impl Growth {
    /// Of every file in this folder.
    pub fn watch(folder: &Path) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        inotify.add_watch(folder, AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO)?;
        Ok(Self { inotify })
    }

    /// Sleeps until something was written, or until nobody reads any more.
    pub fn wait(&self) -> Result<Reader, Failure> {
        let system = |errno: Errno| Failure::System { what: "watch for more", source: errno.into() };
        let stdout = io::stdout();
        loop {
            let mut watched = [
                PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN),
                // Errors alone: of a pipe, that its other end is closed.
                PollFd::new(stdout.as_fd(), PollFlags::empty()),
            ];
            match poll(&mut watched, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(system(errno)),
                Ok(_) => {}
            }
            if watched[1].revents().is_some_and(|events| events.contains(PollFlags::POLLERR)) {
                return Ok(Reader::Gone);
            }
            match self.inotify.read_events() {
                Ok(_) => return Ok(Reader::There),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(system(errno)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

    use super::*;

    #[test]
    fn since_is_a_time_a_day_or_how_long_ago() {
        let now: Timestamp = "2026-11-07T12:00:00Z".parse().unwrap();
        for (text, time) in [
            ("2026-11-07T09:00:00Z", "2026-11-07T09:00:00Z"),
            ("2026-11-07T09:00:00+02:00", "2026-11-07T07:00:00Z"),
            ("2026-11-06", "2026-11-06T00:00:00Z"),
            ("90s", "2026-11-07T11:58:30Z"),
            ("15m", "2026-11-07T11:45:00Z"),
            ("2h", "2026-11-07T10:00:00Z"),
            ("7d", "2026-10-31T12:00:00Z"),
        ] {
            assert_eq!(since(text, now).unwrap().to_string(), time, "{text}");
        }
        for text in
            ["", "h", "5", "5w", "yesterday", "-1h", "99999999999999999999s", "999999999999999d", "2026-11-07T09:00"]
        {
            assert_eq!(since(text, now).unwrap_err().exit(), Exit::Usage, "{text}");
        }
    }
}
