//! The one script, and what goes into it and comes out.

use redis::{RedisResult, Script, ScriptInvocation, Value};

use super::account::{Answer, Ask};
use crate::quota::Quota;

const LEASE: &str = concat!(
    "local time = redis.call('TIME')\n",
    "local now = time[1] * 1000000 + time[2]\n",
    include_str!("lease.lua"),
);

pub(super) fn script() -> Script {
    Script::new(LEASE)
}

/// Adds an account to a call.
pub(super) fn add(call: &mut ScriptInvocation<'_>, key: String, ask: &Ask, quota: &Quota) {
    call.key(key).arg(ask.debt).arg(ask.want).arg(ask.least).arg(ask.back).arg(ask.back_stamp);
    call.arg(quota.windows().len());
    for window in quota.windows() {
        // A period is at most nine years, and a fraction of a microsecond is no loss of precision that
        // a double keeps.
        let micros = window.period().as_nanos() as f64 / 1_000.0;
        call.arg(window.burst()).arg(window.count()).arg(micros);
    }
}

/// Reads the answers for accounts of so many windows, in their order.
pub(super) fn answers(
    value: RedisResult<Value>,
    windows: impl Iterator<Item = usize>,
) -> Result<Vec<Answer>, Unreadable> {
    let Ok(Value::Array(values)) = value else { return Err(Unreadable) };
    let mut values = values.into_iter();
    let mut next = || values.next().ok_or(Unreadable);
    let stamp = number(&next()?)? as u64;
    let answers = windows
        .map(|windows| {
            let leased = number(&next()?)?;
            let mut levels = [0.0; Quota::MAX_WINDOWS];
            for level in levels.iter_mut().take(windows) {
                *level = number(&next()?)?;
            }
            // Nothing larger is ever asked for.
            Ok(Answer { leased: leased as u32, levels, stamp })
        })
        .collect::<Result<_, Unreadable>>()?;
    if values.next().is_some() { Err(Unreadable) } else { Ok(answers) }
}

/// A number that is none of Lua's accidents.
fn number(value: &Value) -> Result<f64, Unreadable> {
    let number = match value {
        Value::Int(int) => *int as f64,
        Value::BulkString(bytes) => {
            std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).ok_or(Unreadable)?
        }
        _ => return Err(Unreadable),
    };
    // Up to here every whole number is one of the doubles.
    if (0.0..9_007_199_254_740_992.0).contains(&number) { Ok(number) } else { Err(Unreadable) }
}

/// What answers is not our script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;
