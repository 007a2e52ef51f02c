//! What is shipped beside the programs: units, images, rules, dashboards, the package, CI jobs and the guide, each tried with
//! the tool that will read it (systemd, Prometheus, dpkg, …) and, where it is about running, with the programs themselves.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

mod alarm;
mod ci;
mod compose;
mod dashboards;
mod files;
mod guide;
mod installed;
mod machine;
mod names;
mod rules;
mod running;
mod units;
