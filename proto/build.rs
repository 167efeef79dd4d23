//! Compiles the .proto files without protoc: protox parses, prost writes the messages, tonic-build the services.
//!
//! Beside the code it writes a descriptor set for each package's reflection, and for each service a table of its rpcs,
//! which the services check their authorization table against.

use std::{env, error::Error, fs, path::PathBuf};

use proc_macro2::TokenStream;
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic_build::CodeGenBuilder;

const PROTOS: [&str; 9] = [
    "invitations/v1/connection_service.proto",
    "invitations/v1/feed_service.proto",
    "invitations/v1/invitation_service.proto",
    "invitations/v1/member_service.proto",
    "invitations/v1/operator_service.proto",
    "invitations/v1/views.proto",
    "notify/v1/delivery_service.proto",
    "notify/v1/email_service.proto",
    "notify/v1/preference_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in PROTOS {
        println!("cargo::rerun-if-changed={file}");
    }
    #[expect(clippy::disallowed_methods, reason = "cargo tells build scripts this way")]
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["."])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(PROTOS)?;
    let descriptors = compiler.file_descriptor_set();
    for package in ["invitations", "notify"] {
        fs::write(
            out.join(format!("{package}.bin")),
            of_package(&descriptors, package).encode_to_vec(),
        )?;
    }
    prost_build::Config::new()
        .service_generator(Box::new(Stubs))
        .include_file("packages.rs")
        .compile_fds(descriptors)?;
    Ok(())
}

/// The descriptors of one package and of what it may import, so that a service's reflection lists its own services.
fn of_package(all: &FileDescriptorSet, package: &str) -> FileDescriptorSet {
    let is_part = |name: &str| name.starts_with("google/") || name.starts_with(&format!("{package}/"));
    FileDescriptorSet {
        file: all
            .file
            .iter()
            .filter(|file| is_part(file.name()))
            .cloned()
            .collect(),
    }
}

/// Writes client, server and method table of each service.
struct Stubs;

impl prost_build::ServiceGenerator for Stubs {
    fn generate(&mut self, service: prost_build::Service, buf: &mut String) {
        let table = method_table(&service);
        let service = Service::from(service);
        let mut builder = CodeGenBuilder::new();
        builder.emit_package(true).build_transport(true);
        for tokens in [
            builder.generate_client(&service, "super"),
            builder.generate_server(&service, "super"),
        ] {
            let file: syn::File = syn::parse2(tokens).expect("tonic-build writes valid Rust");
            buf.push_str(&prettyplease::unparse(&file));
        }
        buf.push_str(&table);
    }
}

fn method_table(service: &prost_build::Service) -> String {
    let rows: Vec<String> = service
        .methods
        .iter()
        .map(|method| {
            format!(
                "\"/{}.{}/{}\"",
                service.package, service.proto_name, method.proto_name
            )
        })
        .collect();
    format!(
        "/// Path of each rpc of {name}.\npub const {constant}_RPCS: &[&str] = &[{rows}];\n",
        name = service.proto_name,
        constant = constant_name(&service.name),
        rows = rows.join(", "),
    )
}

/// `EmailService` → `EMAIL_SERVICE`.
fn constant_name(camel: &str) -> String {
    let mut name = String::new();
    for letter in camel.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

struct Service {
    name: String,
    package: String,
    proto_name: String,
    comments: Vec<String>,
    methods: Vec<Method>,
}

impl From<prost_build::Service> for Service {
    fn from(service: prost_build::Service) -> Self {
        Self {
            name: service.name,
            package: service.package,
            proto_name: service.proto_name,
            comments: service.comments.leading,
            methods: service.methods.into_iter().map(Method).collect(),
        }
    }
}

impl tonic_build::Service for Service {
    type Comment = String;
    type Method = Method;

    fn name(&self) -> &str {
        &self.name
    }
    fn package(&self) -> &str {
        &self.package
    }
    fn identifier(&self) -> &str {
        &self.proto_name
    }
    fn methods(&self) -> &[Method] {
        &self.methods
    }
    fn comment(&self) -> &[String] {
        &self.comments
    }
}

struct Method(prost_build::Method);

impl tonic_build::Method for Method {
    type Comment = String;

    fn name(&self) -> &str {
        &self.0.name
    }
    fn identifier(&self) -> &str {
        &self.0.proto_name
    }
    fn codec_path(&self) -> &str {
        "tonic_prost::ProstCodec"
    }
    fn client_streaming(&self) -> bool {
        self.0.client_streaming
    }
    fn server_streaming(&self) -> bool {
        self.0.server_streaming
    }
    fn comment(&self) -> &[String] {
        &self.0.comments.leading
    }
    fn request_response_name(&self, proto_path: &str, _: bool) -> (TokenStream, TokenStream) {
        let name = |message: &str| {
            syn::parse_str(&format!("{proto_path}::{message}"))
                .expect("every rpc has messages of its own package")
        };
        (name(&self.0.input_type), name(&self.0.output_type))
    }
}
