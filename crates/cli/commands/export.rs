//! `failstop export`: a slice of the journal as CSV or Parquet, written whole or not at all.

use super::events::{begins_before, since};
use crate::args::journal::{ExportArgs, ExportFormat};
use crate::exit::Exit;
use crate::export::{Csv, Exporter, Parquet, Sink};
use crate::failure::Failure;
use crate::out;
use crate::place::Place;
use crate::record_types::Types;
use crate::render::number::counted;
use failstop_journal::{JOURNAL_DIR, Record, Wall, read_records, segment_first};
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes it.
pub fn export(args: &ExportArgs) -> Result<Exit, Failure> {
    let place = Place::of(&args.place)?;
    let state = place.state_dir()?;
    let format = format_of(args)?;
    let slice = Slice::new(args)?;
    let from = slice.first_segment(state)?;
    let unreadable = |source| Failure::Unreadable {
        path: state.join(JOURNAL_DIR),
        source,
        next: "read it as the system's user or as root; see `failstop verify-data`",
    };
    if args.output.as_os_str() == "-" {
        if format == ExportFormat::Parquet {
            return Err(Failure::Usage {
                what: "--output -: Parquet is written to a file only".to_owned(),
                next: "name a file, or write --format csv".to_owned(),
            });
        }
        let stdout = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        let sink = Csv::new(stdout).map_err(Fault::Write);
        return match sink.and_then(|sink| run(state, from, slice, Exporter::new(Box::new(sink)))) {
            Ok(done) => Ok(done.exit()),
            Err(Fault::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Good),
            Err(Fault::Write(error)) => Err(Failure::Output(error)),
            Err(Fault::Read(error)) => Err(unreadable(error)),
        };
    }
    let file = Replacing::begin(&args.output)?;
    let unwritable = |source| Failure::Unwritable { path: args.output.clone(), source };
    let writer = file.writer().map_err(unwritable)?;
    let sink: Box<dyn Sink> = match format {
        ExportFormat::Csv => Box::new(Csv::new(writer).map_err(unwritable)?),
        ExportFormat::Parquet => Box::new(Parquet::new(writer).map_err(unwritable)?),
    };
    let done = run(state, from, slice, Exporter::new(sink)).map_err(|fault| match fault {
        Fault::Read(error) => unreadable(error),
        Fault::Write(error) => unwritable(error),
    })?;
    file.commit().map_err(unwritable)?;
    out::complain(&format!("{}: {}", args.output.display(), counted(done.records, "record")));
    Ok(done.exit())
}

/// What the flag says, else what the file's name does.
fn format_of(args: &ExportArgs) -> Result<ExportFormat, Failure> {
    if let Some(format) = args.format {
        return Ok(format);
    }
    match args.output.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok(ExportFormat::Csv),
        Some("parquet") => Ok(ExportFormat::Parquet),
        _ => Err(Failure::Usage {
            what: format!("--output {}: neither a .csv nor a .parquet file", args.output.display()),
            next: "write --format csv or --format parquet".to_owned(),
        }),
    }
}

/// Which records are wanted.
struct Slice {
    types: Types,
    since: Option<(Timestamp, Wall)>,
    until: Option<Wall>,
}

impl Slice {
    fn new(args: &ExportArgs) -> Result<Self, Failure> {
        let now = Timestamp::now();
        let at = |text: &String| since(text, now).map(|at| (at, wall(at)));
        Ok(Self {
            types: Types::new(&args.types),
            since: args.since.as_ref().map(at).transpose()?,
            until: args.until.as_ref().map(at).transpose()?.map(|(_, wall)| wall),
        })
    }

    /// The sequence number from which on records have to be looked at.
    fn first_segment(&self, state: &Path) -> Result<u64, Failure> {
        let folder = state.join(JOURNAL_DIR);
        let unreadable = |source| Failure::Unreadable {
            path: folder.clone(),
            source,
            next: "name the state directory of a system that has run; read it as its user or as root",
        };
        let mut firsts = Vec::new();
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            firsts.extend(name.to_str().and_then(segment_first));
        }
        firsts.sort_unstable();
        let early = |first: &&u64| {
            let path = folder.join(failstop_journal::segment_name(**first));
            self.since.is_some_and(|(since, _)| begins_before(&path, since))
        };
        Ok(firsts.iter().rfind(early).copied().unwrap_or(1))
    }

    fn wants(&self, record: &Record<'_>) -> bool {
        // A time that cannot be read is no reason to hide a record.
        let at = Wall::parse(record.time);
        let since = self.since.is_none_or(|(_, since)| at.is_none_or(|at| at >= since));
        self.types.have(record.kind) && since && self.until.is_none_or(|until| at.is_none_or(|at| at < until))
    }
}

/// A time that is before 1970 is taken as 1970, as the journal does.
fn wall(at: Timestamp) -> Wall {
    Wall(u64::try_from(at.as_nanosecond()).unwrap_or(0))
}

/// What was written.
struct Done {
    records: u64,
    /// The first records that are not there: damage, or a missing segment.
    gap: Option<(u64, u64)>,
}

impl Done {
    /// A slice with a hole in it is no answer that an auditor should take for whole.
    fn exit(&self) -> Exit {
        let Some((from, to)) = self.gap else { return Exit::Good };
        out::complain(&format!(
            "error: records {from} to {to} are left out: their hashes do not vouch for them, or they are missing; see \
             `failstop verify-data`"
        ));
        Exit::No
    }
}

/// Which side failed.
enum Fault {
    /// The journal.
    Read(io::Error),
    /// What is written.
    Write(io::Error),
}

impl From<io::Error> for Fault {
    /// What reading the journal brings by itself.
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// `from` is the first record of the slice's first segment: where it is not there, something is missing.
fn run(state: &Path, from: u64, slice: Slice, mut exporter: Exporter) -> Result<Done, Fault> {
    let mut next = from;
    let mut gap = None;
    read_records(state, from, |record| {
        if next < record.seq {
            gap.get_or_insert((next, record.seq - 1));
        }
        next = record.seq + 1;
        if slice.wants(&record) { exporter.take(&record).map_err(Fault::Write) } else { Ok(()) }
    })?;
    let records = exporter.records;
    exporter.finish().map_err(Fault::Write)?;
    Ok(Done { records, gap })
}

/// A file that is replaced as a whole: what is there before is there until all of the new one is on the disk.
struct Replacing {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    done: bool,
}

impl Replacing {
    fn begin(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("export");
        let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let file =
            File::create_new(&temporary).map_err(|source| Failure::Unwritable { path: temporary.clone(), source })?;
        Ok(Self { path: path.to_owned(), temporary, file, done: false })
    }

    fn writer(&self) -> io::Result<impl Write + Send + 'static> {
        Ok(BufWriter::with_capacity(1 << 16, self.file.try_clone()?))
    }

    fn commit(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        self.done = true;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

impl Drop for Replacing {
    fn drop(&mut self) {
        if !self.done {
            // Where it cannot be removed its name says what it is.
            drop(fs::remove_file(&self.temporary));
        }
    }
}
