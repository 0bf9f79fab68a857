//! Compiles `proto/` into messages, clients and servers, the descriptor set, and a redacting `Debug` for every message that holds a secret.

use std::{env, error::Error, fmt::Write, fs, path::Path, path::PathBuf};

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

const PACKAGE: &str = "tokend.v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(proto_files(Path::new("proto/tokend/v1"))?)?;

    // Not by encoding the typed set: that would drop the options prost-types does not know, `debug_redact` among them.
    fs::write(
        out.join(format!("{PACKAGE}.descriptors.bin")),
        compiler.encode_file_descriptor_set(),
    )?;

    let messages: Vec<MessageDescriptor> = compiler
        .descriptor_pool()
        .all_messages()
        .filter(|message| message.package_name() == PACKAGE && !message.is_map_entry())
        .collect();
    let secret: Vec<&MessageDescriptor> = messages
        .iter()
        .filter(|message| message.fields().any(|field| is_secret(&field)))
        .collect();

    let mut debug = String::new();
    for message in &secret {
        write_debug(&mut debug, message)?;
    }
    write_debug_of_encoded(&mut debug, &messages)?;
    fs::write(out.join(format!("{PACKAGE}.debug.rs")), debug)?;

    tonic_prost_build::configure()
        .build_transport(false)
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        .skip_debug(
            secret
                .iter()
                .map(|message| format!(".{}", message.full_name())),
        )
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// The `.proto` files in a folder, in a fixed order.
fn proto_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a field is marked `[debug_redact = true]`.
fn is_secret(field: &FieldDescriptor) -> bool {
    field
        .options()
        .get_field_by_name("debug_redact")
        .is_some_and(|value| value.as_bool() == Some(true))
}

/// Writes a `Debug` that prints a message's secret fields as `"[REDACTED]"`.
fn write_debug(code: &mut String, message: &MessageDescriptor) -> Result<(), Box<dyn Error>> {
    let nested = message.child_messages().any(|child| !child.is_map_entry());
    if nested || message.oneofs().any(|oneof| !oneof.is_synthetic()) {
        // `skip_debug` takes the derived Debug from these too, and nothing here would give them another.
        return Err(format!(
            "{} has a secret field and a oneof or a nested message: move one of them to a message of its own",
            message.full_name()
        )
        .into());
    }
    let name = message.name();
    writeln!(code, "impl ::core::fmt::Debug for {name} {{")?;
    writeln!(
        code,
        "    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{"
    )?;
    writeln!(code, "        f.debug_struct(\"{name}\")")?;
    for field in message.fields() {
        let name = field.name();
        let singular_enum =
            matches!(field.kind(), Kind::Enum(_)) && !field.is_list() && !field.supports_presence();
        let value = match (is_secret(&field), singular_enum) {
            (true, _) => "&\"[REDACTED]\"".to_owned(),
            (false, true) => format!("&self.{name}()"),
            (false, false) => format!("&self.{name}"),
        };
        writeln!(code, "            .field(\"{name}\", {value})")?;
    }
    writeln!(code, "            .finish()\n    }}\n}}\n")?;
    Ok(())
}

/// Writes the test function that prints any encoded message by its full name, so that a test can try them all.
fn write_debug_of_encoded(
    code: &mut String,
    messages: &[MessageDescriptor],
) -> Result<(), Box<dyn Error>> {
    writeln!(code, "#[cfg(test)]")?;
    writeln!(
        code,
        "pub(crate) fn debug_of_encoded(name: &str, encoded: &[u8]) -> Result<Option<String>, ::prost::DecodeError> {{"
    )?;
    writeln!(code, "    use ::prost::Message as _;")?;
    writeln!(code, "    Ok(Some(match name {{")?;
    for message in messages {
        writeln!(
            code,
            "        \"{}\" => format!(\"{{:?}}\", {}::decode(encoded)?),",
            message.full_name(),
            message.name()
        )?;
    }
    writeln!(code, "        _ => return Ok(None),\n    }}))\n}}")?;
    Ok(())
}
