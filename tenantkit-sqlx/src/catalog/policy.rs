//! The policies that apply to the role.
//!
//! Safe is what compares the column of the tenant with the transaction's tenant, alone or as one of
//! several conditions that all have to hold. Everything else is found, whether it leaks or not: what
//! a machine cannot see to be safe, a reader at night cannot either.

use std::collections::HashMap;

use sqlx::{PgConnection, postgres::types::Oid};

use super::{
    Finding, PolicyFlaw, Problem, Scope,
    table::{Table, TenantColumn},
};
use crate::bind;

/// Table, name, command, whether permissive, the two conditions, and whether a function in them is volatile.
/// What depends on a function of the server's own is not in `pg_depend`: the function is in the
/// expression only.
type Row = (Oid, String, String, bool, Option<String>, Option<String>, bool);

const APPLICABLE: &str = "
    SELECT p.polrelid, quote_ident(p.polname), p.polcmd::text, p.polpermissive,
        pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
        EXISTS (
            SELECT FROM regexp_matches(concat(p.polqual, p.polwithcheck),
                ':(?:funcid|opfuncid) (\\d+)', 'g') called
            JOIN pg_proc f ON f.oid = called[1]::oid
            WHERE f.provolatile = 'v')
    FROM pg_policy p
    WHERE p.polrelid = ANY ($1)
        AND EXISTS (SELECT FROM unnest(p.polroles) r WHERE r = 0 OR pg_has_role(r, 'MEMBER'))
    ORDER BY p.polname";

pub(super) async fn check(
    scope: &Scope<'_>,
    tables: &[Table],
    conn: &mut PgConnection,
) -> Result<Vec<Finding>, sqlx::Error> {
    let oids: Vec<Oid> = tables.iter().map(|it| it.oid).collect();
    let mut policies: HashMap<Oid, Vec<Row>> = HashMap::new();
    let rows: Vec<Row> =
        sqlx::query_as(APPLICABLE).bind(oids).persistent(false).fetch_all(conn).await?;
    for row in rows {
        policies.entry(row.0).or_default().push(row);
    }
    let mut findings = Vec::new();
    for table in tables {
        let Some(column) = &table.tenant else { continue };
        let policies = policies.remove(&table.oid).unwrap_or_default();
        if !column.is_text && column.type_name != "uuid" {
            let remedy = retype(&policies, &table.name, &column.name);
            findings.push(Finding::new(table.name.clone(), Problem::ColumnType, remedy));
            continue;
        }
        if !column.is_exact {
            let remedy = retype(&policies, &table.name, &column.name);
            findings.push(Finding::new(table.name.clone(), Problem::Collation, remedy));
            continue;
        }
        let permissive = policies.iter().filter(|(_, _, _, permissive, ..)| *permissive);
        let (mut any, mut shows) = (false, false);
        for (_, policy, command, _, using, check, volatile) in permissive {
            any = true;
            shows |= matches!(&**command, "*" | "r");
            let flaw = [using, check]
                .into_iter()
                .flatten()
                .find_map(|condition| flaw(condition, column, scope.auditor.across));
            if let Some(flaw) = flaw.or(volatile.then_some(PolicyFlaw::Volatile)) {
                let object = format!("{policy} on {}", table.name);
                let remedy = alter(policy, &table.name, command, column);
                findings.push(Finding::new(object, Problem::UnsafePolicy(flaw), remedy));
            }
        }
        let (name, tenant) = (&column.name, transactions_tenant(column));
        if !any {
            let remedy = create(&table.name, name, &tenant);
            findings.push(Finding::new(table.name.clone(), Problem::NoPolicy, remedy));
        } else if !shows && table.selects {
            let remedy = format!(
                "CREATE POLICY tenantkit_select ON {} FOR SELECT USING ({name} = {tenant});",
                table.name
            );
            findings.push(Finding::new(table.name.clone(), Problem::NoSelectPolicy, remedy));
        }
    }
    Ok(findings)
}

/// What is wrong with a condition, as `pg_get_expr` writes it.
fn flaw(condition: &str, column: &TenantColumn, across: bool) -> Option<PolicyFlaw> {
    let conditions = conjuncts(condition);
    let is_across = across
        && conditions.contains(&"current_setting('app.cross_tenant'::text, true) = 'on'::text");
    if is_across || conditions.iter().any(|it| compares_tenant(it, column)) {
        return None;
    }
    Some(if conditions.iter().all(|it| *it == "true") {
        PolicyFlaw::AlwaysTrue
    } else if condition.contains(&format!("({})::", column.name)) {
        PolicyFlaw::CastsColumn
    } else if condition.contains(bind::TENANT) && !condition.contains("NULLIF(") {
        PolicyFlaw::EmptyTenant
    } else {
        PolicyFlaw::OtherCondition
    })
}

fn compares_tenant(
    condition: &str,
    TenantColumn { name, type_name, is_text, .. }: &TenantColumn,
) -> bool {
    let tenant = "NULLIF(current_setting('app.tenant_id'::text, true), ''::text)";
    let Some((left, right)) = condition.split_once(" = ") else { return false };
    let is_column = |it: &str| it == name || *is_text && it == format!("({name})::text");
    let is_value = |it: &str| {
        it == tenant
            || it == format!("({tenant})::{type_name}")
            || *is_text && it == format!("(({tenant})::{type_name})::text")
    };
    is_column(left) && is_value(right) || is_value(left) && is_column(right)
}

/// The conditions that all have to hold, without the parentheses around them.
fn conjuncts(condition: &str) -> Vec<&str> {
    let condition = unwrapped(condition.trim());
    let parts = split_and(condition);
    if parts.len() == 1 {
        return parts;
    }
    parts.into_iter().flat_map(conjuncts).collect()
}

/// Without parentheses that are around the whole.
fn unwrapped(condition: &str) -> &str {
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, byte) in condition.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'(') => depth += 1,
            (None, b')') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        if depth == 0 && at + 1 < condition.len() {
            return condition;
        }
    }
    match condition.strip_prefix('(').and_then(|it| it.strip_suffix(')')) {
        Some(inner) => unwrapped(inner.trim()),
        None => condition,
    }
}

/// Splits at each `AND` that is in no parentheses and no quotes. Postgres writes parentheses around
/// everything else, so an `OR` beside it cannot be.
fn split_and(condition: &str) -> Vec<&str> {
    const AND: &str = " AND ";
    let mut parts = Vec::new();
    let (mut depth, mut quote, mut start) = (0_usize, None, 0);
    for (at, byte) in condition.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'(') => depth += 1,
            (None, b')') => depth = depth.saturating_sub(1),
            (None, b' ') if depth == 0 && at >= start && condition[at..].starts_with(AND) => {
                parts.push(&condition[start..at]);
                start = at + AND.len();
            }
            (None, _) => {}
        }
    }
    parts.push(&condition[start..]);
    parts
}

fn create(table: &str, column: &str, tenant: &str) -> String {
    format!(
        "CREATE POLICY tenantkit_tenant ON {table} \
         USING ({column} = {tenant}) WITH CHECK ({column} = {tenant});"
    )
}

/// Makes the column a text. Postgres wants the policies that read it out of the way; a restrictive one
/// stays, and is for its author to write again.
fn retype(policies: &[Row], table: &str, column: &str) -> String {
    let mut sql = String::new();
    for (_, policy, _, permissive, using, check, _) in policies {
        if *permissive && [using, check].into_iter().flatten().any(|it| it.contains(column)) {
            sql += &format!("DROP POLICY {policy} ON {table};\n");
        }
    }
    let tenant = transactions_tenant_as_text();
    sql += &format!(
        "ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT, \
         ALTER COLUMN {column} TYPE text, ALTER COLUMN {column} SET DEFAULT {tenant};\n"
    );
    sql + &create(table, column, &tenant)
}

fn alter(policy: &str, table: &str, command: &str, column: &TenantColumn) -> String {
    let condition = format!("({} = {})", column.name, transactions_tenant(column));
    let mut sql = format!("ALTER POLICY {policy} ON {table}");
    if command != "a" {
        sql += &format!(" USING {condition}");
    }
    if matches!(command, "*" | "a" | "w") {
        sql += &format!(" WITH CHECK {condition}");
    }
    sql + ";"
}

fn transactions_tenant_as_text() -> String {
    format!("nullif(current_setting('{}', true), '')", bind::TENANT)
}

fn transactions_tenant(column: &TenantColumn) -> String {
    let tenant = transactions_tenant_as_text();
    if column.is_text { tenant } else { format!("{tenant}::{}", column.type_name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(condition: &str) -> Option<PolicyFlaw> {
        let column = TenantColumn {
            name: "tenant_id".to_owned(),
            type_name: "text".to_owned(),
            is_text: true,
            is_exact: true,
        };
        flaw(condition, &column, false)
    }

    const TENANT: &str = "NULLIF(current_setting('app.tenant_id'::text, true), ''::text)";

    #[test]
    fn the_kits_policy_is_safe_also_as_one_of_several() {
        assert_eq!(of(&format!("(tenant_id = {TENANT})")), None);
        assert_eq!(of(&format!("((tenant_id)::text = {TENANT})")), None);
        assert_eq!(of(&format!("((deleted_at IS NULL) AND (tenant_id = {TENANT}))")), None);
        assert_eq!(of(&format!("(((a = ' AND (') AND b) AND (tenant_id = {TENANT}))")), None);
    }

    #[test]
    fn what_is_not_seen_to_be_safe_is_found() {
        assert_eq!(of("true"), Some(PolicyFlaw::AlwaysTrue));
        let either = format!("((tenant_id = {TENANT}) OR (shared = true))");
        assert_eq!(of(&either), Some(PolicyFlaw::OtherCondition));
        let either = format!("(((tenant_id = {TENANT}) AND b) OR c)");
        assert_eq!(of(&either), Some(PolicyFlaw::OtherCondition));
        let empty = "(tenant_id = current_setting('app.tenant_id'::text, true))";
        assert_eq!(of(empty), Some(PolicyFlaw::EmptyTenant));
        let not = format!("(NOT (tenant_id = {TENANT}))");
        assert_eq!(of(&not), Some(PolicyFlaw::OtherCondition));
        let other = format!("(owner_tenant_id = {TENANT})");
        assert_eq!(of(&other), Some(PolicyFlaw::OtherCondition));
        let text = format!("(('x'::text || tenant_id) = {TENANT})");
        assert_eq!(of(&text), Some(PolicyFlaw::OtherCondition));
        let support = "(current_setting('app.cross_tenant'::text, true) = 'on'::text)";
        assert_eq!(of(support), Some(PolicyFlaw::OtherCondition));
    }
}
