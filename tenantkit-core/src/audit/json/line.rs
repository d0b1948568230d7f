//! An audit event as one line of JSON.

use std::{
    fmt::{self, Write as _},
    io,
    net::SocketAddr,
};

use serde::{Serialize, Serializer};

use crate::{
    Source, Subject, TenantId, Text, UnixTime,
    audit::{AuditAction, AuditEvent},
    text::is_unsafe,
};

/// The longest name out of the application's source code, in bytes.
const MAX_NAME: usize = 64;

/// Appends one line. Nothing of it is longer than [`Text::MAX_LEN`] before it is escaped.
pub(super) fn write(line: &mut Vec<u8>, event: &AuditEvent) -> io::Result<()> {
    serde_json::to_writer(&mut *line, &Line::of(event))?;
    line.push(b'\n');
    Ok(())
}

#[derive(Serialize)]
struct Line<'a> {
    at: Display<UnixTime>,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    door: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<Display<Name>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Who<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Who<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Display<Name>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<Display<Name>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<Display<SocketAddr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capability: Option<Display<Name>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Display<UnixTime>>,
}

#[derive(Serialize)]
struct Who<'a> {
    iss: &'a Text,
    sub: &'a Text,
}

impl<'a> Line<'a> {
    fn of(event: &'a AuditEvent) -> Self {
        let mut line = Self {
            at: Display(event.at),
            action: "",
            code: None,
            reason: None,
            door: None,
            count: None,
            what: None,
            tenant: event.tenant.as_ref(),
            subject: event.subject.as_ref().map(Who::of),
            actor: event.actor.as_ref().map(Who::of),
            workload: event.workload.as_ref(),
            transaction: event.transaction.as_ref(),
            source: event.source.map(Source::as_str).map(Name::display),
            claim: event.claim.map(Name::display),
            peer: event.peer.map(Display),
            capability: event.capability.map(Name::display),
            why: event.why.as_ref(),
            expires: event.expires.map(Display),
        };
        line.action = event.action.as_str();
        match event.action {
            AuditAction::Refused(refusal) => {
                line.code = Some(refusal.code().as_str());
                line.reason = Some(refusal.reason().as_str());
                line.door = Some(refusal.door().as_str());
            }
            AuditAction::Granted => {}
            AuditAction::Dangerous(what) => line.what = Some(Name::display(what)),
            AuditAction::Dropped { reason, door, count } => {
                line.code = reason.map(|reason| reason.code().as_str());
                line.reason = reason.map(crate::Reason::as_str);
                line.door = door.map(crate::Door::as_str);
                line.count = Some(count);
            }
        }
        line
    }
}

impl<'a> Who<'a> {
    fn of(subject: &'a Subject) -> Self {
        Self { iss: subject.issuer(), sub: subject.sub() }
    }
}

/// Serialized as it is displayed.
struct Display<T>(T);

impl<T: fmt::Display> Serialize for Display<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A name out of the application's source code, which no type has bounded.
struct Name(&'static str);

impl Name {
    const fn display(name: &'static str) -> Display<Self> {
        Display(Self(name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bounded = self.0.char_indices().take_while(|(at, c)| at + c.len_utf8() <= MAX_NAME);
        for (_, c) in bounded {
            f.write_char(if is_unsafe(c) { '\u{fffd}' } else { c })?;
        }
        Ok(())
    }
}
