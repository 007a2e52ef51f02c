//! What a snapshot tells of the engine: the standing halts and the mode, from the engine's own records. Only what these records
//! have in common with every version is read; what else they say is for the engine.

use super::entry::Malformed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A standing halt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// Its number.
    pub id: u64,
    /// Why.
    pub cause: String,
    /// The component that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// How much it caps: `system` or `component`.
    pub scope: String,
    /// The most that is allowed while it stands.
    pub cap: String,
    /// Whether it needs an operator.
    pub latched: bool,
    /// Which fail-safe trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// What was seen.
    pub evidence: String,
}

#[derive(Deserialize)]
struct Cleared {
    id: u64,
}

#[derive(Deserialize)]
struct ModeSet {
    mode: String,
}

#[derive(Deserialize)]
struct Started {
    epoch: u64,
}

#[derive(Deserialize)]
struct Exited {
    component: String,
}

/// What an engine's record means for the book.
pub(crate) enum Meaning {
    Nothing,
    Started,
    Exited(String),
}

/// The engine's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct System {
    pub epoch: u64,
    /// By number, with the record that raised it.
    pub halts: BTreeMap<u64, (u64, Halt)>,
    pub mode: String,
}

impl Default for System {
    fn default() -> Self {
        Self { epoch: 0, halts: BTreeMap::new(), mode: "dry".to_owned() }
    }
}

impl System {
    /// Takes one of the engine's records.
    pub fn apply(&mut self, seq: u64, kind: &str, payload: &str) -> Result<Meaning, Malformed> {
        match kind {
            "engine.started" => {
                self.epoch = read::<Started>(kind, payload)?.epoch;
                Ok(Meaning::Started)
            }
            "halt.raised" => {
                let halt: Halt = read(kind, payload)?;
                self.halts.insert(halt.id, (seq, halt));
                Ok(Meaning::Nothing)
            }
            "halt.cleared" => {
                self.halts.remove(&read::<Cleared>(kind, payload)?.id);
                Ok(Meaning::Nothing)
            }
            "mode.set" => {
                self.mode = read::<ModeSet>(kind, payload)?.mode;
                Ok(Meaning::Nothing)
            }
            "component.exited" => Ok(Meaning::Exited(read::<Exited>(kind, payload)?.component)),
            _ => Ok(Meaning::Nothing),
        }
    }

    /// The least that the halts on the whole system allow. A cap that this version does not know allows nothing.
    pub fn permission(&self) -> &'static str {
        const RISING: [&str; 4] = ["shutdown", "observe-only", "reduce-only", "active"];
        let rank = |cap: &str| RISING.iter().position(|known| *known == cap).unwrap_or(0);
        let caps = self.halts.values().filter(|(_, halt)| halt.scope != "component").map(|(_, halt)| rank(&halt.cap));
        RISING[caps.min().unwrap_or(RISING.len() - 1)]
    }
}

fn read<'a, T: Deserialize<'a>>(kind: &str, payload: &'a str) -> Result<T, Malformed> {
    serde_json::from_str(payload).map_err(|error| super::entry::malformed(kind, payload, &error))
}
