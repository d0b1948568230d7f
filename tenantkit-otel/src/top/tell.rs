//! A snapshot as log records: one for each ranking.

use opentelemetry::logs::{LogRecord as _, Logger, Severity};

use super::Snapshot;

impl Snapshot {
    /// Tells it to a logger: one record of the event `tenantkit.top_tenants` for each ranking that has
    /// somebody, with the ranking as JSON in its body.
    pub fn tell(&self, logger: &impl Logger) {
        for ranking in self.rankings.iter().filter(|it| !it.tenants.is_empty()) {
            let mut record = logger.create_log_record();
            record.set_event_name("tenantkit.top_tenants");
            record.set_severity_number(Severity::Info);
            record.set_severity_text("INFO");
            record.add_attribute("tenantkit.top.by", ranking.by.as_str());
            record.add_attribute("tenantkit.top.lasted", self.lasted.as_secs_f64());
            record.add_attribute("tenantkit.top.is_over", self.is_over);
            record.set_body(serde_json::to_string(ranking).unwrap_or_default().into());
            logger.emit(record);
        }
    }
}
