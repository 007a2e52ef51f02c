//! Declared configuration: one TOML file, overlaid by environment and flags, becomes typed, validated sections, or
//! [`ConfigErrors`] that point at line and column and say what to write instead.
//!
//! A program declares each section once, in the module that uses it, with [`section!`]: type, default, range and meaning. It
//! lists its sections in a [`Vocabulary`] and reads them with [`read()`]. Reading, validating, the suggestions in messages and
//! the commented [`reference()`] are all made from that one table. Both binaries and the alert channels use this crate, which
//! knows none of them.
//!
//! ```
//! use failstop_settings::{Consistent, Overlay, SectionInfo, Shape, Source, Vocabulary, read, section, single, within};
//! use std::time::Duration;
//!
//! section! {
//!     /// What is watched.
//!     pub struct Watch {
//!         /// How often.
//!         interval: Duration, default "60s", within("1s", "1h");
//!     }
//! }
//! impl Consistent for Watch {}
//!
//! static VOCABULARY: Vocabulary = Vocabulary {
//!     file: "watch.toml",
//!     no_file: "give its path with --config",
//!     prefix: "WATCH__",
//!     sections: &[SectionInfo::of::<Watch>("watch", Shape::Single)],
//!     profiles: &[],
//!     synonym: |_| None,
//! };
//!
//! let source = |text: &str| Source { file: "watch.toml".into(), text: text.to_owned(), world_readable: false };
//! let load = |text| {
//!     read(&source(text), &Overlay::default(), &VOCABULARY, |_| None, |root, _, reading| single::<Watch>(root, "watch", reading))
//! };
//! assert_eq!(load("[watch]\ninterval = \"5m\"").unwrap().value.interval, Duration::from_secs(300));
//! let error = load("[watch]\ninterval = 5").unwrap_err().to_string();
//! assert!(error.contains("watch.toml:2:12") && error.contains("interval = \"5s\""), "{error}");
//! ```

pub mod declare;
pub mod document;
mod effective;
mod nearest;
mod overlay;
mod problem;
mod reference;
mod root;
mod secret;
pub mod setting;
mod source;
mod target;
mod units;
mod vocabulary;

pub use declare::{At, Consistent, Covered, Key, Places, Reading, Section, Setting, interpreted, shown, within};
pub use effective::{Basis, COVERED, Effective};
pub use nearest::nearest;
pub use overlay::{Overlay, environment};
pub use problem::{ConfigErrors, Kind, MAX_SHOWN, Origin, Place, Problem, cover_userinfo};
pub use reference::{Note, reference};
pub use root::{Read, label, origin_in, read, repeated, single, table_of, tables};
pub use secret::{Secret, SecretFault};
pub use setting::{Argv, Choice, MAX_ITEMS, MAX_NAME, Name, valid_name};
pub use source::{MAX_FILE_BYTES, Source, Writer};
pub use target::{HostPort, Url, exactly_one};
pub use units::{Bytes, parse_duration, write_duration};
pub use vocabulary::{ProfileRow, SectionInfo, Shape, Vocabulary};
