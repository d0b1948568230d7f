//! The page, in the browser that people open it with.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "page/browser.rs"]
mod browser;

use browser::Browser;
use load::{Page, Point, Second, page::Phase};
use throwaway::tools;

fn page() -> Page {
    let calls = |ms: f64| {
        (0..300).map(|at| Point { at: f64::from(at) / 10.0, ms: ms + f64::from(at % 7) }).collect()
    };
    let heavy = vec![Second { admitted: 50, refused: 950, failed: 3, ..Second::default() }; 30];
    Page {
        title: "Two tenants & <one> machine".to_owned(),
        facts: vec![("heavy".to_owned(), "1,000 calls a second".to_owned())],
        phases: vec![
            Phase { name: "light alone".to_owned(), light: calls(3.0), heavy: Vec::new() },
            Phase { name: "limits off".to_owned(), light: calls(900.0), heavy: heavy.clone() },
            Phase { name: "limits on".to_owned(), light: calls(4.0), heavy },
        ],
    }
}

#[test]
fn a_browser_draws_every_plot_and_asks_nobody_for_anything() {
    let Some(chromium) = tools::or_skip(tools::chromium()) else { return };
    let mut browser = Browser::start(&chromium);
    let seen = browser.open(&page().html());
    assert_eq!(seen.complaints, Vec::<String>::new());
    assert_eq!(seen.requests.len(), 1, "it asked for more than itself: {:?}", seen.requests);

    assert_eq!(browser.evaluate("document.title"), "Two tenants & <one> machine");
    // Not only in the source: laid out, with a size, and with marks inside of the frame.
    let drawn = "[...document.querySelectorAll('svg.plot')].filter(svg => {
        const frame = svg.getBoundingClientRect();
        const marks = [...svg.querySelectorAll('polyline.line, g.dot')];
        return frame.width > 200 && frame.height > 50 && marks.length > 0 && marks.every(mark => {
            const it = mark.getBoundingClientRect();
            return it.width > 50 && it.left >= frame.left && it.right <= frame.right + 1
                && it.top >= frame.top && it.bottom <= frame.bottom + 1;
        });
    }).map(svg => svg.id).join(' ')";
    assert_eq!(browser.evaluate(drawn), "light distribution heavy-1 heavy-2");
    let figures = "document.querySelectorAll('#figures tbody tr').length";
    assert_eq!(browser.evaluate(figures), 3);
}

#[test]
fn the_page_is_readable_in_light_and_in_dark() {
    let Some(chromium) = tools::or_skip(tools::chromium()) else { return };
    let mut browser = Browser::start(&chromium);
    browser.open(&page().html());
    // The brightness of the text and of what is behind it, from 0 to 255.
    let contrast = "['color', 'backgroundColor'].map(property => {
        const rgb = getComputedStyle(document.body)[property].match(/[0-9]+/g).slice(0, 3).map(Number);
        return rgb.reduce((sum, part) => sum + part) / 3;
    }).map(Math.round).join(' ')";
    for (scheme, is_dark) in [("light", false), ("dark", true)] {
        browser.prefer(scheme);
        let seen = browser.evaluate(contrast);
        let (text, back) = seen.as_str().unwrap().split_once(' ').unwrap();
        let (text, back): (i32, i32) = (text.parse().unwrap(), back.parse().unwrap());
        assert!((text - back).abs() > 150 && (back < 100) == is_dark, "{scheme}: {seen}");
    }
}

#[test]
fn what_a_page_would_load_or_complain_of_is_seen() {
    let Some(chromium) = tools::or_skip(tools::chromium()) else { return };
    let mut browser = Browser::start(&chromium);
    let bad = "<!doctype html><title>x</title><img src=\"http://127.0.0.1:9/x.png\"><script>nothing()</script>";
    let seen = browser.open(bad);
    assert!(seen.requests.len() > 1, "{:?}", seen.requests);
    assert!(
        seen.complaints.iter().any(|complaint| complaint.contains("nothing")),
        "{:?}",
        seen.complaints
    );
    // And what the page's own policy forbids is complained of.
    let forbidden =
        page().html().replace("</body>", "<img src=\"http://127.0.0.1:9/x.png\"></body>");
    let seen = browser.open(&forbidden);
    assert!(!seen.complaints.is_empty());
}
