//! The XML-RPC codec through its public API: what 0.36 answered, what real clients send, and what is refused.

use lock_core::limits::{
    BODY_BYTES_MAX, METHOD_NAME_BYTES_MAX, XMLRPC_ATTRIBUTES_MAX, XMLRPC_DEPTH_MAX, XMLRPC_VALUES_MAX,
};
use lockserver::http::xmlrpc::codec::{MethodCall, Value, decode, encode_fault, encode_response};

/// Requests and answers of a running 0.36.
const TRANSCRIPTS: &str = include_str!("fixtures/transcripts.json");

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// The text of a call with these `<param>` contents.
fn call(params: &[&str]) -> String {
    let params: String = params.iter().map(|value| format!("<param>{value}</param>")).collect();
    format!("<methodCall><methodName>m</methodName><params>{params}</params></methodCall>")
}

fn error(body: &str) -> String {
    match decode(body.as_bytes(), None) {
        Ok(call) => panic!("{body:?} was taken as {call:?}"),
        Err(error) => error.to_string(),
    }
}

/// The value of an answer, read as if it were the parameter of a call.
fn answered(response: &str) -> Value {
    let request = response
        .replace("<methodResponse>", "<methodCall><methodName>m</methodName>")
        .replace("</methodResponse>", "</methodCall>")
        .replace("<fault>", "<params><param>")
        .replace("</fault>", "</param></params>");
    let mut call = decode(request.as_bytes(), None).unwrap_or_else(|error| panic!("{error}: {response}"));
    assert_eq!(call.params.len(), 1);
    call.params.remove(0)
}

#[test]
fn transcripts_of_0_36() {
    let transcripts: Vec<serde_json::Value> = serde_json::from_str(TRANSCRIPTS).expect("a list");
    let (mut values, mut faults, mut refused) = (0, 0, 0);
    for transcript in &transcripts {
        let text = |key: &str| transcript[key].as_str().expect("a text");
        let (case, response) = (text("case"), text("response"));
        let decoded = decode(text("request").as_bytes(), Some("utf-8"));
        if !response.contains("<fault>") {
            assert!(decoded.is_ok(), "{case}: {decoded:?}");
            assert_eq!(encode_response(&answered(response)), response, "{case}");
            values += 1;
            continue;
        }
        let Value::Struct(members) = answered(response) else { panic!("{case}: {response}") };
        let [(_, Value::Int(code)), (_, Value::String(message))] = &members[..] else { panic!("{case}: {members:?}") };
        assert_eq!(encode_fault(*code, message), response, "{case}");
        // Its own parsers said no, or else what was called did.
        let unreadable = message.starts_with("<class 'xml");
        assert_eq!(decoded.is_err(), unreadable, "{case}: {decoded:?}");
        faults += 1;
        refused += usize::from(unreadable);
    }
    assert_eq!((values, faults, refused), (17, 11, 4), "every kind of transcript was seen");
}

#[test]
fn calls_of_0_36_mean_what_they_say() {
    let transcripts: Vec<serde_json::Value> = serde_json::from_str(TRANSCRIPTS).expect("a list");
    let decoded = |case: &str| {
        let found = transcripts.iter().find(|transcript| transcript["case"] == case).expect(case);
        decode(found["request"].as_str().expect("a text").as_bytes(), None).expect(case)
    };
    let query = |info| MethodCall { method: "query_lock".to_owned(), params: vec![string("DefaultLock"), info] };
    assert_eq!(decoded("query_lock untyped value"), query(string("plain text")));
    assert_eq!(decoded("query_lock info is an int"), query(Value::Int(7)));
    assert_eq!(decoded("query_lock info with markup and non-ASCII"), query(string("<b>café & co</b>")));
    let host = Value::Struct(vec![("host".to_owned(), string("n1"))]);
    assert_eq!(decoded("query_lock info is a struct"), query(host));
    assert_eq!(decoded("too few arguments"), MethodCall { method: "query_lock".to_owned(), params: vec![] });
}

#[test]
fn answers_byte_for_byte() {
    let granted = Value::Array(vec![Value::Boolean(true), Value::Boolean(false)]);
    assert_eq!(
        encode_response(&granted),
        "<?xml version='1.0' encoding='UTF-8'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n\
         <value><boolean>1</boolean></value>\n<value><boolean>0</boolean></value>\n</data></array></value>\n\
         </param>\n</params>\n</methodResponse>\n"
    );
    let missing = Value::Array(vec![Value::Boolean(false), string("lock does not exist")]);
    assert_eq!(
        encode_response(&missing),
        "<?xml version='1.0' encoding='UTF-8'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n\
         <value><boolean>0</boolean></value>\n<value><string>lock does not exist</string></value>\n</data></array></value>\n\
         </param>\n</params>\n</methodResponse>\n"
    );
    assert_eq!(
        encode_fault(1, "no \"such\" <lock> & 'name'\u{0}\u{ffff}"),
        "<?xml version='1.0' encoding='UTF-8'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n\
         <name>faultCode</name>\n<value><int>1</int></value>\n</member>\n<member>\n<name>faultString</name>\n\
         <value><string>no \"such\" &lt;lock&gt; &amp; 'name'\u{fffd}\u{fffd}</string></value>\n</member>\n</struct></value>\n\
         </fault>\n</methodResponse>\n"
    );
    // As Python 2.7.18 wrote them; its `nil` had no line end, and 0.36 never sent one.
    let others = [
        (Value::Int(-2_147_483_648), "<value><int>-2147483648</int></value>\n"),
        (Value::Int(2_147_483_648), "<value><i8>2147483648</i8></value>\n"),
        (Value::Double(1e16), "<value><double>1e+16</double></value>\n"),
        (
            Value::DateTime("20260101T00:00:00".to_owned()),
            "<value><dateTime.iso8601>20260101T00:00:00</dateTime.iso8601></value>\n",
        ),
        (Value::Base64(vec![]), "<value><base64>\n</base64></value>\n"),
        (
            Value::Base64(b"abc".repeat(20)),
            "<value><base64>\nYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJjYWJj\nYWJj\n</base64></value>\n",
        ),
        (string("é\r\n"), "<value><string>é\r\n</string></value>\n"),
        (Value::Array(vec![]), "<value><array><data>\n</data></array></value>\n"),
        (
            Value::Struct(vec![("<k>".to_owned(), Value::Int(1))]),
            "<value><struct>\n<member>\n<name>&lt;k&gt;</name>\n<value><int>1</int></value>\n</member>\n</struct></value>\n",
        ),
        (Value::Nil, "<value><nil/></value>\n"),
    ];
    for (value, text) in others {
        let expected = format!(
            "<?xml version='1.0' encoding='UTF-8'?>\n<methodResponse>\n<params>\n<param>\n{text}</param>\n</params>\n</methodResponse>\n"
        );
        assert_eq!(encode_response(&value), expected);
    }
}

#[test]
fn values_that_clients_send() {
    let cases = [
        ("<value>plain</value>", string("plain")),
        ("<value> a\r\n\tb\r </value>", string(" a\n\tb\n ")),
        ("<value>\n</value>", string("\n")),
        ("<value/>", string("")),
        ("<value></value>", string("")),
        ("<value><string/></value>", string("")),
        ("<value>\n <string> x </string>\n</value>", string(" x ")),
        (
            "<value>a<!-- <b> -->c<![CDATA[<&>\r\n]]><?p i?>&#65;&#x20ac;&amp;&lt;&gt;&quot;&apos;</value>",
            string("ac<&>\nA€&<>\"'"),
        ),
        ("<value>&#13;</value>", string("\r")),
        ("<value><![CDATA[ ]]></value>", string(" ")),
        ("<value ><int a='1' b=\"&lt;\" > -05\n</int ></value >", Value::Int(-5)),
        ("<value><i4>+7</i4></value>", Value::Int(7)),
        ("<value><i8>-9223372036854775808</i8></value>", Value::Int(i64::MIN)),
        ("<value><ex:i1>1</ex:i1></value>", Value::Int(1)),
        ("<value><boolean> 1 </boolean></value>", Value::Boolean(true)),
        ("<value><boolean>false</boolean></value>", Value::Boolean(false)),
        ("<value><double> -1.5e3 </double></value>", Value::Double(-1500.0)),
        (
            "<value><dateTime.iso8601> 20260101T00:00:00 </dateTime.iso8601></value>",
            Value::DateTime("20260101T00:00:00".to_owned()),
        ),
        ("<value><base64>\n  aGVs\r\n bG8= </base64></value>", Value::Base64(b"hello".to_vec())),
        ("<value><nil/></value>", Value::Nil),
        ("<value><ex:nil></ex:nil></value>", Value::Nil),
        ("<value><array/></value>", Value::Array(vec![])),
        (
            "<value><array> <data> <value>a</value> <value><int>1</int></value> </data> </array></value>",
            Value::Array(vec![string("a"), Value::Int(1)]),
        ),
        ("<value><struct/></value>", Value::Struct(vec![])),
        (
            "<value><struct> <member> <value>1</value> <name> k </name> </member><member><name> k </name><value/></member></struct></value>",
            Value::Struct(vec![(" k ".to_owned(), string("1")), (" k ".to_owned(), string(""))]),
        ),
    ];
    for (text, value) in cases {
        let expected = MethodCall { method: "m".to_owned(), params: vec![value.clone(), value] };
        assert_eq!(decode(call(&[text, text]).as_bytes(), None).as_ref(), Ok(&expected), "{text}");
    }
}

#[test]
fn documents_that_clients_send() {
    let bare = MethodCall { method: "a.b_c/D:1".to_owned(), params: vec![] };
    for text in [
        "<methodCall><methodName>a.b_c/D:1</methodName></methodCall>",
        "\u{feff}<?xml version=\"1.0\"?>\r\n<methodCall>\r\n<methodName> a.b_c/D:1\n</methodName><params/>\r\n</methodCall>\r\n",
        "<!-- before --><?pi?><methodCall xmlns:ex='urn:x'><params></params><methodName>a.b_c/D:1</methodName></methodCall><!-- after --><?pi?>\n",
        "<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n\n<methodCall><methodName>a.<!-- -->b_c&#47;D:1</methodName></methodCall>",
    ] {
        assert_eq!(decode(text.as_bytes(), None).as_ref(), Ok(&bare), "{text}");
    }
    let text = call(&["<value>café</value>"]);
    let latin1: Vec<u8> =
        format!("<?xml version='1.0' encoding='ISO-8859-1'?>{text}").chars().map(|c| c as u8).collect();
    let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (body, charset) in
        [(latin1.clone(), None), (latin1.clone(), Some("utf-8")), (latin1, Some("latin1")), (utf16, None)]
    {
        assert_eq!(decode(&body, charset).expect("a call").params, [string("café")], "{charset:?}");
    }
}

#[test]
fn what_is_refused_says_what_and_where() {
    let named = |name: &str| format!("<methodCall><methodName>{name}</methodName></methodCall>");
    let cases: Vec<(String, &str)> = [
        ("", "empty body"),
        (" \r\n", "empty body"),
        ("garbage", "not well-formed XML at line 1, column 0: text outside of the root element"),
        ("<?xml version='1.0'?><hello/>", "this is no methodCall but <hello>"),
        ("<methodCall>\n <methodName", "not well-formed XML at line 2, column 1: tag not closed"),
        (
            "<methodCall><methodName>m</methodName>",
            "not well-formed XML at line 1, column 38: the document ends within <methodCall>",
        ),
        ("<methodCall></x>", "expected `</methodCall>`, but `</x>` was found"),
        (
            "<!DOCTYPE methodCall [<!ENTITY a 'b'>]><methodCall/>",
            "a document type declaration (<!DOCTYPE) at line 1, column 0 is refused",
        ),
        ("<!doctype methodCall><methodCall/>", "a document type declaration"),
        (" <?xml version='1.0'?><methodCall/>", "an XML declaration must be the very beginning"),
        ("<?xml encoding='utf-8'?><methodCall/>", "must start with `version`"),
        (
            "<?xml version='1.0' encoding='EBCDIC-X'?><methodCall/>",
            "unknown character encoding 'EBCDIC-X' in the XML declaration",
        ),
        ("\u{feff}\u{feff}<methodCall/>", "the character U+FEFF is not allowed there"),
        ("<!-- a -- b --><methodCall/>", "forbidden string `--` was found in a comment"),
        ("<methodCall/>", "not XML-RPC at line 1, column 13: the <methodCall> has no <methodName>"),
        ("<methodCall><params/></methodCall>", "has no <methodName>"),
        ("<methodCall>x</methodCall>", "text between the elements of <methodCall>"),
        (
            "<methodCall><methodName>a</methodName><methodName>b</methodName></methodCall>",
            "<methodName> has no place in <methodCall> here",
        ),
        ("<methodResponse><params/></methodResponse>", "this is no methodCall but <methodResponse>"),
    ]
    .map(|(text, message)| (text.to_owned(), message))
    .into_iter()
    .chain([
        (named(""), "the <methodName> is empty"),
        (named(" \n"), "the <methodName> is empty"),
        (named("<b/>"), "<b> has no place in <methodName> here"),
        (named(&"m".repeat(METHOD_NAME_BYTES_MAX + 1)), "a method name may have 200 bytes"),
        (named("m") + "x", "text outside of the root element"),
        (named("m") + "&#32;", "text outside of the root element"),
        (named("m") + "<a/>", "something follows the root element"),
        (named("m") + "</a>", "close tag `</a>` does not match any open tag"),
    ])
    .chain(
        [
            ("", "a <param> has no <value>"),
            ("x", "text between the elements of <param>"),
            ("<int>1</int>", "<int> has no place in <param> here"),
            ("<value/><value/>", "<value> has no place in <param> here"),
            ("<value>x<int>1</int></value>", "a <value> has both text and an element"),
            ("<value>&#32;<int>1</int></value>", "a <value> has both text and an element"),
            ("<value><int>1</int>x</value>", "text between the elements of <value>"),
            ("<value><int>1</int><int>2</int></value>", "<int> has no place in <value> here"),
            ("<value><integer>1</integer></value>", "<integer> is no type of value"),
            ("<value><int></int></value>", "'' in <int> is not an integer of 64 bits"),
            ("<value><i8>9223372036854775808</i8></value>", "is not an integer of 64 bits"),
            ("<value><int>1.0</int></value>", "'1.0' in <int> is not an integer"),
            ("<value><boolean>2</boolean></value>", "'2' in <boolean> is not 0 or 1"),
            ("<value><double>1,5</double></value>", "'1,5' in <double> is not a number"),
            ("<value><nil>x</nil></value>", "'x' in <nil> is not empty"),
            ("<value><base64>a</base64></value>", "the <base64> is damaged: a character is missing"),
            ("<value><string>a<b/></string></value>", "<b> has no place in <string> here"),
            ("<value><array><value/></array></value>", "<value> has no place in <array> here"),
            ("<value><array><data/><data/></array></value>", "<data> has no place in <array> here"),
            ("<value><array><data><int>1</int></data></array></value>", "<int> has no place in <data> here"),
            ("<value><struct><name/></struct></value>", "<name> has no place in <struct> here"),
            ("<value><struct><member><name/></member></struct></value>", "a <member> needs a <name> and a <value>"),
            ("<value><struct><member><name/><name/></member></struct></value>", "<name> has no place in <member> here"),
            ("<value>a & b</value>", "a bare '&' is written '&amp;'"),
            ("<value>&nbsp;</value>", "unknown entity '&nbsp;'"),
            ("<value>&#0;</value>", "'&#0;' is no character of XML"),
            ("<value>&#xFFFE;</value>", "'&#xFFFE;' is no character of XML"),
            ("<value>&#xD800;</value>", "is no character of XML"),
            ("<value>\u{1}</value>", "the character U+0001 is not allowed there"),
            ("<value>]]></value>", "']]>' within text"),
            ("<value a=1></value>", "not well-formed XML at line 1, column 53: "),
            ("<value a='1' a='2'></value>", "not well-formed XML at line 1, column 53: "),
            ("<value a='<'></value>", "'<' within an attribute"),
            ("<value a='&b;'></value>", "unrecognized entity `b`"),
        ]
        .map(|(value, message)| (call(&[value]), message)),
    )
    .collect();
    for (text, message) in cases {
        let error = error(&text);
        assert!(error.contains(message), "{text:?}\n   {error}\nnot {message}");
    }
    let error = decode(b"<methodCall>\xff", None).expect_err("no UTF-8").to_string();
    assert!(error.starts_with("the body is not UTF-8: byte 12 does not fit"), "{error}");
}

#[test]
fn everything_has_a_bound() {
    let deep = |depth: usize| {
        let arrays = depth - 1;
        call(&[&("<value><array><data>".repeat(arrays) + "<value/>" + &"</data></array></value>".repeat(arrays))])
    };
    assert!(decode(deep(XMLRPC_DEPTH_MAX).as_bytes(), None).is_ok());
    assert!(error(&deep(XMLRPC_DEPTH_MAX + 1)).contains("values may be nested 16 deep"));

    let many = |count: usize| {
        call(&[&("<value><array><data>".to_owned() + &"<value/>".repeat(count - 1) + "</data></array></value>")])
    };
    assert!(decode(many(XMLRPC_VALUES_MAX).as_bytes(), None).is_ok());
    assert!(error(&many(XMLRPC_VALUES_MAX + 1)).contains("a call may have 5000 values"));

    let attributes = |count: usize| {
        let attributes: String = (0..count).map(|i| format!(" a{i}=''")).collect();
        call(&[&format!("<value{attributes}/>")])
    };
    assert!(decode(attributes(XMLRPC_ATTRIBUTES_MAX).as_bytes(), None).is_ok());
    assert!(error(&attributes(XMLRPC_ATTRIBUTES_MAX + 1)).contains("an element may have 32 attributes"));

    let long = |bytes: usize| {
        let frame = call(&["<value></value>"]).len();
        call(&[&format!("<value>{}</value>", "x".repeat(bytes - frame))])
    };
    assert!(decode(long(BODY_BYTES_MAX).as_bytes(), None).is_ok());
    assert_eq!(error(&long(BODY_BYTES_MAX + 1)), "the body has 65537 bytes, 65536 at most are allowed");

    let name = "n".repeat(10_000);
    for text in [
        format!("<{name}/>"),
        call(&[&format!("<value><{name}/></value>")]),
        call(&[&format!("<value>&{name};</value>")]),
    ] {
        assert!(error(&text).len() < 300, "a message quotes little");
    }
}
