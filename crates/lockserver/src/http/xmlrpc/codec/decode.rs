//! The grammar: a document to a call.

use lock_core::limits::{BODY_BYTES_MAX, METHOD_NAME_BYTES_MAX, XMLRPC_DEPTH_MAX, XMLRPC_VALUES_MAX};

use super::error::{DecodeError, quote};
use super::lexer::{Lexer, Token};
use super::{MethodCall, Value, base64, charset, is_xml_space};

/// The call in the body of a request; `charset` is that of the Content-Type header, if it has one.
///
/// Beyond the specification it takes what clients of 0.36 could send: text without a type, `i8` and `nil` (also as the `ex:`
/// ones of Apache), no `params`, blanks around numbers, any encoding, and in every place comments and CDATA.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(body: &[u8], charset: Option<&str>) -> Result<MethodCall, DecodeError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(DecodeError::TooLong { bytes: body.len(), max: BODY_BYTES_MAX });
    }
    let text = charset::to_text(body, charset)?;
    if text.chars().all(is_xml_space) {
        return Err(DecodeError::Empty);
    }
    let mut parser = Parser { lexer: Lexer::new(&text)?, values: 0 };
    match parser.outside()? {
        Token::Open(name) if name == "methodCall" => {}
        Token::Open(name) => return Err(DecodeError::NotMethodCall(quote(&name))),
        _ => return Err(parser.lexer.not_well_formed("no element")),
    }
    let call = parser.method_call()?;
    match parser.outside()? {
        Token::End => Ok(call),
        _ => Err(parser.lexer.not_well_formed("something follows the root element")),
    }
}

/// Recursive descent; each method reads from behind a start tag to behind its end tag.
struct Parser<'a> {
    lexer: Lexer<'a>,
    values: usize,
}

impl Parser<'_> {
    /// The next token outside of the root element that is not white space.
    fn outside(&mut self) -> Result<Token, DecodeError> {
        loop {
            match self.lexer.next()? {
                token if token.is_blank() => {}
                Token::Text { .. } => return Err(self.lexer.not_well_formed("text outside of the root element")),
                token => return Ok(token),
            }
        }
    }

    /// The name of the next element in `parent`, or `None` at its end. Text has no place there.
    fn child(&mut self, parent: &str) -> Result<Option<String>, DecodeError> {
        loop {
            match self.lexer.next()? {
                token if token.is_blank() => {}
                Token::Open(name) => return Ok(Some(name)),
                Token::Close => return Ok(None),
                Token::Text { .. } => return Err(self.wrong(format!("text between the elements of <{parent}>"))),
                Token::End => return Err(self.cut_off(parent)),
            }
        }
    }

    /// The characters of an element that has nothing else.
    fn text(&mut self, parent: &str) -> Result<String, DecodeError> {
        let mut text = String::new();
        loop {
            match self.lexer.next()? {
                Token::Text { chars, .. } => text.push_str(&chars),
                Token::Close => return Ok(text),
                Token::Open(name) => return Err(self.misplaced(&name, parent)),
                Token::End => return Err(self.cut_off(parent)),
            }
        }
    }

    fn method_call(&mut self) -> Result<MethodCall, DecodeError> {
        let (mut method, mut params) = (None, None);
        while let Some(name) = self.child("methodCall")? {
            match name.as_str() {
                "methodName" if method.is_none() => method = Some(self.method_name()?),
                "params" if params.is_none() => params = Some(self.params()?),
                _ => return Err(self.misplaced(&name, "methodCall")),
            }
        }
        match method {
            Some(method) => Ok(MethodCall { method, params: params.unwrap_or_default() }),
            None => Err(self.wrong("the <methodCall> has no <methodName>")),
        }
    }

    fn method_name(&mut self) -> Result<String, DecodeError> {
        let name = self.text("methodName")?;
        let name = name.trim_matches(is_xml_space);
        match name.len() {
            0 => Err(self.wrong("the <methodName> is empty")),
            1..=METHOD_NAME_BYTES_MAX => Ok(name.to_owned()),
            _ => Err(self.over(format!("a method name may have {METHOD_NAME_BYTES_MAX} bytes"))),
        }
    }

    fn params(&mut self) -> Result<Vec<Value>, DecodeError> {
        let mut params = Vec::new();
        while let Some(name) = self.child("params")? {
            if name != "param" {
                return Err(self.misplaced(&name, "params"));
            }
            match self.child("param")? {
                Some(name) if name == "value" => params.push(self.value(1)?),
                Some(name) => return Err(self.misplaced(&name, "param")),
                None => return Err(self.wrong("a <param> has no <value>")),
            }
            if let Some(name) = self.child("param")? {
                return Err(self.misplaced(&name, "param"));
            }
        }
        Ok(params)
    }

    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        if depth > XMLRPC_DEPTH_MAX {
            return Err(self.over(format!("values may be nested {XMLRPC_DEPTH_MAX} deep")));
        }
        self.values += 1;
        if self.values > XMLRPC_VALUES_MAX {
            return Err(self.over(format!("a call may have {XMLRPC_VALUES_MAX} values")));
        }
        let (mut text, mut blank) = (String::new(), true);
        loop {
            let token = self.lexer.next()?;
            blank &= !matches!(token, Token::Text { .. }) || token.is_blank();
            match token {
                Token::Text { chars, .. } => text.push_str(&chars),
                // Without a type it is a string, every blank of it.
                Token::Close => return Ok(Value::String(text)),
                Token::Open(_) if !blank => return Err(self.wrong("a <value> has both text and an element")),
                Token::Open(name) => {
                    let value = self.typed(&name, depth)?;
                    return match self.child("value")? {
                        None => Ok(value),
                        Some(name) => Err(self.misplaced(&name, "value")),
                    };
                }
                Token::End => return Err(self.cut_off("value")),
            }
        }
    }

    fn typed(&mut self, name: &str, depth: usize) -> Result<Value, DecodeError> {
        match name {
            "string" => self.text(name).map(Value::String),
            "int" | "i4" | "i8" | "i2" | "i1" | "ex:i8" | "ex:i2" | "ex:i1" => {
                self.scalar(name, "an integer of 64 bits", |text| text.parse().ok().map(Value::Int))
            }
            "boolean" => self.scalar(name, "0 or 1", |text| match text {
                "0" | "false" => Some(Value::Boolean(false)),
                "1" | "true" => Some(Value::Boolean(true)),
                _ => None,
            }),
            "double" | "ex:float" => self.scalar(name, "a number", |text| text.parse().ok().map(Value::Double)),
            "dateTime.iso8601" => self.scalar(name, "a time", |text| Some(Value::DateTime(text.to_owned()))),
            "base64" => {
                let text = self.text(name)?;
                base64::decode(&text)
                    .map(Value::Base64)
                    .map_err(|what| self.wrong(format!("the <base64> is damaged: {what}")))
            }
            "nil" | "ex:nil" => self.scalar(name, "empty", |text| text.is_empty().then_some(Value::Nil)),
            "array" => self.array(depth),
            "struct" => self.structure(depth),
            _ => Err(self.wrong(format!("<{}> is no type of value", quote(name)))),
        }
    }

    /// A value whose text matters without the blanks around it.
    fn scalar(
        &mut self,
        name: &str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Option<Value>,
    ) -> Result<Value, DecodeError> {
        let text = self.text(name)?;
        let text = text.trim_matches(is_xml_space);
        parse(text).ok_or_else(|| self.wrong(format!("'{}' in <{name}> is not {wanted}", quote(text))))
    }

    fn array(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let (mut items, mut seen) = (Vec::new(), false);
        while let Some(name) = self.child("array")? {
            if name != "data" || seen {
                return Err(self.misplaced(&name, "array"));
            }
            seen = true;
            while let Some(name) = self.child("data")? {
                if name != "value" {
                    return Err(self.misplaced(&name, "data"));
                }
                items.push(self.value(depth + 1)?);
            }
        }
        Ok(Value::Array(items))
    }

    fn structure(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut members = Vec::new();
        while let Some(name) = self.child("struct")? {
            if name != "member" {
                return Err(self.misplaced(&name, "struct"));
            }
            let (mut key, mut value) = (None, None);
            while let Some(name) = self.child("member")? {
                match name.as_str() {
                    "name" if key.is_none() => key = Some(self.text("name")?),
                    "value" if value.is_none() => value = Some(self.value(depth + 1)?),
                    _ => return Err(self.misplaced(&name, "member")),
                }
            }
            let (Some(key), Some(value)) = (key, value) else {
                return Err(self.wrong("a <member> needs a <name> and a <value>"));
            };
            members.push((key, value));
        }
        Ok(Value::Struct(members))
    }

    fn wrong(&self, what: impl Into<String>) -> DecodeError {
        DecodeError::NotXmlRpc { at: self.lexer.position(), what: what.into() }
    }

    fn misplaced(&self, name: &str, parent: &str) -> DecodeError {
        self.wrong(format!("<{}> has no place in <{parent}> here", quote(name)))
    }

    fn over(&self, what: String) -> DecodeError {
        DecodeError::OverBound { at: self.lexer.position(), what }
    }

    fn cut_off(&self, parent: &str) -> DecodeError {
        self.lexer.not_well_formed(format!("the document ends within <{parent}>"))
    }
}
