//! Parquet: one row group a batch, compressed with Snappy, which every reader has. Times are nanoseconds in UTC, texts UTF-8.

use super::{Batch, Sink};
use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::io::{self, Write};
use std::sync::Arc;

/// The columns of [`super::COLUMNS`].
const SCHEMA: &str = "message journal {
    required int64 seq;
    required int64 d;
    required int64 epoch;
    required int64 ts (TIMESTAMP(NANOS, true));
    required binary type (STRING);
    required binary payload (STRING);
    required binary h (STRING);
}";

/// Writes Parquet.
pub struct Parquet<W: Write + Send>(SerializedFileWriter<W>);

impl<W: Write + Send> Parquet<W> {
    /// Begins the file.
    ///
    /// # Errors
    /// What the file said.
    pub fn new(file: W) -> io::Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA).map_err(io)?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("failstop ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        SerializedFileWriter::new(file, schema, Arc::new(properties)).map(Self).map_err(io)
    }
}

impl<W: Write + Send> Sink for Parquet<W> {
    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let numbers = |of: &[u64]| of.iter().map(|number| number.cast_signed()).collect::<Vec<i64>>();
        let texts = |of: &mut dyn Iterator<Item = &[u8]>| of.map(|text| ByteArray::from(text.to_vec())).collect();
        let mut group = self.0.next_row_group().map_err(io)?;
        let mut index = 0;
        while let Some(mut column) = group.next_column().map_err(io)? {
            match column.untyped() {
                ColumnWriter::Int64ColumnWriter(writer) => {
                    let values = match index {
                        0 => numbers(&batch.seq),
                        1 => numbers(&batch.durable),
                        2 => numbers(&batch.epoch),
                        _ => batch.at.iter().map(|at| at.0.cast_signed()).collect(),
                    };
                    writer.write_batch(&values, None, None).map_err(io)?;
                }
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    let values: Vec<ByteArray> = match index {
                        4 => texts(&mut batch.kind.iter().map(String::as_bytes)),
                        5 => texts(&mut batch.payload.iter().map(String::as_bytes)),
                        _ => texts(&mut batch.head.iter().map(|head| head.as_bytes().as_slice())),
                    };
                    writer.write_batch(&values, None, None).map_err(io)?;
                }
                _ => return Err(io::Error::other("a column of a type that the schema does not have")),
            }
            column.close().map_err(io)?;
            index += 1;
        }
        group.close().map(drop).map_err(io)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let mut writer = self.0;
        writer.finish().map(drop).map_err(io)?;
        writer.inner_mut().flush()
    }
}

/// The library wraps what the file said.
fn io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(inner) => *inner,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
