//! failstop-journal
