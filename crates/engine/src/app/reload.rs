//! SIGHUP: the components that want it are asked to read their configuration again, and the service manager is told when that
//! is over. failstop's own configuration is read at its start only.

use super::engine::Engine;
use crate::status::words;
use failstop_core::Input;

impl Engine {
    /// The guard handed on a SIGHUP.
    pub(super) fn reload_on_signal(&mut self) {
        let asked = self.blueprints.iter().filter(|blueprint| blueprint.reload_signal.is_some()).count();
        let own = "failstop's own configuration is read at its start only: restart it for a change there";
        self.say("engine", &match asked {
            0 => format!("SIGHUP: no component has a `reload_signal`; {own}"),
            1 => format!("SIGHUP: the component that has a `reload_signal` is asked to reload, if it is ready; {own}"),
            many => format!("SIGHUP: the {many} components that have a `reload_signal` are asked to reload, as far as they are ready; {own}"),
        });
        let line = self.systemd.reloading();
        self.tell_systemd(line);
        self.reloading = true;
        self.feed(Input::ReloadRequested);
        self.reload_may_be_over();
    }

    /// Tells the service manager that a reload is over, once no component is at it.
    pub(super) fn reload_may_be_over(&mut self) {
        if self.reloading && !self.core.components().iter().any(|component| component.reloading) {
            self.reloading = false;
            let line = self.systemd.ready(words::permission(self.core.permission()));
            self.tell_systemd(line);
        }
    }
}
