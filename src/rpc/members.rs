//! Members of a struct, given one by one to whoever builds or writes it.
//!
//! Pure. What `getProcessInfo` tells is said once, in [`super::info`], and goes to a [`Value`] tree
//! (a single process, `system.multicall`, JSON) or straight into a document: with a thousand
//! processes the tree costs five times what the document does.

use super::value::Value;

/// A member's name, with what stands before its value in a document: joined at compile time.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Its name. Plain ASCII letters, nothing that XML escapes.
    pub name: &'static str,
    /// All up to a text.
    pub(super) text: &'static str,
    /// All up to a number of 32 bits.
    pub(super) int: &'static str,
}

/// The [`Member`] of that name.
macro_rules! member {
    ($name:literal) => {
        $crate::rpc::members::Member::joined(
            $name,
            concat!("<member>\n<name>", $name, "</name>\n<value><string>"),
            concat!("<member>\n<name>", $name, "</name>\n<value><int>"),
        )
    };
}
pub(super) use member;

impl Member {
    /// For the macro.
    pub(super) const fn joined(
        name: &'static str,
        text: &'static str,
        int: &'static str,
    ) -> Member {
        Member { name, text, int }
    }
}

/// Takes the members of one struct, in their order.
pub trait Members {
    /// A member that is a text.
    fn text(&mut self, member: Member, value: &str);
    /// A member that is a number.
    fn int(&mut self, member: Member, value: i32);
}

/// Builds a [`Value::Struct`].
#[derive(Debug, Default)]
pub struct Tree(Vec<(String, Value)>);

impl Tree {
    /// With room for `members`.
    pub fn with_capacity(members: usize) -> Tree {
        Tree(Vec::with_capacity(members))
    }
    /// The struct.
    pub fn into_value(self) -> Value {
        Value::Struct(self.0)
    }
}

impl Members for Tree {
    fn text(&mut self, member: Member, value: &str) {
        self.0.push((member.name.to_owned(), value.into()));
    }
    fn int(&mut self, member: Member, value: i32) {
        self.0.push((member.name.to_owned(), value.into()));
    }
}
