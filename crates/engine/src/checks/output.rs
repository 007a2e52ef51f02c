//! Whether what components print can go where it is to go: the journal daemon takes entries.

use super::{Finding, Subject};
use crate::config::Destination;
use crate::output::is_the_journal;
use std::os::unix::net::UnixDatagram;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let output = &subject.config.output;
    let wants = |wanted: Destination| output.to.contains(&wanted);
    let mut places = Vec::new();
    if wants(Destination::Files) {
        places.push(format!("files of {} bytes, {} a component", output.max_size.0, output.files));
    }
    let by_stdout = wants(Destination::Stdout) && is_the_journal(&std::io::stdout());
    if wants(Destination::Stdout) && !by_stdout {
        places.push("standard output".to_owned());
    }
    if wants(Destination::Journal) || by_stdout {
        let socket = &output.journal_socket;
        let reached = UnixDatagram::unbound().and_then(|ours| ours.connect(socket));
        if let Err(error) = reached {
            return vec![Finding::warning(
                format!(
                    "the journal daemon takes no entries at {}: {error}; what components print is lost there",
                    socket.display()
                ),
                "correct `journal_socket` in [output], or write \"files\" in `to`",
            )];
        }
        places.push("the journal daemon".to_owned());
    }
    if places.is_empty() {
        return vec![Finding::warning(
            "what components print goes nowhere (`to = []` in [output])",
            "write \"files\" in `to`, so that it is there when somebody looks for a reason",
        )];
    }
    vec![Finding::passed(format!("what components print goes to {}", places.join(", ")))]
}
