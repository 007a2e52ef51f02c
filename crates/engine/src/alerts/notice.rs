//! From the core's alert to the notifier's notice: the key, the words, and the marks that every alert of this system carries.

use crate::access::TraceId;
use crate::masking;
use failstop_core::{Alert, AlertChange, Cause, Place, Severity as CoreSeverity, Subject};
use failstop_notify::{Change, Key, KeyFault, Nature, Notice, Severity};

/// Whose alerts these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The system's name.
    pub system: String,
    /// `production`, `staging` or a name.
    pub environment: String,
}

impl Sender {
    /// The key of an incident: `demo/hung/bot/7-31`.
    ///
    /// # Errors
    /// [`KeyFault`], for names that the configuration refuses.
    pub fn key(&self, id: &failstop_core::AlertId) -> Result<Key, KeyFault> {
        Key::parse(&format!("{}/{id}", self.system))
    }
}

/// The notice of an alert that happened `at`, while the journal's durable head was `head`; the incident is followed as `trace`.
///
/// # Errors
/// [`KeyFault`], for names that the configuration refuses.
pub fn notice(
    alert: &Alert,
    sender: &Sender,
    at: jiff::Timestamp,
    head: &str,
    trace: TraceId,
) -> Result<Notice, KeyFault> {
    let words = alert.words(&Place { system: &sender.system, at: &clock_time(at) });
    let change = match &alert.change {
        AlertChange::Trigger => Change::Trigger,
        AlertChange::Recovered => Change::Update,
        AlertChange::Resolve(_) => Change::Resolve,
    };
    let severity = severity(alert.severity);
    let mut notice = Notice::new(sender.key(&alert.id)?, change, severity, words.title, at);
    notice.nature = nature(alert.id.subject);
    notice.system.clone_from(&sender.system);
    notice.environment.clone_from(&sender.environment);
    alert.id.subject.name().clone_into(&mut notice.cause);
    notice.component = alert.id.component.as_ref().map(|name| name.0.clone());
    notice.maintenance = alert.maintenance;
    notice.message = words.message;
    notice.root_cause = words.root_cause;
    notice.recommended_action = words.recommended_action;
    notice.runbook = Some(words.runbook);
    notice.trace_id = Some(trace.to_string());
    notice.metadata = metadata(alert);
    // Whoever keeps the message keeps the head off the host: a rewritten journal can be told by it.
    notice.head = (alert.severity == CoreSeverity::Critical).then(|| head.to_owned());
    Ok(notice)
}

/// The same with its texts as they may be shown: evidence and reasons are somebody else's words.
pub(super) fn covered(mut notice: Notice) -> Notice {
    notice.title = masking::owned(notice.title);
    notice.message = masking::owned(notice.message);
    notice.root_cause = masking::option(notice.root_cause);
    notice.recommended_action = masking::option(notice.recommended_action);
    notice.metadata = notice.metadata.into_iter().map(|(name, value)| (name, masking::owned(value))).collect();
    notice
}

/// `20:51:07Z`.
pub(super) fn clock_time(at: jiff::Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}

fn metadata(alert: &Alert) -> Vec<(String, String)> {
    let mut pairs = vec![("epoch".to_owned(), alert.id.epoch.0.to_string())];
    if let Some(halt) = &alert.halt {
        pairs.push(("halt".to_owned(), format!("h-{}", halt.id.0)));
        pairs.push(("cap".to_owned(), crate::words::permission(halt.cap).to_owned()));
        pairs.push(("latched".to_owned(), if halt.latched { "yes" } else { "no" }.to_owned()));
    }
    if let Some(crossing) = &alert.crossing {
        pairs.push(("resource".to_owned(), crossing.resource.name().to_owned()));
        pairs.push(("used".to_owned(), crossing.used.to_string()));
        pairs.push(("limit".to_owned(), crossing.limit.to_string()));
    }
    pairs.push(("permission".to_owned(), crate::words::permission(alert.permission).to_owned()));
    pairs
}

pub(super) const fn severity(severity: CoreSeverity) -> Severity {
    match severity {
        CoreSeverity::Info => Severity::Info,
        CoreSeverity::Warning => Severity::Warning,
        CoreSeverity::Critical => Severity::Critical,
    }
}

/// What may be kept from people: nothing of the kill switch, nothing of the journal's truth, no halt for good.
const fn nature(subject: Subject) -> Nature {
    match subject {
        Subject::Halt(cause) => match cause {
            Cause::KillSwitch => Nature::KillSwitch,
            Cause::Integrity | Cause::Witness | Cause::NewJournal => Nature::Integrity,
            Cause::Failsafe
            | Cause::Storage
            | Cause::OrdersInDoubt
            | Cause::HeartbeatLost
            | Cause::NoProgress
            | Cause::Hung
            | Cause::ComponentFailed
            | Cause::Unhealthy
            | Cause::Starting
            | Cause::Environment
            | Cause::ComponentDown
            | Cause::Reclaiming
            | Cause::DailyLoss
            | Cause::Maintenance
            | Cause::Clock
            | Cause::Overload
            | Cause::BotRequest => Nature::Halt,
        },
        Subject::EngineDied | Subject::StartFailed | Subject::Limit => Nature::Other,
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use failstop_core::{AlertId, ClearedBy, ComponentName, Epoch, Halt, HaltId, Permission, Scope, alert_severity};
    use std::time::Duration;

    pub(in super::super) fn sender() -> Sender {
        Sender { system: "demo".to_owned(), environment: "staging".to_owned() }
    }

    pub(in super::super) fn trace() -> TraceId {
        TraceId::of_incident(&[1; 16], "h-31")
    }

    pub(in super::super) fn alert(cause: Cause, number: u64) -> Alert {
        let halt = Halt {
            id: HaltId(number),
            cause,
            component: Some(ComponentName("bot".to_owned())),
            scope: Scope::System,
            cap: Permission::ObserveOnly,
            latched: true,
            trigger: None,
            evidence: "no beat within 2 min".to_owned(),
        };
        Alert {
            id: AlertId {
                subject: Subject::Halt(cause),
                component: halt.component.clone(),
                epoch: Epoch(7),
                halt: Some(halt.id),
                number: None,
            },
            change: AlertChange::Trigger,
            severity: alert_severity(&halt),
            crossing: None,
            unclean: failstop_core::Unclean::default(),
            halt: Some(halt),
            stood: Duration::ZERO,
            permission: Permission::ObserveOnly,
            others: 0,
            maintenance: true,
        }
    }

    #[test]
    fn a_critical_alert_carries_its_marks_its_words_and_the_head() {
        let at = "2026-11-03T20:51:07.5Z".parse().unwrap();
        let notice = notice(&alert(Cause::Hung, 31), &sender(), at, "seq 9", trace()).unwrap();
        assert_eq!(notice.key.as_str(), "demo/hung/bot/7-31");
        assert_eq!(
            (notice.change, notice.severity, notice.nature),
            (Change::Trigger, Severity::Critical, Nature::Halt)
        );
        assert_eq!(
            (notice.system.as_str(), notice.environment.as_str(), notice.cause.as_str()),
            ("demo", "staging", "hung")
        );
        assert_eq!(notice.component.as_deref(), Some("bot"));
        assert_eq!(notice.title, "demo: bot hangs, trading is halted");
        assert!(notice.message.starts_with("At 20:51:07Z: no beat within 2 min."), "{}", notice.message);
        assert_eq!(notice.head.as_deref(), Some("seq 9"));
        assert_eq!(notice.runbook.as_deref(), Some("docs/runbooks/hung.md"));
        assert_eq!(notice.trace_id, Some(trace().to_string()));
        assert!(notice.metadata.contains(&("halt".to_owned(), "h-31".to_owned())));
        assert!(notice.maintenance && !notice.drill);
    }

    #[test]
    fn no_text_of_an_alert_has_a_whole_address_and_its_names_are_as_they_were() {
        let address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let mut told = alert(Cause::BotRequest, 31);
        told.halt.iter_mut().for_each(|halt| halt.evidence = format!("wallet {address} is empty"));
        let at = "2026-11-03T20:51:07.5Z".parse().unwrap();
        let mut whole = notice(&told, &sender(), at, "seq 9", trace()).unwrap();
        whole.title = address.to_owned();
        whole.root_cause = Some(address.to_owned());
        whole.recommended_action = Some(address.to_owned());
        whole.metadata.push(("wallet".to_owned(), address.to_owned()));
        assert!(whole.message.contains(address), "{}", whole.message);
        let shown = covered(whole.clone());
        let text = format!("{shown:?}");
        assert!(!text.contains(address) && text.matches("…1BeAed").count() == 5, "{text}");
        assert_eq!((shown.key, shown.head), (whole.key, whole.head));
    }

    #[test]
    fn the_end_has_the_same_key_and_a_warning_no_head() {
        let at = "2026-11-03T20:51:07Z".parse().unwrap();
        let mut over = alert(Cause::Overload, 31);
        over.severity = CoreSeverity::Warning;
        let begun = notice(&over, &sender(), at, "seq 9", trace()).unwrap();
        over.change = AlertChange::Resolve(ClearedBy::Itself);
        let ended = notice(&over, &sender(), at, "seq 9", trace()).unwrap();
        assert_eq!(begun.key, ended.key);
        assert_eq!(ended.change, Change::Resolve);
        assert_eq!(begun.head, None);
    }

    #[test]
    fn nothing_of_the_kill_switch_and_of_the_journal_can_be_switched_off() {
        for cause in Cause::ALL {
            let nature = nature(Subject::Halt(cause));
            assert!(!nature.can_be_switched_off(), "{cause:?}");
        }
        assert_eq!(nature(Subject::Halt(Cause::KillSwitch)), Nature::KillSwitch);
        assert_eq!(nature(Subject::Halt(Cause::Integrity)), Nature::Integrity);
    }
}
