//! The end: what the next server needs becomes durable, and requests that made a ticket and wait are told that the server stops.

use super::answer::{EngineError, send_reply};
use super::clock::Tick;
use super::drive::{Engine, Phase};
use super::recovery::{Fatal, fatal_if_damaged};
use super::request::Request;
use lock_core::Command;

impl Engine {
    /// The last step: tickets whose maker waits and has nothing but its answer to know them by are cancelled, so that no
    /// permit is offered to them after the restart. No change stays deferred.
    ///
    /// # Errors
    /// If the store is damaged.
    pub fn finish(&mut self, tick: Tick) -> Result<(), Fatal> {
        self.flush(tick)?;
        let Phase::Leading(term) = &self.phase else { return Ok(()) };
        let activity_seqs = term.table.activity_seqs();
        let waiting: Vec<_> = self.waiters.take_all().into_iter().filter(|(_, wait)| wait.made).collect();
        let cancel = |id| Command::Undelivered { id, activity_seq: activity_seqs[&id], made: true };
        let batch = waiting.iter().map(|(id, _)| Request::report(cancel(*id))).collect();
        self.step(tick, batch)?;
        self.flush(tick)?;
        self.flush_deferred()?;
        self.save_the_end()?;
        if self.table().is_some() {
            waiting.into_iter().for_each(|(_, wait)| send_reply(Some(wait.reply), Err(EngineError::ShuttingDown)));
        }
        Ok(())
    }

    fn flush_deferred(&mut self) -> Result<(), Fatal> {
        while let Phase::Leading(term) = &mut self.phase
            && term.table.has_deferred_changes()
        {
            let mut changes = term.table.take_deferred_changes();
            changes.push(term.table.clock_change());
            if let Err(error) = self.commit_apart(&changes) {
                tracing::debug!("deferred changes are not written: {}", fatal_if_damaged(&error)?);
                break;
            }
        }
        Ok(())
    }

    /// The clock stops here, to the millisecond.
    fn save_the_end(&mut self) -> Result<(), Fatal> {
        let Phase::Leading(term) = &mut self.phase else { return Ok(()) };
        let table = &mut term.table;
        if !table.is_timed() && table.in_doubt_since().is_none() {
            return Ok(());
        }
        table.note_monotonic(0);
        table.end_doubt();
        let clock = table.clock_change();
        if let Err(error) = self.commit_apart(&[clock]) {
            tracing::debug!("the end of the clock is not written: {}", fatal_if_damaged(&error)?);
        }
        Ok(())
    }
}
