//! Compiles `octroi/v1/*.proto` without `protoc`; the descriptor set is what gRPC reflection answers from.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-changed={}", root.join("octroi").display());
    let mut files: Vec<PathBuf> =
        fs::read_dir(root.join("octroi/v1"))?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();

    let services = env::var_os("CARGO_FEATURE_SERVICES").is_some();
    let descriptors = protox::Compiler::new([&root])?
        .include_source_info(true)
        .include_imports(true)
        .open_files(&files)?
        .file_descriptor_set();
    fs::write(out.join("octroi.descriptors.bin"), prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure().build_server(services).build_client(services).compile_fds(descriptors)?;
    Ok(())
}
