//! Slices of the journal for other tools: CSV for spreadsheets, Parquet for pandas, DuckDB and auditors' own programs. Memory is
//! bounded whatever the journal's length: a batch of records, and what the format keeps of one.

mod csv;
mod parquet;

pub use self::csv::Csv;
pub use self::parquet::Parquet;

use failstop_journal::{Head, Record, Wall};
use std::io;

/// The columns, in their order. More may come behind these.
pub const COLUMNS: [&str; 7] = ["seq", "d", "epoch", "ts", "type", "payload", "h"];

/// A batch is written when it has grown to so many bytes of payload, or so many records.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_RECORDS: usize = 32_768;

/// Records that are written at once, column by column.
#[derive(Debug, Default)]
pub struct Batch {
    /// Their sequence numbers.
    pub seq: Vec<u64>,
    /// What was durable when each was formatted.
    pub durable: Vec<u64>,
    /// Who wrote them.
    pub epoch: Vec<u64>,
    /// When.
    pub at: Vec<Wall>,
    /// Their types.
    pub kind: Vec<String>,
    /// Their payloads, JSON.
    pub payload: Vec<String>,
    /// Their hashes.
    pub head: Vec<Head>,
    bytes: usize,
}

impl Batch {
    /// Adds a record.
    fn add(&mut self, record: &Record<'_>) {
        self.seq.push(record.seq);
        self.durable.push(record.durable);
        self.epoch.push(record.epoch);
        // The reader hands out only what has a time's form; a day that does not exist is taken as the first of all.
        self.at.push(Wall::parse(record.time).unwrap_or(Wall(0)));
        self.kind.push(record.kind.to_owned());
        self.payload.push(record.payload.to_owned());
        self.head.push(record.head);
        self.bytes += record.payload.len();
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.seq.len() >= BATCH_RECORDS
    }

    fn is_empty(&self) -> bool {
        self.seq.is_empty()
    }
}

/// A file format.
pub trait Sink {
    /// Writes a batch.
    ///
    /// # Errors
    /// What the file said.
    fn write(&mut self, batch: &Batch) -> io::Result<()>;

    /// Writes what ends the file.
    ///
    /// # Errors
    /// What the file said.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Gathers records for a sink.
pub struct Exporter {
    sink: Box<dyn Sink>,
    batch: Batch,
    /// Records written or gathered.
    pub records: u64,
}

impl Exporter {
    /// Into this sink.
    pub fn new(sink: Box<dyn Sink>) -> Self {
        Self { sink, batch: Batch::default(), records: 0 }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// What the file said.
    pub fn take(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.batch.add(record);
        self.records += 1;
        if self.batch.is_full() {
            self.sink.write(&std::mem::take(&mut self.batch))?;
        }
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// What the file said.
    pub fn finish(mut self) -> io::Result<()> {
        if !self.batch.is_empty() {
            self.sink.write(&self.batch)?;
        }
        self.sink.finish()
    }
}
