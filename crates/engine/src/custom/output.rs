//! What a program prints, in a pipe and nowhere else: it is read once the program has ended. Whoever prints more than a pipe holds
//! waits, and is killed when its time is up; neither failstop's memory nor its loop knows of it.

use crate::probing::{Answer, Outcome, Page, ProbeFault, judge};
use crate::process::program::ProgramEnd;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::io::{self, PipeReader, Read as _};
use std::os::fd::OwnedFd;

/// The most that a program may print, bytes. A pipe holds at least twice that, also where writes leave gaps in its pages.
pub const OUTPUT_MAX: usize = 32 * 1024;

/// What comes out of the program's standard output.
#[derive(Debug)]
pub struct Printed(PipeReader);

/// What is read here, and where the program is to print.
///
/// # Errors
/// No descriptors are left.
pub fn pipe() -> io::Result<(Printed, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    // What it left running may still have the other end: nobody waits for that.
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((Printed(reader), writer.into()))
}

impl Printed {
    /// What came of the program: what it printed, where it ended with status 0 and printed no more than it may.
    pub fn outcome(self, program: &str, end: ProgramEnd) -> Outcome {
        let timed_out = end == ProgramEnd::TimedOut;
        let judged = judge(program, end);
        if judged.is_err() && !timed_out {
            return judged;
        }
        let fault = |how: &str| ProbeFault::Program { program: program.to_owned(), how: how.to_owned() };
        let body = self.take().map_err(|error| fault(&format!("printed what cannot be read: {error}")))?;
        if body.len() > OUTPUT_MAX {
            // Also where its time was up: it waited for somebody to take what it printed.
            return Err(fault(&format!("prints more than {} KiB", OUTPUT_MAX / 1024)));
        }
        Ok(Answer { page: Some(Page { status: 0, body }), ..judged? })
    }

    /// What is there, one byte more than it may be at most.
    fn take(self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        let most = u64::try_from(OUTPUT_MAX + 1).unwrap_or(u64::MAX);
        match self.0.take(most).read_to_end(&mut body) {
            Ok(_) => Ok(body),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(body),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use failstop_core::Exit;
    use std::io::Write as _;

    const WELL: ProgramEnd = ProgramEnd::Ended(Exit::Status(0));

    fn said(outcome: Outcome) -> Result<Vec<u8>, String> {
        outcome.map(|answer| answer.page.unwrap().body).map_err(|fault| fault.to_string())
    }

    fn printing(bytes: &[u8], end: ProgramEnd) -> Result<Vec<u8>, String> {
        let (printed, writer) = pipe().unwrap();
        std::fs::File::from(writer).write_all(bytes).unwrap();
        said(printed.outcome("p", end))
    }

    #[test]
    fn what_it_printed_counts_where_it_ended_well_and_printed_no_more_than_it_may() {
        assert_eq!(printing(b"7\n", WELL), Ok(b"7\n".to_vec()));
        assert_eq!(printing(b"", WELL), Ok(Vec::new()));
        assert_eq!(printing(&[b'1'; OUTPUT_MAX], WELL), Ok(vec![b'1'; OUTPUT_MAX]));
        assert_eq!(printing(&[b'1'; OUTPUT_MAX + 1], WELL), Err("p prints more than 32 KiB".to_owned()));
        assert_eq!(printing(b"7\n", ProgramEnd::Ended(Exit::Status(1))), Err("p ended with status 1".to_owned()));
        assert_eq!(printing(b"7\n", ProgramEnd::TimedOut), Err("p: no answer in time".to_owned()));
        assert_eq!(
            printing(&[b'1'; OUTPUT_MAX + 1], ProgramEnd::TimedOut),
            Err("p prints more than 32 KiB".to_owned())
        );
    }

    #[test]
    fn somebody_who_still_holds_the_other_end_holds_up_nobody() {
        let (printed, writer) = pipe().unwrap();
        let mut held = std::fs::File::from(writer);
        held.write_all(b"7\n").unwrap();
        assert_eq!(said(printed.outcome("p", WELL)), Ok(b"7\n".to_vec()));
        assert!(held.write_all(b"8\n").is_err(), "and nobody reads it any more");
    }
}
