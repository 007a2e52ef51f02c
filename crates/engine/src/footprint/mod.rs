//! What failstop itself costs, engine and guard together, and whether that is within its caps. Pure: readings and time are given
//! ([`Reading`] by [`measure`]).
//!
//! Memory is judged as it is; processor time and what is sent by their mean over ten minutes, what is written by the last day, so
//! that no burst of work counts. Nothing here stops trading: what is beyond a cap sheds what only shows, and people are told.

mod measure;
mod trail;

pub use measure::{Meter, Reading, measure};

use core::time::Duration;
use failstop_core::Monotonic;
use std::fmt::Write as _;
use trail::Trail;

/// Over how long processor time and what is sent are judged.
pub const WINDOW: Duration = Duration::from_secs(600);

/// Over how long what is written is judged.
pub const DAY: Duration = Duration::from_secs(86_400);

/// Beyond so many thousandths of the cap of processor time or of what is sent, or of memory, it is beyond it.
const WHOLE: u64 = 1_000;

/// What failstop may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Memory, bytes.
    pub memory: u64,
    /// Processor time, per cent of one processor.
    pub cpu_percent: u32,
    /// Bytes a second to whoever asks its doors.
    pub sent_per_second: Option<u64>,
    /// Bytes a day to disks.
    pub written_per_day: Option<u64>,
}

/// What failstop costs.
#[derive(Clone, Debug)]
pub struct Footprint {
    caps: Caps,
    last: Option<(Monotonic, Reading)>,
    cpu: Trail,
    sent: Trail,
    written: Trail,
}

impl Footprint {
    /// Nothing measured yet.
    pub fn new(caps: Caps) -> Self {
        Self {
            caps,
            last: None,
            cpu: Trail::new(WINDOW, 10),
            sent: Trail::new(WINDOW, 10),
            written: Trail::new(DAY, 24),
        }
    }

    /// Other caps from here on.
    pub fn adopt(&mut self, caps: Caps) {
        self.caps = caps;
    }

    /// It was measured.
    pub fn note(&mut self, now: Monotonic, reading: Reading) {
        self.cpu.note(now, nanos(reading.cpu));
        self.sent.note(now, reading.sent);
        if let Some(written) = reading.written {
            self.written.note(now, written);
        }
        self.last = Some((now, reading));
    }

    /// The windows of processor time and of what is sent begin anew: what only shows was just shed or is back, and is not judged by
    /// what was before.
    pub fn begin_anew(&mut self) {
        (self.cpu, self.sent) = (Trail::new(WINDOW, 10), Trail::new(WINDOW, 10));
        if let Some((at, reading)) = &self.last {
            self.cpu.note(*at, nanos(reading.cpu));
            self.sent.note(*at, reading.sent);
        }
    }

    /// The last measurement.
    pub fn last(&self) -> Option<&Reading> {
        self.last.as_ref().map(|(_, reading)| reading)
    }

    /// The caps.
    pub const fn caps(&self) -> Caps {
        self.caps
    }

    /// Processor time, per cent of one processor: the mean of the last ten minutes, or since there is one.
    pub fn cpu_percent(&self) -> Option<f64> {
        let (span, used) = self.cpu.past()?;
        Some(100.0 * (Duration::from_nanos(used).as_secs_f64() / span.as_secs_f64()))
    }

    /// Bytes a second that its doors sent: the mean of the last ten minutes, or since there is one.
    pub fn sent_per_second(&self) -> Option<u64> {
        let (span, sent) = self.sent.past()?;
        Some(per_second(sent, span))
    }

    /// Bytes that it had written in the last day, or since it started; `None` where the kernel does not say.
    pub fn written_in_a_day(&self) -> Option<u64> {
        self.last()?.written?;
        Some(self.written.past().map_or(0, |(_, written)| written))
    }

    /// How much of the nearest of those caps is used that what only shows counts against, thousandths. `whole`: processor time and
    /// what is sent count only once there is a whole window of them. `None` while nothing is known.
    pub fn share(&self, whole: bool) -> Option<u32> {
        let memory = self.last()?.memory.map(|memory| share(memory, self.caps.memory));
        let judged = |trail: &Trail| trail.past().filter(|(span, _)| !whole || *span >= WINDOW);
        let cpu = judged(&self.cpu).map(|(span, used)| {
            let cap = nanos(span).saturating_mul(u64::from(self.caps.cpu_percent)) / 100;
            share(used, cap)
        });
        let sent = self.caps.sent_per_second.and_then(|cap| {
            let (span, sent) = judged(&self.sent)?;
            Some(share(per_second(sent, span), cap))
        });
        [memory, cpu, sent].into_iter().flatten().max()
    }

    /// Which caps are exceeded, in words; `None` while all hold.
    pub fn over(&self) -> Option<String> {
        let mut over = String::new();
        let mut say = |what: std::fmt::Arguments<'_>| {
            let between = if over.is_empty() { "" } else { "; " };
            // Writing to a `String` cannot fail.
            let _ = write!(over, "{between}{what}");
        };
        let is_over = |used: u64, cap: u64| u64::from(share(used, cap)) > WHOLE;
        if let Some(memory) =
            self.last().and_then(|last| last.memory).filter(|memory| is_over(*memory, self.caps.memory))
        {
            say(format_args!("failstop uses {} of memory, at most {}", megabytes(memory), megabytes(self.caps.memory)));
        }
        if let Some((span, used)) = self.cpu.past().filter(|(span, _)| *span >= WINDOW) {
            let cap = nanos(span).saturating_mul(u64::from(self.caps.cpu_percent)) / 100;
            if is_over(used, cap) {
                let percent = self.cpu_percent().unwrap_or_default();
                say(format_args!("failstop uses {percent:.1} % of a processor, at most {} %", self.caps.cpu_percent));
            }
        }
        if let (Some(cap), Some((span, sent))) =
            (self.caps.sent_per_second, self.sent.past().filter(|(span, _)| *span >= WINDOW))
            && is_over(per_second(sent, span), cap)
        {
            say(format_args!("failstop sends {} bytes a second, at most {cap}", per_second(sent, span)));
        }
        if let (Some(cap), Some(written)) = (self.caps.written_per_day, self.written_in_a_day())
            && is_over(written, cap)
        {
            say(format_args!("failstop wrote {} within a day, at most {}", megabytes(written), megabytes(cap)));
        }
        (!over.is_empty()).then_some(over)
    }

    /// Whether all that is judged by a whole window has one, and the memory could be read: only then nothing exceeded means that all
    /// caps hold. What was written is judged by what there is of the day.
    pub fn is_known(&self) -> bool {
        let is_whole = |trail: &Trail| trail.past().is_some_and(|(span, _)| span >= WINDOW);
        let memory = self.last().is_some_and(|last| last.memory.is_some());
        memory && is_whole(&self.cpu) && (self.caps.sent_per_second.is_none() || is_whole(&self.sent))
    }

    /// Whether its memory is beyond the cap: then what is kept only to be shown is given up, too.
    pub fn memory_is_over(&self) -> bool {
        let memory = self.last().and_then(|last| last.memory);
        memory.is_some_and(|memory| memory > self.caps.memory)
    }
}

/// How much of a cap that is, thousandths, rounded up: at the cap it is 1 000, and above it more.
fn share(used: u64, cap: u64) -> u32 {
    let share = u128::from(used).saturating_mul(u128::from(WHOLE)).div_ceil(u128::from(cap.max(1)));
    u32::try_from(share).unwrap_or(u32::MAX)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn per_second(bytes: u64, span: Duration) -> u64 {
    let nanos = span.as_nanos().max(1);
    let rate = u128::from(bytes).saturating_mul(1_000_000_000) / nanos;
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

#[cfg(test)]
mod tests;
