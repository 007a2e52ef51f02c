//! A program of one's own: the message as JSON on its standard input, the gist of it in its environment.

use crate::answer::Answer;
use crate::message::Message;
use crate::settings::Revealed;
use crate::transport::program::{Call, Ended};
use failstop_settings::{Argv, Consistent, section, within};
use std::time::Duration;

/// A program of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The program and its arguments.
    pub command: Vec<String>,
}

/// Statuses by which a program says that trying again is of no use: usage, data, configuration (sysexits.h), and a shell's
/// "cannot execute" and "not found".
const PERMANENT: [i32; 5] = [64, 65, 78, 126, 127];

/// A shell gives this and the number of the signal that ended a program.
const KILLED: i32 = 128;

impl Exec {
    /// The call of one attempt.
    pub(crate) fn call(&self, message: &Message) -> Call {
        let notice = &message.order.notice;
        let variable = |name: &str, value: &str| (format!("FAILSTOP_ALERT_{name}"), value.replace('\0', " "));
        let environment = vec![
            variable("ID", &message.id),
            variable("KEY", message.order.key.as_str()),
            variable("TYPE", message.word()),
            variable("SEVERITY", notice.severity.name()),
            variable("SYSTEM", &notice.system),
            variable("CAUSE", &notice.cause),
            variable("ENVIRONMENT", &notice.environment),
            variable("DRILL", if notice.drill { "1" } else { "0" }),
            variable("TRACE_ID", notice.trace_id.as_deref().unwrap_or_default()),
            variable("TITLE", &message.text.headline),
        ];
        Call { command: self.command.clone(), environment, input: format!("{}\n", message.document()).into_bytes() }
    }

    /// What the end of the program means.
    pub(crate) fn answer(ended: &Ended) -> Answer {
        match ended {
            Ended::Status(0) => Answer::ok(),
            Ended::Status(status) if *status > KILLED => {
                Answer::Ambiguous { reason: format!("ended by signal {}", status - KILLED) }
            }
            Ended::Status(status) if PERMANENT.contains(status) => {
                Answer::permanent(format!("ended with status {status}: trying again is of no use; correct `command`"))
            }
            Ended::Status(status) => Answer::retry(format!("ended with status {status}")),
            Ended::Unknown => Answer::Ambiguous { reason: "ended, and nobody knows how".into() },
            Ended::TimedOut => Answer::Ambiguous { reason: "did not end within the time-out and was killed".into() },
            Ended::NotStarted(std::io::ErrorKind::NotFound) => {
                Answer::permanent("the program is not there; correct `command`")
            }
            Ended::NotStarted(std::io::ErrorKind::PermissionDenied) => {
                Answer::permanent("the program may not be executed; correct its mode or `command`")
            }
            Ended::NotStarted(kind) => Answer::retry(format!("cannot be started: {kind}")),
        }
    }
}

section! {
    /// A program of your own: it gets the alert as JSON on its standard input.
    pub struct ExecTable {
        /// The program and its arguments. Status 0 is delivered; 64, 65, 78, 126 and 127 are final; any other is tried again.
        command: Argv, required ["/usr/local/bin/alert"];
        /// How long it may run before it is killed.
        timeout: Duration, default "30s", within("1s", "10m");
    }
}

impl Consistent for ExecTable {}

impl ExecTable {
    /// The channel.
    pub(crate) fn revealed(&self) -> Revealed {
        let exec = Exec { command: self.command.as_slice().to_vec() };
        Revealed { kind: crate::Kind::Exec(exec), timeout: self.timeout }
    }
}
