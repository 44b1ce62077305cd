//! Cuts a template into texts and actions, and an action into tokens (Go's text/template, «Actions»).

/// A piece of the template.
#[derive(Debug, PartialEq)]
pub enum Piece {
    Text(String),
    Action(Vec<Token>),
}

/// A token and whether a blank precedes it: `.A.B` is one argument, `.A .B` are two.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub kind: Kind,
    pub is_apart: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Dot,
    /// `.Name`, without its dot.
    Field(String),
    /// `$name`, with its dollar.
    Variable(String),
    /// A function, or a keyword.
    Word(String),
    String(String),
    Number(serde_json::Number),
    Open,
    Close,
    Pipe,
    Comma,
    Declare,
    Assign,
}

/// Texts and actions in order, with what `{{-` and `-}}` trim taken away.
pub fn pieces(template: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = template;
    let mut is_trimmed = false;
    loop {
        let (text, action) = match rest.split_once("{{") {
            Some((text, after)) => (text, Some(after)),
            None => (rest, None),
        };
        let text = if is_trimmed { text.trim_start() } else { text };
        let trims = action.is_some_and(|after| after.starts_with('-') && starts_blank(&after[1..]));
        let text = if trims { text.trim_end() } else { text };
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        let Some(after) = action else { return Ok(pieces) };
        let after = if trims { &after[1..] } else { after };
        let inside = after.trim_start();
        let end = if inside.starts_with("/*") {
            let close = inside.find("*/").ok_or("unclosed comment")?;
            after.len() - inside.len() + close + 2
        } else {
            let (tokens, end) = tokens(after)?;
            pieces.push(Piece::Action(tokens));
            end
        };
        let tail = after[end..].trim_start();
        is_trimmed = tail.starts_with("-}}");
        rest = tail
            .strip_prefix("-}}")
            .or_else(|| tail.strip_prefix("}}"))
            .ok_or("unclosed action")?;
    }
}

fn starts_blank(text: &str) -> bool {
    text.starts_with(char::is_whitespace)
}

/// The tokens up to the end of the action, and where that is.
fn tokens(text: &str) -> Result<(Vec<Token>, usize), String> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = text[at..].trim_start();
        let is_apart = rest.len() < text.len() - at || at == 0;
        at = text.len() - rest.len();
        let trims = is_apart && rest.starts_with("-}}");
        let Some(first) = rest.chars().next() else { return Err("unclosed action".into()) };
        if rest.starts_with("}}") || trims {
            return Ok((tokens, at));
        }
        let (kind, length) = token(first, rest)?;
        tokens.push(Token { kind, is_apart });
        at += length;
    }
}

fn token(first: char, rest: &str) -> Result<(Kind, usize), String> {
    let named = |from: usize| from + word(&rest[from..]);
    Ok(match first {
        '(' => (Kind::Open, 1),
        ')' => (Kind::Close, 1),
        '|' => (Kind::Pipe, 1),
        ',' => (Kind::Comma, 1),
        '=' => (Kind::Assign, 1),
        ':' if rest.starts_with(":=") => (Kind::Declare, 2),
        '"' => quoted(rest)?,
        '`' => {
            let end = rest[1..].find('`').ok_or("unterminated raw quoted string")?;
            (Kind::String(rest[1..=end].to_owned()), end + 2)
        }
        '.' if rest[1..].starts_with(is_name)
            && !rest[1..].starts_with(|c: char| c.is_ascii_digit()) =>
        {
            (Kind::Field(rest[1..named(1)].to_owned()), named(1))
        }
        '.' => (Kind::Dot, 1),
        '$' => (Kind::Variable(rest[..named(1)].to_owned()), named(1)),
        '0'..='9' | '-' | '+' => number(rest)?,
        c if is_name(c) => (Kind::Word(rest[..named(0)].to_owned()), named(0)),
        other => return Err(format!("unexpected {other:?}")),
    })
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(text: &str) -> usize {
    text.find(|c| !is_name(c)).unwrap_or(text.len())
}

fn number(rest: &str) -> Result<(Kind, usize), String> {
    let length = rest[1..].find(|c| !is_name(c) && c != '.').map_or(rest.len(), |at| at + 1);
    let text = rest[..length].trim_start_matches('+');
    let float = || text.parse().ok().and_then(serde_json::Number::from_f64);
    let number = text.parse::<i64>().ok().map(serde_json::Number::from).or_else(float);
    Ok((Kind::Number(number.ok_or_else(|| format!("bad number {text:?}"))?), length))
}

/// Go's interpreted string, with the escapes that formats use.
fn quoted(rest: &str) -> Result<(Kind, usize), String> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((Kind::String(text), at + 1)),
            '\\' => text.push(match chars.next().map(|(_, c)| c) {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some(c @ ('"' | '\\' | '\'')) => c,
                other => return Err(format!("unknown escape \\{}", other.unwrap_or(' '))),
            }),
            c => text.push(c),
        }
    }
    Err("unterminated quoted string".into())
}
