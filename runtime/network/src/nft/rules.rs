//! A socket to nftables: transactions, and the questions we have.

use rustix::io::Errno;

use super::batch::{
    ACK, CHAIN_HOOK, CHAIN_NAME, CHAIN_POLICY, CHAIN_TABLE, CHAIN_USE, DUMP, GETCHAIN, GETGEN,
    GETRULE, GETTABLE, HOOK_NUMBER, RULE_CHAIN, RULE_HANDLE, RULE_TABLE, RULE_USERDATA, TABLE_NAME,
    TABLE_USERDATA, begin, delete_table, end, message,
};
use super::table::{self, INET};
use crate::netlink::{Answer, Family, Message, Refused, Socket, be32, find, text};

/// How often a transaction is tried anew when others change rules meanwhile.
pub(super) const PATIENCE: usize = 32;

/// Where packets are when a chain sees them, `NF_INET_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// On their way through.
    Forward = 2,
}

/// A chain, of whomever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// `NFPROTO_*`.
    pub family: u8,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// The number of the hook that calls it, if one does.
    pub hook: Option<u32>,
    /// Whether it drops what none of its rules accepts.
    pub drops: bool,
}

/// A socket to nftables, and the name of our table.
#[derive(Debug)]
pub struct Rules {
    pub(super) socket: Socket,
    pub(super) table: String,
}

impl Rules {
    /// Opens one, in the network namespace of this thread.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn open(table: String) -> Result<Self, Refused> {
        Ok(Self { socket: Socket::open(Family::Netfilter)?, table })
    }

    /// The table's name.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Whether table, chains and all rules are there, of this version.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn is_intact(&mut self) -> Result<bool, Refused> {
        let mut get_table = message(GETTABLE, ACK, INET);
        get_table.text(TABLE_NAME, &self.table);
        let mut messages = vec![get_table];
        let chains = table::chains();
        for ours in &chains {
            let mut get_chain = message(GETCHAIN, ACK, INET);
            get_chain.text(CHAIN_TABLE, &self.table).text(CHAIN_NAME, ours.chain.name);
            messages.push(get_chain);
        }
        let answers = self.socket.exchange(&messages)?;
        let mut bodies = Vec::new();
        for answer in answers {
            match answer.outcome {
                Some(Err(refused)) if refused.errno == Errno::NOENT => return Ok(false),
                Some(Err(refused)) => return Err(refused),
                _ => bodies.extend(answer.replies.into_iter().next().map(|reply| reply.body)),
            }
        }
        let attribute = |nth: usize, kind| find(bodies.get(nth)?.get(4..)?, kind);
        let is_ours = attribute(0, TABLE_USERDATA) == Some(&table::mark());
        let has_rules = (1..).zip(&chains).all(|(nth, ours)| {
            let uses = attribute(nth, CHAIN_USE).and_then(be32);
            uses.is_some_and(|uses| uses as usize == ours.rules.len())
        });
        Ok(is_ours && has_rules)
    }

    /// Makes the table with its chains and rules where they are missing; elements stay.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn install(&mut self) -> Result<(), Refused> {
        if self.is_intact()? {
            return Ok(());
        }
        let messages = table::install(&self.table);
        match self.transact(&messages, None) {
            // Sets of another shape: another version's. What they held, `reload` puts back.
            Err(refused) if refused.errno == Errno::EXIST => {
                let messages = table::replace(&self.table);
                self.transact(&messages, None)
            }
            result => result,
        }
    }

    /// Makes the table anew and empty, together with what `fill` adds, in one transaction.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn replace(&mut self, fill: Vec<Message>) -> Result<(), Refused> {
        let mut messages = table::replace(&self.table);
        messages.extend(fill);
        self.transact(&messages, None)
    }

    /// Takes the table away.
    ///
    /// # Errors
    ///
    /// What the kernel says, but for that there is none.
    pub fn remove(&mut self) -> Result<(), Refused> {
        let messages = [delete_table(&self.table)];
        match self.transact(&messages, None) {
            Err(refused) if refused.errno == Errno::NOENT => Ok(()),
            result => result,
        }
    }

    /// The chains of all tables.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn chains(&mut self) -> Result<Vec<Chain>, Refused> {
        let message = message(GETCHAIN, DUMP, 0);
        Ok(self.ask(&message)?.replies.iter().filter_map(|reply| chain(&reply.body)).collect())
    }

    /// Those of some chains that are there, however many others are: family, table, name.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn some_chains(&mut self, wanted: &[(u8, &str, &str)]) -> Result<Vec<Chain>, Refused> {
        let questions: Vec<_> = wanted
            .iter()
            .map(|(family, table, name)| {
                let mut message = message(GETCHAIN, ACK, *family);
                message.text(CHAIN_TABLE, table).text(CHAIN_NAME, name);
                message
            })
            .collect();
        let mut found = Vec::new();
        for answer in self.socket.exchange(&questions)? {
            match answer.outcome {
                Some(Err(refused)) if refused.errno == Errno::NOENT => {}
                Some(Err(refused)) => return Err(refused),
                _ => found.extend(answer.replies.first().and_then(|reply| chain(&reply.body))),
            }
        }
        Ok(found)
    }

    /// The handles of the rules of a chain that carry this userdata.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn marked(
        &mut self,
        family: u8,
        (table, chain): (&str, &str),
        userdata: &[u8],
    ) -> Result<Vec<u64>, Refused> {
        let mut message = message(GETRULE, DUMP, family);
        message.text(RULE_TABLE, table).text(RULE_CHAIN, chain);
        let answer = self.ask(&message)?;
        Ok(answer.replies.iter().filter_map(|reply| handle(&reply.body, userdata)).collect())
    }

    /// Does all of `messages` or nothing; with `generation`, only while nobody changed anything since.
    ///
    /// # Errors
    ///
    /// The first that was refused.
    pub fn transact(
        &mut self,
        messages: &[Message],
        generation: Option<u32>,
    ) -> Result<(), Refused> {
        for answer in self.attempt(messages, generation)? {
            if let Some(Err(refused)) = answer.outcome {
                return Err(refused);
            }
        }
        Ok(())
    }

    /// As [`Rules::transact`], with an answer for each of `messages`, then one for the whole.
    pub(super) fn attempt(
        &mut self,
        messages: &[Message],
        generation: Option<u32>,
    ) -> Result<Vec<Answer>, Refused> {
        let mut batch = vec![begin(generation)];
        batch.extend_from_slice(messages);
        batch.push(end());
        let mut answers = self.socket.exchange(&batch)?;
        // The end is never answered; what the beginning is told is about the whole.
        answers.pop();
        answers.rotate_left(1);
        Ok(answers)
    }

    /// The number of the present state of all rules of this namespace.
    pub(super) fn generation(&mut self) -> Result<u32, Refused> {
        let answer = self.ask(&message(GETGEN, ACK, 0))?;
        let number = |body: &[u8]| find(body.get(4..)?, 1).and_then(be32);
        Ok(answer.replies.first().and_then(|reply| number(&reply.body)).unwrap_or_default())
    }

    /// One question; a dump that saw changes is asked for anew.
    pub(super) fn ask(&mut self, message: &Message) -> Result<Answer, Refused> {
        for _ in 0..PATIENCE {
            let mut answers = self.socket.exchange(std::slice::from_ref(message))?;
            let answer = answers.pop().expect("one answer a message");
            match answer.outcome {
                Some(Err(refused)) if refused.errno == Errno::INTR => {}
                Some(Err(refused)) => return Err(refused),
                _ if answer.was_interrupted => {}
                _ => return Ok(answer),
            }
        }
        Err(Errno::AGAIN.into())
    }
}

/// The handle of a rule, if it carries this userdata.
pub(crate) fn handle(body: &[u8], userdata: &[u8]) -> Option<u64> {
    let rest = body.get(4..)?;
    let handle = find(rest, RULE_HANDLE)?.try_into().ok()?;
    (find(rest, RULE_USERDATA) == Some(userdata)).then_some(u64::from_be_bytes(handle))
}

pub(crate) fn chain(body: &[u8]) -> Option<Chain> {
    let rest = body.get(4..)?;
    let hook = find(rest, CHAIN_HOOK);
    Some(Chain {
        family: body[0],
        table: text(find(rest, CHAIN_TABLE)?),
        name: text(find(rest, CHAIN_NAME)?),
        hook: hook.and_then(|hook| find(hook, HOOK_NUMBER)).and_then(be32),
        drops: find(rest, CHAIN_POLICY).and_then(be32) == Some(0),
    })
}
