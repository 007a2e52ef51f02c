//! The loop: sleep until something happens or is due, hand it in, make the turn.

use super::build::{BuildError, build};
use super::health::{Limits, Signs, reasons};
use super::{App, EVENTS_MAX, Event};
use crate::clock::{self, Reading};
use crate::config::{Config, Listen, LogFormat};
use crate::disk::{DiskError, StateDir};
use crate::doors::control;
use crate::heart::time::Now;
use crate::heart::{Heart, Input};
use crate::log::{Format, Log};
use crate::systemd::Systemd;
use crate::witness::shown::ShownLog;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// A sign of life is written this often; no sleep is longer, so that a jump of the clocks is seen soon.
const ALIVE: Duration = Duration::from_secs(5);

/// What every system showed last, in the state directory.
const SHOWN: &str = "witness-shown.ndjson";

/// A loop that did not wake for so long stood still, milliseconds.
const STALLED_MS: i64 = 30_000;

/// Why the watchdog cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Keys, secrets, certificates.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Its state.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Its address.
    #[error("cannot listen on {address}: {source}\n  next: free the port, or set `listen` in [watchdog]")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The notifier.
    #[error("alerts: {0}")]
    Alerts(#[from] failstop_notify::OpenError),
    /// Its control socket or its signals.
    #[error("{what}: {source}")]
    Io {
        /// What.
        what: String,
        /// Why.
        source: io::Error,
    },
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// [`RunError`], before anything is watched.
pub async fn run(config: Config) -> Result<(), RunError> {
    let log = Log { format: if config.watchdog.log_format == LogFormat::Json { Format::Json } else { Format::Text } };
    let mut built = build(&config)?;
    let state = StateDir::hold(&config.watchdog.state_dir)?;
    let (stored, alive) = state.load()?;
    let shown = ShownLog::open(&state.path().join(SHOWN)).map_err(BuildError::Store)?;
    built.witness(&state.path().join("witness"), &shown)?;
    let name = built.settings.name.clone();
    let (alert_config, unusable) = config.alerts.config(&name);
    let first = Reading::take();
    let now = first.now();
    for one in &unusable {
        log.warn(now.wall, &format!("the channel {} cannot be used: {}", one.channel, one.fault));
    }
    let (alerts, driver) = failstop_notify::open(alert_config, &state.path().join("outbox"))?;
    let (stop_alerts, alerts_stopped) = oneshot::channel::<()>();
    let driver = tokio::task::spawn_local(driver.run(async move {
        let _ = alerts_stopped.await;
    }));

    let (events, mut waiting) = mpsc::channel(EVENTS_MAX);
    let mut listening = None;
    if let Listen::At(address) = config.watchdog.listen {
        let listener = TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
        listening = listener.local_addr().ok();
        tokio::task::spawn_local(super::serve::serve(listener, events.clone()));
    }
    let socket = control::listen(state.path())
        .map_err(|source| RunError::Io { what: "the control socket".to_owned(), source })?;
    tokio::task::spawn_local(super::serve::serve_control(socket, events.clone()));

    let boot_id = clock::boot_id();
    let (stored, was) = stored.on_this_boot(alive.as_ref(), &boot_id, now);
    let mut app = App {
        name,
        environment: config.watchdog.environment.clone(),
        heart: Heart::new(built.settings, stored, was, now),
        state,
        boot_id,
        log,
        tls: built.tls,
        watched: built.watched,
        shown,
        checkin_tokens: built.checkin_tokens,
        references: built.references,
        peer: built.peer,
        outside: built.outside,
        outside_trouble: super::outside::Trouble::default(),
        alerts,
        limits: Limits {
            outbox_max_age: config.watchdog.outbox_max_age,
            prove_channels: config.watchdog.prove_channels,
        },
        systemd: Systemd::from_env(),
        events,
        last: first,
        asked: Vec::new(),
        tell_again_at: None,
        save_trouble: None,
        unsaved: false,
        shown_trouble: None,
        meters: crate::doors::metrics::Meters::default(),
    };
    let what = |what: &str| {
        let what = what.to_owned();
        move |source| RunError::Io { what, source }
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(what("SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(what("SIGINT"))?;
    let place = listening.map_or_else(|| "nowhere".to_owned(), |address| address.to_string());
    app.log.info(
        now.wall,
        &format!("watches {} targets and {} check-ins, listens on {place}", app.watched.len(), config.checkins.len()),
    );
    app.mark_alive(now);
    app.end_old_drills(now);
    app.turn(now);
    app.systemd.ready();
    let beat = app.systemd.beat_every();
    loop {
        let sleep = app.sleep(beat);
        let event = tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            event = waiting.recv() => event,
            () = tokio::time::sleep(sleep) => None,
        };
        app.wake(event);
        // Whatever else is ready goes into the same turn's company before the next sleep, but never without a turn of its own.
        for _ in 0..EVENTS_MAX {
            let Ok(event) = waiting.try_recv() else { break };
            app.wake(Some(event));
        }
    }
    let now = clock::now();
    app.systemd.stopping();
    app.log.info(now.wall, "stops on request");
    app.mark_alive(now);
    app.write_all_shown();
    // What is on its way gets a few seconds; the rest waits in the outbox for the next start.
    let _ = stop_alerts.send(());
    drop(app);
    let _ = driver.await;
    Ok(())
}

impl App {
    fn sleep(&self, beat: Option<Duration>) -> Duration {
        let now = clock::now();
        let until = |at: crate::heart::time::Boot| Duration::from_millis(at.since(now.boot));
        let most = beat.unwrap_or(ALIVE).min(ALIVE);
        let due = [self.heart.next(), self.tell_again_at, self.shown.due()];
        due.into_iter().flatten().map(until).fold(most, Duration::min)
    }

    /// One event, or a deadline.
    fn wake(&mut self, event: Option<Event>) {
        let reading = Reading::take();
        let now = reading.now();
        let before = std::mem::replace(&mut self.last, reading);
        if let Some(jump) = reading.jump_since(before, STALLED_MS) {
            self.heart.handle(now, Input::Jumped { jump, before: before.now() });
            self.turn(now);
        }
        let input = match event {
            None => Some(Input::Tick),
            Some(Event::Fact(input)) => Some(input),
            Some(Event::PeerAnswered { ticket, answer }) => {
                let able = self.health_reasons(now).is_empty();
                Some(Input::PeerAnswered { ticket, answer, able })
            }
            Some(Event::Probed { target, connection, input }) => {
                if let Some(watched) = self.watched.get_mut(target) {
                    watched.connection = connection;
                }
                Some(input)
            }
            Some(Event::Compared { target, compared }) => self.compared(now, target, compared),
            Some(Event::Told { key, change, result }) => self.told(now, key, change, result),
            Some(Event::OutsidePinged(result)) => {
                self.outside_pinged(now, result);
                None
            }
            Some(Event::Asked { asked, reply }) => {
                let answer = self.answer(now, &asked);
                // Whoever asked may be gone.
                let _ = reply.send(answer);
                None
            }
            Some(Event::Commanded { asked, reply }) => {
                self.command(now, &asked, reply);
                None
            }
        };
        if let Some(input) = input {
            self.heart.handle(now, input);
        }
        self.turn(now);
        if self.tell_again_at.is_some_and(|at| at <= now.boot) {
            self.tell_again_at = None;
            for notice in self.heart.unrecorded() {
                self.tell(now, &notice);
            }
        }
        self.write_shown(now);
        self.mark_alive_where_due(now);
    }

    fn mark_alive_where_due(&mut self, now: Now) {
        if now.boot.since(self.meters.alive_at) >= 5_000 {
            self.mark_alive(now);
            self.compare_waiting(now);
            let view = self.heart.view(now);
            let down = view.targets.iter().filter(|target| target.state == "down").count();
            self.systemd.status(&format!("{} targets, {down} down", view.targets.len()));
        }
        if self.systemd.beat_every().is_some() {
            self.systemd.beat();
        }
    }

    fn mark_alive(&mut self, now: Now) {
        if self.unsaved {
            self.save(now);
        }
        self.meters.alive_at = now.boot;
        if let Err(error) = self.state.mark_alive(&clock::mark(now, &self.boot_id)) {
            self.save_trouble = Some(error.to_string());
        }
    }

    /// Every reason that keeps this watchdog from healthy.
    pub(super) fn health_reasons(&self, now: Now) -> Vec<String> {
        let alerts = self.alerts.status();
        let signs = Signs {
            overdue_ms: self.heart.overdue_ms(now),
            alerts: &alerts,
            save_trouble: self.save_trouble.as_deref().or(self.shown_trouble.as_deref()),
        };
        reasons(signs, self.limits)
    }
}
