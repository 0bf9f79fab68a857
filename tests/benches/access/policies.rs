//! Sets of policies as an organisation has them: one for each of its services, and what forbids some things to all.

use std::{fs, path::Path};

/// Writes so many policies into a folder. The last of them let the bench's callers through.
pub(crate) fn write(folder: &Path, count: usize) {
    fs::create_dir_all(folder).unwrap();
    let last = [
        r#"@id("no-writing") forbid (principal, action == Action::"vend", resource)
           when { context.scopes.contains("events.write") && context.environment != "production" };"#,
        r#"@id("operators") permit (principal, action, resource) when { principal.role == "operator" };"#,
        r#"@id("backends") permit (principal, action in [Action::"vend", Action::"vend-for-user"], resource)
           when { principal.role == "backend" && context.own_workspace };"#,
    ];
    let others = (last.len()..count).map(|number| {
        format!(
            r#"@id("service-{number}") permit (principal == Caller::"service-{number}", action == Action::"vend",
               resource in IntegrationType::"type{number}") when {{ resource.label == "" }};"#
        )
    });
    let all: Vec<_> = others.chain(last.map(str::to_owned)).collect();
    fs::write(folder.join("services.cedar"), all.join("\n")).unwrap();
}
