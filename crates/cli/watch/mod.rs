//! `failstop status --watch` on a terminal: the status as a picture that follows its engine, in the order of every other one. Drawn
//! by `screen`; here is what it is fed with and what the keys do.

mod screen;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::nagios;
use failstop_client::status::Status;
use jiff::Timestamp;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use screen::{Paint, Picture};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

/// How often the engine is asked.
const EVERY: Duration = Duration::from_secs(2);

/// How long a key or a new size may wait, and so how soon an answer is drawn.
const ATTENTION: Duration = Duration::from_millis(200);

/// Whether this terminal can show it: not one that says of itself that it cannot move its cursor.
pub fn is_possible() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty())
}

/// Shows it until somebody ends it. The exit status is the last verdict.
pub fn watch(ask: impl Fn() -> Result<Status, Failure> + Send + 'static) -> Result<Exit, Failure> {
    // Asked once before the screen is taken: what can never be answered is told as always.
    let first = ask();
    if let Err(failure) = &first
        && failure.exit() == Exit::Usage
    {
        crate::out::complain(&failure.report());
        return Ok(Exit::Unknown);
    }
    let (tell, told) = sync_channel(1);
    let _ = tell.send(answer(first));
    // It ends with the process: an engine that does not answer must not hold up whoever wants to leave.
    std::thread::Builder::new().name("ask".to_owned()).spawn(move || follow(&ask, &tell)).map_err(Failure::Output)?;
    // Puts the terminal back on a panic, too.
    let mut terminal = ratatui::try_init().map_err(Failure::Output)?;
    let ended = show(&mut terminal, &told);
    let restored = ratatui::try_restore();
    let exit = ended.map_err(Failure::Output)?;
    restored.map_err(Failure::Output)?;
    Ok(exit)
}

/// An answer, or why there is none.
type Answer = Result<Box<Status>, String>;

fn answer(asked: Result<Status, Failure>) -> Answer {
    asked.map(Box::new).map_err(|failure| failure.report())
}

fn follow(ask: &impl Fn() -> Result<Status, Failure>, tell: &SyncSender<Answer>) {
    loop {
        std::thread::sleep(EVERY);
        if tell.send(answer(ask())).is_err() {
            return;
        }
    }
}

fn show(terminal: &mut DefaultTerminal, told: &Receiver<Answer>) -> std::io::Result<Exit> {
    let paint = Paint::of_environment();
    let mut picture = Picture::default();
    let mut stale = true;
    loop {
        match told.try_recv() {
            Ok(answer) => {
                picture.heard(answer, Timestamp::now());
                stale = true;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(verdict(&picture)),
        }
        if std::mem::take(&mut stale) {
            terminal.draw(|frame| picture.draw(frame, paint, Timestamp::now()))?;
        }
        if !event::poll(ATTENTION)? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                if !obey(&mut picture, key) {
                    return Ok(verdict(&picture));
                }
                stale = true;
            }
            Event::Resize(..) => stale = true,
            Event::Key(_) | Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Paste(_) => {}
        }
    }
}

/// Whether to go on.
fn obey(picture: &mut Picture, key: KeyEvent) -> bool {
    match (key.code, key.modifiers) {
        (KeyCode::Char('c' | 'd'), KeyModifiers::CONTROL) | (KeyCode::Char('q') | KeyCode::Esc, _) => return false,
        (KeyCode::Down | KeyCode::Char('j'), _) => picture.scroll(1),
        (KeyCode::Up | KeyCode::Char('k'), _) => picture.scroll(-1),
        (KeyCode::PageDown | KeyCode::Char(' '), _) => picture.page(1),
        (KeyCode::PageUp, _) => picture.page(-1),
        (KeyCode::Home | KeyCode::Char('g'), _) => picture.scroll(i32::MIN),
        (KeyCode::End | KeyCode::Char('G'), _) => picture.scroll(i32::MAX),
        (_, _) => {}
    }
    true
}

fn verdict(picture: &Picture) -> Exit {
    picture.status().map_or(Exit::Unknown, nagios::verdict)
}
