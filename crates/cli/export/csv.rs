//! CSV as RFC 4180 has it, with a line of names, UTF-8, `\n` at the ends.

use super::{Batch, COLUMNS, Sink};
use std::io::{self, Write};

/// Writes CSV.
pub struct Csv<W: Write>(csv::Writer<W>);

impl<W: Write> Csv<W> {
    /// Writes the line of names.
    ///
    /// # Errors
    /// What the file said.
    pub fn new(file: W) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(COLUMNS)?;
        Ok(Self(writer))
    }
}

impl<W: Write> Sink for Csv<W> {
    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        for index in 0..batch.seq.len() {
            self.0.write_record([
                batch.seq[index].to_string().as_str(),
                batch.durable[index].to_string().as_str(),
                batch.epoch[index].to_string().as_str(),
                batch.at[index].to_string().as_str(),
                &batch.kind[index],
                &batch.payload[index],
                batch.head[index].as_str(),
            ])?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}
