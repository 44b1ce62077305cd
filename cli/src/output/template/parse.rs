//! From tokens to a tree: pipelines, and the actions that hold others (`if`, `range`, `with`).

use serde_json::Value as Json;

use super::functions;
use super::lex::{self, Kind, Piece, Token};

/// How deep parentheses and blocks may stand in each other: each level takes some of the stack, here and
/// when the template is applied.
const DEEPEST: usize = 100;

/// A part of the template.
#[derive(Debug)]
pub enum Node {
    Text(String),
    /// Printed, unless it only sets variables.
    Pipeline(Pipeline),
    If(Pipeline, Vec<Node>, Vec<Node>),
    With(Pipeline, Vec<Node>, Vec<Node>),
    Range(Pipeline, Vec<Node>, Vec<Node>),
}

/// `$a, $b := command | command`.
#[derive(Debug)]
pub struct Pipeline {
    pub variables: Vec<String>,
    /// `:=`, not `=`.
    pub declares: bool,
    pub commands: Vec<Command>,
}

/// What is called, or is a value by itself, and arguments.
#[derive(Debug)]
pub struct Command {
    pub head: Operand,
    pub arguments: Vec<Operand>,
}

/// A term and the fields that are taken of it.
#[derive(Debug)]
pub struct Operand {
    pub term: Term,
    pub fields: Vec<String>,
}

#[derive(Debug)]
pub enum Term {
    Dot,
    Variable(String),
    Function(String),
    Literal(Json),
    Pipeline(Box<Pipeline>),
}

/// Parses a whole template.
pub fn parse(template: &str) -> Result<Vec<Node>, String> {
    let mut parser = Parser { pieces: lex::pieces(template)?.into_iter(), depth: 0 };
    let (nodes, end) = parser.nodes()?;
    match end {
        End::Template => Ok(nodes),
        End::Action => Err("unexpected {{end}}".into()),
        End::Else(_) => Err("unexpected {{else}}".into()),
    }
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    /// Blocks that are open.
    depth: usize,
}

/// What ended a list of nodes; an `else` may have an `if` or `with` behind it.
enum End {
    Template,
    /// `{{end}}`.
    Action,
    Else(Tokens),
}

impl Parser {
    fn nodes(&mut self) -> Result<(Vec<Node>, End), String> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let tokens = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens) => tokens,
            };
            let mut tokens = Tokens { rest: tokens.into_iter().peekable(), depth: 0 };
            match tokens.keyword() {
                Some("end") => {
                    tokens.next();
                    tokens.end()?;
                    return Ok((nodes, End::Action));
                }
                Some("else") => {
                    tokens.next();
                    return Ok((nodes, End::Else(tokens)));
                }
                Some("if" | "range" | "with") => nodes.push(self.block(tokens)?),
                _ => nodes.push(Node::Pipeline(tokens.whole_pipeline()?)),
            }
        }
        Ok((nodes, End::Template))
    }

    /// After `{{if`, `{{range` or `{{with`, which is still the next token.
    fn block(&mut self, tokens: Tokens) -> Result<Node, String> {
        self.depth += 1;
        deep(self.depth)?;
        let block = self.whole_block(tokens);
        self.depth -= 1;
        block
    }

    fn whole_block(&mut self, mut tokens: Tokens) -> Result<Node, String> {
        let keyword = tokens.keyword().unwrap_or_default().to_owned();
        tokens.next();
        let pipeline = tokens.whole_pipeline()?;
        let (then, end) = self.nodes()?;
        let otherwise = match end {
            End::Template => return Err(unended(&keyword)),
            End::Action => Vec::new(),
            End::Else(rest) => self.otherwise(&keyword, rest)?,
        };
        Ok(match keyword.as_str() {
            "if" => Node::If(pipeline, then, otherwise),
            "with" => Node::With(pipeline, then, otherwise),
            _ => Node::Range(pipeline, then, otherwise),
        })
    }

    /// After `{{else`. `else if` and `else with` have the one `end` of both.
    fn otherwise(&mut self, keyword: &str, mut rest: Tokens) -> Result<Vec<Node>, String> {
        if keyword != "range" && rest.keyword() == Some(keyword) {
            return Ok(vec![self.block(rest)?]);
        }
        rest.end()?;
        match self.nodes()? {
            (nodes, End::Action) => Ok(nodes),
            _ => Err(unended(keyword)),
        }
    }
}

fn deep(depth: usize) -> Result<(), String> {
    if depth > DEEPEST { Err(format!("nested more than {DEEPEST} deep")) } else { Ok(()) }
}

fn unended(keyword: &str) -> String {
    format!("{{{{{keyword}}}}} has no {{{{end}}}}")
}

/// The tokens of one action.
struct Tokens {
    rest: std::iter::Peekable<std::vec::IntoIter<Token>>,
    /// Parentheses that are open.
    depth: usize,
}

impl Tokens {
    fn next(&mut self) -> Option<Token> {
        self.rest.next()
    }

    fn peek(&mut self) -> Option<&Kind> {
        self.rest.peek().map(|token| &token.kind)
    }

    fn keyword(&mut self) -> Option<&str> {
        match self.peek() {
            Some(Kind::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn end(&mut self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(kind) => Err(format!("unexpected {kind:?}")),
        }
    }

    fn whole_pipeline(&mut self) -> Result<Pipeline, String> {
        let pipeline = self.pipeline()?;
        self.end()?;
        Ok(pipeline)
    }

    fn pipeline(&mut self) -> Result<Pipeline, String> {
        let (variables, declares) = self.variables()?;
        let mut commands = vec![self.command()?];
        while self.peek() == Some(&Kind::Pipe) {
            self.next();
            commands.push(self.command()?);
        }
        Ok(Pipeline { variables, declares, commands })
    }

    /// `$a :=`, `$a =`, `$a, $b :=`; nothing is taken where none of them stands.
    fn variables(&mut self) -> Result<(Vec<String>, bool), String> {
        let mut ahead = self.rest.clone().map(|token| token.kind);
        let mut names = Vec::new();
        loop {
            let Some(Kind::Variable(name)) = ahead.next() else { return Ok((Vec::new(), false)) };
            names.push(name);
            let declares = match ahead.next() {
                Some(Kind::Comma) => continue,
                Some(Kind::Declare) => true,
                Some(Kind::Assign) => false,
                _ => return Ok((Vec::new(), false)),
            };
            if names.len() > 2 {
                return Err("too many variables".into());
            }
            // Every name is followed by a comma or the sign.
            self.rest.nth(names.len() * 2 - 1);
            return Ok((names, declares));
        }
    }

    fn command(&mut self) -> Result<Command, String> {
        let head = self.operand()?.ok_or("missing value for command")?;
        let mut arguments = Vec::new();
        while let Some(operand) = self.operand()? {
            arguments.push(operand);
        }
        Ok(Command { head, arguments })
    }

    fn operand(&mut self) -> Result<Option<Operand>, String> {
        let mut fields = Vec::new();
        let term = match self.peek() {
            None | Some(Kind::Pipe | Kind::Close) => return Ok(None),
            Some(Kind::Field(name)) => {
                fields.push(name.clone());
                Term::Dot
            }
            Some(Kind::Dot) => Term::Dot,
            Some(Kind::Variable(name)) => Term::Variable(name.clone()),
            Some(Kind::String(text)) => Term::Literal(text.as_str().into()),
            Some(Kind::Number(number)) => Term::Literal(Json::Number(number.clone())),
            Some(Kind::Word(word)) => match word.as_str() {
                "true" => Term::Literal(true.into()),
                "false" => Term::Literal(false.into()),
                "nil" => Term::Literal(Json::Null),
                name if functions::exists(name) => Term::Function(name.to_owned()),
                name => return Err(format!("function {name:?} not defined")),
            },
            Some(Kind::Open) => {
                self.next();
                self.depth += 1;
                deep(self.depth)?;
                let pipeline = self.pipeline()?;
                self.depth -= 1;
                if self.peek() != Some(&Kind::Close) {
                    return Err("unclosed left paren".into());
                }
                Term::Pipeline(Box::new(pipeline))
            }
            Some(other) => return Err(format!("unexpected {other:?}")),
        };
        self.next();
        while let Some(Token { kind: Kind::Field(name), is_apart: false }) = self.rest.peek() {
            fields.push(name.clone());
            self.next();
        }
        Ok(Some(Operand { term, fields }))
    }
}
