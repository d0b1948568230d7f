//! What a debug endpoint answers about who is heavy.

use tenantkit_core::{Authority, CrossTenant, Door, Refusal};

use super::{Measure, TopTenants};
use crate::page::Page;

impl TopTenants {
    /// Answers a request for who is heavy, which names many tenants: so it is work across tenants, and needs
    /// a grant for that.
    ///
    /// The query has `window`: `current` or `last` (which is what it is if nobody says), `first`: how many of each
    /// ranking, `by`: one measure instead of all. What it does not know is an error, not ignored.
    ///
    /// ```
    /// # use tenantkit_core::{test_util::{TestAuthority, block_on}, Grant, Subject};
    /// # use std::time::Duration;
    /// # let test = TestAuthority::new();
    /// # let who = Subject::new("https://id.example".parse()?, "ada".parse()?);
    /// # let grant = Grant::new(who, "who is heavy?".parse()?, Duration::from_secs(60));
    /// # let support = block_on(test.authority().cross_tenant(TestAuthority::CROSS, grant))?;
    /// # let authority = test.authority();
    /// # let top = tenantkit_otel::top::TopTenants::builder().build();
    /// let page = top.page(&support, authority, Some("window=current&first=3&by=requests"))?;
    /// assert_eq!(page.status, 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the grant is not good any more, or is another authority's.
    pub fn page(
        &self,
        who: &CrossTenant,
        authority: &Authority,
        query: Option<&str>,
    ) -> Result<Page, Refusal> {
        who.check(authority, Door::Export)?;
        Ok(match Query::parse(query.unwrap_or_default()) {
            Ok(query) => Page::new(200, "application/json", self.answer(&query)),
            Err(wrong) => Page::new(400, "text/plain; charset=utf-8", wrong.to_owned()),
        })
    }

    fn answer(&self, query: &Query) -> String {
        let snapshot = if query.current { Some(self.current()) } else { self.last() };
        // Before the first window is over there is no last one.
        let Some(mut snapshot) = snapshot.map(|it| it.first(query.first)) else {
            return "null".to_owned();
        };
        if let Some(by) = query.by {
            snapshot.rankings.retain(|it| it.by == by);
        }
        snapshot.to_json()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Query {
    current: bool,
    first: usize,
    by: Option<Measure>,
}

impl Query {
    /// The error never has what was asked.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut query = Self { current: false, first: Page::FIRST, by: None };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "window" => {
                    query.current = match value {
                        "current" => true,
                        "last" => false,
                        _ => return Err("`window` is `current` or `last`\n"),
                    };
                }
                "first" => {
                    query.first = value.parse().map_err(|_| "`first` is a number\n")?;
                }
                "by" => {
                    let by = Measure::of(value);
                    let known = "`by` is `requests`, `time`, `bytes`, `refusals` or `queue-wait`\n";
                    query.by = Some(by.ok_or(known)?);
                }
                _ => return Err("the query has `window`, `first` and `by`\n"),
            }
        }
        Ok(query)
    }
}
