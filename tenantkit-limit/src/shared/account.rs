//! [`Account`]: what one process knows and holds of one tenant's quota, and how it decides from that.
//!
//! Plain arithmetic, without locks, clocks or a network: times are nanoseconds of the process' clock,
//! and `stamp`s microseconds of the server's.

use std::{sync::Arc, time::Duration};

use super::terms::Terms;
use crate::{
    quota::{Quota, Window},
    rate::Denial,
};

/// How a tenant stands in each window: what remains, and in how long all of it is there again.
pub(crate) type Each = [(u32, Duration); Quota::MAX_WINDOWS];

/// Of one tenant's quota.
#[derive(Debug)]
pub(super) struct Account {
    terms: Arc<Terms>,
    /// Leased and not spent, what ends first first.
    lots: [Lot; 2],
    /// Leased, and ended unspent.
    back: Lot,
    /// Spent on credit.
    owed: u32,
    /// Of that, what the call under way tells of.
    told: u32,
    /// What Redis said of each window at `heard`, leases of this process among it.
    levels: [f64; Quota::MAX_WINDOWS],
    heard: u64,
    /// What was asked for since the last call, allowed or not.
    demand: u32,
    called: Option<u64>,
    /// The largest cost that was refused for want of tokens since the last call.
    wanted: u32,
    /// With fewer tokens it asks for more.
    low: u32,
    /// Since when it waits for a call.
    due: Option<u64>,
}

/// Tokens of one lease.
#[derive(Debug, Clone, Copy, Default)]
struct Lot {
    tokens: u32,
    /// When the server gave them.
    stamp: u64,
    /// When they are void here.
    until: u64,
}

/// What is told to Redis, and asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) debt: u32,
    pub(super) want: u32,
    pub(super) least: u32,
    pub(super) back: u32,
    pub(super) back_stamp: u64,
}

/// What Redis answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    pub(super) leased: u32,
    pub(super) levels: [f64; Quota::MAX_WINDOWS],
    pub(super) stamp: u64,
}

/// The spans that a decision depends on, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spans {
    /// How long tokens may be spent.
    pub(super) term: u64,
    /// How long a call waits for company.
    pub(super) linger: u64,
    /// How long an account waits for a call before it is on its own.
    pub(super) patience: u64,
}

/// That something was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Redis has not heard of all of it yet.
    pub(super) on_credit: bool,
    /// What of it is given back must be spent before this.
    pub(super) until: u64,
}

impl Account {
    pub(super) fn new(terms: Arc<Terms>) -> Self {
        Self {
            terms,
            lots: [Lot::default(); 2],
            back: Lot::default(),
            owed: 0,
            told: 0,
            levels: [0.0; Quota::MAX_WINDOWS],
            heard: 0,
            demand: 0,
            called: None,
            wanted: 0,
            low: 0,
            due: None,
        }
    }

    /// Decides under these terms from here on. What is known stays known, in cost.
    pub(super) fn set_terms(&mut self, terms: &Arc<Terms>) {
        if Arc::ptr_eq(&self.terms, terms) {
            return;
        }
        if self.terms.quota != terms.quota {
            // Windows may have changed places: the fullest stands for all until Redis has spoken.
            let fullest = self.levels.into_iter().fold(0.0, f64::max);
            for (level, (_, burst)) in self.levels.iter_mut().zip(terms.windows()) {
                *level = fullest.min(*burst);
            }
        }
        self.terms = Arc::clone(terms);
    }

    pub(super) fn quota(&self) -> &Quota {
        &self.terms.quota
    }

    /// Whether it has waited for a call for so long that what it knows is no more to go by.
    pub(super) fn is_forsaken(&self, now: u64, spans: &Spans) -> bool {
        self.due.is_some_and(|due| now > due.saturating_add(spans.patience))
    }

    /// What [`take`](Self::take) would say. A refusal counts as one: what is refused for want of tokens
    /// is why more are asked for.
    pub(super) fn peek(&mut self, cost: u32, now: u64, spans: &Spans) -> Result<(), Denial> {
        let held = self.held(now);
        if held >= cost || self.has_credit(cost - held, now) {
            return Ok(());
        }
        self.take(cost, now, spans).map(drop)
    }

    /// Takes `cost`, or nothing.
    pub(super) fn take(&mut self, cost: u32, now: u64, spans: &Spans) -> Result<Taken, Denial> {
        self.never(cost)?;
        self.demand = self.demand.saturating_add(cost);
        self.expire(now);
        let held = self.held(now);
        if held >= cost {
            return Ok(Taken { on_credit: false, until: self.spend(cost) });
        }
        let short = cost - held;
        if self.has_credit(short, now) {
            let until = self.spend(held).min(now.saturating_add(spans.term));
            self.owed = self.owed.saturating_add(short);
            return Ok(Taken { on_credit: true, until });
        }
        self.wanted = self.wanted.max(cost);
        Err(self.denial(short, now, spans))
    }

    /// Gives tokens back that were not needed, and may be spent until the ones that were taken ended.
    pub(super) fn give_back(&mut self, tokens: u32, until: u64, now: u64) {
        if until <= now {
            return;
        }
        self.expire(now);
        // What was on credit and is not told yet is simply not owed.
        let unsaid = tokens.min(self.owed);
        self.owed -= unsaid;
        let [first, second] = &mut self.lots;
        let into = if first.tokens > 0 { first } else { second };
        if into.tokens == 0 {
            *into = Lot { tokens: 0, stamp: into.stamp, until };
        }
        into.until = into.until.min(until);
        into.tokens = into.tokens.saturating_add(tokens - unsaid);
    }

    /// Owes more, whatever is there. Answers what was beyond twice the burst.
    pub(super) fn force(&mut self, more: u32) -> u32 {
        let most = self.terms.quota.largest_cost().saturating_mul(2);
        let fits = more.min(most.saturating_sub(self.owed.saturating_add(self.told)));
        self.owed += fits;
        more - fits
    }

    /// Whether Redis should hear of it now. Then it is due, and says so once.
    pub(super) fn becomes_due(&mut self, now: u64) -> bool {
        if self.due.is_some() {
            return false;
        }
        let held = self.held(now);
        let short = self.wanted.saturating_sub(held).max(1);
        let starves = held <= self.low && self.demand > 0 && self.wait(short, now) == 0;
        let due = self.owed > 0 || self.back.tokens > 0 || starves;
        if due {
            self.due = Some(now);
        }
        due
    }

    /// Whether tokens ended unspent that Redis should have back. Where all windows have earned as much
    /// since, there is nothing to give.
    pub(super) fn lapses(&mut self, now: u64, spans: &Spans) -> bool {
        self.expire(now);
        let tokens = f64::from(self.back.tokens);
        if self.terms.windows().iter().all(|(rate, _)| tokens <= rate * spans.term as f64) {
            self.back = Lot::default();
        }
        self.becomes_due(now)
    }

    /// What is to be told and asked, in the call that begins now.
    pub(super) fn ask(&mut self, now: u64, spans: &Spans) -> Ask {
        self.expire(now);
        self.told = self.told.saturating_add(std::mem::take(&mut self.owed));
        let demand = std::mem::take(&mut self.demand);
        let horizon = 2 * spans.linger;
        let expected = match self.called.replace(now) {
            // Long ago is no measure of now.
            Some(before) if now.saturating_sub(before) <= spans.term => {
                let span = now.saturating_sub(before).max(1);
                u64::from(demand).saturating_mul(horizon) / span
            }
            _ => u64::from(demand).saturating_mul(2),
        };
        let expected = u32::try_from(expected).unwrap_or(u32::MAX).min(self.terms.lease);
        let wanted = std::mem::take(&mut self.wanted);
        self.low = expected / 2;
        let held = self.held(now);
        let Lot { tokens: back, stamp: back_stamp, .. } = std::mem::take(&mut self.back);
        Ask {
            debt: self.told,
            want: expected.max(wanted).saturating_sub(held),
            least: wanted.saturating_sub(held),
            back,
            back_stamp,
        }
    }

    /// What came of the call that began at `asked`, and when what was leased by it ends, if anything
    /// was.
    pub(super) fn hear(
        &mut self,
        answer: &Answer,
        asked: u64,
        now: u64,
        spans: &Spans,
    ) -> Option<u64> {
        self.due = None;
        self.told = 0;
        self.levels = answer.levels;
        self.heard = now;
        self.expire(now);
        // From before it was given: the server's term has not ended when this one has.
        let until = asked.saturating_add(spans.term);
        if answer.leased == 0 || until <= now {
            return None;
        }
        let [first, second] = self.lots;
        if second.tokens > 0 {
            // Together they end when the first does.
            let tokens = first.tokens.saturating_add(second.tokens);
            let earlier = if first.tokens > 0 { first } else { second };
            self.lots[0] = Lot { tokens, ..earlier };
        }
        self.lots[1] = Lot { tokens: answer.leased, stamp: answer.stamp, until };
        Some(until)
    }

    /// The call failed, or nobody knows whether it did: what was told is told again.
    pub(super) fn failed(&mut self) {
        self.due = None;
        self.owed = self.owed.saturating_add(std::mem::take(&mut self.told));
    }

    /// Whether it says the same as no account.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        let drained = self.known(now).all(|(level, _, _)| level <= 0.0);
        drained && self.due.is_none() && self.owed == 0 && self.told == 0 && self.held(now) == 0
    }

    /// How the tenant stands, as far as this process knows: what remains of the whole quota, and what
    /// it holds of it.
    pub(super) fn each(&self, now: u64) -> Each {
        let mut each = [(0, Duration::ZERO); Quota::MAX_WINDOWS];
        let (held, unheard) = (f64::from(self.held(now)), self.unheard());
        for (place, (level, rate, burst)) in each.iter_mut().zip(self.known(now)) {
            let level = level + unheard;
            // Both are in the range of the types, and a cast saturates.
            let remaining = (burst - level + held).clamp(0.0, burst) as u32;
            *place =
                (remaining, Duration::from_nanos(((level - held).max(0.0) / rate).ceil() as u64));
        }
        each
    }

    /// Spends what is there, and says when the first of it would have ended.
    fn spend(&mut self, cost: u32) -> u64 {
        let (mut left, mut until) = (cost, u64::MAX);
        for lot in &mut self.lots {
            let spent = left.min(lot.tokens);
            if spent > 0 {
                lot.tokens -= spent;
                left -= spent;
                until = until.min(lot.until);
            }
        }
        until
    }

    /// What it may spend now.
    fn held(&self, now: u64) -> u32 {
        let alive = |lot: &Lot| if lot.until > now { lot.tokens } else { 0 };
        self.lots.iter().map(alive).fold(0, u32::saturating_add)
    }

    fn expire(&mut self, now: u64) {
        for lot in &mut self.lots {
            if lot.tokens > 0 && lot.until <= now {
                // The older stamp stands for both: the less is given back.
                let stamp =
                    if self.back.tokens > 0 { self.back.stamp.min(lot.stamp) } else { lot.stamp };
                let tokens = self.back.tokens.saturating_add(lot.tokens);
                self.back = Lot { tokens, stamp, until: 0 };
                lot.tokens = 0;
            }
        }
    }

    /// Why a call of that cost never passes.
    fn never(&self, cost: u32) -> Result<(), Denial> {
        let bursts = self.terms.quota.windows().iter().map(Window::burst).enumerate();
        match bursts.min_by_key(|(_, burst)| *burst) {
            Some((window, burst)) if cost > burst => Err(Denial::CostTooLarge { window, burst }),
            _ => Ok(()),
        }
    }

    fn unheard(&self) -> f64 {
        f64::from(self.owed) + f64::from(self.told)
    }

    /// Whether so much may be spent that Redis has not heard of. One call may, whatever it costs, where
    /// nothing else is owed: else it never could when it comes first.
    fn has_credit(&self, short: u32, now: u64) -> bool {
        let owed = self.owed.saturating_add(self.told);
        let within = owed == 0 || owed.saturating_add(short) <= self.terms.credit;
        within && self.wait(short, now) == 0
    }

    /// How long until `short` more would fit into every window, as far as is known.
    fn wait(&self, short: u32, now: u64) -> u64 {
        let more = self.unheard() + f64::from(short);
        self.known(now)
            .map(|(level, rate, burst)| ((level + more - burst).max(0.0) / rate).ceil() as u64)
            .fold(0, u64::max)
    }

    fn denial(&self, short: u32, now: u64, spans: &Spans) -> Denial {
        let wait = self.wait(short, now);
        let slowest = self
            .known(now)
            .map(|(level, rate, burst)| (level - burst + f64::from(short)) / rate)
            .enumerate()
            .max_by(|(_, one), (_, other)| one.total_cmp(other));
        // Where there is room, only a call to Redis is missing.
        let retry_after = Duration::from_nanos(if wait == 0 { spans.linger } else { wait });
        Denial::Exhausted { retry_after, window: slowest.map_or(0, |(window, _)| window) }
    }

    /// The level of each window now, its rate and its burst.
    fn known(&self, now: u64) -> impl Iterator<Item = (f64, f64, f64)> {
        let span = now.saturating_sub(self.heard) as f64;
        let drained = move |((rate, burst), level): (&(f64, f64), &f64)| {
            ((level - span * rate).max(0.0), *rate, *burst)
        };
        self.terms.windows().iter().zip(&self.levels).map(drained)
    }
}

#[cfg(test)]
mod tests;
