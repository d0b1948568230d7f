//! The page. What stands in it is numbers, names of the program's own, and tenant ids, which are safe unescaped; a tier
//! is the application's word, and escaped.

use std::fmt::Write as _;

use super::{TierRow, watched::Watched};
use crate::{
    page::Page,
    refusals::Refused,
    top::{Measure, Ranking, Snapshot},
};

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2>\
<title>tenantkit</title><style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}\
table{border-collapse:collapse;margin:0 0 2rem;width:100%}td,th{text-align:left;padding:.2rem .8rem .2rem 0;\
border-bottom:1px solid #ddd}td.n,th.n{text-align:right}@media(prefers-color-scheme:dark)\
{body{background:#111;color:#ddd}td,th{border-color:#333}}</style>";

pub(super) fn page(
    tiers: &[TierRow],
    top: &Snapshot,
    watched: &[Watched],
    refusals: &[Refused],
) -> String {
    let mut page = String::from(HEAD);
    of_tiers(&mut page, tiers);
    let (count, lasted) = (Page::FIRST, top.lasted.as_secs());
    // A string takes whatever is written to it, here and below.
    let _ = write!(page, "<h2>Heaviest {count} tenants of the last {lasted} s</h2>");
    for measure in [Measure::Time, Measure::Requests, Measure::Refusals, Measure::QueueWait] {
        of_ranking(&mut page, top.of(measure));
    }
    of_watched(&mut page, watched);
    of_refusals(&mut page, refusals);
    page
}

fn of_tiers(page: &mut String, tiers: &[TierRow]) {
    page.push_str(
        "<h2>Tiers</h2><table><tr><th>tier<th class=n>served<th class=n>refused<th class=n>failed\
         <th class=n>hung up<th class=n>99% within<th class=n>longest wait",
    );
    for row in tiers {
        let (p99, wait) = (seconds(row.p99_s), seconds(row.longest_wait_s));
        let _ = write!(
            page,
            "<tr><td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{p99}<td class=n>{wait}",
            escaped(&row.tier),
            row.served,
            row.refused,
            row.failed,
            row.dropped,
        );
    }
    page.push_str("</table>");
}

fn of_ranking(page: &mut String, ranking: &Ranking) {
    let (by, unit) = (ranking.by.as_str(), ranking.unit);
    let _ = write!(page, "<table><tr><th>by {by}<th class=n>{unit}<th class=n>at most over");
    for heavy in ranking.tenants.iter().take(Page::FIRST) {
        let (tenant, amount, over) = (&heavy.tenant, heavy.amount, heavy.at_most_over);
        let _ = write!(page, "<tr><td>{tenant}<td class=n>{amount}<td class=n>{over}");
    }
    page.push_str("</table>");
}

fn of_watched(page: &mut String, watched: &[Watched]) {
    page.push_str(
        "<h2>Tenants that are watched</h2><table><tr><th>tenant<th class=n>served<th class=n>failed\
         <th class=n>within 250 ms<th class=n>50% within<th class=n>99% within<th class=n>burn, failures\
         <th class=n>burn, slowness<th>alert",
    );
    for it in watched {
        let Watched { tenant, served, failed, within_250_ms, .. } = it;
        let (p50, p99) = (seconds(it.p50_s), seconds(it.p99_s));
        let (failures, slowness) = (times(it.failures_burn_1h), times(it.slowness_burn_1h));
        let alert = it.alert.unwrap_or_default();
        let _ = write!(
            page,
            "<tr><td>{tenant}<td class=n>{served}<td class=n>{failed}<td class=n>{within_250_ms}\
             <td class=n>{p50}<td class=n>{p99}<td class=n>{failures}<td class=n>{slowness}<td>{alert}"
        );
    }
    page.push_str("</table>");
}

fn of_refusals(page: &mut String, refusals: &[Refused]) {
    page.push_str(
        "<h2>Last refusals</h2><table><tr><th>when<th>tenant<th>tier<th>code<th>reason<th>door",
    );
    for it in refusals {
        let tenant = it.tenant.as_ref().map_or("nobody", |tenant| tenant.as_str());
        let (tier, code) = (escaped(it.tier.unwrap_or("–")), it.code);
        let (at, reason, door) = (it.at, it.reason, it.door);
        let _ = write!(page, "<tr><td>{at}<td>{tenant}<td>{tier}<td>{code}<td>{reason}<td>{door}");
    }
    page.push_str("</table>");
}

fn seconds(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |it| format!("{it:.3} s"))
}

fn times(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |it| format!("{it:.1}"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
