//! The configuration is valid; what it holds that this version only keeps.

use super::{Finding, Subject};

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let config = subject.config;
    let file =
        config.file.file_name().map_or_else(|| config.file.display().to_string(), |n| n.to_string_lossy().into());
    let plural = if config.components.len() == 1 { "component" } else { "components" };
    let mut findings = vec![Finding::passed(format!("{file}, {} {plural}", config.components.len()))];
    findings.extend(config.notices.iter().map(|notice| Finding::warning(notice.message.clone(), notice.help.clone())));
    findings
}
