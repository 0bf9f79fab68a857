//! What goes to stdout: messages as proto3 JSON, listings as tables.

use std::io::{self, Write};

use anyhow::Context;
use comfy_table::{ColumnConstraint, Table, presets::NOTHING};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use tokend_api::FILE_DESCRIPTOR_SET;

/// A message of the contract as JSON, with the names that grpcurl prints: `accessToken`, `connectionConfig`.
pub(crate) fn json<M: Message>(name: &str, message: &M) -> anyhow::Result<String> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).context("the contract's descriptors")?;
    let descriptor = pool
        .get_message_by_name(&format!("tokend.v1.{name}"))
        .with_context(|| format!("{name} is no message of the contract"))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    let mut serializer = serde_json::Serializer::pretty(Vec::new());
    dynamic.serialize_with_options(
        &mut serializer,
        &SerializeOptions::new().skip_default_fields(false),
    )?;
    Ok(String::from_utf8(serializer.into_inner())?)
}

/// Writes a line to stdout. Whoever reads it may have seen enough: that is an error, not a panic.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// Prints rows under a header, aligned, without lines.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> io::Result<()> {
    table_without_empty(header, rows, &[])
}

/// Like [`table`], but those of the columns named that hold nothing in any row are left out.
pub(crate) fn table_without_empty<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    optional: &[&str],
) -> io::Result<()> {
    let rows: Vec<_> = rows.into_iter().collect();
    let is_empty = |index: usize| {
        rows.iter()
            .all(|row| row.get(index).is_none_or(String::is_empty))
    };
    let hidden = header.iter().enumerate();
    let hidden: Vec<_> = hidden
        .map(|(index, name)| optional.contains(name) && is_empty(index))
        .collect();
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(header).add_rows(rows);
    for (column, hidden) in table.column_iter_mut().zip(hidden) {
        column.set_padding((0, 2));
        if hidden {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
    table.lines().try_for_each(|row| line(row.trim_end()))
}
