//! `[footprint]`: what failstop itself may use.

use crate::footprint::Caps;
use failstop_settings::{Bytes, Consistent, section, within};

section! {
    /// What failstop itself may use, engine and guard together, without the components. Beyond its memory, its processor time or what it
    /// sends, what only shows is shed as on a busy host ([breaker]), and people are warned. Trading is never stopped for it.
    pub struct Footprint {
        /// The most memory: proportional set size, resident size where that cannot be read.
        memory_max: Bytes, default "100MB", within("1MiB", "1GiB");
        /// The most processor time, in per cent of one processor: the mean of ten minutes. At rest it is far below one; what bots ask
        /// for counts.
        cpu_percent: u32, default 25, within("1", "1000");
        /// The most that its HTTP doors and watchers' pages are sent a second: the mean of ten minutes. Absent: any.
        sent_per_second: Option<Bytes>, absent "10kB", within("1kB", "1GiB");
        /// The most that it writes to disks in a day, journal and components' output included. Beyond it people are warned; nothing is
        /// shed. Absent: any.
        written_per_day: Option<Bytes>, absent "1GB", within("1MB", "16384GiB");
    }
}

impl Consistent for Footprint {}

impl Footprint {
    /// As they are judged by.
    pub fn caps(&self) -> Caps {
        Caps {
            memory: self.memory_max.get(),
            cpu_percent: self.cpu_percent,
            sent_per_second: self.sent_per_second.map(Bytes::get),
            written_per_day: self.written_per_day.map(Bytes::get),
        }
    }
}
