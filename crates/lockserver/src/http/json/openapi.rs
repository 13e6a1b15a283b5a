//! The description of this API (OpenAPI 3.1), built from the types and from what each handler says of itself.

use lock_api::{ErrorCode, PROBLEM_JSON, Problem, routes};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItemBuilder, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{
    ArrayBuilder, ComponentsBuilder, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, Type,
};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required};

/// Errors that every call may answer with.
const OF_ALL: [ErrorCode; 7] = [
    ErrorCode::Invalid,
    ErrorCode::Internal,
    ErrorCode::NotAllowed,
    ErrorCode::Overloaded,
    ErrorCode::ShuttingDown,
    ErrorCode::Unauthorized,
    ErrorCode::Unavailable,
];
/// Errors of calls with a body.
const OF_BODIES: [ErrorCode; 3] =
    [ErrorCode::RequestTimeout, ErrorCode::PayloadTooLarge, ErrorCode::UnsupportedMediaType];

type Schemas = Vec<(String, RefOr<Schema>)>;

/// One call, as its handler describes it.
pub(super) struct Call {
    path: &'static str,
    method: HttpMethod,
    operation: OperationBuilder,
    errors: BTreeSet<ErrorCodeByStatus>,
    schemas: Schemas,
}

type ErrorCodeByStatus = (u16, &'static str);

/// Tokens and numbers do not fit into 32 bits, and generators take those where nothing is said.
fn whole(minimum: f64) -> Object {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
    ObjectBuilder::new().schema_type(Type::Integer).format(Some(format)).minimum(Some(minimum)).build()
}

fn text() -> Object {
    ObjectBuilder::new().schema_type(Type::String).build()
}

impl Call {
    /// A call; the parts of its path are known by their names.
    pub(super) fn new(method: HttpMethod, path: &'static str, name: &str, summary: &str) -> Self {
        let mut operation = OperationBuilder::new().operation_id(Some(name)).summary(Some(summary));
        for part in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            let (schema, example, description) = match part {
                "lock" => {
                    let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(200));
                    (name.build(), Value::from("san-ssh"), "Name of a lock, percent-encoded")
                }
                "number" => (whole(1.0), Value::from(17), "Public number of a ticket"),
                _ => (text(), Value::from("6f1c0b9e-6d0c-4b8e-9d6f-0d7b4f3a2c11"), "Secret id of a ticket"),
            };
            let parameter = ParameterBuilder::new().name(part).parameter_in(ParameterIn::Path);
            let parameter = parameter.required(Required::True).description(Some(description));
            operation = operation.parameter(parameter.schema(Some(schema)).example(Some(example)));
        }
        let errors = OF_ALL.iter().map(|code| (code.status(), code.as_str())).collect();
        Self { path, method, operation, errors, schemas: Vec::new() }
    }

    /// A call outside of this API, whose refusals are lines of text.
    fn beside(path: &'static str, name: &str, summary: &str) -> Self {
        let mut call = Self::new(HttpMethod::Get, path, name, summary);
        call.errors.clear();
        call
    }

    pub(super) fn about(mut self, description: &str) -> Self {
        self.operation = self.operation.description(Some(description));
        self
    }

    fn parameter(
        mut self,
        place: ParameterIn,
        name: &str,
        schema: impl Into<RefOr<Schema>>,
        example: Value,
        about: &str,
    ) -> Self {
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(Required::False);
        let parameter = parameter.description(Some(about)).schema(Some(schema)).example(Some(example));
        self.operation = self.operation.parameter(parameter);
        self
    }

    pub(super) fn query_number(self, name: &str, example: u64, about: &str) -> Self {
        self.parameter(ParameterIn::Query, name, whole(0.0), example.into(), about)
    }

    pub(super) fn query_wait(self) -> Self {
        let format = SchemaFormat::KnownFormat(KnownFormat::Double);
        let seconds = ObjectBuilder::new()
            .schema_type(Type::Number)
            .format(Some(format))
            .minimum(Some(0.0))
            .maximum(Some(60.0))
            .build();
        self.parameter(ParameterIn::Query, "wait_s", seconds, 30.into(), "Seconds to wait while it is queued")
    }

    pub(super) fn query_flag(self, name: &str, about: &str) -> Self {
        let flag = ObjectBuilder::new().schema_type(Type::Boolean).build();
        self.parameter(ParameterIn::Query, name, flag, true.into(), about)
    }

    pub(super) fn query_text(self, name: &str, example: &str, about: &str) -> Self {
        self.parameter(ParameterIn::Query, name, text(), example.into(), about)
    }

    /// One that may be there several times.
    pub(super) fn query_texts(self, name: &str, examples: &[&str], about: &str) -> Self {
        let texts = ArrayBuilder::new().items(text()).build();
        self.parameter(ParameterIn::Query, name, texts, json!(examples), about)
    }

    pub(super) fn header(self, name: &str, example: &str, about: &str) -> Self {
        self.parameter(ParameterIn::Header, name, text(), example.into(), about)
    }

    /// `?force` and `?expect_tickets`, `If-Match`, and the refusals that go with them.
    pub(super) fn changes_lock(self) -> Self {
        self.query_flag("force", "Do it although tickets end")
            .query_number("expect_tickets", 2, "With force: only if exactly that many tickets end")
            .header("If-Match", "\"3\"", "Only if the lock's settings have this ETag")
            .errors(&[
                ErrorCode::WouldEndTickets,
                ErrorCode::LockChanged,
                ErrorCode::UnknownLock,
                ErrorCode::NotAllowed,
            ])
    }

    pub(super) fn body<T: ToSchema>(mut self, example: Value, required: bool) -> Self {
        let content = self.content::<T>(example);
        let required = if required { Required::True } else { Required::False };
        let body = RequestBodyBuilder::new().required(Some(required)).content("application/json", content);
        self.operation = self.operation.request_body(Some(body.build()));
        self.errors(&OF_BODIES)
    }

    fn content<T: ToSchema>(&mut self, example: Value) -> utoipa::openapi::Content {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        ContentBuilder::new().schema(Some(Ref::from_schema_name(T::name()))).example(Some(example)).build()
    }

    /// A success with a JSON body.
    pub(super) fn answer<T: ToSchema>(self, status: u16, about: &str, example: Value) -> Self {
        self.answer_with::<T>(status, about, example, &[])
    }

    /// A success with a JSON body and headers.
    pub(super) fn answer_with<T: ToSchema>(
        mut self,
        status: u16,
        about: &str,
        example: Value,
        headers: &[(&str, &str)],
    ) -> Self {
        let mut response = ResponseBuilder::new().description(about);
        response = response.content("application/json", self.content::<T>(example));
        for (name, about) in headers {
            response = response.header(*name, HeaderBuilder::new().schema(text()).description(Some(*about)).build());
        }
        self.operation = self.operation.response(status.to_string(), response);
        self
    }

    /// A success that is not JSON.
    pub(super) fn answer_plain(mut self, status: u16, about: &str, kind: Option<(&str, &str)>) -> Self {
        let mut response = ResponseBuilder::new().description(about);
        if let Some((kind, example)) = kind {
            let content = ContentBuilder::new().schema(Some(text())).example(Some(example.into()));
            response = response.content(kind, content.build());
        }
        self.operation = self.operation.response(status.to_string(), response);
        self
    }

    /// Errors beside those of every call.
    pub(super) fn errors(mut self, codes: &[ErrorCode]) -> Self {
        self.errors.extend(codes.iter().map(|code| (code.status(), code.as_str())));
        self
    }

    fn finish(mut self) -> (&'static str, HttpMethod, OperationBuilder, Schemas) {
        let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for (status, code) in std::mem::take(&mut self.errors) {
            by_status.entry(status).or_default().push(code);
        }
        for (status, codes) in by_status {
            let example = serde_json::to_value(example_problem(status, codes[0])).expect("plain data");
            let content = self.content::<Problem>(example);
            let response = ResponseBuilder::new().description(format!("`{}`", codes.join("`, `")));
            self.operation = self.operation.response(status.to_string(), response.content(PROBLEM_JSON, content));
        }
        (self.path, self.method, self.operation, self.schemas)
    }
}

fn example_problem(status: u16, code: &str) -> Problem {
    let code: ErrorCode = serde_json::from_value(code.into()).expect("any word is a code");
    Problem { status, ..Problem::new(code, "what happened, and what to do") }
}

/// The whole description.
pub(super) fn describe(calls: Vec<Call>) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = BTreeMap::new();
    for call in calls {
        let (path, method, operation, schemas) = call.finish();
        components.extend(schemas);
        // The builder merges methods of the same path.
        paths = paths.path(path, PathItemBuilder::new().operation(method, operation).build());
    }
    let license = LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build();
    let info = InfoBuilder::new()
        .title("lockserver")
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(license))
        .description(Some(
            "Caps how many of anything run at once. Asking for permits answers 2xx only when they are held, unless \
             `queue` was asked for. Errors are RFC 9457 problems with a stable `code`.",
        ))
        .build();
    let components = components.into_iter().fold(ComponentsBuilder::new(), |all, (name, one)| all.schema(name, one));
    let scheme = |scheme| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build());
    let components = components
        .security_scheme("key", scheme(HttpAuthScheme::Bearer))
        .security_scheme("key_as_password", scheme(HttpAuthScheme::Basic));
    // The empty one: a server may have no keys, or allow something without one.
    let needs = |name: &str| SecurityRequirement::new(name, <[String; 0]>::default());
    let security = [SecurityRequirement::default(), needs("key"), needs("key_as_password")];
    OpenApiBuilder::new()
        .info(info)
        .paths(paths.build())
        .components(Some(components.build()))
        .security(Some(security))
        .build()
}

/// What stands beside the API: for load balancers, supervisors and Prometheus.
pub(super) fn describe_neighbours() -> Vec<Call> {
    let text = |example| Some(("text/plain", example));
    vec![
        Call::beside(routes::HEALTHZ, "healthz", "Does the process answer?").answer_plain(200, "It does", text("ok\n")),
        Call::beside(routes::READYZ, "readyz", "Are requests served?")
            .answer_plain(200, "They are", text("ready\n"))
            .answer_plain(503, "They are not now, and why", text("disk full\n")),
        Call::beside(routes::METRICS, "metrics", "Metrics for Prometheus")
            .about("As OpenMetrics for clients that ask for `application/openmetrics-text`.")
            .answer_plain(200, "The metrics", text("lockserver_lock_size{lock=\"san-ssh\"} 7\n"))
            .answer_plain(401, "A key is needed", text("this needs the right \"observe\"\n"))
            .answer_plain(403, "The key does not have the right", text("the key does not have the right \"observe\"\n"))
            .answer_plain(500, "Internal error", text("internal error\n")),
    ]
}

/// The paths of the description itself, described.
pub(super) fn describe_itself() -> Vec<Call> {
    let describe = |path, name, summary, version: &str| {
        let mut call = Call::new(HttpMethod::Get, path, name, summary);
        let document = ObjectBuilder::new().schema_type(Type::Object);
        let content = ContentBuilder::new().schema(Some(document)).example(Some(json!({"openapi": version})));
        let response = ResponseBuilder::new().description("An OpenAPI document");
        call.operation = call.operation.response("200", response.content("application/json", content.build()));
        call
    };
    let old = "This description as OpenAPI 3.0, for generators of clients that read no 3.1";
    vec![
        describe(routes::OPENAPI, "openapi", "This description", "3.1.0"),
        describe(routes::OPENAPI_3_0, "openapi_3_0", old, "3.0.3"),
    ]
}
