//! [`Page`]: what was seen, as one HTML file that loads nothing and runs nothing.
//!
//! The plots are SVG in the page. A policy in its head forbids whatever it might load, so that a browser
//! says so should a later change make it try.
//!
//! ```
//! use load::{Page, page::Phase};
//!
//! let page = Page {
//!     title: "Two tenants".to_owned(),
//!     facts: vec![("heavy".to_owned(), "1,000 calls a second".to_owned())],
//!     phases: vec![Phase { name: "limits on".to_owned(), light: Vec::new(), heavy: Vec::new() }],
//! };
//! assert!(page.html().starts_with("<!doctype html>"));
//! ```

mod plot;

use std::fmt::Write as _;

use self::plot::{Line, Plot};
use crate::{Percentiles, Point, Second};

/// What is shown.
#[derive(Debug, Clone)]
pub struct Page {
    /// What it is about.
    pub title: String,
    /// What one has to know: each a name and a value.
    pub facts: Vec<(String, String)>,
    /// One after the other.
    pub phases: Vec<Phase>,
}

/// A time in which nothing was changed.
#[derive(Debug, Clone)]
pub struct Phase {
    /// What was special about it.
    pub name: String,
    /// The light tenant's calls.
    pub light: Vec<Point>,
    /// The heavy tenant's load; empty where there was none.
    pub heavy: Vec<Second>,
}

const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

impl Page {
    /// The file.
    #[must_use]
    pub fn html(&self) -> String {
        let title = escape(&self.title);
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <link rel=\"icon\" href=\"data:,\">\n\
             <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
            include_str!("page/style.css")
        );
        self.facts(&mut html);
        self.table(&mut html);
        html.push_str(&self.over_time());
        html.push_str(&self.distribution());
        for (at, phase) in
            self.phases.iter().enumerate().filter(|(_, phase)| !phase.heavy.is_empty())
        {
            html.push_str(&phase.heavy_over_time(at));
        }
        html.push_str("</body>\n</html>\n");
        html
    }

    // A string takes whatever is written to it, here and below.
    fn facts(&self, html: &mut String) {
        html.push_str("<dl>\n");
        for (name, value) in &self.facts {
            let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
        }
        html.push_str("</dl>\n");
    }

    fn table(&self, html: &mut String) {
        html.push_str(
            "<table id=\"figures\">\n<thead><tr><th></th><th>light p50</th><th>p95</th><th>p99</th><th>calls</th>\
             <th>heavy admitted</th><th>refused</th><th>failed</th></tr></thead>\n<tbody>\n",
        );
        for phase in &self.phases {
            let calls = phase.percentiles();
            let _ = write!(html, "<tr><th>{}</th>", escape(&phase.name));
            for percent in [50.0, 95.0, 99.0] {
                let _ = write!(html, "<td>{}</td>", milliseconds(calls.at(percent)));
            }
            let _ = write!(html, "<td>{}</td>", calls.len());
            let seconds = phase.heavy.len().max(1) as f64;
            let heavy = Second::sum(&phase.heavy);
            for count in [heavy.admitted, heavy.refused, heavy.failed] {
                let _ = match phase.heavy.is_empty() {
                    true => write!(html, "<td>-</td>"),
                    false => write!(html, "<td>{:.0}/s</td>", f64::from(count) / seconds),
                };
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n</table>\n");
    }

    fn over_time(&self) -> String {
        let line = |(at, phase): (usize, &Phase)| Line {
            name: phase.name.clone(),
            colour: at,
            points: phase.light.iter().map(|call| (call.at, call.ms)).collect(),
            is_dotted: true,
        };
        let plot = Plot {
            id: "light".to_owned(),
            title: "The light tenant's calls".to_owned(),
            x: "seconds",
            y: "milliseconds",
            is_logarithmic: true,
            lines: self.phases.iter().enumerate().map(line).collect(),
        };
        plot.svg()
    }

    /// How long the luckiest so many percent of the calls took.
    fn distribution(&self) -> String {
        let line = |(at, phase): (usize, &Phase)| {
            let calls = phase.percentiles();
            let percents =
                (0..=200).map(|half| f64::from(half) / 2.0).filter(|_| !calls.is_empty());
            Line {
                name: phase.name.clone(),
                colour: at,
                points: percents.map(|percent| (percent, calls.at(percent))).collect(),
                is_dotted: false,
            }
        };
        let plot = Plot {
            id: "distribution".to_owned(),
            title: "How long the light tenant waits, by percentile".to_owned(),
            x: "percent of the calls",
            y: "milliseconds",
            is_logarithmic: true,
            lines: self.phases.iter().enumerate().map(line).collect(),
        };
        plot.svg()
    }
}

impl Phase {
    fn percentiles(&self) -> Percentiles {
        self.light.iter().map(|call| call.ms).collect()
    }

    fn heavy_over_time(&self, at: usize) -> String {
        let line = |name: &str, colour, count: fn(&Second) -> u32| Line {
            name: name.to_owned(),
            colour,
            points: (0_u32..)
                .zip(&self.heavy)
                .map(|(at, it)| (f64::from(at), count(it).into()))
                .collect(),
            is_dotted: false,
        };
        let plot = Plot {
            id: format!("heavy-{at}"),
            title: format!("The heavy tenant, {}", self.name),
            x: "seconds",
            y: "tries a second",
            is_logarithmic: false,
            lines: vec![
                line("admitted", 0, |second| second.admitted),
                line("refused", 1, |second| second.refused),
                line("failed or not sent", 2, |second| second.failed + second.unsent),
            ],
        };
        plot.svg()
    }
}

fn milliseconds(ms: f64) -> String {
    if ms.is_finite() { format!("{ms:.1} ms") } else { "-".to_owned() }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str) -> Page {
        let calls = |ms| (0..100).map(|at| Point { at: f64::from(at) / 10.0, ms }).collect();
        let heavy = vec![Second { admitted: 50, refused: 950, ..Second::default() }; 10];
        Page {
            title: name.to_owned(),
            facts: vec![(name.to_owned(), name.to_owned())],
            phases: vec![
                Phase { name: "alone".to_owned(), light: calls(3.0), heavy: Vec::new() },
                Phase { name: name.to_owned(), light: calls(4.0), heavy },
            ],
        }
    }

    #[test]
    fn nothing_that_is_shown_is_taken_for_markup() {
        let html = page("<script>alert(1)</script>\"&").html();
        assert!(
            !html.contains("<script")
                && html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;")
        );
    }

    #[test]
    fn every_figure_that_is_drawn_stands_in_the_table() {
        let html = page("limits on").html();
        for figure in
            ["<td>3.0 ms</td>", "<td>4.0 ms</td>", "<td>50/s</td>", "<td>950/s</td>", "<td>-</td>"]
        {
            assert!(html.contains(figure), "{figure}");
        }
    }

    #[test]
    fn a_phase_in_which_nobody_was_served_is_shown_as_well() {
        let phases = vec![Phase { name: "off".to_owned(), light: Vec::new(), heavy: Vec::new() }];
        let html = Page { phases, ..page("x") }.html();
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }
}
