//! Reads what a venue states, for `failstop import`: balances and positions of accounts, and what became of orders, as JSON or CSV.
//! Pure; docs/guide/capital.md has the forms. An amount stays the text that it is: no digit is touched.

use failstop_journal::ledger::{ID_MAX, NAME_MAX, Outcome, StatedBalance, StatedPosition, Statement};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The largest file that is read, in bytes.
pub const FILE_MAX: u64 = 16 << 20;

/// The most rows of a CSV file.
const ROWS_MAX: usize = 100_000;

/// What a file states, in its own order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// Statements, one an account.
    pub statements: Vec<Statement>,
    /// What became of orders.
    pub orders: Vec<FoundOrder>,
    /// Columns that mean nothing here.
    pub ignored: Vec<String>,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundOrder {
    /// The bot's own id of it.
    pub id: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why that is believed, where the file says it.
    pub reason: Option<String>,
}

/// What the command line says beside the file.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The file's name, as it is recorded.
    pub source: String,
    /// The account, where the file names none.
    pub account: Option<String>,
    /// What is not named is nothing.
    pub complete: bool,
    /// The time that it is of.
    pub as_of: Option<String>,
}

/// Why a file cannot be imported. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Not JSON of a known form.
    #[error("line {line}, column {column}: {why}")]
    Json {
        /// Where.
        line: usize,
        /// Where in it.
        column: usize,
        /// What is wrong.
        why: String,
    },
    /// Not CSV.
    #[error("not CSV: {0}")]
    Csv(#[from] csv::Error),
    /// A row that says nothing, or not clearly.
    #[error("line {line}: {why}")]
    Row {
        /// Where.
        line: u64,
        /// What is wrong, and what to write.
        why: String,
    },
    /// The file as a whole.
    #[error("{0}")]
    Whole(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonStatement {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    balances: Vec<StatedBalance>,
    #[serde(default)]
    positions: Vec<StatedPosition>,
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    as_of: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonOrder {
    id: String,
    outcome: Outcome,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonFile {
    #[serde(default)]
    statements: Vec<JsonStatement>,
    #[serde(default)]
    orders: Vec<JsonOrder>,
}

/// Reads a file: JSON where it begins with `{` or `[`, else CSV.
///
/// # Errors
///
/// [`StatementError`]: where, what is wrong, what to write instead.
pub fn read(bytes: &[u8], frame: &Frame) -> Result<Stated, StatementError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let mut stated = match first {
        Some(b'{' | b'[') => json(bytes, frame)?,
        Some(_) => rows(bytes, frame)?,
        None => return Err(StatementError::Whole("the file is empty".to_owned())),
    };
    if stated.statements.is_empty() && stated.orders.is_empty() {
        return Err(StatementError::Whole("the file states nothing: no balance, no position, no order".to_owned()));
    }
    for statement in &mut stated.statements {
        statement.complete |= frame.complete;
        if statement.id.is_empty() {
            // What states the same is the same statement: it is recorded once, and compared each time.
            statement.id = format!("file-{}-{}", digest(statement)?, statement.account);
        }
        if let Some(too_long) = [(&statement.account, NAME_MAX), (&statement.id, ID_MAX)]
            .into_iter()
            .find(|(text, most)| text.len() > *most)
        {
            let (text, most) = too_long;
            return Err(StatementError::Whole(format!("\"{text}\" has {} bytes and may have {most}", text.len())));
        }
    }
    Ok(stated)
}

/// Of everything that it states, so that no two that differ have the same.
fn digest(statement: &Statement) -> Result<String, StatementError> {
    let content = serde_json::to_vec(statement).map_err(|error| StatementError::Whole(error.to_string()))?;
    Ok(Sha256::digest(content).iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

fn json(bytes: &[u8], frame: &Frame) -> Result<Stated, StatementError> {
    let file = one_form(bytes).map_err(|error| StatementError::Json {
        line: error.line(),
        column: error.column(),
        why: explained(&error),
    })?;
    let mut stated = Stated::default();
    for statement in file.statements {
        let account = statement.account.or_else(|| frame.account.clone()).ok_or_else(no_account)?;
        stated.statements.push(Statement {
            id: statement.id.unwrap_or_default(),
            account,
            balances: statement.balances,
            positions: statement.positions,
            complete: statement.complete,
            source: frame.source.clone(),
            as_of: statement.as_of.or_else(|| frame.as_of.clone()),
        });
    }
    stated.orders =
        file.orders.into_iter().map(|JsonOrder { id, outcome, reason }| FoundOrder { id, outcome, reason }).collect();
    Ok(stated)
}

/// A list of statements, one statement, or an object with `statements` and `orders`.
fn one_form(bytes: &[u8]) -> serde_json::Result<JsonFile> {
    #[derive(Deserialize)]
    struct Shape {
        statements: Option<serde::de::IgnoredAny>,
        orders: Option<serde::de::IgnoredAny>,
    }
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Ok(JsonFile { statements: serde_json::from_slice(bytes)?, orders: Vec::new() });
    }
    let shape: Shape = serde_json::from_slice(bytes)?;
    if shape.statements.is_some() || shape.orders.is_some() {
        serde_json::from_slice(bytes)
    } else {
        Ok(JsonFile { statements: vec![serde_json::from_slice(bytes)?], orders: Vec::new() })
    }
}

fn explained(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    if text.contains("expected a string") && (text.contains("integer") || text.contains("floating point")) {
        format!("{text}: an amount goes as a text, like \"0.10\", since a JSON number may lose digits on its way")
    } else {
        text.to_owned()
    }
}

fn no_account() -> StatementError {
    StatementError::Whole(
        "the file does not say which account it is of: add `account` to it, or name it with --account".to_owned(),
    )
}

/// The columns that mean something.
const COLUMNS: [&str; 8] = ["account", "asset", "total", "instrument", "quantity", "order", "outcome", "reason"];

fn rows(bytes: &[u8], frame: &Frame) -> Result<Stated, StatementError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let headers = reader.headers()?.clone();
    let mut at: BTreeMap<&str, usize> = BTreeMap::new();
    let mut stated = Stated::default();
    for (index, header) in headers.iter().enumerate() {
        let name = header.to_ascii_lowercase();
        match COLUMNS.iter().find(|known| **known == name) {
            Some(known) => {
                if at.insert(*known, index).is_some() {
                    return Err(StatementError::Row { line: 1, why: format!("the column `{known}` stands twice") });
                }
            }
            None => stated.ignored.push(header.to_owned()),
        }
    }
    let has = |name: &str| at.contains_key(name);
    if !(has("asset") && has("total") || has("instrument") && has("quantity") || has("order") && has("outcome")) {
        let why = "the first line must name the columns: `asset` and `total`, `instrument` and `quantity`, or `order` and `outcome`";
        return Err(StatementError::Row { line: 1, why: why.to_owned() });
    }
    for (number, record) in reader.records().enumerate() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |why: &str| StatementError::Row { line, why: why.to_owned() };
        if number >= ROWS_MAX {
            return Err(wrong("the file has too many rows: split it"));
        }
        let field = |name: &str| at.get(name).and_then(|index| record.get(*index)).filter(|text| !text.is_empty());
        if let Some(id) = field("order") {
            let outcome = field("outcome").ok_or_else(|| wrong("an order needs its `outcome`"))?;
            let outcome = word(outcome).ok_or_else(|| wrong(&format!("\"{outcome}\" is no outcome; {OUTCOMES}")))?;
            stated.orders.push(FoundOrder { id: id.to_owned(), outcome, reason: field("reason").map(str::to_owned) });
            continue;
        }
        let account = field("account").map(str::to_owned).or_else(|| frame.account.clone()).ok_or_else(|| {
            wrong("it does not say which account: add the column `account`, or name it with --account")
        })?;
        let known = stated.statements.iter().position(|statement| statement.account == account);
        let index = known.unwrap_or_else(|| {
            stated.statements.push(Statement {
                id: String::new(),
                account,
                balances: Vec::new(),
                positions: Vec::new(),
                complete: false,
                source: frame.source.clone(),
                as_of: frame.as_of.clone(),
            });
            stated.statements.len() - 1
        });
        let Some(statement) = stated.statements.get_mut(index) else { continue };
        match (field("asset"), field("total"), field("instrument"), field("quantity")) {
            (Some(asset), Some(total), None, None) => {
                statement.balances.push(StatedBalance { asset: asset.to_owned(), total: total.to_owned() });
            }
            (None, None, Some(instrument), Some(quantity)) => statement
                .positions
                .push(StatedPosition { instrument: instrument.to_owned(), quantity: quantity.to_owned() }),
            _ => {
                return Err(wrong(
                    "a row states either an `asset` with its `total` or an `instrument` with its `quantity`",
                ));
            }
        }
    }
    Ok(stated)
}

/// What may become of an order, for people.
pub const OUTCOMES: &str = "it is one of accepted, filled, cancelled, rejected, expired, not-sent";

/// An outcome by its name; `unknown` finds nothing out.
pub fn word(text: &str) -> Option<Outcome> {
    [Outcome::Accepted, Outcome::Filled, Outcome::Cancelled, Outcome::Rejected, Outcome::Expired, Outcome::NotSent]
        .into_iter()
        .find(|outcome| outcome.name() == text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::collections::BTreeSet;

    fn frame() -> Frame {
        Frame { source: "s.csv".to_owned(), ..Frame::default() }
    }

    fn why(text: &str) -> String {
        read(text.as_bytes(), &frame()).unwrap_err().to_string()
    }

    #[test]
    fn rows_become_one_statement_an_account_and_no_digit_changes() {
        let text = "\u{feff}Account,asset,total,note,instrument,quantity\nkraken,USDT,0100.10,x,,\nspot, BTC ,0.5,,,\nkraken,,,,BTC/USDT,-0.50\n";
        let stated = read(text.as_bytes(), &frame()).unwrap();
        assert_eq!(stated.ignored, ["note"]);
        let [kraken, spot] = &stated.statements[..] else { panic!("{stated:?}") };
        assert_eq!((kraken.account.as_str(), kraken.balances[0].total.as_str()), ("kraken", "0100.10"));
        assert_eq!(kraken.positions[0].quantity, "-0.50");
        assert_eq!((spot.balances[0].asset.as_str(), spot.source.as_str()), ("BTC", "s.csv"));
        assert!(kraken.id.starts_with("file-") && kraken.id.ends_with("-kraken") && kraken.id != spot.id);
        assert_eq!(read(text.as_bytes(), &frame()).unwrap(), stated, "the same file, the same ids");
    }

    #[test]
    fn what_states_something_else_has_another_id() {
        let of = |text: &str, frame: &Frame| read(text.as_bytes(), frame).unwrap().statements[0].id.clone();
        let text = "asset,total\nUSDT,1.00\n";
        let today = Frame { account: Some("k".to_owned()), as_of: Some("2026-11-06T06:15:00Z".to_owned()), ..frame() };
        let others = [
            of("asset,total\nUSDT,1.01\n", &today),
            of(text, &Frame { as_of: Some("2026-11-07T06:15:00Z".to_owned()), ..today.clone() }),
            of(text, &Frame { complete: true, ..today.clone() }),
            of(text, &Frame { source: "other.csv".to_owned(), ..today.clone() }),
            of(text, &Frame { account: Some("l".to_owned()), ..today.clone() }),
        ];
        let mut ids = BTreeSet::from(others);
        assert_eq!(ids.len(), 5, "{ids:?}");
        assert!(ids.insert(of(text, &today)) && !ids.insert(of(text, &today)), "{ids:?}");
    }

    #[test]
    fn json_in_each_of_its_forms() {
        let one = r#"{"account":"kraken","balances":[{"asset":"USDT","total":"1.50"}],"complete":true,"as_of":"noon"}"#;
        let stated = read(one.as_bytes(), &frame()).unwrap();
        assert!(stated.statements[0].complete && stated.statements[0].as_of.as_deref() == Some("noon"));
        let list = format!("[{one}]");
        assert_eq!(read(list.as_bytes(), &frame()).unwrap().statements.len(), 1);
        let both = r#"{"statements":[{"id":"s-7","account":"k","positions":[{"instrument":"B","quantity":"1"}]}],
                       "orders":[{"id":"o-1","outcome":"not-sent","reason":"the venue has none"}]}"#;
        let stated = read(both.as_bytes(), &frame()).unwrap();
        assert_eq!((stated.statements[0].id.as_str(), stated.orders[0].outcome), ("s-7", Outcome::NotSent));
        let framed = Frame { account: Some("k".to_owned()), complete: true, ..frame() };
        let stated = read(br#"{"balances":[{"asset":"A","total":"1"}]}"#, &framed).unwrap();
        assert!(stated.statements[0].complete && stated.statements[0].account == "k");
    }

    #[test]
    fn orders_as_rows() {
        let stated = read(b"order,outcome,reason\no-1,filled,seen in the history\no-2,cancelled,\n", &frame()).unwrap();
        assert_eq!(stated.orders.len(), 2);
        assert_eq!(stated.orders[1], FoundOrder { id: "o-2".into(), outcome: Outcome::Cancelled, reason: None });
    }

    #[test]
    fn what_is_wrong_says_where_and_what_to_write() {
        for (text, says) in [
            ("", "empty"),
            ("  \n", "empty"),
            ("a,b\n1,2\n", "line 1: the first line must name the columns"),
            ("asset,total\nUSDT,1\n", "line 2: it does not say which account"),
            ("account,asset,total\nk,USDT,\n", "line 2: a row states either"),
            ("account,asset,total,instrument,quantity\nk,USDT,1,B,1\n", "line 2: a row states either"),
            ("account,asset,asset,total\nk,U,U,1\n", "stands twice"),
            ("account,asset,total\n", "states nothing"),
            ("order,outcome\no-1,maybe\n", "line 2: \"maybe\" is no outcome"),
            ("order,outcome\no-1,unknown\n", "\"unknown\" is no outcome"),
            ("account,asset,total\nk,USDT,1,2\n", "not CSV"),
            (r#"{"account":"k","balances":[{"asset":"A","total":1.5}]}"#, "an amount goes as a text"),
            (r#"{"account":"k","balance":[]}"#, "unknown field `balance`"),
            (r#"{"balances":[{"asset":"A","total":"1"}]}"#, "which account"),
            ("{\"account\":\"k\",\n\"balances\":[}", "line 2"),
            (r#"{"orders":[{"id":"o","outcome":"gone"}]}"#, "unknown variant `gone`"),
        ] {
            let why = why(text);
            assert!(why.contains(says), "{text:?}: {why}");
        }
    }

    #[test]
    fn bytes_that_are_nothing_never_panic() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let seeds = ["account,asset,total\nk,USDT,1.5\n", r#"{"account":"k","balances":[{"asset":"A","total":"1"}]}"#];
        for round in 0..5_000_usize {
            let mut bytes = seeds[round % 2].as_bytes().to_vec();
            for _ in 0..=round % 4 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = usize::try_from(state % bytes.len() as u64).unwrap();
                bytes[at] = u8::try_from(state >> 56).unwrap();
            }
            drop(read(&bytes, &frame()));
        }
    }
}
