"""The kinds and fields of the C grammar's nodes, by their numbers: these are told fast."""

from __future__ import annotations

import sys

import tree_sitter
import tree_sitter_c

LANGUAGE = tree_sitter.Language(tree_sitter_c.language())
KINDS = tuple(LANGUAGE.node_kind_for_id(i) or "" for i in range(LANGUAGE.node_kind_count))


def kinds(*names: str) -> frozenset[int]:
    """The numbers of kinds of nodes; the grammar has more than one for a few."""
    return frozenset(i for i, name in enumerate(KINDS) if name in names)


def field(name: str) -> int:
    """The number of a field of nodes; asking by it takes half the time of asking by its name."""
    return LANGUAGE.field_id_for_name(name) or 0


ALTERNATIVE = field("alternative")
ARGUMENTS = field("arguments")
BODY = field("body")
CONDITION = field("condition")
CONSEQUENCE = field("consequence")
DECLARATOR = field("declarator")
FUNCTION = field("function")
INITIALIZER = field("initializer")
LABEL = field("label")
TYPE = field("type")
UPDATE = field("update")
VALUE = field("value")
(COMPOUND,) = kinds("compound_statement")
(ELSE,) = kinds("else_clause")
(IDENTIFIER,) = kinds("identifier")
(STORAGE,) = kinds("storage_class_specifier")
(INITIALISED,) = kinds("init_declarator")
POINTERS = kinds("pointer_declarator")
ARRAYS = kinds("array_declarator")
FUNCTIONS = kinds("function_declarator")
TYPE_KINDS = kinds("type_identifier", "primitive_type", "sized_type_specifier", "macro_type_specifier") | kinds(
    "struct_specifier", "union_specifier", "enum_specifier"
)
DECLARATOR_KINDS = kinds("identifier", "init_declarator", "parenthesized_declarator") | POINTERS | ARRAYS | FUNCTIONS
ARGUMENT_TYPES = TYPE_KINDS | kinds("type_descriptor")
NAMES = kinds("identifier", "field_identifier", "true", "false", "null")
CALL_KINDS = kinds("call_expression")
#: Operators, which are kinds of their own, by number.
OPERATORS = {i: sys.intern(name) for i, name in enumerate(KINDS) if name and set(name) <= set("+-*/%|&^=!<>")}
