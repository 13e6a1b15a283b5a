//! The build script of the server: what `--version` says, and the messages of etcd, compiled from `src/store/etcd/etcd.proto`
//! without `protoc`.

#[path = "../commit.rs"]
mod commit;

const PROTO: &str = "src/store/etcd/etcd.proto";

fn main() {
    commit::main();
    println!("cargo::rerun-if-changed={PROTO}");
    let files = protox::compile([PROTO], ["src/store/etcd"]).unwrap_or_else(|error| panic!("{PROTO}: {error}"));
    let builder =
        tonic_prost_build::configure().build_server(false).build_transport(false).emit_rerun_if_changed(false);
    builder.compile_fds(files).unwrap_or_else(|error| panic!("{PROTO}: {error}"));
}
