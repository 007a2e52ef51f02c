//! What the witness remembers agrees with the journal. It cannot be asked: an environment that is not as it must be, and asked
//! again. It remembers otherwise: the halt `witness`.

use super::{Finding, Subject};
use crate::outside;
use failstop_journal::verify::Agreement;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let witness = &subject.config.witness;
    let Some(source) = witness.source() else {
        return vec![Finding::passed("none is configured: nobody outside this host remembers the journal's heads")];
    };
    let memory = match outside::memory(&source, witness.ca_file.as_deref(), witness.timeout) {
        Ok(memory) => memory,
        Err(why) => {
            return vec![Finding::undetermined(
                format!("what the witness remembers is not to be had: {why}"),
                "see that the watchdog runs, and [witness] in the configuration; it is asked again by itself",
            )];
        }
    };
    vec![match memory.agreement(subject.config.state_dir()) {
        Ok(Agreement { disagreement: Some(what), .. }) => Finding::failed(what, "see docs/runbooks/witness.md"),
        Ok(Agreement { last_agreed: Some(last), .. }) => {
            Finding::passed(format!("{} agrees, up to record {last}", memory.witness))
        }
        Ok(Agreement { last_agreed: None, .. }) => {
            Finding::passed(format!("{} remembers nothing of this system yet", memory.witness))
        }
        Err(error) => Finding::undetermined(error.to_string(), "find out why, for example with `failstop verify-data`"),
    }]
}
