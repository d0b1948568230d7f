//! The server: whether it has the fixes of row-level security.

use sqlx::PgConnection;

use super::{Finding, Problem};

/// A fix of row-level security, and the first minor version of each major that has it. Major versions
/// after the last have had it from the start.
struct Fix {
    name: &'static str,
    problem: Problem,
    since: &'static [(u32, u32)],
}

/// From the project's list of security fixes, until May 2026.
const FIXES: [Fix; 4] = [
    // `MERGE` did not hold its updates to the policies for UPDATE and SELECT.
    Fix { name: "CVE-2023-39418", problem: Problem::PoliciesUnfixed, since: &[(15, 4)] },
    // A plan made for one role was run for another, in a function or after SET ROLE.
    Fix {
        name: "CVE-2023-2455",
        problem: Problem::ServerUnfixed,
        since: &[(11, 20), (12, 15), (13, 11), (14, 8), (15, 3)],
    },
    // The same below a subquery, a WITH or a view.
    Fix {
        name: "CVE-2024-10976",
        problem: Problem::ServerUnfixed,
        since: &[(12, 21), (13, 17), (14, 14), (15, 9), (16, 5), (17, 1)],
    },
    // A leaky operator of one's own read the planner's samples of rows that a policy hides.
    Fix {
        name: "CVE-2025-8713",
        problem: Problem::ServerUnfixed,
        since: &[(13, 22), (14, 19), (15, 14), (16, 10), (17, 6)],
    },
];

/// The oldest major version that the project still mends.
const MAINTAINED: u32 = 15;

pub(super) fn check(conn: &PgConnection) -> Vec<Finding> {
    // A server that does not tell, and is none of the project's, has its own fixes.
    conn.server_version_num().map_or_else(Vec::new, of)
}

/// As `server_version_num` has it: 150018 is 15.18.
fn of(version: u32) -> Vec<Finding> {
    let (major, minor) = (version / 10_000, version % 10_000);
    let mut findings = Vec::new();
    for Fix { name, problem, since } in &FIXES {
        let fixed = since.iter().find(|(of, _)| *of == major);
        if let Some((_, fixed)) = fixed.filter(|(_, fixed)| minor < *fixed) {
            let remedy = format!("-- update the server to Postgres {major}.{fixed} or later");
            findings.push(Finding::new((*name).to_owned(), *problem, remedy));
        }
    }
    if major < MAINTAINED {
        let remedy = format!("-- upgrade the server to Postgres {MAINTAINED} or later");
        findings.push(Finding::new(format!("Postgres {major}"), Problem::ServerUnfixed, remedy));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(version: u32) -> Vec<String> {
        of(version).iter().map(|it| it.object().to_owned()).collect()
    }

    #[test]
    fn a_server_below_a_fix_is_found_until_the_very_version_that_has_it() {
        let merge = "CVE-2023-39418".to_owned();
        assert!(names(150_003).contains(&merge));
        assert!(!names(150_004).contains(&merge));
        assert_eq!(names(150_008), ["CVE-2024-10976", "CVE-2025-8713"]);
        assert_eq!(names(150_009), ["CVE-2025-8713"]);
        assert_eq!(names(170_005), ["CVE-2025-8713"]);
        for fixed in [150_014, 160_010, 170_006, 180_000, 190_000] {
            assert_eq!(names(fixed), [""; 0], "{fixed}");
        }
    }

    #[test]
    fn only_what_changes_hidden_rows_by_an_ordinary_statement_refuses() {
        use crate::catalog::Severity::{Advises, Refuses};
        for finding in of(150_000) {
            let merge = finding.object() == "CVE-2023-39418";
            assert_eq!(finding.severity(), if merge { Refuses } else { Advises });
        }
        assert_eq!(names(140_019), ["Postgres 14"]);
    }
}
