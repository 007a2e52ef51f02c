//! The recorded market data, row by row with the time since its beginning.

use crate::money::Amount;
use jiff::Timestamp;
use std::time::Duration;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Since the recording's first row.
    pub after: Duration,
    pub instrument: &'a str,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Quote {
        bid: Amount,
        ask: Amount,
    },
    /// Somebody traded: a sign that data flows, and nothing else to this bot.
    Trade,
}

/// Reads a recording, or says which line cannot be read.
pub fn read(text: &str) -> Result<Vec<Row<'_>>, String> {
    let mut first = None;
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let row = match *fields.as_slice() {
            [time, instrument, kind, one, other, _side] => row(&mut first, time, instrument, kind, one, other),
            _ => None,
        };
        rows.push(row.ok_or_else(|| format!("line {} of the recording cannot be read: {line}", number + 1))?);
    }
    if rows.is_empty() { Err("the recording has no rows".to_owned()) } else { Ok(rows) }
}

fn row<'a>(
    first: &mut Option<Timestamp>,
    time: &str,
    instrument: &'a str,
    kind: &str,
    one: &str,
    other: &str,
) -> Option<Row<'a>> {
    let time: Timestamp = time.parse().ok()?;
    let after = time.duration_since(*first.get_or_insert(time)).try_into().ok()?;
    let (one, other) = (Amount::parse(one)?, Amount::parse(other)?);
    let kind = match kind {
        "quote" => Kind::Quote { bid: one, ask: other },
        "trade" => Kind::Trade,
        _ => return None,
    };
    Some(Row { after, instrument, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_recording_can_be_read() {
        let rows = match read(crate::RECORDING) {
            Ok(rows) => rows,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(rows.len(), 3783);
        assert!(rows.windows(2).all(|pair| pair[0].after <= pair[1].after));
        assert!(rows.last().is_some_and(|row| row.after > Duration::from_secs(80)));
    }

    #[test]
    fn a_bad_row_is_named() {
        let error = read("header\n2025-03-25T23:07:00Z,A,quote,1,2,\n2025-03-25T23:07:01Z,A,quote,x,2,\n");
        assert!(error.is_err_and(|error| error.starts_with("line 3 ")));
        assert!(read("header\n").is_err());
    }
}
